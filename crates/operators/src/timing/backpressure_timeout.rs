//! `backpressure_timeout`: an error where downstream asks for no item for some time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::awaited::{Counts, awaited};
use crate::shape::joined::capacity;
use crate::timing::TimeoutError;

/// An error where downstream asks for no item for some time:
/// [`PublisherExt::backpressure_timeout`](crate::PublisherExt::backpressure_timeout).
///
/// ```text
///         backpressure_timeout(time, 16, 3 s)
/// up    --1-2-3-4-----
/// asks  **------------
/// down  --1-2------x
///            3 s
/// ```
///
/// Time is counted from an item that passes, while downstream asks for no other: to let go of a
/// consumer that has come to a stand, and that others wait for.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Unasked`] when the time has passed, after upstream was cancelled; what is queued
/// is discarded then. Those of upstream as [`TimeoutError::Upstream`], after what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items; one where upstream is synchronous. One timer, which is set while nothing is asked for.
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
/// use millstream_testkit::{Behaviour, probe};
///
/// let guarded = millstream::range(0..9).backpressure_timeout(time.clone(), 4, Duration::from_secs(30));
/// let probe = probe(guarded, Behaviour::new().initially(2));
/// time.run_until_rest();
/// probe.assert_items(&[0, 1]);
/// probe.assert_failed(&TimeoutError::Unasked { after: Duration::from_secs(30) });
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct BackpressureTimeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> BackpressureTimeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Self {
        let prefetch = capacity("backpressure_timeout(time, 0, within)", prefetch);
        BackpressureTimeout {
            upstream,
            time,
            prefetch,
            within,
            site: Site::here("backpressure_timeout"),
        }
    }
}

crate::opaque_debug::opaque_debug!(BackpressureTimeout<P, X>, prefetch, within);

impl<P, X> Publisher for BackpressureTimeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let BackpressureTimeout { upstream, time, prefetch, within, site } = self;
        awaited(upstream, &time, prefetch, within, Counts::Unasked, site, subscriber);
    }
}
