//! `rate_limit`: many streams, together no faster than a rate.

use std::num::NonZeroUsize;

use millstream_blocks::bucket::{Share, TokenBucket};
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::joined::capacity;
use crate::shape::paced::{One, Pace, Waits};

/// As [`throttle`](crate::PublisherExt::throttle), with tokens of a bucket that other streams take
/// from as well: [`PublisherExt::rate_limit`](crate::PublisherExt::rate_limit).
///
/// ```text
///         one bucket of Rate::new(1, 2 s), for both
/// a     --1----2-------
/// b     ---1--2--------
/// a'    --1-------2----
/// b'    ----1--2-------
/// ```
///
/// Each item reserves its token when it is there and asked for, and waits for the moment at which
/// the bucket has it, by a timer of its stream: first come, first served, item by item, and nobody
/// is woken for others. An item that is sent late is charged as if it had been sent in time, as far
/// as others have not taken what was left.
///
/// All clocks that share a bucket must have their beginning in common, as those of real time have.
///
/// # Demand
/// As [`throttle`](crate::PublisherExt::throttle).
/// # Completion
/// As upstream, after the item that waits and what is queued.
/// # Errors
/// As upstream, after the item that waits and what is queued.
/// # Cancellation
/// On the executor: upstream is cancelled, and what waits and is queued is discarded, when the task
/// runs next. The token of the item that waits goes back to the bucket where no other has reserved
/// after it; else it is lost, since those know their moments already.
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
/// let time = VirtualTime::new(1);
/// let bucket = TokenBucket::new(Rate::per_second(10));
/// let one = millstream::range(0..50).rate_limit(time.clone(), 16, &bucket);
/// let other = millstream::range(0..51).rate_limit(time.clone(), 16, &bucket);
/// assert_eq!(time.run_until(one.merge(other, 16).count())?, 101);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(10));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RateLimit<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    bucket: TokenBucket,
    site: Site,
}

impl<P, X> RateLimit<P, X> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        bucket: &TokenBucket,
    ) -> RateLimit<P, X> {
        let prefetch = capacity("rate_limit(time, 0, bucket)", prefetch);
        let (bucket, site) = (bucket.clone(), Site::here("rate_limit"));
        RateLimit { upstream, time, prefetch, bucket, site }
    }
}

crate::opaque_debug::opaque_debug!(RateLimit<P, X>, prefetch, bucket);

impl<P: Publisher, X: Executor + Clock> Publisher for RateLimit<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RateLimit { upstream, time, prefetch, bucket, site } = self;
        let tokens = Share::new(&bucket);
        Pace { tokens, cost: One, early: Waits, prefetch, site }.run(upstream, &time, subscriber);
    }
}
