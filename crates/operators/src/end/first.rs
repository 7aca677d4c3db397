//! `first`: the first item.

use millstream_core::{Demand, More};

use crate::shape::end::Gather;

/// The first item: [`PublisherExt::first`](crate::PublisherExt::first).
///
/// ```text
/// up    --1!
/// end     Some(1)
/// ```
///
/// # Demand
/// One.
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
/// assert_eq!(millstream::from_iter(1..).first().block()?, Some(1));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct First<T> {
    item: Option<T>,
}

impl<T> First<T> {
    pub(crate) fn new() -> First<T> {
        First { item: None }
    }
}

crate::opaque_debug::opaque_debug!(First<T>);

impl<T, E> Gather<T, E> for First<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    fn demand(&self) -> Demand {
        Demand::ONE
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
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
