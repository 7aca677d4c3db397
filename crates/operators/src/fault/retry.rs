//! `retry`: after an error, from the beginning.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

/// After an error, from the beginning: [`PublisherExt::retry`](crate::PublisherExt::retry).
///
/// ```text
///         retry(1)
/// up    --1--2--x
/// up             --1--2--3--|
/// down  --1--2-----1--2--3--|
/// ```
///
/// An attempt is a clone of upstream, as it was before it was subscribed to, with what its functions
/// captured. What the attempts are to have in common is shared: an `Arc`, an atomic.
///
/// # Demand
/// Downstream's; what a failed attempt has not used up is carried over to the next.
/// # Completion
/// As upstream.
/// # Errors
/// That of the last attempt, as it is, when `k` more have failed. Faults pass at once. A panic
/// in upstream's `clone` becomes a fault.
/// # Cancellation
/// The running attempt is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of each attempt. An upstream that
/// fails at once is tried again in a loop, in constant stack, that a cancellation breaks.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use millstream::prelude::*;
///
/// let attempts = Arc::new(AtomicU32::new(0));
/// let made = attempts.clone();
/// let flaky = millstream::from_iter(1..=2).try_map(move |n| match n {
///     2 if made.fetch_add(1, Ordering::Relaxed) < 3 => Err("busy"),
///     n => Ok(n),
/// });
/// let numbers = flaky.retry(3).collect::<Vec<_>>();
/// assert_eq!(numbers.block()?, [1, 1, 1, 1, 2]);
/// assert_eq!(attempts.load(Ordering::Relaxed), 4);
/// # Ok::<(), millstream::Failure<&str>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Retry<P> {
    upstream: P,
    more: u64,
}

impl<P> Retry<P> {
    pub(crate) fn new(upstream: P, more: u64) -> Retry<P> {
        Retry { upstream, more }
    }
}

crate::opaque_debug::opaque_debug!(Retry<P>, more);

impl<P: Publisher + Clone> Publisher for Retry<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        relay(Attempts { upstream: Some(self.upstream), left: self.more }, subscriber, |_| {});
    }
}

struct Attempts<P> {
    /// Gone with the last attempt, which needs no clone.
    upstream: Option<P>,
    left: u64,
}

impl<P: Publisher + Clone> Sequence for Attempts<P> {
    type Item = P::Item;
    type Error = P::Error;
    type Source = P;
    type Feed = Infallible;

    fn start(&mut self) -> Then<P, P::Error> {
        let attempt = if self.left == 0 { self.upstream.take() } else { self.upstream.clone() };
        attempt.map_or(Then::Complete, Then::Subscribe)
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<P, P::Error> {
        match end {
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(error) if self.left == 0 => Then::Fail(error),
            SourceEnd::Failed(_) => {
                self.left -= 1;
                self.start()
            }
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<P, P::Error> {
        match feed {}
    }
}
