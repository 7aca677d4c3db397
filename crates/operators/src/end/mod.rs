//! Where streams end, in something to await or to wait for.

mod collect;
pub use collect::Collect;
