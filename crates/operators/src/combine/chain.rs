//! `chain`: one publisher after another.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

use crate::either::Same;

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
        let sequence = Both { first: Some(self.upstream), second: Some(self.other) };
        relay(sequence, subscriber, |_| {});
    }
}

/// The one, and then the other.
struct Both<P, Q> {
    first: Option<P>,
    second: Option<Q>,
}

impl<P, Q> Sequence for Both<P, Q>
where
    P: Publisher,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = Same<P, Q>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Same<P, Q>, P::Error> {
        self.first.take().map_or(Then::Complete, |first| Then::Subscribe(Same::First(first)))
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<Same<P, Q>, P::Error> {
        match end {
            SourceEnd::Completed => self
                .second
                .take()
                .map_or(Then::Complete, |second| Then::Subscribe(Same::Second(second))),
            SourceEnd::Failed(error) => Then::Fail(error),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Same<P, Q>, P::Error> {
        match feed {}
    }
}
