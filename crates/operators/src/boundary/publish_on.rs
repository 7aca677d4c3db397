//! `publish_on`: what follows runs on an executor.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::{capacity, feed, on};

/// What follows runs on a task of an executor, behind a bounded queue:
/// [`PublisherExt::publish_on`](crate::PublisherExt::publish_on).
///
/// ```text
///           publish_on(executor, 4)
/// up    --1-2-3-4----5-6-|          on whichever thread upstream sends
/// down  -----1---2---3---4--5--6-|  on a task of the executor
/// ```
///
/// An upstream that is synchronous from its source on is pulled on the executor, without a queue:
/// then nothing of it runs on the thread that subscribes.
///
/// # Demand
/// `capacity` when it is subscribed to; after that three quarters of it, each time as many items
/// have left the queue. An upstream that is pulled is asked for what downstream asks.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// After what is queued: an item that came before the failure is not lost. A fault does not wait.
/// When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused); what is queued is discarded and upstream
/// cancelled.
/// # Cancellation
/// On the executor: upstream is cancelled and what is queued discarded when the task runs next.
/// # Bounds
/// `capacity` items. Three allocations per subscription and two for the task; none per item.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let squares = millstream::from_iter(1..=3).publish_on(executor.handle(), 16).map(|n| n * n);
/// assert_eq!(executor.run_until(squares.collect::<Vec<_>>())?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct PublishOn<P, X> {
    upstream: P,
    executor: X,
    capacity: NonZeroUsize,
    site: Site,
}

impl<P, X> PublishOn<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, n: usize) -> PublishOn<P, X> {
        PublishOn::part_of("publish_on", upstream, executor, n)
    }

    /// As a part of another operator, which is called as this one is.
    #[track_caller]
    pub(crate) fn part_of(kind: &'static str, upstream: P, executor: X, n: usize) -> Self {
        let capacity = capacity(&format!("{kind}(executor, 0)"), n);
        PublishOn { upstream, executor, capacity, site: Site::here(kind) }
    }
}

crate::opaque_debug::opaque_debug!(PublishOn<P, X>, capacity);

impl<P: Publisher, X: Executor> Publisher for PublishOn<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let PublishOn { upstream, executor, capacity, site } = self;
        on(
            &executor,
            |bell, context| feed(upstream, capacity, bell.clone(), context, site),
            subscriber,
        );
    }
}
