//! `on_error_complete`: some errors are completion.

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// Errors that pass a test are completion:
/// [`PublisherExt::on_error_complete`](crate::PublisherExt::on_error_complete).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream, and for an error that passes the test.
/// # Errors
/// Those of upstream that do not pass the test. A panic in it becomes a fault. Where each error is
/// completion, [`on_error_resume`](crate::PublisherExt::on_error_resume) to
/// [`empty`](crate::source::empty()) leaves no type of error behind.
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
///     .on_error_complete(|error| error == "end of file");
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<String>>(())
/// ```
#[derive(Clone)]
pub struct OnErrorComplete<F> {
    f: F,
}

impl<F> OnErrorComplete<F> {
    pub(crate) fn new(f: F) -> OnErrorComplete<F> {
        OnErrorComplete { f }
    }
}

crate::opaque_debug::opaque_debug!(OnErrorComplete<F>);

impl<T, E, F> Step<T, E> for OnErrorComplete<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&E) -> bool + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        if (self.f)(&error) { Pulled::Complete } else { Pulled::Error(error) }
    }
}
