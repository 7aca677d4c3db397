//! `pairwise`: each item with the one before.

use millstream_core::More;

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item with the one before: [`PublisherExt::pairwise`](crate::PublisherExt::pairwise).
///
/// ```text
/// up    --1--2------3------|
/// down  -----(1,2)--(2,3)--|
/// ```
///
/// # Demand
/// As downstream's, and one more with the first request: the first item makes no pair.
/// # Completion
/// As upstream. A single item is discarded.
/// # Errors
/// As upstream. A panic in `clone` becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let steps = millstream::from_iter([1, 4, 9]).pairwise().map(|(a, b)| b - a);
/// assert_eq!(steps.collect::<Vec<_>>().block()?, [3, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Pairwise<T> {
    last: Option<T>,
    /// Whether `last` was sent in a pair.
    paired: bool,
    asked: bool,
}

impl<T> Pairwise<T> {
    pub(crate) fn new() -> Pairwise<T> {
        Pairwise { last: None, paired: false, asked: false }
    }
}

crate::opaque_debug::opaque_debug!(Pairwise<T>);

impl<T: Clone + Send + 'static> ItemStep<T> for Pairwise<T> {
    type Item = (T, T);
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<(T, T), T, E> {
        let kept = item.clone();
        match self.last.replace(kept) {
            Some(before) => {
                self.paired = true;
                Emit::Item((before, item))
            }
            None => Emit::Keep,
        }
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if more == More::NONE || std::mem::replace(&mut self.asked, true) {
            return more;
        }
        more.plus(More::ONE)
    }

    fn held(&mut self) -> Option<T> {
        // Otherwise it is a copy of an item that was delivered.
        if self.paired { None } else { self.last.take() }
    }
}
