//! `inspect_end`: a look at completion or the error.

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// A look at completion or the error, before downstream is told:
/// [`PublisherExt::inspect_end`](crate::PublisherExt::inspect_end).
///
/// ```text
/// up    --1--2--x
/// f             Err(x)
/// down  --1--2--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault. Faults pass without a look; see
/// [`finally`](crate::PublisherExt::finally).
/// # Cancellation
/// As downstream; then it is not called.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).inspect_end(move |end| sender.send(end.is_ok()).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [true]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectEnd<F> {
    f: F,
}

impl<F> InspectEnd<F> {
    pub(crate) fn new(f: F) -> InspectEnd<F> {
        InspectEnd { f }
    }
}

crate::opaque_debug::opaque_debug!(InspectEnd<F>);

impl<T, E, F> Step<T, E> for InspectEnd<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(Result<(), &E>) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn complete(&mut self) -> Pulled<T, E> {
        (self.f)(Ok(()));
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        (self.f)(Err(&error));
        Pulled::Error(error)
    }
}
