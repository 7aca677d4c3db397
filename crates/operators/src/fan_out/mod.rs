//! One upstream, several downstreams.

mod balance;
mod broadcast;
mod group_by;
mod partition;

pub use balance::Balance;
pub use broadcast::Broadcast;
pub use group_by::{Group, GroupBy, Stalled};
pub use partition::Partition;
