//! `unique`: each item that was not sent before.

use std::collections::HashSet;
use std::hash::Hash;

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item that was not sent before: [`PublisherExt::unique`](crate::PublisherExt::unique).
///
/// ```text
/// up    --1--2--1--3--2--|
/// down  --1--2-----3-----|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the comparison, the hash or `clone` becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// None: holds a clone of every item that passed. Over a stream that does not end, use
/// [`unique_within`](crate::PublisherExt::unique_within). Repeated items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let new = millstream::from_iter([1, 2, 1, 3, 2]).unique();
/// assert_eq!(new.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Unique<T> {
    seen: HashSet<T>,
}

impl<T> Unique<T> {
    pub(crate) fn new() -> Unique<T> {
        Unique { seen: HashSet::new() }
    }
}

crate::opaque_debug::opaque_debug!(Unique<T>);

impl<T> ItemStep<T> for Unique<T>
where
    T: Clone + Eq + Hash + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if self.seen.contains(&item) {
            return Emit::Skip(item);
        }
        self.seen.insert(item.clone());
        Emit::Item(item)
    }
}
