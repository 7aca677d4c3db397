//! `map_async_unordered`: each item through a future, several at a time, as they finish.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{AsTheyCome, Call, Flying};
use crate::shape::joined::capacity;
use crate::shape::turns::AtOnce;

/// Each item through an asynchronous function, up to `limit` of its futures at a time, as they
/// finish:
/// [`PublisherExt::map_async_unordered`](crate::PublisherExt::map_async_unordered).
///
/// ```text
///           map_async_unordered(executor, 2, f)    f(2) takes long
/// up    --1-2-3----4-----|
/// down  ----1-3----2----4--|
/// ```
///
/// The stage drives its futures on a task of its own: they go on while downstream is busy
/// elsewhere or asks for nothing. A closure downstream that blocks its thread stops them, since it
/// runs on the same task: put [`publish_on`](crate::PublisherExt::publish_on) between.
///
/// When a future is polled for the first time is told at [`MapAsync`](crate::flatten::MapAsync).
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each result that was sent: never more than
/// `limit` items are on their way, in flight, or waiting for demand. A synchronous upstream is
/// pulled as there is room.
/// # Completion
/// When upstream is complete and all results are sent.
/// # Errors
/// A failure of upstream comes after the results of what it sent before. A panic in the function
/// or in a future becomes a fault. When the executor drops the task, downstream is told
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
/// let squares = millstream::range(1..5).map_async_unordered(executor.handle(), 2, |n| async move { n * n });
/// let mut squares = executor.run_until(squares.collect::<Vec<_>>())?;
/// squares.sort();
/// assert_eq!(squares, [1, 4, 9, 16]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MapAsyncUnordered<P, X, F> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    f: F,
}

impl<P, X, F> MapAsyncUnordered<P, X, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, f: F) -> Self {
        MapAsyncUnordered {
            upstream,
            executor,
            limit: capacity("map_async_unordered(executor, 0, f)", limit),
            site: Site::here("map_async_unordered"),
            f,
        }
    }
}

crate::opaque_debug::opaque_debug!(MapAsyncUnordered<P, X, F>, limit);

impl<P, X, F, Fut, U> Publisher for MapAsyncUnordered<P, X, F>
where
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = U> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<S: Subscriber<U, P::Error>>(self, subscriber: S) {
        let MapAsyncUnordered { upstream, executor, limit, site, f } = self;
        let flying =
            Flying { limit, site, turns: AtOnce, course: Call(f, Ok), error: |error| error };
        flying.fly::<AsTheyCome<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
