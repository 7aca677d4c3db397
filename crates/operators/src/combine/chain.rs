//! `chain`: one publisher after another.

use millstream_core::{Publisher, Subscriber};

use crate::shape::one_then_other::{Second, one_then_other};

/// One publisher after another: [`PublisherExt::chain`](crate::PublisherExt::chain).
///
/// ```text
/// up     --1--2--|
/// other           --7--8--|
/// down   --1--2-----7--8--|
/// ```
///
/// # Demand
/// Downstream's; what the first has not used up is carried over to the second, which is
/// subscribed to when the first is complete, not before.
/// # Completion
/// With the second.
/// # Errors
/// As either; after an error of the first the second is never subscribed to.
/// # Cancellation
/// Whichever of the two is running is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of the two.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2).chain(millstream::from_iter(7..=8));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2, 7, 8]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Chain<P, Q> {
    upstream: P,
    other: Q,
}

impl<P, Q> Chain<P, Q> {
    pub(crate) fn new(upstream: P, other: Q) -> Chain<P, Q> {
        Chain { upstream, other }
    }
}

crate::opaque_debug::opaque_debug!(Chain<P, Q>);

impl<P, Q> Publisher for Chain<P, Q>
where
    P: Publisher,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        one_then_other(self.upstream, self.other, Second::Always, subscriber);
    }
}
