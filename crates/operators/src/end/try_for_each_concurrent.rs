//! `try_for_each_concurrent`: an asynchronous function that can fail for each item, several at a
//! time.

use std::convert::identity;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{AsTheyCome, Call, Flying};
use crate::shape::joined::capacity;
use crate::shape::turns::AtOnce;
use crate::transform::FromUpstream;

/// An asynchronous function that can fail for each item, up to `limit` of its futures at a time,
/// up to the first failure:
/// [`PublisherExt::try_for_each_concurrent`](crate::PublisherExt::try_for_each_concurrent).
///
/// ```text
///           try_for_each_concurrent(executor, 2, f)    f(3) fails
/// up    --1-2-3----
/// f       1-|3--x
///           2----
/// end            x
/// ```
///
/// It drives its futures on a task of its own, as
/// [`for_each_concurrent`](crate::PublisherExt::for_each_concurrent) does.
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each future that is done: never more than
/// `limit` items are on their way or in flight. A synchronous upstream is pulled as there is
/// room.
/// # Completion
/// When upstream is complete and all futures are done.
/// # Errors
/// The first failure of a future, at once: the other futures are dropped and upstream is
/// cancelled. A failure of upstream comes after the futures of what it sent before. A panic in
/// the function or in a future is a fault. When the executor refuses or drops the task, the end
/// is [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone).
/// # Cancellation
/// Dropping the end: the futures are dropped and upstream is cancelled when the task runs next.
/// # Bounds
/// `limit` futures. A few allocations for each of them when there first are so many; none per item.
/// # Panics
/// When `limit` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let end = millstream::from_iter(1..).try_for_each_concurrent(executor.handle(), 4, |n| async move {
///     if n < 10 { Ok(()) } else { Err(format!("{n} is too many")) }
/// });
/// let failure = executor.run_until(end).unwrap_err();
/// assert_eq!(failure.to_string(), "10 is too many");
/// ```
#[must_use = "ends are lazy: nothing runs before `.await` or `.block()`"]
pub struct TryForEachConcurrent<P, X, F, How> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    f: F,
    how: PhantomData<fn() -> How>,
}

impl<P: Clone, X: Clone, F: Clone, How> Clone for TryForEachConcurrent<P, X, F, How> {
    fn clone(&self) -> Self {
        TryForEachConcurrent {
            upstream: self.upstream.clone(),
            executor: self.executor.clone(),
            limit: self.limit,
            site: self.site,
            f: self.f.clone(),
            how: PhantomData,
        }
    }
}

impl<P, X, F, How> TryForEachConcurrent<P, X, F, How> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, f: F) -> Self {
        let limit = capacity("try_for_each_concurrent(executor, 0, f)", limit);
        let site = Site::here("try_for_each_concurrent");
        TryForEachConcurrent { upstream, executor, limit, site, f, how: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(TryForEachConcurrent<P, X, F, How>, limit);

impl<P, X, F, Fut, G, How> Publisher for TryForEachConcurrent<P, X, F, How>
where
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), G>> + Send + 'static,
    G: FromUpstream<P::Error, How> + Send + 'static,
    How: 'static,
{
    /// That a future is done.
    type Item = ();
    type Error = G;

    fn subscribe<S: Subscriber<(), G>>(self, subscriber: S) {
        let TryForEachConcurrent { upstream, executor, limit, site, f, .. } = self;
        let flying = Flying {
            limit,
            site,
            turns: AtOnce,
            course: Call(f, identity),
            error: G::from_upstream,
        };
        flying.fly::<AsTheyCome<()>, _, _, _>(upstream, &executor, subscriber);
    }
}
