//! Where streams begin.

mod from_iter;
pub(crate) use from_iter::PullIter;
pub use from_iter::{FromIter, from_iter};
