//! `dedup_by_key`: each item whose key differs from the one before.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item whose key differs from that of the one before: [`PublisherExt::dedup_by_key`](crate::PublisherExt::dedup_by_key).
///
/// ```text
///         dedup_by_key(|n| n / 10)
/// up    --11--12--21--22--13--|
/// down  --11------21------13--|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function or in the comparison becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds one key. Repeated items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let changes = millstream::from_iter([11, 12, 21, 22, 13]).dedup_by_key(|n| n / 10);
/// assert_eq!(changes.collect::<Vec<_>>().block()?, [11, 21, 13]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct DedupByKey<K, F> {
    last: Option<K>,
    f: F,
}

impl<K, F> DedupByKey<K, F> {
    pub(crate) fn new(f: F) -> DedupByKey<K, F> {
        DedupByKey { last: None, f }
    }
}

crate::opaque_debug::opaque_debug!(DedupByKey<K, F>);

impl<T, K, F> ItemStep<T> for DedupByKey<K, F>
where
    T: Send + 'static,
    K: PartialEq + Send + 'static,
    F: FnMut(&T) -> K + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        let key = Some((self.f)(&item));
        if self.last == key {
            return Emit::Skip(item);
        }
        self.last = key;
        Emit::Item(item)
    }
}
