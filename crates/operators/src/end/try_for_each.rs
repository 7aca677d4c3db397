//! `try_for_each`: a function for each item, up to its first failure.

use millstream_core::{Cause, More};

use crate::shape::end::Gather;

/// A function for each item, up to its first failure: [`PublisherExt::try_for_each`](crate::PublisherExt::try_for_each).
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
/// As upstream, or the function's, which cancels upstream. A panic in the function is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let end = millstream::from_iter(1..)
///     .fallible::<String>()
///     .try_for_each(|n| if n < 4 { Ok(()) } else { Err(format!("{n} is too many")) });
/// let failure = end.block().unwrap_err();
/// assert_eq!(failure.to_string(), "4 is too many");
/// ```
pub struct TryForEach<E, F> {
    f: F,
    failure: Option<E>,
}

impl<E, F> TryForEach<E, F> {
    pub(crate) fn new(f: F) -> TryForEach<E, F> {
        TryForEach { f, failure: None }
    }
}

crate::opaque_debug::opaque_debug!(TryForEach<E, F>);

impl<T, E, F> Gather<T, E> for TryForEach<E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) -> Result<(), E> + Send + 'static,
{
    type Output = ();
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        match (self.f)(item) {
            Ok(()) => More::NONE,
            Err(failure) => {
                self.failure = Some(failure);
                More::CANCEL
            }
        }
    }

    fn cause(&self) -> Cause {
        if self.failure.is_some() { Cause::Failed } else { Cause::NoMoreNeeded }
    }

    fn finish(self) -> Result<(), E> {
        self.failure.map_or(Ok(()), Err)
    }

    fn error(self, error: E) -> Result<(), E> {
        Err(error)
    }
}
