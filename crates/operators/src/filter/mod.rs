//! Some of the items.

#[expect(clippy::module_inception, reason = "a file is named as its operator")]
mod filter;
pub use filter::Filter;
