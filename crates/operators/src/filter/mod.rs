//! Some of the items.

mod dedup;
mod dedup_by_key;
mod default_if_empty;
#[expect(clippy::module_inception, reason = "a file is named as its operator")]
mod filter;
mod filter_async;
mod ignore_items;
mod skip;
mod skip_last;
mod skip_while;
mod step_by;
mod unique;
mod unique_by;
mod unique_within;
pub use dedup::Dedup;
pub use dedup_by_key::DedupByKey;
pub use default_if_empty::DefaultIfEmpty;
pub use filter::Filter;
pub use filter_async::FilterAsync;
pub use ignore_items::IgnoreItems;
pub use skip::Skip;
pub use skip_last::SkipLast;
pub use skip_while::SkipWhile;
pub use step_by::StepBy;
pub use unique::Unique;
pub use unique_by::UniqueBy;
pub use unique_within::UniqueWithin;
mod skip_until;
pub use skip_until::SkipUntil;
