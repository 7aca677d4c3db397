//! `switch_if_empty`: another publisher where upstream has no items.

use millstream_core::{Publisher, Subscriber};

use crate::shape::one_then_other::{Second, one_then_other};

/// Another publisher where upstream has no items:
/// [`PublisherExt::switch_if_empty`](crate::PublisherExt::switch_if_empty).
///
/// ```text
/// up     ----|
/// other       --7--8--|
/// down   -------7--8--|
/// ```
///
/// # Demand
/// Downstream's; all of it is carried over to the other.
/// # Completion
/// As upstream where it had an item, else as the other.
/// # Errors
/// As either. An error is not emptiness.
/// # Cancellation
/// Whichever of the two is running is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of the two.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..1).switch_if_empty(millstream::from_iter(7..=8));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [7, 8]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SwitchIfEmpty<P, Q> {
    upstream: P,
    other: Q,
}

impl<P, Q> SwitchIfEmpty<P, Q> {
    pub(crate) fn new(upstream: P, other: Q) -> SwitchIfEmpty<P, Q> {
        SwitchIfEmpty { upstream, other }
    }
}

crate::opaque_debug::opaque_debug!(SwitchIfEmpty<P, Q>);

impl<P, Q> Publisher for SwitchIfEmpty<P, Q>
where
    P: Publisher,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        one_then_other(self.upstream, self.other, Second::IfTheFirstWasEmpty, subscriber);
    }
}
