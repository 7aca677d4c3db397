//! `try_map_async_partitioned_unordered`: each item through a future that can fail, one at a time for each key, as they finish.

use std::convert::identity;
use std::hash::Hash;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{AsTheyCome, Call, Flying};
use crate::shape::joined::capacity;
use crate::shape::turns::OnePerKey;
use crate::transform::FromUpstream;

/// Each item through an asynchronous function that can fail, up to `limit` items at a time but one
/// of each key, as they finish:
/// [`PublisherExt::try_map_async_partitioned_unordered`](crate::PublisherExt::try_map_async_partitioned_unordered).
///
/// ```text
///           try_map_async_partitioned_unordered(executor, 3, letter, f)    f(a1) takes long
/// up    --a1-a2-b3-----------|
/// down  -------b3---a1--a2----|
/// ```
///
/// It keeps the order of each key without giving up concurrency, which is what a `group_by` is
/// often used for; here no number of keys is too many, and none is remembered when its items are
/// done.
///
/// A future starts when the one before it of the same key is *done*, whether or not its result was
/// sent: the order of the key's effects is kept by that, and so is the order of its results, since
/// what is done first waits in front. To wait for the sending would add nothing but idle time while
/// downstream asks for nothing. After a failure none starts.
///
/// The stage drives its futures on a task of its own, as
/// [`map_async`](crate::PublisherExt::map_async) does.
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each result that was sent: never more than
/// `limit` items are on their way, waiting for their key, in flight, or waiting for demand. A
/// synchronous upstream is pulled as there is room.
/// # Completion
/// When upstream is complete and all results are sent.
/// # Errors
/// The first failure of a future ends the stream at once: the other futures are dropped, upstream
/// is cancelled, and results that wait are discarded. A failure of upstream comes after the results
/// of what it sent before. A panic in a function or in a future becomes a fault. When the executor
/// refuses or drops the task, downstream is told
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
/// let numbers = millstream::from_iter(["1", "2", "three"]).try_map_async_partitioned_unordered(
///     executor.handle(),
///     4,
///     |text| text.len(), // numbers of one digit one after another
///     |text| async move { text.parse::<u32>() },
/// );
/// let failure = executor.run_until(numbers.collect::<Vec<_>>()).unwrap_err();
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TryMapAsyncPartitionedUnordered<P, X, KF, F, How> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    key: KF,
    f: F,
    how: PhantomData<fn() -> How>,
}

impl<P: Clone, X: Clone, KF: Clone, F: Clone, How> Clone
    for TryMapAsyncPartitionedUnordered<P, X, KF, F, How>
{
    fn clone(&self) -> Self {
        TryMapAsyncPartitionedUnordered {
            upstream: self.upstream.clone(),
            executor: self.executor.clone(),
            limit: self.limit,
            site: self.site,
            key: self.key.clone(),
            f: self.f.clone(),
            how: PhantomData,
        }
    }
}

impl<P, X, KF, F, How> TryMapAsyncPartitionedUnordered<P, X, KF, F, How> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, key: KF, f: F) -> Self {
        let limit = capacity("try_map_async_partitioned_unordered(executor, 0, key, f)", limit);
        let site = Site::here("try_map_async_partitioned_unordered");
        TryMapAsyncPartitionedUnordered {
            upstream,
            executor,
            limit,
            site,
            key,
            f,
            how: PhantomData,
        }
    }
}

crate::opaque_debug::opaque_debug!(TryMapAsyncPartitionedUnordered<P, X, KF, F, How>, limit);

impl<P, X, K, KF, F, Fut, U, G, How> Publisher for TryMapAsyncPartitionedUnordered<P, X, KF, F, How>
where
    P: Publisher,
    X: Executor,
    K: Hash + Eq + Send + 'static,
    KF: FnMut(&P::Item) -> K + Send + 'static,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    U: Send + 'static,
    G: FromUpstream<P::Error, How> + Send + 'static,
    How: 'static,
{
    type Item = U;
    type Error = G;

    fn subscribe<S: Subscriber<U, G>>(self, subscriber: S) {
        let TryMapAsyncPartitionedUnordered { upstream, executor, limit, site, key, f, .. } = self;
        let flying = Flying {
            limit,
            site,
            turns: OnePerKey::new(key),
            course: Call(f, identity),
            error: G::from_upstream,
        };
        flying.fly::<AsTheyCome<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
