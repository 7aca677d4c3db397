//! `chunks_weighted_timeout`: items in groups, complete by what they cost or by time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::chunk::ChunksWeighted;
use crate::shape::joined::capacity;
use crate::shape::timed_chunks::TimedChunks;

/// Items in groups that cost no more than `max` together, or less when the first of a group has
/// waited for some time:
/// [`PublisherExt::chunks_weighted_timeout`](crate::PublisherExt::chunks_weighted_timeout).
///
/// ```text
///         chunks_weighted_timeout(time, 16, 5, 5 s, |n| n)
/// up    --2-2-4------1-----------|
/// down  ------[2,2]-----[4,1]----|
///                5 s
/// ```
///
/// An item that would make a group too heavy begins the next; one that is too heavy by itself goes
/// alone. Time is counted from the first item of a group. A group whose time has come while nobody
/// asked for it goes on to be filled, and goes as it is at the next request.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// taken into a group. None is taken beyond a group that is complete and not asked for. An upstream
/// that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after the group that was begun.
/// # Errors
/// As upstream, after what is queued, at once; the group that was begun is discarded. A panic in the
/// function becomes a fault.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued or in a group is discarded, when the
/// task runs next.
/// # Bounds
/// `prefetch` items, and those of a group and one more; each costs at least 1. One allocation per
/// group; one timer, which is set while a group is begun and asked for.
/// # Panics
/// When `prefetch` or `max` is zero, or `prefetch` above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let words = millstream::from_iter(["a", "bcd", "ef", "ghijklm"]);
/// let within = Duration::from_secs(5);
/// let packets = words.chunks_weighted_timeout(time.clone(), 16, 5, within, |word| word.len() as u64);
/// let packets = time.run_until(packets.collect::<Vec<_>>())?;
/// assert_eq!(packets, [vec!["a", "bcd"], vec!["ef"], vec!["ghijklm"]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ChunksWeightedTimeout<P, X, F> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    cut: ChunksWeighted<F>,
    within: Duration,
    site: Site,
}

impl<P, X, F> ChunksWeightedTimeout<P, X, F> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        max: u64,
        within: Duration,
        cost: F,
    ) -> ChunksWeightedTimeout<P, X, F> {
        let prefetch = capacity("chunks_weighted_timeout(time, 0, max, within, cost)", prefetch);
        let cut = ChunksWeighted::new(max, cost);
        let site = Site::here("chunks_weighted_timeout");
        ChunksWeightedTimeout { upstream, time, prefetch, cut, within, site }
    }
}

crate::opaque_debug::opaque_debug!(ChunksWeightedTimeout<P, X, F>, prefetch, cut, within);

impl<P, X, F> Publisher for ChunksWeightedTimeout<P, X, F>
where
    P: Publisher,
    X: Executor + Clock,
    F: FnMut(&P::Item) -> u64 + Send + 'static,
{
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Vec<P::Item>, P::Error>>(self, subscriber: S) {
        let ChunksWeightedTimeout { upstream, time, prefetch, cut, within, site } = self;
        let chunks = TimedChunks { max: cut.longest(), cut, within, prefetch, site };
        chunks.run(upstream, &time, subscriber);
    }
}
