//! `nth`: the item with a number, from zero on.

use millstream_core::{Demand, More};

use crate::shape::end::Gather;

/// The item with a number, from zero on: [`PublisherExt::nth`](crate::PublisherExt::nth).
///
/// ```text
///       nth(1)
/// up    --1--2!
/// end        Some(2)
/// ```
///
/// # Demand
/// `i + 1`.
/// # Completion
/// The item, as soon as it comes, which cancels upstream; `None` where upstream completes before.
/// # Errors
/// As upstream, before the item.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter(1..).nth(2).block()?, Some(3));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Nth<T> {
    before: u64,
    item: Option<T>,
}

impl<T> Nth<T> {
    pub(crate) fn new(i: u64) -> Nth<T> {
        Nth { before: i, item: None }
    }
}

crate::opaque_debug::opaque_debug!(Nth<T>, before);

impl<T, E> Gather<T, E> for Nth<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    fn demand(&self) -> Demand {
        Demand::of(self.before.saturating_add(1))
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
        if self.before > 0 {
            self.before -= 1;
            return More::NONE;
        }
        self.item = Some(item);
        More::CANCEL
    }

    fn finish(self) -> Result<Option<T>, E> {
        Ok(self.item)
    }

    fn error(self, error: E) -> Result<Option<T>, E> {
        Err(error)
    }
}
