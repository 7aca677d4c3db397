//! `unique_within`: each item that was not seen lately.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item that is not among the last `capacity` different ones: [`PublisherExt::unique_within`](crate::PublisherExt::unique_within).
///
/// ```text
///         unique_within(2)
/// up    --1--2--1--3--2--|
/// down  --1--2-----3--2--|       2 was forgotten: 1 and 3 came later
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
/// Holds two clones of each of `capacity` items. An item that comes again is remembered anew; the
/// one that did not come for longest is forgotten. Repeated items are discarded.
/// # Panics
/// When `capacity` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let new = millstream::from_iter([1, 2, 1, 3, 2]).unique_within(2);
/// assert_eq!(new.collect::<Vec<_>>().block()?, [1, 2, 3, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct UniqueWithin<T> {
    capacity: usize,
    now: u64,
    /// When each item came last, and which item that was.
    last: HashMap<T, u64>,
    order: BTreeMap<u64, T>,
}

impl<T> UniqueWithin<T> {
    #[track_caller]
    pub(crate) fn new(capacity: usize) -> UniqueWithin<T> {
        assert!(capacity > 0, "unique_within(0): at least 1 item is remembered");
        UniqueWithin { capacity, now: 0, last: HashMap::new(), order: BTreeMap::new() }
    }
}

crate::opaque_debug::opaque_debug!(UniqueWithin<T>, capacity);

impl<T> ItemStep<T> for UniqueWithin<T>
where
    T: Clone + Eq + Hash + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.now += 1;
        if let Some(last) = self.last.get_mut(&item) {
            let before = std::mem::replace(last, self.now);
            if let Some(key) = self.order.remove(&before) {
                self.order.insert(self.now, key);
            }
            return Emit::Skip(item);
        }
        if self.last.len() == self.capacity
            && let Some((_, forgotten)) = self.order.pop_first()
        {
            self.last.remove(&forgotten);
        }
        self.last.insert(item.clone(), self.now);
        self.order.insert(self.now, item.clone());
        Emit::Item(item)
    }
}
