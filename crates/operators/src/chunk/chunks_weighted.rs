//! `chunks_weighted`: items in groups of about the same weight.

use crate::shape::chunked::{Cut, Place};

/// Items in groups that cost no more than `max` together:
/// [`PublisherExt::chunks_weighted`](crate::PublisherExt::chunks_weighted).
///
/// ```text
///         chunks_weighted(5, |n| *n)
/// up    --2--2-----3--------9-----------1--|
/// down  -----------[2,2]----[3][9]---------[1]|
/// ```
///
/// An item that would make a chunk cost more than `max` is the first of the next. One that costs
/// more than `max` on its own is a chunk on its own.
///
/// # Demand
/// One item for each chunk that downstream asks for, and another for each item that completes
/// none.
/// # Completion
/// As upstream; after the chunks that wait, the last of which may cost less. They are sent when
/// they are asked for.
/// # Errors
/// As upstream, at once; chunks that wait are discarded. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream. Chunks that wait are discarded.
/// # Bounds
/// Holds items that cost up to `max`, and one item that costs more. An item costs at least 1,
/// whatever the function says, so there are at most `max` items in a chunk.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let lines = millstream::from_iter(["one", "two", "a long one", "three"]);
/// let packets = lines.chunks_weighted(8, |line| line.len() as u64);
/// let packets = packets.collect::<Vec<_>>().block()?;
/// assert_eq!(packets, [vec!["one", "two"], vec!["a long one"], vec!["three"]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ChunksWeighted<F> {
    max: u64,
    cost: F,
    /// Of the chunk that is open.
    weight: u64,
}

impl<F> ChunksWeighted<F> {
    #[track_caller]
    pub(crate) fn new(max: u64, cost: F) -> ChunksWeighted<F> {
        assert!(max > 0, "chunks_weighted(0, cost): an item costs at least 1");
        ChunksWeighted { max, cost, weight: 0 }
    }

    /// The most items that a chunk can have.
    pub(crate) fn longest(&self) -> usize {
        usize::try_from(self.max).unwrap_or(usize::MAX)
    }
}

crate::opaque_debug::opaque_debug!(ChunksWeighted<F>, max);

impl<T, F> Cut<T> for ChunksWeighted<F>
where
    F: FnMut(&T) -> u64 + Send + 'static,
{
    #[inline]
    fn place(&mut self, item: &T, begun: bool) -> Place {
        let cost = (self.cost)(item).max(1);
        let before = if begun { self.weight } else { 0 };
        let weight = before.saturating_add(cost);
        if begun && weight > self.max {
            self.weight = cost;
            return if cost >= self.max { Place::Alone } else { Place::First };
        }
        self.weight = weight;
        if weight >= self.max { Place::Last } else { Place::Within }
    }
}
