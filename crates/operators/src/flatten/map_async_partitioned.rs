//! `map_async_partitioned`: each item through a future, one at a time for each key.

use std::hash::Hash;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{Call, Flying, InOrder};
use crate::shape::joined::capacity;
use crate::shape::turns::OnePerKey;

/// Each item through an asynchronous function, up to `limit` items at a time but one of each key,
/// in the order of the items:
/// [`PublisherExt::map_async_partitioned`](crate::PublisherExt::map_async_partitioned).
///
/// ```text
///           map_async_partitioned(executor, 3, letter, f)    f(a1) takes long
/// up    --a1-a2-b3-----------|
/// down  ------------a1-b3-a2---|
/// ```
///
/// It keeps the order of each key without giving up concurrency, which is what a `group_by` is
/// often used for; here no number of keys is too many, and none is remembered when its items are
/// done.
///
/// A future starts when the one before it of the same key is *done*, whether or not its result was
/// sent: the order of the key's effects is kept by that, and the order of the results by the stage.
/// To wait for the sending would let the slowest of the other keys, whose result is due first, hold
/// up this one as well.
///
/// The stage drives its futures on a task of its own, as
/// [`map_async`](crate::PublisherExt::map_async) does.
///
/// When a future is polled for the first time is told at [`MapAsync`](crate::flatten::MapAsync).
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each result that was sent: never more than
/// `limit` items are on their way, waiting for their key, in flight, or waiting for demand. A
/// synchronous upstream is pulled as there is room.
/// # Completion
/// When upstream is complete and all results are sent.
/// # Errors
/// A failure of upstream comes after the results of what it sent before. A panic in a function or
/// in a future becomes a fault. When the executor refuses or drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone).
/// # Cancellation
/// On the executor: the futures are dropped, items that wait are discarded, and upstream is
/// cancelled when the task runs next.
/// # Bounds
/// `limit` items, futures and results together, and as many keys. A few allocations for each of
/// them once; none per item, but for what the function `key` allocates. Items of one key alone go
/// one after another: then up to `limit` - 1 wait, and nothing else is taken from upstream
/// meanwhile.
/// # Panics
/// When `limit` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let events = millstream::from_iter([("ann", 1), ("bob", 1), ("ann", 2)]);
/// let stored = events.map_async_partitioned(
///     executor.handle(),
///     16,
///     |(user, _)| *user,
///     |event| async move { event }, // two users at a time, each user's events one by one
/// );
/// let stored = executor.run_until(stored.collect::<Vec<_>>())?;
/// assert_eq!(stored, [("ann", 1), ("bob", 1), ("ann", 2)]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MapAsyncPartitioned<P, X, KF, F> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    key: KF,
    f: F,
}

impl<P, X, KF, F> MapAsyncPartitioned<P, X, KF, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, key: KF, f: F) -> Self {
        let limit = capacity("map_async_partitioned(executor, 0, key, f)", limit);
        let site = Site::here("map_async_partitioned");
        MapAsyncPartitioned { upstream, executor, limit, site, key, f }
    }
}

crate::opaque_debug::opaque_debug!(MapAsyncPartitioned<P, X, KF, F>, limit);

impl<P, X, K, KF, F, Fut, U> Publisher for MapAsyncPartitioned<P, X, KF, F>
where
    P: Publisher,
    X: Executor,
    K: Hash + Eq + Send + 'static,
    KF: FnMut(&P::Item) -> K + Send + 'static,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = U> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<S: Subscriber<U, P::Error>>(self, subscriber: S) {
        let MapAsyncPartitioned { upstream, executor, limit, site, key, f } = self;
        let flying = Flying {
            limit,
            site,
            turns: OnePerKey::new(key),
            course: Call(f, Ok),
            error: |error| error,
        };
        flying.fly::<InOrder<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
