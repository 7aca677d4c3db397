//! How streams are ended from outside.

mod delivered_by;
mod drain_handle;
mod kill_switch;
mod received_by;
mod stopped_by;
pub use delivered_by::DeliveredBy;
pub use drain_handle::{DrainHandle, DrainReport};
pub use kill_switch::KillSwitch;
pub use received_by::ReceivedBy;
pub use stopped_by::StoppedBy;
