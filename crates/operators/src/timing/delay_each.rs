//! `delay_each`: each item some time after the one before.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, capacity, feed, on};
use crate::shape::timed::Alarm;
use crate::timing::some_time;

/// Each item some time after it was there, one after another:
/// [`PublisherExt::delay_each`](crate::PublisherExt::delay_each).
///
/// ```text
///         delay_each(time, 16, 3 s)
/// up    --1--23---------4|
/// down  -----1--2--3-------4|
/// ```
///
/// There is a gap between any two items, and before the first. The time of an item is counted from
/// when it is there and asked for, and the one before has gone. To shift all by the same time is
/// [`delay`](crate::PublisherExt::delay); to keep to a rate in the long run although timers are
/// late, [`throttle`](crate::PublisherExt::throttle).
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what waits and is queued is discarded, when the task
/// runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous, and one that waits. One timer, which is set
/// while one does.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the time is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let slow = millstream::range(0..10).delay_each(time.clone(), 16, Duration::from_secs(1));
/// assert_eq!(time.run_until(slow.count())?, 10);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(10));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct DelayEach<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    gap: Duration,
    site: Site,
}

impl<P, X> DelayEach<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, gap: Duration) -> DelayEach<P, X> {
        let prefetch = capacity("delay_each(time, 0, gap)", prefetch);
        some_time("delay_each(time, prefetch, 0): without a gap nothing is delayed", gap);
        DelayEach { upstream, time, prefetch, gap, site: Site::here("delay_each") }
    }
}

crate::opaque_debug::opaque_debug!(DelayEach<P, X>, prefetch, gap);

impl<P: Publisher, X: Executor + Clock> Publisher for DelayEach<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let DelayEach { upstream, time, prefetch, gap, site } = self;
        on(
            &time,
            |bell, context| Spaced {
                feed: feed(upstream, prefetch, bell.clone(), context, site),
                held: None,
                gap,
                alarm: Alarm::new(&time, bell),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

struct Spaced<Q: Pull> {
    feed: Feed<Q>,
    /// The item that waits, and when it goes, once it is asked for.
    held: Option<(Q::Item, Option<Moment>)>,
    gap: Duration,
    alarm: Alarm,
    discards: Discards,
}

impl<Q: Pull> Pull for Spaced<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        let (item, due) = match self.held.take() {
            Some(held) => held,
            None => match self.feed.pull() {
                Pulled::Item(item) => (item, None),
                other => return other,
            },
        };
        let now = self.alarm.now();
        let due = due.unwrap_or(now + self.gap);
        if now >= due {
            return Pulled::Item(item);
        }
        self.held = Some((item, Some(due)));
        self.alarm.rest_until(due);
        Pulled::Pending
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        self.alarm.rest_until(Moment::NEVER);
        if self.held.is_some() {
            return Pulled::Pending;
        }
        match self.feed.look_ahead(started) {
            // Whoever runs this would send it at once; and nobody has asked for it yet.
            Pulled::Item(item) => {
                self.held = Some((item, None));
                Pulled::Pending
            }
            other => other,
        }
    }
}

impl<Q: Pull> Drop for Spaced<Q> {
    fn drop(&mut self) {
        if let Some((item, _)) = self.held.take() {
            self.discards.discard(item);
        }
    }
}
