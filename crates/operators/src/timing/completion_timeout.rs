//! `completion_timeout`: an error where the stream is not over in time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::awaited::{Counts, awaited};
use crate::shape::joined::capacity;
use crate::timing::TimeoutError;

/// An error where the stream is not over in time:
/// [`PublisherExt::completion_timeout`](crate::PublisherExt::completion_timeout).
///
/// ```text
///         completion_timeout(time, 16, 9 s)
/// up    --1--2--3--4--5--
/// down  --1--2--3-x
/// ```
///
/// Time is counted from the subscription. It is looked at before each item, so a stream that always
/// has one ends in time as well, and before each end: what is over when the time has passed is late.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Unfinished`] when the time has passed, after upstream was cancelled; what is
/// queued is discarded then. Those of upstream as [`TimeoutError::Upstream`], after what is queued.
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
/// let endless = millstream::pending::<u32>();
/// let endless = endless.completion_timeout(time.clone(), 4, Duration::from_secs(30));
/// let end = time.run_until(endless.collect::<Vec<_>>()).unwrap_err().into_error();
/// assert_eq!(end, Some(TimeoutError::Unfinished { after: Duration::from_secs(30) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CompletionTimeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> CompletionTimeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Self {
        let prefetch = capacity("completion_timeout(time, 0, within)", prefetch);
        CompletionTimeout {
            upstream,
            time,
            prefetch,
            within,
            site: Site::here("completion_timeout"),
        }
    }
}

crate::opaque_debug::opaque_debug!(CompletionTimeout<P, X>, prefetch, within);

impl<P, X> Publisher for CompletionTimeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let CompletionTimeout { upstream, time, prefetch, within, site } = self;
        awaited(upstream, &time, prefetch, within, Counts::Whole, site, subscriber);
    }
}
