//! `count`: how many items there are.

use millstream_core::More;

use crate::shape::end::Gather;

/// How many items there are: [`PublisherExt::count`](crate::PublisherExt::count).
///
/// ```text
/// up    --1--2--3--|
/// end              3
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The number, when upstream completes.
/// # Errors
/// As upstream.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds a number.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter(1..=3).count().block()?, 3);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Count {
    count: u64,
}

impl<T, E> Gather<T, E> for Count
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = u64;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        drop(item);
        self.count += 1;
        More::NONE
    }

    fn finish(self) -> Result<u64, E> {
        Ok(self.count)
    }

    fn error(self, error: E) -> Result<u64, E> {
        Err(error)
    }
}
