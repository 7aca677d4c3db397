//! `take_within`: the items of some time, then the end.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, capacity, feed, on};
use crate::shape::timed::Alarm;

/// The items of some time, then the end:
/// [`PublisherExt::take_within`](crate::PublisherExt::take_within).
///
/// ```text
///         take_within(time, 16, 9 s)
/// up    --1--2--3--4--5--
/// down  --1--2--3-|
/// ```
///
/// Time is counted from the subscription. It is looked at before each item, so a stream that always
/// has one ends in time as well.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// When the time has passed, whether or not an item is asked for; upstream is cancelled, and what is
/// queued is discarded then. And as upstream.
/// # Errors
/// As upstream, after what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items; one where upstream is synchronous. One timer.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::MissedTicks;
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let ticks = millstream::interval(time.clone(), Duration::from_secs(2), MissedTicks::Skip);
/// let some = ticks.take_within(time.clone(), 16, Duration::from_secs(7));
/// assert_eq!(time.run_until(some.collect::<Vec<_>>())?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TakeWithin<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> TakeWithin<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Self {
        let prefetch = capacity("take_within(time, 0, within)", prefetch);
        TakeWithin { upstream, time, prefetch, within, site: Site::here("take_within") }
    }
}

crate::opaque_debug::opaque_debug!(TakeWithin<P, X>, prefetch, within);

impl<P, X> Publisher for TakeWithin<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let TakeWithin { upstream, time, prefetch, within, site } = self;
        on(
            &time,
            |bell, context| {
                let alarm = Alarm::new(&time, bell);
                let until = alarm.now() + within;
                let feed = feed(upstream, prefetch, bell.clone(), context, site);
                Within { feed, ahead: None, until, alarm, discards: context.discards().clone() }
            },
            subscriber,
        );
    }
}

struct Within<Q: Pull> {
    feed: Feed<Q>,
    /// An item that was taken to find out whether upstream is over.
    ahead: Option<Q::Item>,
    until: Moment,
    alarm: Alarm,
    discards: Discards,
}

impl<Q: Pull> Pull for Within<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        if self.alarm.has_come(self.until) {
            return Pulled::Complete;
        }
        if let Some(item) = self.ahead.take() {
            return Pulled::Item(item);
        }
        let pulled = self.feed.pull();
        if matches!(pulled, Pulled::Pending) {
            self.alarm.rest_until(self.until);
        }
        pulled
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        if self.alarm.has_come(self.until) {
            return Pulled::Complete;
        }
        // Not given to the host, which would not look again, and so not see the time.
        if self.ahead.is_none() {
            match self.feed.look_ahead(started) {
                Pulled::Item(item) => self.ahead = Some(item),
                Pulled::Pending => {}
                other => return other,
            }
        }
        self.alarm.rest_until(self.until);
        Pulled::Pending
    }
}

impl<Q: Pull> Drop for Within<Q> {
    fn drop(&mut self) {
        if let Some(item) = self.ahead.take() {
            self.discards.discard(item);
        }
    }
}
