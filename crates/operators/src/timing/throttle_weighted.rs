//! `throttle_weighted`: as `throttle`, where items cost more and less.

use std::num::NonZeroUsize;

use millstream_blocks::bucket::{Meter, Rate};
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::joined::capacity;
use crate::shape::paced::{By, Pace, Waits};

/// As [`throttle`](crate::PublisherExt::throttle), where a function says how many tokens an item
/// costs: [`PublisherExt::throttle_weighted`](crate::PublisherExt::throttle_weighted).
///
/// ```text
///         throttle_weighted(time, 16, Rate::new(1, 1 s).burst(3), |n| n)
/// up    --3-1-2-----|
/// down  --3--1-2------|
/// ```
///
/// One that costs nothing waits for nothing. One that costs more than the burst waits until what is
/// missing has accrued as well, and is paid for in full: the rate holds, whatever items cost.
///
/// # Demand
/// As [`throttle`](crate::PublisherExt::throttle).
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued. A panic in the function becomes a
/// fault.
/// # Cancellation
/// On the executor: upstream is cancelled, and what waits and is queued is discarded, when the task
/// runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous, and one that waits. One timer, which is
/// set while one does.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream::timing::Rate;
/// use millstream_testkit::VirtualTime;
///
/// // 1,000 bytes in a second, and 100 at once.
/// let time = VirtualTime::new(1);
/// let rate = Rate::per_second(1000).burst(100);
/// let lines = millstream::from_iter([vec![0; 100], vec![0; 2000], vec![]]);
/// let paced = lines.throttle_weighted(time.clone(), 16, rate, |bytes| bytes.len() as u64);
/// assert_eq!(time.run_until(paced.count())?, 3);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(2));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ThrottleWeighted<P, X, F> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    rate: Rate,
    cost: F,
    site: Site,
}

impl<P, X, F> ThrottleWeighted<P, X, F> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        rate: Rate,
        cost: F,
    ) -> ThrottleWeighted<P, X, F> {
        let prefetch = capacity("throttle_weighted(time, 0, rate, cost)", prefetch);
        let site = Site::here("throttle_weighted");
        ThrottleWeighted { upstream, time, prefetch, rate, cost, site }
    }
}

crate::opaque_debug::opaque_debug!(ThrottleWeighted<P, X, F>, prefetch, rate);

impl<P, X, F> Publisher for ThrottleWeighted<P, X, F>
where
    P: Publisher,
    X: Executor + Clock,
    F: FnMut(&P::Item) -> u64 + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ThrottleWeighted { upstream, time, prefetch, rate, cost, site } = self;
        let tokens = Meter::new(rate);
        Pace { tokens, cost: By(cost), early: Waits, prefetch, site }
            .run(upstream, &time, subscriber);
    }
}
