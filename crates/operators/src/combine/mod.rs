//! Several publishers as one.

mod chain;
mod concat;
mod merge;
mod start_with;
mod switch_if_empty;
mod zip;
pub use crate::either::Same;
pub use chain::Chain;
pub use concat::{Concat, concat};
pub use merge::{Merge, merge_all};
pub use start_with::StartWith;
pub use switch_if_empty::SwitchIfEmpty;
pub use zip::{Zip, zip};
