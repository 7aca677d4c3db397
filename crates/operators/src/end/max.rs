//! `max`: the greatest item, the last of equal ones.

use millstream_core::More;

use crate::shape::end::Gather;

/// The greatest item, the last of equal ones: [`PublisherExt::max`](crate::PublisherExt::max).
///
/// ```text
/// up    --1--2--3--|
/// end              Some(3)
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
/// assert_eq!(millstream::from_iter([2, 1, 3]).max().block()?, Some(3));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Max<T> {
    item: Option<T>,
}

impl<T> Max<T> {
    pub(crate) fn new() -> Max<T> {
        Max { item: None }
    }
}

crate::opaque_debug::opaque_debug!(Max<T>);

impl<T, E> Gather<T, E> for Max<T>
where
    T: Ord + Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.item = Some(match self.item.take() {
            Some(before) if before > item => before,
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
