//! `repeat_while`: after completion, from the beginning, as long as a test says so.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

/// After completion, from the beginning, as long as a test says so:
/// [`PublisherExt::repeat_while`](crate::PublisherExt::repeat_while).
///
/// ```text
/// up    --1--2--|
/// f             true
/// up             --1--2--|
/// f                     false
/// down  --1--2-----1--2--|
/// ```
///
/// # Demand
/// Downstream's; what one round has not used up is carried over to the next. The test is made
/// when a round is complete, with or without demand.
/// # Completion
/// When upstream completes and the test says no.
/// # Errors
/// As upstream, at once. A panic in the test, or in upstream's `clone`, becomes a fault.
/// # Cancellation
/// The running round is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of each round. An empty upstream
/// is repeated in a loop, in constant stack, that only the test or a cancellation breaks.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut rounds = 0;
/// let numbers = millstream::from_iter(1..=2).repeat_while(move || {
///     rounds += 1;
///     rounds < 3
/// });
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2, 1, 2, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RepeatWhile<P, F> {
    upstream: P,
    again: F,
}

impl<P, F> RepeatWhile<P, F> {
    pub(crate) fn new(upstream: P, again: F) -> RepeatWhile<P, F> {
        RepeatWhile { upstream, again }
    }
}

crate::opaque_debug::opaque_debug!(RepeatWhile<P, F>);

impl<P, F> Publisher for RepeatWhile<P, F>
where
    P: Publisher + Clone,
    F: FnMut() -> bool + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        relay(Rounds { upstream: self.upstream, again: self.again }, subscriber, |_| {});
    }
}

struct Rounds<P, F> {
    upstream: P,
    again: F,
}

impl<P, F> Sequence for Rounds<P, F>
where
    P: Publisher + Clone,
    F: FnMut() -> bool + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = P;
    type Feed = Infallible;

    fn start(&mut self) -> Then<P, P::Error> {
        Then::Subscribe(self.upstream.clone())
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<P, P::Error> {
        match end {
            SourceEnd::Completed if (self.again)() => self.start(),
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(error) => Then::Fail(error),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<P, P::Error> {
        match feed {}
    }
}
