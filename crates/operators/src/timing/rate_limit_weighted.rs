//! `rate_limit_weighted`: many streams, together no faster than a rate, where items cost more and
//! less.

use std::num::NonZeroUsize;

use millstream_blocks::bucket::{Share, TokenBucket};
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::joined::capacity;
use crate::shape::paced::{By, Pace, Waits};

/// As [`rate_limit`](crate::PublisherExt::rate_limit), where a function says how many tokens an
/// item costs: [`PublisherExt::rate_limit_weighted`](crate::PublisherExt::rate_limit_weighted).
///
/// ```text
///         one bucket of Rate::new(1, 1 s).burst(3), for both
/// a     --3--1-----
/// b     ----2------
/// a'    --3----1---
/// b'    ------2----
/// ```
///
/// One that costs nothing waits for nothing. One that costs more than the burst waits until what is
/// missing has accrued as well, and is paid for in full.
///
/// # Demand
/// As [`throttle`](crate::PublisherExt::throttle).
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued. A panic in the function becomes a
/// fault.
/// # Cancellation
/// As [`rate_limit`](crate::PublisherExt::rate_limit).
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
/// use millstream::timing::{Rate, TokenBucket};
/// use millstream_testkit::VirtualTime;
///
/// // 1,000 bytes in a second, of all that is sent.
/// let time = VirtualTime::new(1);
/// let bytes = TokenBucket::new(Rate::per_second(1000).burst(100));
/// let chunks = || millstream::from_iter([vec![0; 80], vec![0; 20], vec![0; 500]]);
/// let send = |chunks: millstream::FromIter<_>| {
///     chunks.rate_limit_weighted(time.clone(), 16, &bytes, |chunk: &Vec<u8>| chunk.len() as u64)
/// };
/// assert_eq!(time.run_until(send(chunks()).merge(send(chunks()), 16).count())?, 6);
/// assert_eq!(time.now(), Moment::START + Duration::from_millis(1100));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RateLimitWeighted<P, X, F> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    bucket: TokenBucket,
    cost: F,
    site: Site,
}

impl<P, X, F> RateLimitWeighted<P, X, F> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        bucket: &TokenBucket,
        cost: F,
    ) -> RateLimitWeighted<P, X, F> {
        let prefetch = capacity("rate_limit_weighted(time, 0, bucket, cost)", prefetch);
        let (bucket, site) = (bucket.clone(), Site::here("rate_limit_weighted"));
        RateLimitWeighted { upstream, time, prefetch, bucket, cost, site }
    }
}

crate::opaque_debug::opaque_debug!(RateLimitWeighted<P, X, F>, prefetch, bucket);

impl<P, X, F> Publisher for RateLimitWeighted<P, X, F>
where
    P: Publisher,
    X: Executor + Clock,
    F: FnMut(&P::Item) -> u64 + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RateLimitWeighted { upstream, time, prefetch, bucket, cost, site } = self;
        let tokens = Share::new(&bucket);
        Pace { tokens, cost: By(cost), early: Waits, prefetch, site }
            .run(upstream, &time, subscriber);
    }
}
