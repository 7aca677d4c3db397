//! Only so many items.

mod take;
pub use take::Take;
