//! Several publishers as one.

mod chain;
mod combine_latest;
mod combine_latest_conflated;
mod concat;
mod interleave;
mod merge;
mod merge_delay_error;
mod merge_sorted;
mod race;
mod start_with;
mod switch_if_empty;
mod with_latest_from;
mod zip;
pub use crate::either::Same;
pub use chain::Chain;
pub use combine_latest::{CombineLatest, combine_latest};
pub use combine_latest_conflated::{CombineLatestConflated, combine_latest_conflated};
pub use concat::{Concat, concat};
pub use interleave::{Interleave, interleave_all};
pub use merge::{Merge, merge_all};
pub use merge_delay_error::{Failures, MergeDelayError, merge_all_delay_error};
pub use merge_sorted::{MergeSorted, merge_all_sorted};
pub use race::{Race, race};
pub use start_with::StartWith;
pub use switch_if_empty::SwitchIfEmpty;
pub use with_latest_from::WithLatestFrom;
pub use zip::{Zip, zip};
