//! `async_boundary`: two islands, each on a task of its own.

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::boundary::{PublishOn, SubscribeOn};

/// What comes before and what follows run on tasks of their own, with a bounded queue between:
/// [`PublisherExt::async_boundary`](crate::PublisherExt::async_boundary).
///
/// ```text
///           async_boundary(executor, 4)
/// up    --1-2-3-4----5-6-|          on one task of the executor
/// down  -----1---2---3---4--5--6-|  on another
/// ```
///
/// The same as `subscribe_on(executor)` and then `publish_on(executor, capacity)`.
///
/// # Demand
/// `capacity` when the task runs first; after that three quarters of it, each time as many items
/// have left the queue.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// After what is queued. A fault does not wait. When the executor drops one of the tasks,
/// downstream is told [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when
/// it refuses one [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: upstream is cancelled and what is queued discarded when the task runs next.
/// # Bounds
/// `capacity` items.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let sums = millstream::from_iter(1..=100)
///     .map(|n| n * n)
///     .async_boundary(executor.handle(), 16)
///     .map(|n| n + 1);
/// assert_eq!(executor.run_until(sums.count())?, 100);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AsyncBoundary<P, X> {
    both: PublishOn<SubscribeOn<P, X>, X>,
}

impl<P, X: Clone> AsyncBoundary<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, capacity: usize) -> AsyncBoundary<P, X> {
        let upstream = SubscribeOn::new(upstream, executor.clone());
        AsyncBoundary { both: PublishOn::part_of("async_boundary", upstream, executor, capacity) }
    }
}

crate::opaque_debug::opaque_debug!(AsyncBoundary<P, X>);

impl<P: Publisher, X: Executor> Publisher for AsyncBoundary<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.both.subscribe(subscriber);
    }
}
