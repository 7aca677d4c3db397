//! Where streams begin.

mod from_iter;
pub use from_iter::{FromIter, from_iter};
