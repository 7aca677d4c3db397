//! `adaptive_concurrency_unordered`: each item through a future, as many at a time as go well, as they finish.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::control::Controller;
use crate::shape::flights::{AsTheyCome, Call, Flying};
use crate::shape::governed::{Governed, Judge, JudgedBy, Unjudged, most};
use crate::shape::turns::AtOnce;

/// Each item through an asynchronous function, as many of its futures at a time as a controller
/// allows, as they finish:
/// [`PublisherExt::adaptive_concurrency_unordered`](crate::PublisherExt::adaptive_concurrency_unordered).
///
/// ```text
///        adaptive_concurrency_unordered(time, Aimd::new(1.0..=4.0), f)
/// up     --1-2-3-4-5-6-7-8-9---
/// limit    1 2   3     4x2         x: f(6) was turned away
/// down   ---1--23--456--7-8--9-
/// ```
///
/// As [`map_async_unordered`](crate::PublisherExt::map_async_unordered), with a limit that is looked
/// at whenever a future could be launched. A limit that was lowered aborts nothing: fewer are launched
/// until so many are left. The [controller](crate::control) is told how it went once in a round, in
/// which as many futures are finished as were in flight when it began, and at most once in its
/// [interval](Controller::interval): how many, how long they took on average, by the clock of `time`,
/// and whether the limit was reached while downstream wanted more. What is an overload it cannot
/// know; say so by [`overload_when`](AdaptiveConcurrencyUnordered::overload_when).
///
/// What the controller has decided is in the [`decisions`](millstream_blocks::gauge::Row::decisions)
/// of its row, where somebody [looks](crate::PublisherExt::observed).
///
/// # Demand
/// The limit when it is subscribed to, and one more for each result that was sent; fewer where the
/// limit was cut, and more where it was raised. Never more than the limit are on their way, in flight, or
/// waiting for demand, but for those that were when it was cut. A synchronous upstream is pulled as
/// there is room.
/// # Completion
/// When upstream is complete and all results are sent.
/// # Errors
/// A failure of upstream comes after the results of what it sent before. A panic in the function, in
/// a future, in the controller or in what says what an overload is becomes a fault. When the executor
/// drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: the futures are dropped and upstream is cancelled when the task runs next.
/// # Bounds
/// As many futures and results together as the controller [ever](Controller::most) allows. A few
/// allocations for each of them when it is subscribed to; none per item. The clock is read twice for
/// each.
/// # Panics
/// When the controller's highest limit is below one or above 2<sup>24</sup>, or it answers items per
/// second.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream::Board;
/// use millstream::control::Aimd;
/// use millstream::executor::{Executor, Pool};
/// use millstream::prelude::*;
/// use millstream::time::SystemClock;
///
/// async fn lookup(n: u64) -> Result<u64, &'static str> { Ok(n * n) } // a service, in earnest
///
/// let (pool, clock) = (Pool::new(2), SystemClock::new());
/// let time = pool.handle().with_clock(clock.handle());
/// let limits = Aimd::new(1.0..=64.0).latency(Duration::from_millis(200));
/// let board = Board::new(1);
/// let replies = millstream::from_iter(1..=1000)
///     .adaptive_concurrency_unordered(time, limits, lookup)
///     .overload_when(|reply| reply.is_err())
///     .observed(&board);
/// let sum = replies.fold(0, |sum, reply| sum + reply.unwrap_or(0)).block()?;
/// assert_eq!(sum, 333_833_500);
/// let decisions = board.snapshot().rows()[0].decisions.unwrap();
/// assert!((1.0..=64.0).contains(&decisions.limit));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AdaptiveConcurrencyUnordered<P, X, C, F, J = Unjudged> {
    upstream: P,
    time: X,
    controller: C,
    most: NonZeroUsize,
    judge: J,
    site: Site,
    f: F,
}

impl<P, X, C: Controller, F> AdaptiveConcurrencyUnordered<P, X, C, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, controller: C, f: F) -> Self {
        let kind = "adaptive_concurrency_unordered";
        let most = most(kind, &controller);
        let site = Site::here(kind);
        AdaptiveConcurrencyUnordered {
            upstream,
            time,
            controller,
            most,
            judge: Unjudged::NEW,
            site,
            f,
        }
    }
}

impl<P, X, C, F, J> AdaptiveConcurrencyUnordered<P, X, C, F, J> {
    /// A result for which `judge` says so means that there was too much: it timed out, it was turned
    /// away.
    pub fn overload_when<Fut, V>(
        self,
        judge: V,
    ) -> AdaptiveConcurrencyUnordered<P, X, C, F, JudgedBy<V>>
    where
        P: Publisher,
        F: FnMut(P::Item) -> Fut,
        Fut: Future,
        V: FnMut(&Fut::Output) -> bool + Send + 'static,
    {
        let AdaptiveConcurrencyUnordered { upstream, time, controller, most, site, f, .. } = self;
        AdaptiveConcurrencyUnordered {
            upstream,
            time,
            controller,
            most,
            judge: JudgedBy(judge),
            site,
            f,
        }
    }
}

crate::opaque_debug::opaque_debug!(AdaptiveConcurrencyUnordered<P, X, C, F, J>, most);

impl<P, X, C, F, J, Fut, U> Publisher for AdaptiveConcurrencyUnordered<P, X, C, F, J>
where
    P: Publisher,
    X: Executor + Clock,
    C: Controller,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    J: Judge<U>,
    Fut: Future<Output = U> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<S: Subscriber<U, P::Error>>(self, subscriber: S) {
        let AdaptiveConcurrencyUnordered { upstream, time, controller, most, judge, site, f } =
            self;
        let limit = Governed { controller, judge, most, clock: &time };
        let flying =
            Flying { limit, site, turns: AtOnce, course: Call(f, Ok), error: |error| error };
        flying.fly::<AsTheyCome<U>, _, _, _>(upstream, &time, subscriber);
    }
}
