//! `filter_map`: each item through a function that may drop it.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item through a function that may drop it: [`PublisherExt::filter_map`](crate::PublisherExt::filter_map).
///
/// ```text
/// up    --1-----2-----3--|
/// f       a     None  c
/// down  --a-----------c--|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. What becomes of an item is the function's business.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["1", "two", "3"]);
/// let numbers = words.filter_map(|text| text.parse::<u32>().ok());
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 3]);
///
/// // Those of one type.
/// let any: [Box<dyn std::any::Any + Send>; 3] = [Box::new(1), Box::new("two"), Box::new(3)];
/// let numbers = millstream::from_iter(any).filter_map(|item| item.downcast::<i32>().ok());
/// assert_eq!(numbers.map(|n| *n).collect::<Vec<_>>().block()?, [1, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct FilterMap<F> {
    f: F,
}

impl<F> FilterMap<F> {
    pub(crate) fn new(f: F) -> FilterMap<F> {
        FilterMap { f }
    }
}

crate::opaque_debug::opaque_debug!(FilterMap<F>);

impl<T, U, F> ItemStep<T> for FilterMap<F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        match (self.f)(item) {
            Some(item) => Emit::Item(item),
            None => Emit::KeepAsking,
        }
    }
}
