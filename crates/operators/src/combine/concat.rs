//! `concat`: the publishers of an iterator, one after another.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

use crate::shape::failing::{AtFirst, Failing};

/// The publishers of an iterator, one after another.
///
/// ```text
/// first  --1--2--|
/// next            --7--|
/// next                  --9--|
/// down   --1--2-----7-----9--|
/// ```
///
/// # Demand
/// Downstream's; what one publisher has not used up is carried over to the next. The iterator is
/// advanced when the stream begins and when a publisher is complete, with or without demand.
/// # Completion
/// When a publisher is complete and the iterator has no other.
/// # Errors
/// As the running publisher, at once. A panic in the iterator becomes a fault.
/// # Cancellation
/// The running publisher is cancelled, the iterator dropped.
/// # Bounds
/// Holds the iterator and no items. One allocation per subscription, and those of each publisher.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::concat((1..=3).map(|n| millstream::from_iter(0..n)));
/// assert_eq!(all.collect::<Vec<_>>().block()?, [0, 0, 1, 0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub fn concat<I>(sources: I) -> Concat<I::IntoIter>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Publisher>,
{
    Concat { sources: sources.into_iter() }
}

/// The publisher of [`concat()`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Concat<I> {
    sources: I,
}

crate::opaque_debug::opaque_debug!(Concat<I>);

impl<I, P> Publisher for Concat<I>
where
    I: Iterator<Item = P> + Send + 'static,
    P: Publisher,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        in_order(self.sources, AtFirst, subscriber);
    }
}

/// The publishers of `sources`, one after another.
pub(super) fn in_order<I, P, B, S>(sources: I, failing: B, subscriber: S)
where
    I: Iterator<Item = P> + Send + 'static,
    P: Publisher,
    B: Failing<P::Error>,
    S: Subscriber<P::Item, B::Error>,
{
    relay(InOrder { sources, failing }, subscriber, |_| {});
}

struct InOrder<I, B> {
    sources: I,
    failing: B,
}

impl<I, P, B> Sequence for InOrder<I, B>
where
    I: Iterator<Item = P> + Send + 'static,
    P: Publisher,
    B: Failing<P::Error>,
{
    type Item = P::Item;
    type Error = B::Error;
    type Source = P;
    type Feed = Infallible;

    fn start(&mut self) -> Then<P, B::Error> {
        match self.sources.next() {
            Some(source) => Then::Subscribe(source),
            None => self.failing.over().map_or(Then::Complete, Then::Fail),
        }
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<P, B::Error> {
        if let SourceEnd::Failed(error) = end
            && let Some(error) = self.failing.failed(error)
        {
            return Then::Fail(error);
        }
        self.start()
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<P, B::Error> {
        match feed {}
    }
}
