//! `last`: the last item.

use millstream_core::More;

use crate::shape::end::Gather;

/// The last item: [`PublisherExt::last`](crate::PublisherExt::last).
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
/// As upstream.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter(1..=3).last().block()?, Some(3));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Last<T> {
    item: Option<T>,
}

impl<T> Last<T> {
    pub(crate) fn new() -> Last<T> {
        Last { item: None }
    }
}

crate::opaque_debug::opaque_debug!(Last<T>);

impl<T, E> Gather<T, E> for Last<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.item = Some(item);
        More::NONE
    }

    fn finish(self) -> Result<Option<T>, E> {
        Ok(self.item)
    }

    fn error(self, error: E) -> Result<Option<T>, E> {
        Err(error)
    }
}
