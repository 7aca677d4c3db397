//! `throttle_adaptive`: items no faster than a rate that is found out, and none is lost.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::{Sample, Site};
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::control::Controller;
use crate::shape::joined::capacity;
use crate::shape::paced::{One, Pace, Waits};
use crate::shape::steered::{Steered, Tell, ToldBy, Untold, most};

/// Items no faster than a rate that a controller decides, and none is lost:
/// [`PublisherExt::throttle_adaptive`](crate::PublisherExt::throttle_adaptive).
///
/// ```text
///         throttle_adaptive(time, 16, controller)
/// up    --12345678-----------|
/// rate  1 in 4 s    2        1     x: one was turned away
/// down  --1---2---3-4-5-6x7---8|
/// ```
///
/// The token bucket of [`throttle`](crate::PublisherExt::throttle), at the rate that the
/// [controller](crate::control) answered last. A change of the rate makes no token and loses none:
/// in any time no more go than the burst and the integral of the rate over it. The item that waits
/// goes earlier by it, or later. Late timers are made up for as there. A rate of zero lets none go
/// until the next one.
///
/// The controller is told how it went at the end of each of its
/// [intervals](Controller::interval) in which items go or wait, and after a pause when the next is
/// asked for:
///
/// | of a [`Sample`] | |
/// |---|---|
/// | [`processed`](Sample::processed) | items that were sent |
/// | [`busy`](Sample::busy) | for how long downstream asked for no other, after an item was sent to it |
/// | [`latency`](Sample::latency) | the same, per item |
/// | [`limited`](Sample::limited) | whether an item that was asked for had to wait |
/// | [`delay`](Sample::delay), [`overloaded`](Sample::overloaded) | nothing |
///
/// That is all there is to know where downstream asks for an item when it is done with the one
/// before. A queue below, or anything else that asks ahead, looks faster than it is; and of a
/// service that is called further down the stage knows nothing at all: how long replies take, how
/// many fail, how long its queue is. [`told_by`](ThrottleAdaptive::told_by) puts that into the
/// sample. A function can take it from a [`Board`](millstream_blocks::gauge::Board) as well.
///
/// [`Pid`](crate::control::Pid) was made for rates, and follows a speed that does not depend on them
/// after two samples; its page says where it does not come to rest.
/// [`Aimd`](crate::control::Aimd) needs a sign of what is too much, and an
/// [`increase`](crate::control::Aimd::increase) that suits a rate.
///
/// What the controller has decided is in the [`decisions`](millstream_blocks::gauge::Row::decisions)
/// of its row, where somebody [looks](crate::PublisherExt::observed).
///
/// # Demand
/// As [`throttle`](crate::PublisherExt::throttle): `prefetch` when it is subscribed to, and three
/// quarters of it each time that as many items were sent. An upstream that is synchronous is pulled
/// as downstream asks. Only what is asked for waits, and takes tokens.
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued. A panic in the controller, or in what
/// tells it, becomes a fault.
/// # Cancellation
/// On the executor: upstream is cancelled, and what waits and is queued is discarded, when the task
/// runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous, and one that waits. One timer, which is
/// set while one does. The clock is read twice for each item.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the controller's highest rate is not above
/// zero and below 2<sup>32</sup> per second, it has no interval, or it answers items at a time.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// use millstream::control::Aimd;
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// // A service that takes a request in 10 ms, and turns away those that come before.
/// let (time, refused) = (VirtualTime::new(1), Arc::new(AtomicBool::new(false)));
/// let (clock, refuses) = (time.clone(), refused.clone());
/// let mut free = Moment::START;
/// let mut taken = move |_: &u32| {
///     let takes = clock.now() >= free;
///     if takes {
///         free = clock.now() + Duration::from_millis(10);
///     } else {
///         refuses.store(true, Ordering::Relaxed);
///     }
///     takes
/// };
///
/// let rates = Aimd::new(10.0..=1000.0).increase(5.0).interval(Duration::from_millis(200));
/// let requests = millstream::range(0..10_000)
///     .throttle_adaptive(time.clone(), 16, rates)
///     .told_by(move |sample| sample.overloaded = refused.swap(false, Ordering::Relaxed));
/// let taken = time.run_until(requests.filter(move |n| taken(n)).count())?;
/// assert!(taken > 9_000, "few were turned away");
/// let seconds = time.now().since(Moment::START).as_secs_f64();
/// assert!(taken as f64 / seconds > 75.0, "of 100 that it can take");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ThrottleAdaptive<P, X, C, F = Untold> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    controller: C,
    most: f64,
    burst: u64,
    told_by: F,
    site: Site,
}

impl<P, X, C: Controller> ThrottleAdaptive<P, X, C> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, controller: C) -> Self {
        let kind = "throttle_adaptive";
        let prefetch = capacity("throttle_adaptive(time, 0, controller)", prefetch);
        let most = most(kind, &controller);
        // As of any rate: what accrues in a millisecond.
        let burst = ((most / 1000.0) as u64).max(1);
        let site = Site::here(kind);
        let told_by = Untold::NEW;
        ThrottleAdaptive { upstream, time, prefetch, controller, most, burst, told_by, site }
    }
}

impl<P, X, C, F> ThrottleAdaptive<P, X, C, F> {
    /// How many tokens are saved up at most, at any rate, and so how many items may go at once after
    /// a pause. Unless it is told otherwise, as many as accrue in a millisecond at the highest rate,
    /// and one at least.
    ///
    /// # Panics
    /// When it is zero.
    #[track_caller]
    pub fn burst(self, tokens: u64) -> ThrottleAdaptive<P, X, C, F> {
        assert!(
            tokens > 0,
            "throttle_adaptive(..).burst(0): a bucket has room for 1 token at least, or no item ever \
             goes"
        );
        ThrottleAdaptive { burst: tokens, ..self }
    }

    /// Before each decision `tell` adds to the sample what the stage does not see: an overload, how
    /// long a service took, how long items waited for it. It may put it in place of what it does.
    pub fn told_by<V>(self, tell: V) -> ThrottleAdaptive<P, X, C, ToldBy<V>>
    where
        V: FnMut(&mut Sample) + Send + 'static,
    {
        let ThrottleAdaptive { upstream, time, prefetch, controller, most, burst, site, .. } = self;
        let told_by = ToldBy(tell);
        ThrottleAdaptive { upstream, time, prefetch, controller, most, burst, told_by, site }
    }
}

crate::opaque_debug::opaque_debug!(ThrottleAdaptive<P, X, C, F>, prefetch, most, burst);

impl<P, X, C, F> Publisher for ThrottleAdaptive<P, X, C, F>
where
    P: Publisher,
    X: Executor + Clock,
    C: Controller,
    F: Tell,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ThrottleAdaptive { upstream, time, prefetch, controller, most, burst, told_by, site } =
            self;
        let tokens = Steered::new(controller, told_by, most, burst);
        Pace { tokens, cost: One, early: Waits, prefetch, site }.run(upstream, &time, subscriber);
    }
}
