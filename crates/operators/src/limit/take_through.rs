//! `take_through`: the items up to the first that passes a test, and that one.

use crate::shape::stage::{Books, Emit, ItemStep};

/// The items up to the first that passes a test, and that one: [`PublisherExt::take_through`](crate::PublisherExt::take_through).
///
/// ```text
///         take_through(|n| *n == 3)
/// up    --1--2--3!
/// down  --1--2--3|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; and with the first item that passes the test, after upstream was cancelled.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let through = millstream::from_iter(1..).take_through(|n| *n == 3);
/// assert_eq!(through.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct TakeThrough<F> {
    f: F,
}

impl<F> TakeThrough<F> {
    pub(crate) fn new(f: F) -> TakeThrough<F> {
        TakeThrough { f }
    }
}

crate::opaque_debug::opaque_debug!(TakeThrough<F>);

impl<T, F> ItemStep<T> for TakeThrough<F>
where
    T: Send + 'static,
    F: FnMut(&T) -> bool + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if (self.f)(&item) { Emit::Last(item) } else { Emit::Item(item) }
    }
}
