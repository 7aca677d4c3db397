//! What waits for a time: rates, quiet, time-outs, delays.
//!
//! These stages take an executor with a [clock](millstream_executors::time), and run on a task of
//! it. None sends without demand, none fails for lack of it, and what it drops its policy says.

mod timeout;
pub use timeout::{Timeout, TimeoutError};
