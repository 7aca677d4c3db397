//! Several publishers as one.

mod chain;
mod concat;
mod start_with;
mod switch_if_empty;
pub use chain::Chain;
pub use concat::{Concat, concat};
pub use start_with::StartWith;
pub use switch_if_empty::SwitchIfEmpty;
