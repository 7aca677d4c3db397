//! `throttle`: items no faster than a rate, and none is lost.

use std::num::NonZeroUsize;

use millstream_blocks::bucket::{Meter, Rate};
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::joined::capacity;
use crate::shape::paced::{One, Pace, Waits};

/// Items no faster than a rate, and none is lost:
/// [`PublisherExt::throttle`](crate::PublisherExt::throttle).
///
/// ```text
///         throttle(time, 16, Rate::new(1, 2 s))
/// up    --1--2-3---------4---|
/// down  --1-----2-----3------4-|
/// ```
///
/// A token bucket: tokens accrue at the [`Rate`], up to its burst, and each item takes one; where
/// there is none, the item waits. So after a pause as many as the burst go at once, and never more
/// in any time than the burst and what accrues in it.
///
/// The rate holds in the long run although timers are late: an item that is sent late is charged as
/// if it had been sent in time, and those that wait behind it follow at once. A consumer that is
/// slow, however, saves up no more than the burst; where it takes its time inside of `on_next` and
/// the burst is 16 or more, it may be an eighth less.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks. Only what is asked for waits,
/// and takes tokens.
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what waits and is queued is discarded, when the task
/// runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous, and one that waits. One timer, which is
/// set while one does.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream::timing::Rate;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let rate = Rate::per_second(10).burst(5);
/// let paced = millstream::range(0..65).throttle(time.clone(), 16, rate);
/// assert_eq!(time.run_until(paced.count())?, 65);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(6));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Throttle<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    rate: Rate,
    site: Site,
}

impl<P, X> Throttle<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, rate: Rate) -> Throttle<P, X> {
        let prefetch = capacity("throttle(time, 0, rate)", prefetch);
        Throttle { upstream, time, prefetch, rate, site: Site::here("throttle") }
    }
}

crate::opaque_debug::opaque_debug!(Throttle<P, X>, prefetch, rate);

impl<P: Publisher, X: Executor + Clock> Publisher for Throttle<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Throttle { upstream, time, prefetch, rate, site } = self;
        let tokens = Meter::new(rate);
        Pace { tokens, cost: One, early: Waits, prefetch, site }.run(upstream, &time, subscriber);
    }
}
