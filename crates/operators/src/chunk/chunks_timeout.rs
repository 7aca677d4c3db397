//! `chunks_timeout`: items in groups, complete by size or by time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::chunked::{Cut, Place};
use crate::shape::joined::capacity;
use crate::shape::timed_chunks::TimedChunks;

/// Items in groups of `size`, or of fewer when the first of a group has waited for some time:
/// [`PublisherExt::chunks_timeout`](crate::PublisherExt::chunks_timeout).
///
/// ```text
///         chunks_timeout(time, 16, 3, 5 s)
/// up    --1-2-3----4----------5-6---|
/// down  ------[1,2,3]---[4]---------[5,6]|
///                  5 s
/// ```
///
/// Time is counted from the first item of a group. A group whose time has come while nobody asked
/// for it goes on to be filled, and goes as it is at the next request.
///
/// An upstream that is synchronous is pulled by the task itself, and time is looked at between two of
/// its items: put one that blocks elsewhere, as [`subscribe_on`](crate::PublisherExt::subscribe_on)
/// does.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// taken into a group. None is taken beyond a group that is complete and not asked for. An upstream
/// that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after the group that was begun.
/// # Errors
/// As upstream, after what is queued, at once; the group that was begun is discarded.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued or in a group is discarded, when the
/// task runs next.
/// # Bounds
/// `prefetch` and `size` items. One allocation per group; one timer, which is set while a group is
/// begun and asked for.
/// # Panics
/// When `prefetch` or `size` is zero, or `prefetch` above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::MissedTicks;
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let ticks = millstream::interval(time.clone(), Duration::from_secs(2), MissedTicks::Skip).take(6);
/// let groups = ticks.chunks_timeout(time.clone(), 16, 9, Duration::from_secs(5));
/// let groups = time.run_until(groups.collect::<Vec<_>>())?;
/// assert_eq!(groups, [vec![0, 1, 2], vec![3, 4, 5]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ChunksTimeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    size: usize,
    within: Duration,
    site: Site,
}

impl<P, X> ChunksTimeout<P, X> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        size: usize,
        within: Duration,
    ) -> ChunksTimeout<P, X> {
        let prefetch = capacity("chunks_timeout(time, 0, size, within)", prefetch);
        assert!(
            size > 0,
            "chunks_timeout(time, prefetch, 0, within): a chunk holds at least 1 item",
        );
        let site = Site::here("chunks_timeout");
        ChunksTimeout { upstream, time, prefetch, size, within, site }
    }
}

crate::opaque_debug::opaque_debug!(ChunksTimeout<P, X>, prefetch, size, within);

impl<P, X> Publisher for ChunksTimeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Vec<P::Item>, P::Error>>(self, subscriber: S) {
        let ChunksTimeout { upstream, time, prefetch, size, within, site } = self;
        let chunks = TimedChunks { cut: BySize, max: size, within, prefetch, site };
        chunks.run(upstream, &time, subscriber);
    }
}

/// The limit of the length is all that cuts.
struct BySize;

impl<T> Cut<T> for BySize {
    #[inline]
    fn place(&mut self, _: &T, _: bool) -> Place {
        Place::Within
    }
}
