//! `take_while`: the items before the first that fails a test.

use crate::shape::stage::{Books, Emit, ItemStep};

/// The items before the first that fails a test: [`PublisherExt::take_while`](crate::PublisherExt::take_while).
///
/// ```text
///         take_while(|n| *n < 3)
/// up    --1--2--3!
/// down  --1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; and at the first item that fails the test, after upstream was cancelled.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. The item that fails is discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let small = millstream::from_iter(1..).take_while(|n| *n < 3);
/// assert_eq!(small.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct TakeWhile<F> {
    f: F,
}

impl<F> TakeWhile<F> {
    pub(crate) fn new(f: F) -> TakeWhile<F> {
        TakeWhile { f }
    }
}

crate::opaque_debug::opaque_debug!(TakeWhile<F>);

impl<T, F> ItemStep<T> for TakeWhile<F>
where
    T: Send + 'static,
    F: FnMut(&T) -> bool + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if (self.f)(&item) { Emit::Item(item) } else { Emit::Stop(item) }
    }
}
