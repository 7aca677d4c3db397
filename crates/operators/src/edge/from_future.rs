//! `from_future`: one item, when a future is ready.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_core::{Publisher, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Polled, polled};

/// One item: what a future gives. It is driven by a task of `executor`.
///
/// ```text
/// future  ---x
/// down    ^-----r1-x-|   the item waits for demand
/// ```
///
/// # Demand
/// None is needed for the future, which is polled from the subscription on; its result is held
/// until it is asked for.
/// # Completion
/// With the item.
/// # Errors
/// None; [`from_try_future`](crate::edge::from_try_future) is for futures that fail. A panic in the
/// future becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The future is dropped, or its result, when the task runs next.
/// # Bounds
/// Holds the future, and then the item. A few allocations per subscription.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let answer = millstream::from_future(executor.handle(), async { 42 });
/// assert_eq!(executor.run_until(answer.collect::<Vec<_>>())?, [42]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "fromFuture", alias = "Source.future", alias = "once")]
pub fn from_future<X, Fut>(executor: X, future: Fut) -> FromFuture<X, Fut>
where
    X: Executor,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    FromFuture { executor, future }
}

/// The publisher of [`from_future`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromFuture<X, Fut> {
    executor: X,
    future: Fut,
}

crate::opaque_debug::opaque_debug!(FromFuture<X, Fut>);

impl<X, Fut> Publisher for FromFuture<X, Fut>
where
    X: Executor,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    type Item = Fut::Output;
    type Error = Infallible;

    fn subscribe<S: Subscriber<Fut::Output, Infallible>>(self, subscriber: S) {
        let future = self.future;
        polled(&self.executor, Once::new(async { Ok(future.await) }), subscriber);
    }
}

/// A future that gives one item.
pub(crate) struct Once<Fut> {
    /// Until it is ready.
    future: Option<Pin<Box<Fut>>>,
}

impl<Fut> Once<Fut> {
    pub(crate) fn new(future: Fut) -> Once<Fut> {
        Once { future: Some(Box::pin(future)) }
    }
}

impl<Fut, T, E> Polled for Once<Fut>
where
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn poll(&mut self, context: &mut Context<'_>) -> Pulled<T, E> {
        let Some(future) = &mut self.future else { return Pulled::Complete };
        let Poll::Ready(result) = future.as_mut().poll(context) else { return Pulled::Pending };
        self.future = None;
        match result {
            Ok(item) => Pulled::Item(item),
            Err(error) => Pulled::Error(error),
        }
    }

    fn look_ahead(&mut self, context: &mut Context<'_>) -> Pulled<T, E> {
        self.poll(context)
    }
}
