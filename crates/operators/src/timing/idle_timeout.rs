//! `idle_timeout`: an error where no item passes for some time, whoever is slow.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::awaited::{Counts, awaited};
use crate::shape::joined::capacity;
use crate::timing::TimeoutError;

/// An error where no item passes for some time, whoever is slow:
/// [`PublisherExt::idle_timeout`](crate::PublisherExt::idle_timeout).
///
/// ```text
///         idle_timeout(time, 16, 3 s)
/// up    --1-2-3-4-5-6-7-8---
/// asks  **------------------
/// down  --1-2------x
///            3 s
/// ```
///
/// Time is counted from the subscription and from each item that passes, whether or not downstream
/// asks for more: for streams that must not stand still, such as those that hold a connection. What
/// is there and asked for when the time is up is in time. To
/// watch the producer alone, see [`timeout`](crate::PublisherExt::timeout); the consumer alone,
/// [`backpressure_timeout`](crate::PublisherExt::backpressure_timeout).
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Elapsed`] when the time has passed, after upstream was cancelled; what is queued
/// is discarded then. Those of upstream as [`TimeoutError::Upstream`], after what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items; one where upstream is synchronous. One timer.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::timing::TimeoutError;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let stuck = millstream::pending::<u32>().start_with([1]);
/// let stuck = stuck.idle_timeout(time.clone(), 4, Duration::from_secs(30));
/// let end = time.run_until(stuck.collect::<Vec<_>>()).unwrap_err().into_error();
/// assert_eq!(end, Some(TimeoutError::Elapsed { after: Duration::from_secs(30) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct IdleTimeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> IdleTimeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Self {
        let prefetch = capacity("idle_timeout(time, 0, within)", prefetch);
        IdleTimeout { upstream, time, prefetch, within, site: Site::here("idle_timeout") }
    }
}

crate::opaque_debug::opaque_debug!(IdleTimeout<P, X>, prefetch, within);

impl<P, X> Publisher for IdleTimeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let IdleTimeout { upstream, time, prefetch, within, site } = self;
        awaited(upstream, &time, prefetch, within, Counts::Idle, site, subscriber);
    }
}
