//! `delay`: all of it, some time later.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Granted, capacity, granted_feed, on};
use crate::shape::timed::Alarm;
use crate::timing::some_time;

/// All items some time later: [`PublisherExt::delay`](crate::PublisherExt::delay).
///
/// ```text
///         delay(time, 16, 3 s)
/// up    --1--23------4|
/// down  -----1--23------4|
/// ```
///
/// The time of an item is counted from when it comes, so the gaps between them stay, as long as no
/// more than `capacity` are on their way. Then upstream waits: nothing is dropped, and what comes
/// later is later.
///
/// # Demand
/// `capacity` when it is subscribed to, and one for each item that was sent. An upstream that is
/// synchronous is pulled while downstream asks, up to `capacity` items ahead.
/// # Completion
/// As upstream, after the items before it, and not later than those.
/// # Errors
/// As upstream, after the items before it, and not later than those.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is on its way is discarded, when the task runs
/// next.
/// # Bounds
/// `capacity` items. One timer for all of them, which is set while one is asked for.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>; when the time is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// // Items 1, 2 and 3 at 1, 2 and 3 s, ten seconds later.
/// let (time, second) = (VirtualTime::new(1), Duration::from_secs(1));
/// let late = millstream::range(1..4).delay_each(time.clone(), 4, second).delay(time.clone(), 64, 10 * second);
/// assert_eq!(time.run_until(late.collect::<Vec<_>>())?, [1, 2, 3]);
/// assert_eq!(time.now(), Moment::START + 13 * second);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Delay<P, X> {
    upstream: P,
    time: X,
    capacity: NonZeroUsize,
    by: Duration,
    site: Site,
}

impl<P, X> Delay<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, items: usize, by: Duration) -> Delay<P, X> {
        let capacity = capacity("delay(time, 0, by)", items);
        some_time("delay(time, capacity, 0): by no time nothing is delayed", by);
        Delay { upstream, time, capacity, by, site: Site::here("delay") }
    }
}

crate::opaque_debug::opaque_debug!(Delay<P, X>, capacity, by);

impl<P: Publisher, X: Executor + Clock> Publisher for Delay<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Delay { upstream, time, capacity, by, site } = self;
        on(
            &time,
            |bell, context| Shifted {
                feed: granted_feed(upstream, capacity, bell.clone(), context, site),
                on_their_way: VecDeque::new(),
                capacity: capacity.get(),
                by,
                error: None,
                alarm: Alarm::new(&time, bell),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

/// How many items are taken or skipped at most before others run.
const LOOKS: usize = 64;

struct Shifted<Q: Pull> {
    feed: Granted<Q>,
    /// With the moments at which they go.
    on_their_way: VecDeque<(Q::Item, Moment)>,
    capacity: usize,
    by: Duration,
    /// What upstream ended by.
    error: Option<Q::Error>,
    alarm: Alarm,
    discards: Discards,
}

impl<Q: Pull> Shifted<Q> {
    /// What `pulled` is, put on its way; whether there may be more.
    fn put(&mut self, pulled: Pulled<Q::Item, Q::Error>, now: Moment) -> bool {
        match pulled {
            Pulled::Item(item) => self.on_their_way.push_back((item, now + self.by)),
            Pulled::Skipped => {}
            Pulled::Pending | Pulled::Complete => return false,
            Pulled::Error(error) => {
                self.error = Some(error);
                return false;
            }
        }
        true
    }

    /// Takes what has come; `false` where it stopped before it was done.
    fn take(&mut self, now: Moment) -> bool {
        for _ in 0..LOOKS {
            if self.on_their_way.len() == self.capacity {
                return true;
            }
            let pulled = self.feed.pull();
            if !self.put(pulled, now) {
                return true;
            }
        }
        false
    }

    /// The end, if it is here.
    fn end(&mut self) -> Pulled<Q::Item, Q::Error> {
        if !self.feed.is_over() || !self.on_their_way.is_empty() {
            return Pulled::Pending;
        }
        self.error.take().map_or(Pulled::Complete, Pulled::Error)
    }
}

impl<Q: Pull> Pull for Shifted<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        let now = self.alarm.now();
        let took_all = self.take(now);
        match self.on_their_way.pop_front() {
            Some((item, due)) if due <= now => {
                self.feed.done(1);
                Pulled::Item(item)
            }
            _ if !took_all && self.on_their_way.is_empty() => Pulled::Skipped,
            Some((item, due)) => {
                self.on_their_way.push_front((item, due));
                if took_all {
                    self.alarm.rest_until(due);
                    Pulled::Pending
                } else {
                    Pulled::Skipped
                }
            }
            None => self.end(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        let now = self.alarm.now();
        self.alarm.rest_until(Moment::NEVER);
        if !self.feed.is_over() && self.feed.is_pulled() {
            if self.on_their_way.len() < self.capacity {
                let pulled = self.feed.look_ahead(started);
                self.put(pulled, now);
            }
        } else if !self.take(now) {
            self.alarm.again();
        }
        self.end()
    }
}

impl<Q: Pull> Drop for Shifted<Q> {
    fn drop(&mut self) {
        for (item, _) in self.on_their_way.drain(..) {
            self.discards.discard(item);
        }
    }
}
