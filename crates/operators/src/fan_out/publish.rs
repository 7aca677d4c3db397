//! `publish`: how one stream is to be shared by many.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_blocks::gauge::Site;
use millstream_blocks::hub::{self, Grace, Plan, Slow, Vacancy, keep};
use millstream_blocks::share;
use millstream_core::{Fault, Panic, Publisher, Undelivered, report_undelivered};
use millstream_executors::Executor;

use crate::fan_out::Share;
use crate::shape::joined::{bound, capacity};

/// What becomes of a subscriber that is slower than others of the same stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SlowSubscriber {
    /// The others wait for it. Upstream is asked for what the slowest has room for.
    #[default]
    Wait,
    /// When its queue is full the oldest item in it is discarded. Upstream is asked for what the
    /// fastest takes, so a subscriber that is alone loses nothing.
    DropOldest,
    /// When its queue is full it is ended with [`Fault::TooSlow`], and what is queued for it
    /// discarded. Upstream is asked for what the fastest takes.
    Disconnect,
}

/// What becomes of upstream when the last subscriber has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NoSubscribers {
    /// Upstream is asked for no more. What is queued for the last one, and what still comes, is
    /// for the next who subscribes.
    #[default]
    Pause,
    /// Upstream goes on, and its items are dropped. One that never waits then runs to its end on
    /// the thread on which the last subscriber went.
    Drop,
    /// Upstream is cancelled.
    Cancel,
}

/// How one stream is to be shared by many who come and go:
/// [`PublisherExt::publish`](crate::PublisherExt::publish). It ends in a [`Share`], by
/// [`ref_count`](Publish::ref_count) or [`auto_connect`](Publish::auto_connect).
///
/// ```text
///           publish(4).slow_subscriber(DropOldest).ref_count(2)
/// up              --1-2-3-4-5-6-7-8-9-   subscribed to when b comes
/// a     ^---------1-2-3-4-5x
/// b           ^---1---------6---7---8-   slow: 2 to 5 made room
/// c                     ^---5-6-7-8-9-
/// ```
///
/// | | default | else |
/// |---|---|---|
/// | [`slow_subscriber`](Publish::slow_subscriber) | the others wait | its oldest item makes room; it is ended |
/// | [`no_subscribers`](Publish::no_subscribers) | upstream pauses | it goes on; it is cancelled |
/// | [`grace`](Publish::grace) | none | upstream is cancelled only if nobody came for a while |
/// | [`replay`](Publish::replay) | none | who comes late gets the last items first |
/// | [`again`](Publish::again) | the source runs once | it runs again for who comes after its end |
///
/// # Demand
/// Upstream is asked for `capacity` when it is subscribed to, and for more as the slowest
/// subscriber takes items, three quarters of `capacity` at a time. Where the slow lose, as the
/// fastest does.
/// # Completion
/// To each, after what is queued for it. Who comes later is told at once.
/// # Errors
/// To each a clone, after what is queued for it. Who comes later is told at once. A fault does not
/// wait.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: what is queued for it is discarded, and the others go on. Of the last: see
/// [`NoSubscribers`]. When all handles have been dropped, nobody can come any more, and the last
/// that is cancelled cancels upstream in any case. Those who still wait for others to come are then
/// told [`Fault::SourceDropped`](millstream_core::Fault::SourceDropped).
/// # Bounds
/// `capacity` items for each subscriber, and what is [replayed](Publish::replay).
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::fan_out::NoSubscribers;
/// use millstream::prelude::*;
///
/// // The first takes two of the items, the second goes on where it left.
/// let numbers = millstream::from_iter(1..=5).publish(16).auto_connect(1);
/// assert_eq!(numbers.clone().take(2).collect::<Vec<_>>().block()?, [1, 2]);
/// assert_eq!(numbers.clone().collect::<Vec<_>>().block()?, [3, 4, 5]);
/// assert!(numbers.collect::<Vec<_>>().block()?.is_empty(), "it is over");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[must_use = "nothing is shared before `ref_count` or `auto_connect`"]
pub struct Publish<P: Publisher> {
    upstream: P,
    site: Site,
    capacity: NonZeroUsize,
    slow: SlowSubscriber,
    none: NoSubscribers,
    grace: Option<Arc<dyn Fn(Grace) + Send + Sync>>,
    replay: Option<hub::Replay<P::Item>>,
    again: Option<Again<P>>,
}

/// How a source that can run again is shared.
type Again<P> = fn(P, Plan<<P as Publisher>::Item, <P as Publisher>::Error>) -> share::Share<P>;

impl<P: Publisher> Publish<P> {
    #[track_caller]
    pub(crate) fn new(kind: &'static str, upstream: P, n: usize) -> Publish<P> {
        let call = match kind {
            "replay" => "replay(items, 0)".to_owned(),
            kind => format!("{kind}(0)"),
        };
        Publish {
            upstream,
            site: Site::here(kind),
            capacity: capacity(&call, n),
            slow: SlowSubscriber::Wait,
            none: NoSubscribers::Pause,
            grace: None,
            replay: None,
            again: None,
        }
    }

    /// What becomes of a subscriber that is slower than others.
    pub fn slow_subscriber(mut self, slow: SlowSubscriber) -> Publish<P> {
        self.slow = slow;
        self
    }

    /// What becomes of upstream when the last subscriber has gone.
    pub fn no_subscribers(mut self, none: NoSubscribers) -> Publish<P> {
        self.none = none;
        self
    }

