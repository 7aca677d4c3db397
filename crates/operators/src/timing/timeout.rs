//! `timeout`: an error where an item that is owed does not come in time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::awaited::{Counts, awaited};
use crate::shape::joined::capacity;
use crate::timing::TimeoutError;

/// An error where an item that is owed does not come in time:
/// [`PublisherExt::timeout`](crate::PublisherExt::timeout).
///
/// ```text
///         timeout(time, 16, 3 s)
/// up    --1----2-----------3--
/// down  --1----2------x
///                 3 s
/// ```
///
/// Upstream owes an item while downstream has asked for one and none is there. The time is counted
/// from then, and anew for each item; while downstream asks for nothing, no time is counted, so a
/// slow consumer is never taken for a slow producer.
///
/// An upstream that is synchronous is pulled by the task itself, which can do nothing else
/// meanwhile: to give a time to one that blocks, put it elsewhere, as
/// [`subscribe_on`](crate::PublisherExt::subscribe_on) does.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Elapsed`] when the time has passed, after upstream was cancelled; those of
/// upstream as [`TimeoutError::Upstream`], after what is queued. An item that is there when the
/// time is up is in time.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous. One timer, which is set while an item is
/// owed.
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
/// let (sender, replies) = millstream::channel::<&str>(4);
/// let replies = replies.timeout(time.clone(), 4, Duration::from_secs(30));
/// assert!(sender.try_send("one").is_ok());
/// let end = time.run_until(replies.collect::<Vec<_>>()).unwrap_err().into_error();
/// assert_eq!(end, Some(TimeoutError::Elapsed { after: Duration::from_secs(30) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Timeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> Timeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Timeout<P, X> {
        let call = "timeout(time, 0, within)";
        Timeout::part_of("timeout", call, upstream, time, prefetch, within)
    }

    /// As a part of another operator, or as itself.
    #[track_caller]
    pub(crate) fn part_of(
        kind: &'static str,
        call: &str,
        upstream: P,
        time: X,
        prefetch: usize,
        within: Duration,
    ) -> Timeout<P, X> {
        let prefetch = capacity(call, prefetch);
        Timeout { upstream, time, prefetch, within, site: Site::here(kind) }
    }
}

crate::opaque_debug::opaque_debug!(Timeout<P, X>, prefetch, within);

impl<P, X> Publisher for Timeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let Timeout { upstream, time, prefetch, within, site } = self;
        awaited(upstream, &time, prefetch, within, Counts::Owed, site, subscriber);
    }
}
