//! `elapsed`: each item with the time since the one before.

use std::time::Duration;

use millstream_executors::time::{Clock, Moment};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Each item with the time since the one before, the first with the time since the subscription:
/// [`PublisherExt::elapsed`](crate::PublisherExt::elapsed).
///
/// ```text
/// clock  0 s 1 s    3 s
/// up     ----a------b------|
/// down   ----(1s,a)-(2s,b)-|
/// ```
///
/// It is the time between items here: that of a downstream which asks late counts as well as that of
/// an upstream which is slow.
///
/// # Demand
/// As downstream's. The clock is looked at once for each item, and no timer is set.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds a time.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (sender, items) = millstream::channel(4);
/// let seen = probe(items.elapsed(time.clone()), Behaviour::new().initially(10));
/// time.advance(Duration::from_secs(1));
/// assert!(sender.try_send("a").is_ok());
/// time.advance(Duration::from_secs(2));
/// assert!(sender.try_send("b").is_ok());
/// seen.assert_items(&[(Duration::from_secs(1), "a"), (Duration::from_secs(2), "b")]);
/// # seen.cancel();
/// ```
#[derive(Clone)]
pub struct Elapsed<X> {
    clock: X,
    since: Moment,
}

impl<X> Elapsed<X> {
    pub(crate) fn new(clock: X) -> Elapsed<X> {
        Elapsed { clock, since: Moment::NEVER }
    }
}

crate::opaque_debug::opaque_debug!(Elapsed<X>);

impl<T, X> ItemStep<T> for Elapsed<X>
where
    T: Send + 'static,
    X: Clock,
{
    type Item = (Duration, T);
    type Books<E: Send + 'static> = NoBooks;
    // What is pulled begins when it is pulled for the first time, and not when it is subscribed to.
    const PULLS: bool = false;

    fn subscribed(&mut self) {
        self.since = self.clock.now();
    }

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<(Duration, T), T, E> {
        let now = self.clock.now();
        let elapsed = now.since(std::mem::replace(&mut self.since, now));
        Emit::Item((elapsed, item))
    }
}
