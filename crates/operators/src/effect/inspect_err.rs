//! `inspect_err`: a look at the error.

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// A look at the error, before downstream is told:
/// [`PublisherExt::inspect_err`](crate::PublisherExt::inspect_err).
///
/// ```text
/// up    --1--2--x
/// f             x
/// down  --1--2--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault. Faults pass without a look.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2)
///     .fallible::<String>()
///     .inspect_err(|error| eprintln!("{error}"));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<String>>(())
/// ```
#[derive(Clone)]
pub struct InspectErr<F> {
    f: F,
}

impl<F> InspectErr<F> {
    pub(crate) fn new(f: F) -> InspectErr<F> {
        InspectErr { f }
    }
}

crate::opaque_debug::opaque_debug!(InspectErr<F>);

impl<T, E, F> Step<T, E> for InspectErr<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&E) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        (self.f)(&error);
        Pulled::Error(error)
    }
}
