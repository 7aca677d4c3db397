//! `skip_while`: all items from the first that fails a test.

use crate::shape::stage::{Books, Emit, ItemStep};

/// All items from the first that fails a test: [`PublisherExt::skip_while`](crate::PublisherExt::skip_while).
///
/// ```text
///         skip_while(|n| *n < 3)
/// up    --1--2--3--1--|
/// down  --------3--1--|
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
/// Holds nothing. The first items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let rest = millstream::from_iter([1, 2, 3, 1]).skip_while(|n| *n < 3);
/// assert_eq!(rest.collect::<Vec<_>>().block()?, [3, 1]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct SkipWhile<F> {
    f: F,
    passing: bool,
}

impl<F> SkipWhile<F> {
    pub(crate) fn new(f: F) -> SkipWhile<F> {
        SkipWhile { f, passing: false }
    }
}

crate::opaque_debug::opaque_debug!(SkipWhile<F>, passing);

impl<T, F> ItemStep<T> for SkipWhile<F>
where
    T: Send + 'static,
    F: FnMut(&T) -> bool + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if !self.passing && (self.f)(&item) {
            return Emit::Skip(item);
        }
        self.passing = true;
        Emit::Item(item)
    }
}
