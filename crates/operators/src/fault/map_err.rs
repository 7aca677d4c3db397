//! `map_err`: the error through a function.

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// The error through a function: [`PublisherExt::map_err`](crate::PublisherExt::map_err).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--y
/// ```
///
/// Where upstream cannot fail, [`fallible`](crate::PublisherExt::fallible) gives it an error type.
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// What the function makes of upstream's. A panic in it becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(["1", "x"]).try_map(|text| text.parse::<u32>());
/// let numbers = numbers.map_err(|error| format!("{error}: x"));
/// let failure = numbers.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(failure.into_error().unwrap(), "invalid digit found in string: x");
/// ```
#[derive(Clone)]
pub struct MapErr<F> {
    f: F,
}

impl<F> MapErr<F> {
    pub(crate) fn new(f: F) -> MapErr<F> {
        MapErr { f }
    }
}

crate::opaque_debug::opaque_debug!(MapErr<F>);

impl<T, E, G, F> Step<T, E> for MapErr<F>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Send + 'static,
    F: FnMut(E) -> G + Send + 'static,
{
    type Item = T;
    type Error = G;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, G> {
        Emit::Item(item)
    }

    fn error(&mut self, error: E) -> Pulled<T, G> {
        Pulled::Error((self.f)(error))
    }
}
