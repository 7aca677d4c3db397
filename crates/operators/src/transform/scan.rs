//! `scan`: each item with a state, through a function that may end the stream.

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item with a state, through a function that may end the stream: [`PublisherExt::scan`](crate::PublisherExt::scan).
///
/// ```text
///       scan(0, |sum, n| { *sum += n; (*sum < 9).then_some(*sum) })
/// up    --1--2--3--4!
/// down  --1--3--6--|
/// ```
///
/// This is the `scan` of `Iterator`. That of Reactor and Rx, which sends its seed first, is
/// [`running_fold`](crate::PublisherExt::running_fold).
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; and where the function returns `None`, after upstream was cancelled.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream. The state is dropped.
/// # Bounds
/// Holds the state.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let sums = millstream::from_iter(1..).scan(0, |sum, n| {
///     *sum += n;
///     (*sum < 9).then_some(*sum)
/// });
/// assert_eq!(sums.collect::<Vec<_>>().block()?, [1, 3, 6]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Scan<S, F> {
    state: S,
    f: F,
}

impl<S, F> Scan<S, F> {
    pub(crate) fn new(state: S, f: F) -> Scan<S, F> {
        Scan { state, f }
    }
}

crate::opaque_debug::opaque_debug!(Scan<S, F>);

impl<T, U, S, F> ItemStep<T> for Scan<S, F>
where
    T: Send + 'static,
    U: Send + 'static,
    S: Send + 'static,
    F: FnMut(&mut S, T) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        match (self.f)(&mut self.state, item) {
            Some(item) => Emit::Item(item),
            None => Emit::Complete,
        }
    }
}
