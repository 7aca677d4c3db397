//! `sample`: the newest item, at each tick.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::capacity;
use crate::shape::kept::{Asked, Keep, keep};
use crate::timing::some_time;

/// The newest item, at each tick of a clock:
/// [`PublisherExt::sample`](crate::PublisherExt::sample).
///
/// ```text
///         sample(time, 16, 4 s)
/// tick  ----x---x---x---x---
/// up    -1-2-3---------4--5|
/// down  ----2---3-------4--5|
/// ```
///
/// The first tick is one period after the subscription. At a tick the newest item since the one
/// before goes; where there is none, nothing does. One that was not asked for then is kept until it
/// is, or until another comes, which goes in its place. An item that comes at the very moment of a
/// tick is for the next.
///
/// # Demand
/// Items are taken as they come, `prefetch` of them asked for ahead. An upstream that is synchronous
/// is pulled while downstream asks.
/// # Completion
/// As upstream. The item that is kept goes before, when it is asked for, without waiting for a tick.
/// # Errors
/// As upstream, at once: the item that is kept is discarded.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is kept and queued is discarded, when the task
/// runs next.
/// # Bounds
/// One item, and `prefetch` where upstream is not synchronous. One timer, which is set while an item
/// is kept and asked for.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the period is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (sensor, readings) = millstream::channel(4);
/// let sampled = readings.sample(time.clone(), 4, Duration::from_secs(1));
/// let seen = probe(sampled, Behaviour::new().initially(10));
/// for n in 0..6 {
///     assert!(sensor.try_send(n).is_ok());
///     time.advance(Duration::from_millis(400));
/// }
/// seen.assert_items(&[2, 4]);
/// # seen.cancel();
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Sample<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    period: Duration,
    site: Site,
}

impl<P, X> Sample<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, period: Duration) -> Sample<P, X> {
        let prefetch = capacity("sample(time, 0, period)", prefetch);
        some_time("sample(time, prefetch, 0): a period is at least a nanosecond", period);
        Sample { upstream, time, prefetch, period, site: Site::here("sample") }
    }
}

crate::opaque_debug::opaque_debug!(Sample<P, X>, prefetch, period);

impl<P: Publisher, X: Executor + Clock> Publisher for Sample<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Sample { upstream, time, prefetch, period, site } = self;
        let keeps = |start| Ticks { start, period, due: start };
        keep(upstream, &time, prefetch, site, keeps, subscriber);
    }
}

/// The newest, until a tick.
struct Ticks {
    start: Moment,
    period: Duration,
    /// The tick at which the one that is kept goes.
    due: Moment,
}

impl Ticks {
    /// The first tick after `now`.
    fn after(&self, now: Moment) -> Moment {
        let period = self.period.as_nanos();
        let next = (now.since(self.start).as_nanos() / period + 1).saturating_mul(period);
        self.start + Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX))
    }
}

impl Keep for Ticks {
    fn came<T>(&mut self, item: T, slot: &mut Option<T>, now: Moment, _: Asked) -> Option<T> {
        if slot.is_none() {
            self.due = self.after(now);
        }
        slot.replace(item)
    }

    fn due(&self) -> Moment {
        self.due
    }
}
