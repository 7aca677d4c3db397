//! `map_while`: each item through a function, until it gives nothing.

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};

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

impl<T, E, U, F> Step<T, E> for MapWhile<F>
where
    T: Send + 'static,
    E: Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Error = E;
    type Books = Books<E>;

    #[inline]
    fn next(&mut self, item: T) -> Emit<U, T, E> {
        match (self.f)(item) {
            Some(item) => Emit::Item(item),
            None => Emit::Complete,
        }
    }

    fn error(&mut self, error: E) -> Pulled<U, E> {
        Pulled::Error(error)
    }
}
