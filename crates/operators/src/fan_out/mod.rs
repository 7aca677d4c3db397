//! One upstream, several downstreams.
//!
//! | | subscribers | upstream runs |
//! |---|---|---|
//! | [`broadcast`](crate::PublisherExt::broadcast) | a fixed number | once, when all are there |
//! | [`share`](crate::PublisherExt::share) | come and go | while somebody is there, again if need be |
//! | [`publish`](crate::PublisherExt::publish) | come and go | as it is told |
//! | [`replay`](crate::PublisherExt::replay) | come and go; late ones get the last items first | once |
//! | [`also_to`](crate::PublisherExt::also_to) | the next stage, and one on the side | once |
//! | [`wire_tap`](crate::PublisherExt::wire_tap) | the next stage, and one on the side that is not waited for | once |

mod also_to;
mod balance;
mod broadcast;
mod group_by;
mod partition;
mod publish;
mod replay;
mod share;
mod wire_tap;

pub use also_to::{AlsoTo, Side};
pub use balance::Balance;
pub use broadcast::Broadcast;
pub use group_by::{Group, GroupBy, Stalled};
pub use partition::Partition;
pub use publish::{NoSubscribers, Publish, SlowSubscriber};
pub use replay::Replay;
pub use share::Share;
pub use wire_tap::WireTap;
