//! `timeout_first`: an error where the first item that is owed does not come in time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::awaited::{Counts, awaited};
use crate::shape::joined::capacity;
use crate::timing::TimeoutError;

/// An error where the first item that is owed does not come in time:
/// [`PublisherExt::timeout_first`](crate::PublisherExt::timeout_first).
///
/// ```text
///         timeout_first(time, 16, 3 s)
/// up    -----------1--
/// down  ------x
///         3 s
/// ```
///
/// As [`timeout`](crate::PublisherExt::timeout) for the first item, and for no other: for a service
/// whose answer begins late or never.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Elapsed`] when the time has passed since downstream asked first, after upstream
/// was cancelled; those of upstream as [`TimeoutError::Upstream`], after what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items; one where upstream is synchronous. One timer, until the first item.
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
/// let silent = millstream::pending::<u32>();
/// let first = silent.timeout_first(time.clone(), 4, Duration::from_secs(30));
/// let end = time.run_until(first.collect::<Vec<_>>()).unwrap_err().into_error();
/// assert_eq!(end, Some(TimeoutError::Elapsed { after: Duration::from_secs(30) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TimeoutFirst<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> TimeoutFirst<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Self {
        let prefetch = capacity("timeout_first(time, 0, within)", prefetch);
        TimeoutFirst { upstream, time, prefetch, within, site: Site::here("timeout_first") }
    }
}

crate::opaque_debug::opaque_debug!(TimeoutFirst<P, X>, prefetch, within);

impl<P, X> Publisher for TimeoutFirst<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let TimeoutFirst { upstream, time, prefetch, within, site } = self;
        awaited(upstream, &time, prefetch, within, Counts::First, site, subscriber);
    }
}
