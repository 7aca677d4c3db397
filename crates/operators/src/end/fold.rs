//! `fold`: all items folded into one value.

use millstream_core::More;

use crate::shape::end::Gather;

/// All items folded into one value: [`PublisherExt::fold`](crate::PublisherExt::fold).
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
/// As upstream. A panic in the function is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds the value.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let sum = millstream::from_iter(1..=3).fold(0, |sum, n| sum + n);
/// assert_eq!(sum.block()?, 6);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Fold<A, F> {
    /// Gone only where the function panicked.
    value: Option<A>,
    f: F,
}

impl<A, F> Fold<A, F> {
    pub(crate) fn new(seed: A, f: F) -> Fold<A, F> {
        Fold { value: Some(seed), f }
    }
}

crate::opaque_debug::opaque_debug!(Fold<A, F>);

impl<T, E, A, F> Gather<T, E> for Fold<A, F>
where
    E: Send + 'static,
    A: Send + 'static,
    F: FnMut(A, T) -> A + Send + 'static,
{
    type Output = A;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.value = self.value.take().map(|value| (self.f)(value, item));
        More::NONE
    }

    fn finish(self) -> Result<A, E> {
        Ok(self.value.unwrap_or_else(|| unreachable!("a panic of the function is a fault")))
    }

    fn error(self, error: E) -> Result<A, E> {
        Err(error)
    }
}
