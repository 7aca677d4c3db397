//! `min`: the smallest item, the first of equal ones.

use millstream_core::More;

use crate::shape::end::Gather;

/// The smallest item, the first of equal ones: [`PublisherExt::min`](crate::PublisherExt::min).
///
/// ```text
/// up    --1--2--3--|
/// end              Some(1)
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The item, when upstream completes; `None` where there was none.
/// # Errors
/// As upstream. A panic in the comparison is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter([2, 1, 3]).min().block()?, Some(1));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Min<T> {
    item: Option<T>,
}

impl<T> Min<T> {
    pub(crate) fn new() -> Min<T> {
        Min { item: None }
    }
}

crate::opaque_debug::opaque_debug!(Min<T>);

impl<T, E> Gather<T, E> for Min<T>
where
    T: Ord + Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.item = Some(match self.item.take() {
            Some(before) if before <= item => before,
            _ => item,
        });
        More::NONE
    }

    fn finish(self) -> Result<Option<T>, E> {
        Ok(self.item)
    }

    fn error(self, error: E) -> Result<Option<T>, E> {
        Err(error)
    }
}
