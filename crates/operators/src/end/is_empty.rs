//! `is_empty`: whether there is no item.

use millstream_core::{Demand, More};

use crate::shape::end::Gather;

/// Whether there is no item: [`PublisherExt::is_empty`](crate::PublisherExt::is_empty).
///
/// ```text
/// up    --1!
/// end     false
/// ```
///
/// # Demand
/// One.
/// # Completion
/// The answer: with the first item, which cancels upstream, or when upstream completes.
/// # Errors
/// As upstream, before an item.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert!(!millstream::from_iter(1..).is_empty().block()?);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct IsEmpty {
    item: bool,
}

impl<T, E> Gather<T, E> for IsEmpty
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = bool;
    type Error = E;

    fn demand(&self) -> Demand {
        Demand::ONE
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
        drop(item);
        self.item = true;
        More::CANCEL
    }

    fn finish(self) -> Result<bool, E> {
        Ok(!self.item)
    }

    fn error(self, error: E) -> Result<bool, E> {
        Err(error)
    }
}
