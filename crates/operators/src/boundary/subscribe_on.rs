//! `subscribe_on`: what comes before is subscribed to and asked on an executor.

use millstream_blocks::courier::courier;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::spawn;

/// What comes before is subscribed to, and asked, on a task of an executor:
/// [`PublisherExt::subscribe_on`](crate::PublisherExt::subscribe_on).
///
/// ```text
///           subscribe_on(executor)
/// up    --1-2-3-|   asked, and so as a rule sent, on a task of the executor
/// down  --1-2-3-|   on the same thread: signals pass straight through
/// ```
///
/// A synchronous source sends on the thread that asks it; with this, all of it runs on the
/// executor. It sends all that it was asked for before it lets other tasks run: put a boundary
/// with a bound below it (`publish_on`, `prefetch`), or run it where blocking is allowed.
///
/// # Demand
/// As downstream's, added up and handed on by the task.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused); upstream is cancelled.
/// # Cancellation
/// As downstream's, at once, on the thread that cancels. Before the task runs first, upstream is
/// dropped without being subscribed to.
/// # Bounds
/// Holds nothing. One allocation per subscription and two for the task.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let lines = millstream::from_iter(["a", "b"]).subscribe_on(executor.handle());
/// assert_eq!(executor.run_until(lines.collect::<Vec<_>>())?, ["a", "b"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SubscribeOn<P, X> {
    upstream: P,
    executor: X,
}

impl<P, X> SubscribeOn<P, X> {
    pub(crate) fn new(upstream: P, executor: X) -> SubscribeOn<P, X> {
        SubscribeOn { upstream, executor }
    }
}

crate::opaque_debug::opaque_debug!(SubscribeOn<P, X>);

impl<P: Publisher, X: Executor> Publisher for SubscribeOn<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        if let Some(courier) = courier(self.upstream, subscriber) {
            spawn(&self.executor, courier);
        }
    }
}
