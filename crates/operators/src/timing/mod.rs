//! What waits for a time: rates, quiet, time-outs, delays.
//!
//! These stages take an executor with a [clock](millstream_executors::time), and run on a task of
//! it. None sends without demand, none fails for lack of it, and what it drops its policy says.
//! [`timestamp`](crate::PublisherExt::timestamp) and [`elapsed`](crate::PublisherExt::elapsed) wait for
//! nothing: they take a clock alone, and run where they are called.

mod backpressure_timeout;
mod completion_timeout;
mod debounce;
mod delay;
mod delay_each;
mod delay_subscription;
mod delay_subscription_until;
mod elapsed;
mod idle_timeout;
mod keep_alive;
mod rate_limit;
mod rate_limit_weighted;
mod sample;
mod sample_on;
mod take_within;
mod throttle;
mod throttle_adaptive;
mod throttle_enforcing;
mod throttle_first;
mod throttle_latest;
mod throttle_weighted;
mod timeout;
mod timeout_first;
mod timeout_or;
mod timestamp;

use std::error::Error;
use std::fmt;
use std::time::Duration;

pub use backpressure_timeout::BackpressureTimeout;
pub use completion_timeout::CompletionTimeout;
pub use debounce::Debounce;
pub use delay::Delay;
pub use delay_each::DelayEach;
pub use delay_subscription::DelaySubscription;
pub use delay_subscription_until::DelaySubscriptionUntil;
pub use elapsed::Elapsed;
pub use idle_timeout::IdleTimeout;
pub use keep_alive::KeepAlive;
pub use millstream_blocks::bucket::{Rate, TokenBucket};
pub use rate_limit::RateLimit;
pub use rate_limit_weighted::RateLimitWeighted;
pub use sample::Sample;
pub use sample_on::SampleOn;
pub use take_within::TakeWithin;
pub use throttle::Throttle;
pub use throttle_adaptive::ThrottleAdaptive;
pub use throttle_enforcing::{ThrottleEnforcing, ThrottleError};
pub use throttle_first::ThrottleFirst;
pub use throttle_latest::{ThrottleLatest, Trailing};
pub use throttle_weighted::ThrottleWeighted;
pub use timeout::Timeout;
pub use timeout_first::TimeoutFirst;
pub use timeout_or::TimeoutOr;
pub use timestamp::Timestamp;

/// How a stream with a time-out fails: [`timeout`](crate::PublisherExt::timeout) and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutError<E> {
    /// No item came for that long.
    Elapsed {
        /// How long.
        after: Duration,
    },
    /// The stream was not over after that long.
    Unfinished {
        /// How long.
        after: Duration,
    },
    /// Downstream asked for no item for that long.
    Unasked {
        /// How long.
        after: Duration,
    },
    /// Upstream failed.
    Upstream(E),
}

impl<E> fmt::Display for TimeoutError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutError::Elapsed { after } => write!(f, "no item came within {after:?}"),
            TimeoutError::Unfinished { after } => {
                write!(f, "the stream was not over within {after:?}")
            }
            TimeoutError::Unasked { after } => {
                write!(f, "no item was asked for within {after:?} of the one before")
            }
            TimeoutError::Upstream(_) => f.write_str("the stream failed before its time-out"),
        }
    }
}

impl<E: Error + 'static> Error for TimeoutError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TimeoutError::Upstream(error) => Some(error),
            _ => None,
        }
    }
}

/// A time that is not zero.
///
/// # Panics
/// When it is: `what` is the call with a zero, and why.
#[track_caller]
pub(crate) fn some_time(what: &str, time: Duration) {
    assert!(time > Duration::ZERO, "{what}");
}
