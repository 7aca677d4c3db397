//! `for_each_concurrent`: an asynchronous function for each item, several at a time.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{AsTheyCome, Call, Flying};
use crate::shape::joined::capacity;
use crate::shape::turns::AtOnce;

/// An asynchronous function for each item, up to `limit` of its futures at a time:
/// [`PublisherExt::for_each_concurrent`](crate::PublisherExt::for_each_concurrent).
///
/// ```text
///           for_each_concurrent(executor, 2, f)    f(2) takes long
/// up    --1-2-3----4-----|
/// f       1-|3--|  4---|
///           2----------|
/// end                      ()
/// ```
///
/// It drives its futures on a task of its own, for which it needs the executor. Whoever awaits
/// the end only waits: the futures go on while that task does something else, and while a thread
/// is blocked on the end. An end that polled them itself would stop them whenever nobody polls
/// *it*, and time-outs inside them would run meanwhile.
///
/// With a limit of 1 the items go one after another.
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each future that is done: never more than
/// `limit` items are on their way or in flight. A synchronous upstream is pulled as there is
/// room.
/// # Completion
/// When upstream is complete and all futures are done.
/// # Errors
/// As upstream, after the futures of what it sent before. A panic in the function or in a future
/// is a fault. When the executor refuses or drops the task, the end is
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone).
/// # Cancellation
/// Dropping the end: the futures are dropped and upstream is cancelled when the task runs next.
/// # Bounds
/// `limit` futures. A few allocations for each of them when there first are so many; none per item.
/// # Panics
/// When `limit` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let sum = Arc::new(AtomicU32::new(0));
/// let adding = sum.clone();
/// let end = millstream::range(1..5).for_each_concurrent(executor.handle(), 2, move |n| {
///     let sum = adding.clone();
///     async move {
///         sum.fetch_add(n, Ordering::Relaxed);
///     }
/// });
/// executor.run_until(end)?;
/// assert_eq!(sum.load(Ordering::Relaxed), 10);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "ends are lazy: nothing runs before `.await` or `.block()`"]
pub struct ForEachConcurrent<P, X, F> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    f: F,
}

impl<P, X, F> ForEachConcurrent<P, X, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, f: F) -> Self {
        let limit = capacity("for_each_concurrent(executor, 0, f)", limit);
        let site = Site::here("for_each_concurrent");
        ForEachConcurrent { upstream, executor, limit, site, f }
    }
}

crate::opaque_debug::opaque_debug!(ForEachConcurrent<P, X, F>, limit);

impl<P, X, F, Fut> Publisher for ForEachConcurrent<P, X, F>
where
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    /// That a future is done.
    type Item = ();
    type Error = P::Error;

    fn subscribe<S: Subscriber<(), P::Error>>(self, subscriber: S) {
        let ForEachConcurrent { upstream, executor, limit, site, f } = self;
        let flying = Flying {
            limit,
            site,
            turns: AtOnce,
            course: Call(f, |_| Ok(())),
            error: |error| error,
        };
        flying.fly::<AsTheyCome<()>, _, _, _>(upstream, &executor, subscriber);
    }
}
