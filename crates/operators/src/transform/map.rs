//! `map`: each item through a function.

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Each item through a function: [`PublisherExt::map`](crate::PublisherExt::map).
///
/// ```text
/// up    --1--2-----3--|
/// down  --a--b-----c--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let squares = millstream::from_iter(1..=3).map(|n| n * n);
/// assert_eq!(squares.collect::<Vec<_>>().block()?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Map<F> {
    f: F,
}

impl<F> Map<F> {
    pub(crate) fn new(f: F) -> Map<F> {
        Map { f }
    }
}

crate::opaque_debug::opaque_debug!(Map<F>);

impl<T, U, F> ItemStep<T> for Map<F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> U + Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        Emit::Item((self.f)(item))
    }
}
