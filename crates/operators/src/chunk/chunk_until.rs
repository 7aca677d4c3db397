//! `chunk_until`: items in groups that a test ends.

use crate::shape::chunked::{Cut, Place};

/// Items in groups that end with an item that passes a test:
/// [`PublisherExt::chunk_until`](crate::PublisherExt::chunk_until).
///
/// ```text
///         chunk_until(8, |n| n % 3 == 0)
/// up    --1--2--3--------4--5--|
/// down  --------[1,2,3]--------[4,5]|
/// ```
///
/// # Demand
/// One item for each chunk that downstream asks for, and another for each item that completes
/// none.
/// # Completion
/// As upstream; after the chunk that was begun, which is sent when it is asked for.
/// # Errors
/// As upstream, at once; the chunk that was begun is discarded. A panic in the test becomes a
/// fault.
/// # Cancellation
/// As downstream. The chunk that was begun is discarded.
/// # Bounds
/// Holds up to `max` items: a chunk of that length is complete, whatever the test says.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["to", "be.", "not", "to", "be."]);
/// let sentences = words.chunk_until(100, |word| word.ends_with('.'));
/// let sentences = sentences.collect::<Vec<_>>().block()?;
/// assert_eq!(sentences, [vec!["to", "be."], vec!["not", "to", "be."]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ChunkUntil<F> {
    test: F,
}

impl<F> ChunkUntil<F> {
    pub(crate) fn new(test: F) -> ChunkUntil<F> {
        ChunkUntil { test }
    }
}

crate::opaque_debug::opaque_debug!(ChunkUntil<F>);

impl<T, F> Cut<T> for ChunkUntil<F>
where
    F: FnMut(&T) -> bool + Send + 'static,
{
    #[inline]
    fn place(&mut self, item: &T, _: bool) -> Place {
        if (self.test)(item) { Place::Last } else { Place::Within }
    }
}
