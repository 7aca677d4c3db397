//! Acknowledgement: items that somebody has to be told are done with.

mod ack_error;
mod acked;
mod acked_publisher;
mod commit_in_order;
mod commit_in_order_async;
mod commits;
mod envelope;
mod from_polled_client;
mod settle_batches;
mod settle_each;
mod settling;

pub use ack_error::AckError;
pub use acked::Acking;
pub use acked_publisher::AckedPublisher;
pub use commit_in_order::CommitInOrder;
pub use commit_in_order_async::CommitInOrderAsync;
pub use envelope::Acked;
pub use from_polled_client::{FromPolledClient, PolledBatch, PolledClient, from_polled_client};
pub use millstream_blocks::receipt::{Ack, Acknowledge, Nack, OnNack, Verdict};
pub use settle_batches::{SettleBatches, Settled};
pub use settle_each::SettleEach;
pub use settling::Settling;