    /// Where upstream is to be cancelled when the last subscriber has gone: only when the future
    /// that `wait` makes is ready and nobody came meanwhile. It runs on `executor`; where that
    /// refuses or drops it, upstream is cancelled then. Until then upstream pauses.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream::time::sleep;
    /// use millstream_testkit::VirtualTime;
    ///
    /// let time = VirtualTime::new(1);
    /// let clock = time.clone();
    /// let wait = move || {
    ///     let minute = sleep(clock.clone(), Duration::from_secs(60));
    ///     async { drop(minute.await) } // over at once where the clock is shut down
    /// };
    /// let numbers = millstream::from_iter(1..=5).publish(16).grace(time.clone(), wait).ref_count(1);
    /// assert_eq!(time.run_until(numbers.clone().first())?, Some(1));
    /// assert_eq!(time.run_until(numbers.clone().first())?, Some(2), "it was kept");
    /// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
    /// ```
    #[doc(alias = "refCount", alias = "RefCountGrace")]
    pub fn grace<X, F>(
        mut self,
        executor: X,
        wait: impl Fn() -> F + Send + Sync + 'static,
    ) -> Publish<P>
    where
        X: Executor,
        F: Future<Output = ()> + Send + 'static,
    {
        self.grace = Some(Arc::new(move |grace| {
            match catch_unwind(AssertUnwindSafe(&wait)) {
                Ok(wait) => {
                    // Refused, it is dropped, and the grace with it.
                    let _refused = executor.spawn(Box::pin(async move {
                        wait.await;
                        drop(grace);
                    }));
                }
                Err(payload) => {
                    drop(grace);
                    let fault = Fault::Panicked(Panic::new(payload));
                    report_undelivered(&Undelivered::Fault(fault));
                }
            }
        }));
        self
    }

    /// Keeps the last `items` items, for who comes late: those first, and then what follows. After
    /// the end too. Each item is kept once, and shared until it is sent, hence `Sync`.
    ///
    /// Beyond the last `items` of them, an item is kept only as long as somebody who was there in
    /// time has not taken it.
    ///
    /// # Panics
    /// When `items` is zero.
    #[track_caller]
    pub fn replay(mut self, items: usize) -> Publish<P>
    where
        P::Item: Clone + Sync,
    {
        let items = bound("replay(0)", items);
        self.replay = Some(hub::Replay { items, keep: |item| keep(item.clone()) });
        self
    }

    /// Runs the source again for who comes after its end, or after it was cancelled: a clone, and
    /// for as many as come while that runs. An end is then not told to who comes late.
    pub fn again(mut self) -> Publish<P>
    where
        P: Clone,
        P::Item: Clone,
        P::Error: Clone,
    {
        self.again = Some(share::Share::again);
        self
    }

    /// Subscribes to upstream when `subscribers` are there, and cancels it when the last has gone.
    ///
    /// # Panics
    /// When `subscribers` is zero.
    #[doc(alias = "refCount", alias = "RefCounted")]
    #[track_caller]
    pub fn ref_count(self, subscribers: usize) -> Share<P>
    where
        P::Item: Clone,
        P::Error: Clone + Sync,
    {
        let quorum = quorum("ref_count(0)", subscribers);
        self.no_subscribers(NoSubscribers::Cancel).shared(quorum)
    }

    /// Subscribes to upstream when `subscribers` are there. When the last has gone, it does what
    /// [`no_subscribers`](Publish::no_subscribers) says.
    ///
    /// # Panics
    /// When `subscribers` is zero: to subscribe at once there is [`Share::connect`].
    #[doc(alias = "autoConnect", alias = "startAfterNrOfConsumers")]
    #[track_caller]
    pub fn auto_connect(self, subscribers: usize) -> Share<P>
    where
        P::Item: Clone,
        P::Error: Clone + Sync,
    {
        let quorum = quorum("auto_connect(0)", subscribers);
        self.shared(quorum)
    }

    fn shared(self, quorum: usize) -> Share<P>
    where
        P::Item: Clone,
        P::Error: Clone + Sync,
    {
        let mut plan = self.plan(quorum);
        plan.keep_end = Some(keep);
        let Publish { upstream, again, .. } = self;
        Share(again.unwrap_or(share::Share::once)(upstream, plan))
    }

    fn plan(&self, quorum: usize) -> Plan<P::Item, P::Error> {
        Plan {
            site: self.site,
            capacity: self.capacity,
            slow: match self.slow {
                SlowSubscriber::Wait => Slow::Wait,
                SlowSubscriber::DropOldest => Slow::DropOldest,
                SlowSubscriber::Disconnect => Slow::Disconnect,
            },
            vacancy: match (self.none, &self.grace) {
                (NoSubscribers::Pause, _) => Vacancy::Pause,
                (NoSubscribers::Drop, _) => Vacancy::Drop,
                (NoSubscribers::Cancel, None) => Vacancy::Cancel,
                (NoSubscribers::Cancel, Some(grace)) => Vacancy::Grace(grace.clone()),
            },
            quorum,
            replay: self.replay.clone(),
            keep_end: None,
        }
    }
}

impl<P: Publisher<Item: Clone, Error: Clone> + Clone> Share<P> {
    #[track_caller]
    pub(crate) fn again(upstream: P, n: usize) -> Share<P> {
        let publish = Publish::new("share", upstream, n).no_subscribers(NoSubscribers::Cancel);
        let plan = publish.plan(1);
        Share(share::Share::again(publish.upstream, plan))
    }
}

#[track_caller]
fn quorum(what: &str, n: usize) -> usize {
    assert!(
        n > 0,
        "{what}: a stream that is shared has at least 1 subscriber, and 0 was asked for"
    );
    n
}

impl<P: Publisher> std::fmt::Debug for Publish<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish")
            .field("capacity", &self.capacity)
            .field("slow_subscriber", &self.slow)
            .field("no_subscribers", &self.none)
            .finish_non_exhaustive()
    }
}
