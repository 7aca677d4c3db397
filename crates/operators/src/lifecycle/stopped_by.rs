//! `stopped_by`: until a switch is thrown.

use std::convert::Infallible;

use millstream_core::{Publisher, Subscriber};

use crate::lifecycle::KillSwitch;

/// Items until a [`KillSwitch`] is thrown:
/// [`PublisherExt::stopped_by`](crate::PublisherExt::stopped_by).
///
/// ```text
/// switch ----------shutdown()
/// up     --1--2--3-----4--
/// down   --1--2--3-|
/// ```
///
/// # Demand
/// As downstream's. Nothing is asked for after the switch was thrown.
/// # Completion
/// As upstream; and at once, without demand, when the switch is [shut
/// down](KillSwitch::shutdown). Upstream is cancelled then.
/// # Errors
/// As upstream; and at once, without demand, when the switch is [aborted](KillSwitch::abort).
/// Upstream is cancelled then.
/// # Cancellation
/// As downstream's.
/// # Bounds
/// Holds nothing. Three allocations per subscription.
///
/// # Examples
/// ```
/// use millstream::lifecycle::KillSwitch;
/// use millstream::prelude::*;
///
/// let switch = KillSwitch::new();
/// let numbers = millstream::from_iter(1..=3).stopped_by(&switch);
/// assert_eq!(numbers.clone().collect::<Vec<_>>().block()?, [1, 2, 3]);
/// switch.shutdown();
/// assert_eq!(numbers.count().block()?, 0, "one that is subscribed to later ends at once");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct StoppedBy<P, E = Infallible> {
    upstream: P,
    switch: KillSwitch<E>,
}

impl<P, E> StoppedBy<P, E> {
    pub(crate) fn new(upstream: P, switch: KillSwitch<E>) -> StoppedBy<P, E> {
        StoppedBy { upstream, switch }
    }
}

crate::opaque_debug::opaque_debug!(StoppedBy<P, E>, switch);

impl<P: Publisher> Publisher for StoppedBy<P, P::Error> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.switch.halts(self.upstream, subscriber);
    }
}
