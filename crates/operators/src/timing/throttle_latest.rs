//! `throttle_latest`: an item, then the newest after some time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::capacity;
use crate::shape::kept::{Asked, Keep, Last, keep};
use crate::timing::some_time;

/// What becomes of the item that waits for its time when upstream is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trailing {
    /// It is sent, without waiting for its time.
    Send,
    /// It is discarded. One that waits for demand alone is sent.
    Discard,
}

/// An item, and then the newest of those that came in some time after it:
/// [`PublisherExt::throttle_latest`](crate::PublisherExt::throttle_latest).
///
/// ```text
///         throttle_latest(time, 16, 4 s, Trailing::Send)
/// up    --1-23-------4-5|
/// down  --1---3------4--5|
/// ```
///
/// The first goes at once, and so does each that comes when enough time has passed since the last
/// that went. Of those that come before, the newest is kept until then, and goes as soon as it is
/// asked for; the others are discarded. An item that comes at the very moment at which enough has
/// passed is after the one that is kept: that goes, where it is asked for.
///
/// # Demand
/// Items are taken as they come, `prefetch` of them asked for ahead. An upstream that is synchronous
/// is pulled while downstream asks.
/// # Completion
/// As upstream. Of the item that is kept the [`Trailing`] says whether it goes before, when it is
/// asked for.
/// # Errors
/// As upstream, at once: the item that is kept is discarded.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is kept and queued is discarded, when the task
/// runs next.
/// # Bounds
/// One item, and `prefetch` where upstream is not synchronous. One timer, which is set while an item
/// is kept and asked for.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the time is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::timing::Trailing;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (position, positions) = millstream::channel(4);
/// let second = Duration::from_secs(1);
/// let shown = positions.throttle_latest(time.clone(), 4, second, Trailing::Send);
/// let seen = probe(shown, Behaviour::new().initially(10));
/// for n in 0..6 {
///     assert!(position.try_send(n).is_ok());
///     time.advance(Duration::from_millis(300));
/// }
/// seen.assert_items(&[0, 3]);
/// position.complete();
/// time.run_until_idle();
/// seen.assert_items(&[0, 3, 5]);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ThrottleLatest<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    gap: Duration,
    trailing: Trailing,
    site: Site,
}

impl<P, X> ThrottleLatest<P, X> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        gap: Duration,
        trailing: Trailing,
    ) -> ThrottleLatest<P, X> {
        let prefetch = capacity("throttle_latest(time, 0, gap, trailing)", prefetch);
        some_time(
            "throttle_latest(time, prefetch, 0, trailing): without a gap all items pass",
            gap,
        );
        let site = Site::here("throttle_latest");
        ThrottleLatest { upstream, time, prefetch, gap, trailing, site }
    }
}

crate::opaque_debug::opaque_debug!(ThrottleLatest<P, X>, prefetch, gap, trailing);

impl<P: Publisher, X: Executor + Clock> Publisher for ThrottleLatest<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ThrottleLatest { upstream, time, prefetch, gap, trailing, site } = self;
        let keeps = |_| Newest { gap, trailing, due: Moment::START };
        keep(upstream, &time, prefetch, site, keeps, subscriber);
    }
}

/// The newest, until some time after the last that went.
struct Newest {
    gap: Duration,
    trailing: Trailing,
    due: Moment,
}

impl Keep for Newest {
    fn came<T>(&mut self, item: T, slot: &mut Option<T>, _: Moment, _: Asked) -> Option<T> {
        slot.replace(item)
    }

    fn due(&self) -> Moment {
        self.due
    }

    fn went(&mut self, now: Moment) {
        self.due = now + self.gap;
    }

    fn last(&self, now: Moment) -> Last {
        if self.trailing == Trailing::Send || self.due <= now {
            Last::Goes
        } else {
            Last::Discarded
        }
    }
}
