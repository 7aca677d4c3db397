//! `from_try_future`: one item or an error, when a future is ready.

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::edge::from_future::Once;
use crate::shape::polled::polled;

/// One item, or an error: what a future gives. It is driven by a task of `executor`.
///
/// ```text
/// future  ---Ok(x)             future  ---Err(e)
/// down    ^-----r1-x-|         down    ^--X
/// ```
///
/// It is also how the receiver of a one-shot channel becomes a publisher: a sender that was
/// dropped is an error, and never mistaken for completion.
///
/// # Demand
/// None is needed for the future, which is polled from the subscription on; an item is held until
/// it is asked for.
/// # Completion
/// With the item.
/// # Errors
/// When the future gives `Err`, which needs no demand. A panic in the future becomes a fault. When
/// the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The future is dropped, or its result, when the task runs next.
/// # Bounds
/// Holds the future, and then the item. A few allocations per subscription.
///
/// # Examples
/// ```
/// use futures::channel::oneshot;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let (sender, receiver) = oneshot::channel();
/// let answer = millstream::from_try_future(executor.handle(), receiver);
/// sender.send(42).unwrap();
/// assert_eq!(executor.run_until(answer.single())?, 42);
///
/// let (sender, receiver) = oneshot::channel::<u64>();
/// let never = millstream::from_try_future(executor.handle(), receiver);
/// drop(sender);
/// let end = executor.run_until(never.first());
/// assert!(matches!(end, Err(millstream::Failure::Error(oneshot::Canceled))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "from_oneshot", alias = "fromFuture", alias = "fromCallable")]
pub fn from_try_future<X, Fut, T, E>(executor: X, future: Fut) -> FromTryFuture<X, Fut>
where
    X: Executor,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    FromTryFuture { executor, future }
}

/// The publisher of [`from_try_future`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromTryFuture<X, Fut> {
    executor: X,
    future: Fut,
}

crate::opaque_debug::opaque_debug!(FromTryFuture<X, Fut>);

impl<X, Fut, T, E> Publisher for FromTryFuture<X, Fut>
where
    X: Executor,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        polled(&self.executor, Once::new(self.future), subscriber);
    }
}
