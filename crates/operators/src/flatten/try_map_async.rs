//! `try_map_async`: each item through a future that can fail, several at a time.

use std::convert::identity;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{Call, Flying, InOrder};
use crate::shape::joined::capacity;
use crate::shape::turns::AtOnce;
use crate::transform::FromUpstream;

/// Each item through an asynchronous function that can fail, up to `limit` of its futures at a time, in
/// the order of the items:
/// [`PublisherExt::try_map_async`](crate::PublisherExt::try_map_async).
///
/// ```text
///           try_map_async(executor, 2, f)    f(2) takes long
/// up    --1-2-3----4-----|
/// down  ----1------2-3--4--|
/// ```
///
/// The stage drives its futures on a task of its own: they go on while downstream is busy
/// elsewhere or asks for nothing. A closure downstream that blocks its thread stops them, since it
/// runs on the same task: put [`publish_on`](crate::PublisherExt::publish_on) between.
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each result that was sent: never more than
/// `limit` items are on their way, in flight, or waiting for demand. A synchronous upstream is
/// pulled as there is room.
/// # Completion
/// When upstream is complete and all results are sent.
/// # Errors
/// The first future that fails ends the stream at once: the others are dropped, results that
/// wait are discarded, upstream is cancelled. A failure of upstream comes after the results of
/// what it sent before. A panic in the function or in a future becomes a fault. When the executor
/// drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: the futures are dropped and upstream is cancelled when the task runs next.
/// # Bounds
/// `limit` futures and results together. A few allocations for each of them when there first
/// are so many; none per item.
/// # Panics
/// When `limit` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let numbers = millstream::from_iter(["1", "2", "three"])
///     .try_map_async(executor.handle(), 2, |text| async move { text.parse::<u32>() });
/// let failure = executor.run_until(numbers.collect::<Vec<_>>()).unwrap_err();
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TryMapAsync<P, X, F, How> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    f: F,
    how: PhantomData<fn() -> How>,
}

impl<P: Clone, X: Clone, F: Clone, How> Clone for TryMapAsync<P, X, F, How> {
    fn clone(&self) -> Self {
        TryMapAsync {
            upstream: self.upstream.clone(),
            executor: self.executor.clone(),
            limit: self.limit,
            site: self.site,
            f: self.f.clone(),
            how: PhantomData,
        }
    }
}

impl<P, X, F, How> TryMapAsync<P, X, F, How> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, f: F) -> Self {
        let limit = capacity("try_map_async(executor, 0, f)", limit);
        let site = Site::here("try_map_async");
        TryMapAsync { upstream, executor, limit, site, f, how: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(TryMapAsync<P, X, F, How>, limit);

impl<P, X, F, Fut, U, G, How> Publisher for TryMapAsync<P, X, F, How>
where
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    U: Send + 'static,
    G: FromUpstream<P::Error, How> + Send + 'static,
    How: 'static,
{
    type Item = U;
    type Error = G;

    fn subscribe<S: Subscriber<U, G>>(self, subscriber: S) {
        let TryMapAsync { upstream, executor, limit, site, f, .. } = self;
        let flying = Flying {
            limit,
            site,
            turns: AtOnce,
            course: Call(f, identity),
            error: G::from_upstream,
        };
        flying.fly::<InOrder<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
