//! One upstream, several downstreams.

mod broadcast;

pub use broadcast::Broadcast;
