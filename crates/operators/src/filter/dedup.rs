//! `dedup`: each item that differs from the one before.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item that differs from the one before: [`PublisherExt::dedup`](crate::PublisherExt::dedup).
///
/// ```text
/// up    --1--1--2--2--1--|
/// down  --1-----2-----1--|
/// ```
///
/// This is the `dedup` of `Vec`. Against repetitions that do not follow each other there is
/// [`unique`](crate::PublisherExt::unique).
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the comparison or in `clone` becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds a clone of the last item that passed. Repeated items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let changes = millstream::from_iter([1, 1, 2, 2, 1]).dedup();
/// assert_eq!(changes.collect::<Vec<_>>().block()?, [1, 2, 1]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Dedup<T> {
    last: Option<T>,
}

impl<T> Dedup<T> {
    pub(crate) fn new() -> Dedup<T> {
        Dedup { last: None }
    }
}

crate::opaque_debug::opaque_debug!(Dedup<T>);

impl<T> ItemStep<T> for Dedup<T>
where
    T: Clone + PartialEq + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if self.last.as_ref() == Some(&item) {
            return Emit::Skip(item);
        }
        self.last = Some(item.clone());
        Emit::Item(item)
    }
}
