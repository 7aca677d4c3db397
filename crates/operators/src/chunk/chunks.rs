//! `chunks`: items in groups of the same size.

use std::num::NonZeroU64;

use millstream_core::{More, Pulled};

use crate::shape::stage::{Books, Emit, ItemStep};

/// Items in groups of `size`: [`PublisherExt::chunks`](crate::PublisherExt::chunks).
///
/// ```text
///         chunks(2)
/// up    --1--2------3--4------5--|
/// down  -----[1,2]-----[3,4]-----[5]|
/// ```
///
/// # Demand
/// `size` times downstream's.
/// # Completion
/// As upstream; after the chunk that was begun, which may be smaller.
/// # Errors
/// As upstream, at once; the chunk that was begun is discarded.
/// # Cancellation
/// As downstream. The chunk that was begun is discarded.
/// # Bounds
/// Holds up to `size` items. One allocation per chunk.
/// # Panics
/// When `size` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let pairs = millstream::from_iter(1..=5).chunks(2);
/// assert_eq!(pairs.collect::<Vec<_>>().block()?, [vec![1, 2], vec![3, 4], vec![5]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Chunks<T> {
    size: usize,
    chunk: Vec<T>,
}

/// The most that is reserved for a chunk before there are items for it.
const RESERVED: usize = 1024;

impl<T> Chunks<T> {
    #[track_caller]
    pub(crate) fn new(size: usize) -> Chunks<T> {
        assert!(size > 0, "chunks(0): a chunk holds at least 1 item");
        Chunks { size, chunk: Vec::new() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Once per chunk, or more often where the size is no promise of that many items.
    #[cold]
    fn make_room(&mut self) {
        let held = self.chunk.len();
        let room = (self.size - held).min(held.max(RESERVED));
        if held == 0 {
            // Shorter than to look how what there is can grow.
            self.chunk = Vec::with_capacity(room);
        } else {
            self.chunk.reserve_exact(room);
        }
    }
}

crate::opaque_debug::opaque_debug!(Chunks<T>, size);

/// A length as a factor of demand.
pub(crate) fn factor(n: usize) -> NonZeroU64 {
    NonZeroU64::new(n as u64).unwrap_or(NonZeroU64::MIN)
}

impl<T: Send + 'static> ItemStep<T> for Chunks<T> {
    type Item = Vec<T>;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<Vec<T>, T, E> {
        // The same question as `push` asks, so that it is asked once.
        if self.chunk.len() == self.chunk.capacity() {
            self.make_room();
        }
        self.chunk.push(item);
        if self.chunk.len() < self.size {
            return Emit::Keep;
        }
        Emit::Item(std::mem::take(&mut self.chunk))
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        more.times(factor(self.size))
    }

    fn complete<E>(&mut self) -> Pulled<Vec<T>, E> {
        if self.chunk.is_empty() {
            return Pulled::Complete;
        }
        Pulled::Item(std::mem::take(&mut self.chunk))
    }

    fn held(&mut self) -> Option<T> {
        self.chunk.pop()
    }
}
