//! `all`: whether all items pass a test.

use millstream_core::More;

use crate::shape::end::Gather;

/// Whether all items pass a test: [`PublisherExt::all`](crate::PublisherExt::all).
///
/// ```text
/// up    --1--2--3--|
/// end              true
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The answer, as soon as an item decides it, which cancels upstream; `true` where upstream completes
/// before.
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
/// let answer = millstream::from_iter(1..).all(|n| n < 3);
/// assert!(!answer.block()?);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct All<F> {
    f: F,
    decided: bool,
}

impl<F> All<F> {
    pub(crate) fn new(f: F) -> All<F> {
        All { f, decided: false }
    }
}

crate::opaque_debug::opaque_debug!(All<F>);

impl<T, E, F> Gather<T, E> for All<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) -> bool + Send + 'static,
{
    type Output = bool;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.decided = !(self.f)(item);
        if self.decided { More::CANCEL } else { More::NONE }
    }

    fn finish(self) -> Result<bool, E> {
        Ok(!self.decided)
    }

    fn error(self, error: E) -> Result<bool, E> {
        Err(error)
    }
}
