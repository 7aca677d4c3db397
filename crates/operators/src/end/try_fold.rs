//! `try_fold`: all items folded into one value, up to the first failure of the function.

use millstream_core::{Cause, More};

use crate::shape::end::Gather;

/// All items folded into one value, up to the first failure of the function: [`PublisherExt::try_fold`](crate::PublisherExt::try_fold).
///
/// ```text
/// up    --1--2--3--|
/// end              6
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The value, when upstream completes.
/// # Errors
/// As upstream, or the function's, which cancels upstream. A panic in the function is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds the value.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let sum = millstream::from_iter([1, 2, 3])
///     .fallible::<&str>()
///     .try_fold(0_u8, |sum, n| sum.checked_add(n).ok_or("overflow"));
/// assert_eq!(sum.block()?, 6);
/// # Ok::<(), millstream::Failure<&str>>(())
/// ```
pub struct TryFold<A, E, F> {
    /// Gone only where the function panicked.
    value: Option<Result<A, E>>,
    f: F,
}

impl<A, E, F> TryFold<A, E, F> {
    pub(crate) fn new(seed: A, f: F) -> TryFold<A, E, F> {
        TryFold { value: Some(Ok(seed)), f }
    }
}

crate::opaque_debug::opaque_debug!(TryFold<A, E, F>);

impl<T, E, A, F> Gather<T, E> for TryFold<A, E, F>
where
    E: Send + 'static,
    A: Send + 'static,
    F: FnMut(A, T) -> Result<A, E> + Send + 'static,
{
    type Output = A;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        let next = match self.value.take() {
            Some(Ok(value)) => (self.f)(value, item),
            other => {
                self.value = other;
                return More::CANCEL;
            }
        };
        let more = if next.is_ok() { More::NONE } else { More::CANCEL };
        self.value = Some(next);
        more
    }

    fn cause(&self) -> Cause {
        if matches!(self.value, Some(Err(_))) { Cause::Failed } else { Cause::NoMoreNeeded }
    }

    fn finish(self) -> Result<A, E> {
        self.value.unwrap_or_else(|| unreachable!("a panic of the function is a fault"))
    }

    fn error(self, error: E) -> Result<A, E> {
        Err(error)
    }
}
