//! `filter`: only the items that pass a test.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Only the items that pass a test: [`PublisherExt::filter`](crate::PublisherExt::filter).
///
/// ```text
/// up    --1--2--3--4--|
/// down  -----2-----4--|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. Items that do not pass are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let even = millstream::from_iter(1..=4).filter(|n| n % 2 == 0);
/// assert_eq!(even.collect::<Vec<_>>().block()?, [2, 4]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Filter<F> {
    f: F,
}

impl<F> Filter<F> {
    pub(crate) fn new(f: F) -> Filter<F> {
        Filter { f }
    }
}

crate::opaque_debug::opaque_debug!(Filter<F>);

impl<T, F> ItemStep<T> for Filter<F>
where
    T: Send + 'static,
    F: FnMut(&T) -> bool + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if (self.f)(&item) { Emit::Item(item) } else { Emit::Skip(item) }
    }
}
