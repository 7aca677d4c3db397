//! `for_each`: a function for each item.

use millstream_core::More;

use crate::shape::end::Gather;

/// A function for each item: [`PublisherExt::for_each`](crate::PublisherExt::for_each).
///
/// ```text
/// up    --1--2--3--|
/// end              ()
/// ```
///
/// # Demand
/// Unbounded. The function paces a synchronous upstream.
/// # Completion
/// When upstream completes.
/// # Errors
/// As upstream. A panic in the function is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
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
/// millstream::from_iter(1..=3).for_each(move |n| sender.send(n).unwrap()).block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ForEach<F> {
    f: F,
}

impl<F> ForEach<F> {
    pub(crate) fn new(f: F) -> ForEach<F> {
        ForEach { f }
    }
}

crate::opaque_debug::opaque_debug!(ForEach<F>);

impl<T, E, F> Gather<T, E> for ForEach<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) + Send + 'static,
{
    type Output = ();
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        (self.f)(item);
        More::NONE
    }

    fn finish(self) -> Result<(), E> {
        Ok(())
    }

    fn error(self, error: E) -> Result<(), E> {
        Err(error)
    }
}
