//! `any`: whether an item passes a test.

use millstream_core::More;

use crate::shape::end::Gather;

/// Whether an item passes a test: [`PublisherExt::any`](crate::PublisherExt::any).
///
/// ```text
/// up    --1--2--3--|
/// end              true
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The answer, as soon as an item decides it, which cancels upstream; `false` where upstream completes
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
/// let answer = millstream::from_iter(1..).any(|n| n == 3);
/// assert!(answer.block()?);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Any<F> {
    f: F,
    decided: bool,
}

impl<F> Any<F> {
    pub(crate) fn new(f: F) -> Any<F> {
        Any { f, decided: false }
    }
}

crate::opaque_debug::opaque_debug!(Any<F>);

impl<T, E, F> Gather<T, E> for Any<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) -> bool + Send + 'static,
{
    type Output = bool;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.decided = (self.f)(item);
        if self.decided { More::CANCEL } else { More::NONE }
    }

    fn finish(self) -> Result<bool, E> {
        Ok(self.decided)
    }

    fn error(self, error: E) -> Result<bool, E> {
        Err(error)
    }
}
