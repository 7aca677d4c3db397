//! `chunk_while`: items in groups, with separators between.

use crate::shape::chunked::{Cut, Place};

/// Items in groups of those that pass a test; the others separate them, and are discarded:
/// [`PublisherExt::chunk_while`](crate::PublisherExt::chunk_while).
///
/// ```text
///         chunk_while(8, |n| *n != 0)
/// up    --1--2--0------0--3--|
/// down  --------[1,2]--------[3]|
/// ```
///
/// There are no empty chunks: several separators in a row are as one.
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
/// Holds up to `max` items: a chunk of that length is complete, whatever follows.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let lines = millstream::from_iter(["one", "two", "", "", "three"]);
/// let paragraphs = lines.chunk_while(100, |line| !line.is_empty());
/// let paragraphs = paragraphs.collect::<Vec<_>>().block()?;
/// assert_eq!(paragraphs, [vec!["one", "two"], vec!["three"]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ChunkWhile<F> {
    test: F,
}

impl<F> ChunkWhile<F> {
    pub(crate) fn new(test: F) -> ChunkWhile<F> {
        ChunkWhile { test }
    }
}

crate::opaque_debug::opaque_debug!(ChunkWhile<F>);

impl<T, F> Cut<T> for ChunkWhile<F>
where
    F: FnMut(&T) -> bool + Send + 'static,
{
    #[inline]
    fn place(&mut self, item: &T, _: bool) -> Place {
        if (self.test)(item) { Place::Within } else { Place::Between }
    }
}
