//! `delay_subscription`: upstream is subscribed to some time later.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, capacity, feed, on};
use crate::shape::timed::Alarm;

/// Upstream is subscribed to some time later:
/// [`PublisherExt::delay_subscription`](crate::PublisherExt::delay_subscription).
///
/// ```text
///         delay_subscription(time, 16, 3 s)
/// up       1--2---3|
/// down  ---1--2---3|
/// ```
///
/// # Demand
/// What downstream asks for in the meantime is kept. `prefetch` when upstream is subscribed to, and
/// three quarters of it each time that as many items were sent. An upstream that is synchronous is
/// pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// As upstream, after what is queued.
/// # Cancellation
/// On the executor, when the task runs next: upstream is cancelled, and what is queued is discarded.
/// Before the time is over, upstream is dropped and was never subscribed to.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous. One timer, until upstream is subscribed to.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let (time, second) = (VirtualTime::new(1), Duration::from_secs(1));
/// let later = millstream::range(0..3).delay_subscription(time.clone(), 16, second);
/// assert_eq!(time.run_until(later.collect::<Vec<_>>())?, [0, 1, 2]);
/// assert_eq!(time.now(), Moment::START + second);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct DelaySubscription<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    by: Duration,
    site: Site,
}

impl<P, X> DelaySubscription<P, X> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        by: Duration,
    ) -> DelaySubscription<P, X> {
        let prefetch = capacity("delay_subscription(time, 0, by)", prefetch);
        let site = Site::here("delay_subscription");
        DelaySubscription { upstream, time, prefetch, by, site }
    }
}

crate::opaque_debug::opaque_debug!(DelaySubscription<P, X>, prefetch, by);

impl<P: Publisher, X: Executor + Clock> Publisher for DelaySubscription<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let DelaySubscription { upstream, time, prefetch, by, site } = self;
        on(
            &time,
            |bell, context| {
                let alarm = Alarm::new(&time, bell);
                let at = alarm.now() + by;
                let (bell, context) = (bell.clone(), context.clone());
                let start = move || feed(upstream, prefetch, bell, &context, site);
                Later { start: Some(start), feed: None, at, alarm }
            },
            subscriber,
        );
    }
}

struct Later<Q: Pull, F> {
    /// Until the time has come.
    start: Option<F>,
    /// From then on.
    feed: Option<Feed<Q>>,
    at: Moment,
    alarm: Alarm,
}

impl<Q: Pull, F: FnOnce() -> Feed<Q>> Later<Q, F> {
    /// Subscribes, where it is time.
    #[inline]
    fn feed(&mut self) -> Option<&mut Feed<Q>> {
        if self.feed.is_none() {
            self.wait();
        }
        self.feed.as_mut()
    }

    #[cold]
    fn wait(&mut self) {
        if self.alarm.now() < self.at {
            self.alarm.rest_until(self.at);
        } else if let Some(start) = self.start.take() {
            self.alarm.rest_until(Moment::NEVER);
            self.feed = Some(start());
        }
    }
}

impl<Q: Pull, F: FnOnce() -> Feed<Q> + Send + 'static> Pull for Later<Q, F> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.feed().map_or(Pulled::Pending, Pull::pull)
    }

    #[inline]
    fn pull_while(&mut self, each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        match self.feed() {
            Some(feed) => feed.pull_while(each),
            None => Pulled::Pending,
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        self.feed().map_or(Pulled::Pending, |feed| feed.look_ahead(started))
    }
}
