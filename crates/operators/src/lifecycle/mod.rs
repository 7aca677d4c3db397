//! How streams are ended from outside.

mod kill_switch;
mod stopped_by;
pub use kill_switch::KillSwitch;
pub use stopped_by::StoppedBy;
