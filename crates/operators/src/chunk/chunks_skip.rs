//! `chunks_skip`: groups of items, with gaps between.

use millstream_core::{More, Pulled};

use crate::chunk::chunks::Chunks;
use crate::chunk::sliding::first_and_later;
use crate::shape::stage::{Books, Emit, ItemStep};

/// Groups of `size` items, one beginning every `step` items:
/// [`PublisherExt::chunks_skip`](crate::PublisherExt::chunks_skip).
///
/// ```text
///         chunks_skip(2, 3)
/// up    --1--2------3--4--5------6--7--|
/// down  -----[1,2]--------[4,5]--------[7]|
/// ```
///
/// The items between two groups are discarded. For groups that overlap, and need copies of items,
/// there is [`sliding`](crate::PublisherExt::sliding).
///
/// # Demand
/// The first request `n` is `size + (n - 1) * step` items for upstream, a later one `n * step`.
/// # Completion
/// As upstream; after the group that was begun, which may be smaller.
/// # Errors
/// As upstream, at once; the group that was begun is discarded.
/// # Cancellation
/// As downstream. The group that was begun is discarded.
/// # Bounds
/// Holds up to `size` items. One allocation per group.
/// # Panics
/// When `size` is zero, or `step` smaller than `size`.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let heads = millstream::from_iter(1..=7).chunks_skip(2, 3);
/// assert_eq!(heads.collect::<Vec<_>>().block()?, [vec![1, 2], vec![4, 5], vec![7]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ChunksSkip<T> {
    chunks: Chunks<T>,
    step: usize,
    asked: bool,
    /// Items to discard before the next group begins.
    gap: usize,
}

impl<T> ChunksSkip<T> {
    #[track_caller]
    pub(crate) fn new(size: usize, step: usize) -> ChunksSkip<T> {
        assert!(size > 0, "chunks_skip(0, _): a group holds at least 1 item");
        assert!(
            step >= size,
            "chunks_skip({size}, {step}): groups of {size} items that begin every {step} items \
             overlap; `sliding({size}, {step})` gives such",
        );
        ChunksSkip { chunks: Chunks::new(size), step, asked: false, gap: 0 }
    }
}

crate::opaque_debug::opaque_debug!(ChunksSkip<T>, chunks, step);

impl<T: Send + 'static> ItemStep<T> for ChunksSkip<T> {
    type Item = Vec<T>;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<Vec<T>, T, E> {
        if self.gap > 0 {
            self.gap -= 1;
            return Emit::Discard(item);
        }
        let emit = self.chunks.next(item);
        if matches!(emit, Emit::Item(_)) {
            self.gap = self.step - self.chunks.size();
        }
        emit
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        first_and_later(&mut self.asked, more, self.chunks.size(), self.step)
    }

    fn complete<E>(&mut self) -> Pulled<Vec<T>, E> {
        self.chunks.complete()
    }

    fn held(&mut self) -> Option<T> {
        self.chunks.held()
    }
}
