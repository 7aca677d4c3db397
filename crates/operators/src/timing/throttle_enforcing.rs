//! `throttle_enforcing`: an error where items come faster than a rate.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::bucket::{Meter, Rate};
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::joined::capacity;
use crate::shape::paced::{Early, One, Pace};

/// An error where items come faster than a rate:
/// [`PublisherExt::throttle_enforcing`](crate::PublisherExt::throttle_enforcing).
///
/// ```text
///         throttle_enforcing(time, 16, Rate::new(1, 2 s))
/// up    --1--2-3--
/// down  --1--2-x
/// ```
///
/// The same bucket as that of [`throttle`](crate::PublisherExt::throttle); an item that would have
/// to wait is the end instead. What counts is when items pass: a consumer that asks for little keeps
/// any upstream within the rate.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`ThrottleError::RateExceeded`] instead of the first item that is too early, after upstream was
/// cancelled; that item is discarded. Those of upstream as [`ThrottleError::Upstream`], after what
/// is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::timing::{Rate, ThrottleError};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let rate = Rate::per_second(10).burst(5);
/// let at_once = |n| millstream::range(0..n).throttle_enforcing(time.clone(), 16, rate).count();
/// assert_eq!(time.run_until(at_once(5)).ok(), Some(5));
/// let end = time.run_until(at_once(6)).unwrap_err().into_error();
/// assert_eq!(end, Some(ThrottleError::RateExceeded { early: Duration::from_millis(100) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ThrottleEnforcing<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    rate: Rate,
    site: Site,
}

impl<P, X> ThrottleEnforcing<P, X> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        rate: Rate,
    ) -> ThrottleEnforcing<P, X> {
        let prefetch = capacity("throttle_enforcing(time, 0, rate)", prefetch);
        let site = Site::here("throttle_enforcing");
        ThrottleEnforcing { upstream, time, prefetch, rate, site }
    }
}

crate::opaque_debug::opaque_debug!(ThrottleEnforcing<P, X>, prefetch, rate);

/// How a stream fails that keeps to a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleError<E> {
    /// An item came too early.
    RateExceeded {
        /// By how much.
        early: Duration,
    },
    /// Upstream failed.
    Upstream(E),
}

impl<E> fmt::Display for ThrottleError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThrottleError::RateExceeded { early } => {
                write!(f, "an item came {early:?} earlier than the rate allows")
            }
            ThrottleError::Upstream(_) => f.write_str("the stream failed"),
        }
    }
}

impl<E: Error + 'static> Error for ThrottleError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ThrottleError::RateExceeded { .. } => None,
            ThrottleError::Upstream(error) => Some(error),
        }
    }
}

struct Fails;

impl<E: Send + 'static> Early<E> for Fails {
    type Error = ThrottleError<E>;

    fn upstream(error: E) -> ThrottleError<E> {
        ThrottleError::Upstream(error)
    }

    fn fails(early: Duration) -> Option<ThrottleError<E>> {
        Some(ThrottleError::RateExceeded { early })
    }
}

impl<P: Publisher, X: Executor + Clock> Publisher for ThrottleEnforcing<P, X> {
    type Item = P::Item;
    type Error = ThrottleError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, ThrottleError<P::Error>>>(self, subscriber: S) {
        let ThrottleEnforcing { upstream, time, prefetch, rate, site } = self;
        let tokens = Meter::new(rate);
        Pace { tokens, cost: One, early: Fails, prefetch, site }.run(upstream, &time, subscriber);
    }
}
