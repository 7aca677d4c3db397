//! `timestamp`: each item with the time at which it passed.

use millstream_executors::time::{Clock, Moment};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Each item with the time at which it passed:
/// [`PublisherExt::timestamp`](crate::PublisherExt::timestamp).
///
/// ```text
/// clock  0 s 1 s    3 s
/// up     ----a------b------|
/// down   ----(1s,a)-(3s,b)-|
/// ```
///
/// The time is that of the place where the stage stands: put it above a queue to know how long items
/// wait there, as [`Moment::since`] says. All of one pass of a pipeline that look at the same clock
/// can be compared.
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
/// Holds nothing.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::{MissedTicks, time::Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let second = Duration::from_secs(1);
/// let ticks = millstream::interval(time.clone(), second, MissedTicks::Skip);
/// let stamped = ticks.timestamp(time.clone()).take(2);
/// let first = Moment::START + second;
/// assert_eq!(time.run_until(stamped.collect::<Vec<_>>())?, [(first, 0), (first + second, 1)]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Timestamp<X> {
    clock: X,
}

impl<X> Timestamp<X> {
    pub(crate) fn new(clock: X) -> Timestamp<X> {
        Timestamp { clock }
    }
}

crate::opaque_debug::opaque_debug!(Timestamp<X>);

impl<T, X> ItemStep<T> for Timestamp<X>
where
    T: Send + 'static,
    X: Clock,
{
    type Item = (Moment, T);
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<(Moment, T), T, E> {
        Emit::Item((self.clock.now(), item))
    }
}
