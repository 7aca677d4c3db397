//! `throttle_first`: an item, and none for some time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::capacity;
use crate::shape::kept::{Asked, Keep, keep};
use crate::timing::some_time;

/// An item, and none of those that come in some time after it:
/// [`PublisherExt::throttle_first`](crate::PublisherExt::throttle_first).
///
/// ```text
///         throttle_first(time, 16, 4 s)
/// up    --1-23---4----5-6---|
/// down  --1------4----5-----|
/// ```
///
/// An item goes if it is asked for when it comes and enough time has passed since the last that
/// went; else it is discarded, so none is ever old. One that comes at the very moment at which
/// enough has passed goes.
///
/// # Demand
/// Items are taken as they come, `prefetch` of them asked for ahead. An upstream that is synchronous
/// is pulled while downstream asks.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous. No timer: it looks at the clock when an
/// item comes.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the time is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (button, clicks) = millstream::channel(4);
/// let orders = clicks.throttle_first(time.clone(), 4, Duration::from_secs(1));
/// let seen = probe(orders, Behaviour::new().initially(10));
/// for click in 0..5 {
///     assert!(button.try_send(click).is_ok());
///     time.advance(Duration::from_millis(300));
/// }
/// seen.assert_items(&[0, 4]);
/// # seen.cancel();
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ThrottleFirst<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    gap: Duration,
    site: Site,
}

impl<P, X> ThrottleFirst<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, gap: Duration) -> ThrottleFirst<P, X> {
        let prefetch = capacity("throttle_first(time, 0, gap)", prefetch);
        some_time("throttle_first(time, prefetch, 0): without a gap all items pass", gap);
        ThrottleFirst { upstream, time, prefetch, gap, site: Site::here("throttle_first") }
    }
}

crate::opaque_debug::opaque_debug!(ThrottleFirst<P, X>, prefetch, gap);

impl<P: Publisher, X: Executor + Clock> Publisher for ThrottleFirst<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ThrottleFirst { upstream, time, prefetch, gap, site } = self;
        let keeps = |_| Gate { gap, open: Moment::START };
        keep(upstream, &time, prefetch, site, keeps, subscriber);
    }
}

/// Lets one through, and is shut for some time.
struct Gate {
    gap: Duration,
    /// From when on it is open.
    open: Moment,
}

impl Keep for Gate {
    fn came<T>(&mut self, item: T, slot: &mut Option<T>, now: Moment, asked: Asked) -> Option<T> {
        if asked == Asked::No || now < self.open {
            return Some(item);
        }
        slot.replace(item)
    }

    fn due(&self) -> Moment {
        self.open
    }

    fn went(&mut self, now: Moment) {
        self.open = now + self.gap;
    }
}
