//! `keep_alive`: an item of one's own where upstream has none for some time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, capacity, feed, on};
use crate::shape::timed::Alarm;

/// An item of one's own where upstream has none for some time:
/// [`PublisherExt::keep_alive`](crate::PublisherExt::keep_alive).
///
/// ```text
///         keep_alive(time, 16, 3 s, || 0)
/// up    --1-----------2----|
/// down  --1-----0-----2----|
/// ```
///
/// Time is counted while an item is owed: downstream has asked for one, and none is there.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many of
/// upstream's items were sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// As upstream, after what is queued. A panic in the function becomes a fault.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous. One timer, which is set while an item is
/// owed.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>, or the time is zero: there would be no end of
/// items.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let quiet = millstream::pending::<&str>();
/// let beats = quiet.keep_alive(time.clone(), 16, Duration::from_secs(5), || "ping").take(2);
/// assert_eq!(time.run_until(beats.collect::<Vec<_>>())?, ["ping", "ping"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct KeepAlive<P, X, F> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    after: Duration,
    f: F,
    site: Site,
}

impl<P, X, F> KeepAlive<P, X, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, after: Duration, f: F) -> Self {
        let prefetch = capacity("keep_alive(time, 0, after, f)", prefetch);
        assert!(
            after > Duration::ZERO,
            "keep_alive(time, prefetch, 0, f): the time is at least a nanosecond",
        );
        KeepAlive { upstream, time, prefetch, after, f, site: Site::here("keep_alive") }
    }
}

crate::opaque_debug::opaque_debug!(KeepAlive<P, X, F>, prefetch, after);

impl<P, X, F> Publisher for KeepAlive<P, X, F>
where
    P: Publisher,
    X: Executor + Clock,
    F: FnMut() -> P::Item + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let KeepAlive { upstream, time, prefetch, after, f, site } = self;
        on(
            &time,
            |bell, context| Beating {
                feed: feed(upstream, prefetch, bell.clone(), context, site),
                after,
                f,
                until: Moment::NEVER,
                alarm: Alarm::new(&time, bell),
            },
            subscriber,
        );
    }
}

struct Beating<Q, F>
where
    Q: Pull,
{
    feed: Feed<Q>,
    after: Duration,
    f: F,
    /// [`NEVER`](Moment::NEVER) while nothing is owed.
    until: Moment,
    alarm: Alarm,
}

impl<Q, F> Beating<Q, F>
where
    Q: Pull,
    F: FnMut() -> Q::Item,
{
    /// Nothing is there, and it is asked for.
    #[cold]
    fn owed(&mut self) -> Pulled<Q::Item, Q::Error> {
        let now = self.alarm.now();
        if self.until == Moment::NEVER {
            self.until = now + self.after;
        }
        if self.until <= now {
            self.until = Moment::NEVER;
            return Pulled::Item((self.f)());
        }
        self.alarm.rest_until(self.until);
        Pulled::Pending
    }
}

impl<Q, F> Pull for Beating<Q, F>
where
    Q: Pull,
    F: FnMut() -> Q::Item + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        let pulled = self.feed.pull();
        match pulled {
            Pulled::Item(_) => self.until = Moment::NEVER,
            Pulled::Pending => return self.owed(),
            _ => {}
        }
        pulled
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        // Downstream has asked for nothing: nothing is owed.
        self.until = Moment::NEVER;
        self.alarm.rest_until(Moment::NEVER);
        self.feed.look_ahead(started)
    }
}
