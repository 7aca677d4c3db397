//! `inspect_complete`: a call at completion.

use millstream_core::Pulled;

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A call at completion, before downstream is told:
/// [`PublisherExt::inspect_complete`](crate::PublisherExt::inspect_complete).
///
/// ```text
/// up    --1--2--|
/// f             f()
/// down  --1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
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
/// let numbers = millstream::from_iter(1..=3).inspect_complete(move || sender.send(()).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().count(), 1);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectComplete<F> {
    f: F,
}

impl<F> InspectComplete<F> {
    pub(crate) fn new(f: F) -> InspectComplete<F> {
        InspectComplete { f }
    }
}

crate::opaque_debug::opaque_debug!(InspectComplete<F>);

impl<T, F> ItemStep<T> for InspectComplete<F>
where
    T: Send + 'static,
    F: FnMut() + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn complete<E>(&mut self) -> Pulled<T, E> {
        (self.f)();
        Pulled::Complete
    }
}
