//! `collect`: all items in a collection.

use millstream_core::More;

use crate::shape::end::Gather;

/// All items in a collection: [`PublisherExt::collect`](crate::PublisherExt::collect).
///
/// ```text
/// up    --1--2--3--|
/// end              [1, 2, 3]
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// The collection, when upstream completes.
/// # Errors
/// As upstream; what was collected is dropped.
/// # Cancellation
/// Dropping the end cancels upstream and drops what was collected.
/// # Bounds
/// None: the collection grows with the stream; `collect_max` is bounded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::from_iter(1..=3).collect::<Vec<_>>();
/// assert_eq!(all.block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Collect<C> {
    collection: C,
}

impl<T, E, C> Gather<T, E> for Collect<C>
where
    E: Send + 'static,
    C: Default + Extend<T> + Send + 'static,
{
    type Output = C;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.collection.extend(Some(item));
        More::NONE
    }

    fn finish(self) -> Result<C, E> {
        Ok(self.collection)
    }

    fn error(self, error: E) -> Result<C, E> {
        Err(error)
    }
}
