//! `chunk_when`: items in groups that another publisher ends.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::gathering::{Occasion, Outside, UpTo, Word, gathering};
use crate::shape::joined::{Feed, capacity, feed};

/// Items in groups that end when another publisher says so:
/// [`PublisherExt::chunk_when`](crate::PublisherExt::chunk_when).
///
/// ```text
///          chunk_when(signal, 3)
/// signal --------x----x--------------x--
/// up     --1--2----------3--4--5--6----7--|
/// down   --------[1,2]---------[3,4,5][6]-[7]|
/// ```
///
/// There are no empty chunks: a signal that finds none begun does nothing.
///
/// A chunk that is complete waits until it is asked for. What comes meanwhile is for the next, and
/// the next signal waits as well; so a downstream that is slow gets longer chunks, up to `max`.
///
/// # Demand
/// `max` when it is subscribed to, and another for each item that was sent; so items are taken
/// before a chunk is asked for. The signal is asked for one at a time. An upstream that is
/// synchronous is pulled as downstream asks; a signal that is synchronous is always there, so that
/// a chunk has what came at once.
/// # Completion
/// As upstream; after the chunk that was begun, which is sent when it is asked for. When the signal
/// is complete, chunks end by their length alone.
/// # Errors
/// As upstream, after chunks that are complete; the one that was begun is discarded. A failure of
/// the signal is one as well, at once.
/// # Cancellation
/// As downstream: both are cancelled, and the items that are held are discarded.
/// # Bounds
/// `max` items, in whichever place, and one signal.
/// # Panics
/// When `max` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let chunks = millstream::range(0..5).chunk_when(millstream::pending::<()>(), 2);
/// assert_eq!(chunks.collect::<Vec<_>>().block()?, [vec![0, 1], vec![2, 3], vec![4]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ChunkWhen<P, Q> {
    upstream: P,
    signal: Q,
    max: NonZeroUsize,
    site: Site,
}

impl<P, Q> ChunkWhen<P, Q> {
    #[track_caller]
    pub(crate) fn new(upstream: P, signal: Q, max: usize) -> ChunkWhen<P, Q> {
        let max = capacity("chunk_when(signal, 0)", max);
        ChunkWhen { upstream, signal, max, site: Site::here("chunk_when") }
    }
}

crate::opaque_debug::opaque_debug!(ChunkWhen<P, Q>, max);

impl<P, Q> Publisher for ChunkWhen<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
{
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Vec<P::Item>, P::Error>>(self, subscriber: S) {
        let ChunkWhen { upstream, signal, max, site } = self;
        join(
            |bell, context| {
                let signal =
                    feed(signal, NonZeroUsize::MIN, bell.clone(), context, site.input("signal"));
                let signal = Signal { feed: Some(signal) };
                let site = site.input("upstream");
                gathering(upstream, max, UpTo, signal, bell.clone(), context, site)
            },
            subscriber,
        );
    }
}

struct Signal<Q: Pull> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
}

impl<Q: Pull> Outside for Signal<Q> {
    type Error = Q::Error;

    fn look(&mut self, _: Occasion) -> Word<Q::Error> {
        let mut word = Word::Open;
        while let Some(feed) = &mut self.feed {
            match feed.pull() {
                // One that is held in place has another at once.
                Pulled::Item(_) if feed.is_pulled() => return Word::Complete,
                // Several that nothing came between are as one.
                Pulled::Item(_) => word = Word::Complete,
                // Where it is held in place, it is looked at again with the next item.
                Pulled::Pending | Pulled::Skipped => break,
                Pulled::Complete => self.feed = None,
                Pulled::Error(error) => return Word::Failed(error),
            }
        }
        word
    }
}
