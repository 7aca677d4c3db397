//! `map_while`: each item through a function, until it gives nothing.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item through a function, until that gives nothing: [`PublisherExt::map_while`](crate::PublisherExt::map_while).
///
/// ```text
/// up    --1--2--3!
/// f       a  b  None
/// down  --a--b--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; and where the function returns `None`, after upstream was cancelled.
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
/// let numbers = millstream::from_iter(["1", "x", "3"]).map_while(|text| text.parse::<u32>().ok());
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct MapWhile<F> {
    f: F,
}

impl<F> MapWhile<F> {
    pub(crate) fn new(f: F) -> MapWhile<F> {
        MapWhile { f }
    }
}

crate::opaque_debug::opaque_debug!(MapWhile<F>);

impl<T, U, F> ItemStep<T> for MapWhile<F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        match (self.f)(item) {
            Some(item) => Emit::Item(item),
            None => Emit::Complete,
        }
    }
}
