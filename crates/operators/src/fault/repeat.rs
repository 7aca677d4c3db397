//! `repeat`: after completion, from the beginning.

use millstream_core::{Publisher, Subscriber};

use crate::fault::RepeatWhile;

/// After completion, from the beginning, `k` more times:
/// [`PublisherExt::repeat`](crate::PublisherExt::repeat).
///
/// ```text
///         repeat(1)
/// up    --1--2--|
/// up             --1--2--|
/// down  --1--2-----1--2--|
/// ```
///
/// # Demand
/// Downstream's; what one round has not used up is carried over to the next.
/// # Completion
/// With the last round.
/// # Errors
/// As upstream, at once. A panic in upstream's `clone` becomes a fault.
/// # Cancellation
/// The running round is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of each round. Rounds without an
/// item follow each other at once, on the thread that asked: a source that is always empty,
/// repeated without end, keeps that thread busy until it is cancelled.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2).repeat(1);
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Repeat<P> {
    upstream: P,
    more: u64,
}

impl<P> Repeat<P> {
    pub(crate) fn new(upstream: P, more: u64) -> Repeat<P> {
        Repeat { upstream, more }
    }
}

crate::opaque_debug::opaque_debug!(Repeat<P>, more);

impl<P: Publisher + Clone> Publisher for Repeat<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let mut left = self.more;
        let again = move || {
            let again = left > 0;
            left = left.saturating_sub(1);
            again
        };
        RepeatWhile::new(self.upstream, again).subscribe(subscriber);
    }
}
