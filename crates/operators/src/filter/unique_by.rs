//! `unique_by`: each item whose key was not sent before.

use std::collections::HashSet;
use std::hash::Hash;

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item whose key was not seen before: [`PublisherExt::unique_by`](crate::PublisherExt::unique_by).
///
/// ```text
///         unique_by(|n| n / 10)
/// up    --11--21--12--31--|
/// down  --11--21------31--|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function, the comparison or the hash becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// None: holds every key. Repeated items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let new = millstream::from_iter([11, 21, 12, 31]).unique_by(|n| n / 10);
/// assert_eq!(new.collect::<Vec<_>>().block()?, [11, 21, 31]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct UniqueBy<K, F> {
    seen: HashSet<K>,
    f: F,
}

impl<K, F> UniqueBy<K, F> {
    pub(crate) fn new(f: F) -> UniqueBy<K, F> {
        UniqueBy { seen: HashSet::new(), f }
    }
}

crate::opaque_debug::opaque_debug!(UniqueBy<K, F>);

impl<T, K, F> ItemStep<T> for UniqueBy<K, F>
where
    T: Send + 'static,
    K: Eq + Hash + Send + 'static,
    F: FnMut(&T) -> K + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        let key = (self.f)(&item);
        if self.seen.insert(key) { Emit::Item(item) } else { Emit::Skip(item) }
    }
}
