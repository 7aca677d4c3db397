//! `from_try_stream`: the items of a `futures::Stream` that can fail.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use millstream_core::{Publisher, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Polled, polled};

/// The items of a [`Stream`] of `Result`, up to its first error. It is driven by a task of
/// `executor`. With the feature `futures`.
///
/// ```text
/// stream  -Ok(a)--Ok(b)--------Err(e)--
/// down    ^-r2-a------b-----r1-----X
/// ```
///
/// # Demand
/// Polled only while there is demand; each item uses up one unit. What is inside the stream rests
/// in between, futures of `buffered` included; those of
/// [`map_async`](crate::PublisherExt::map_async) do not.
/// # Completion
/// When the stream ends, which takes a unit of demand, unless its size hint says that there is no
/// more: to look for the end could take an item. It is not polled again.
/// # Errors
/// At the first `Err`; the stream is dropped. To go on after an error, take the stream by
/// [`from_stream`](crate::edge::from_stream), with items of type `Result`. A panic in the stream
/// becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The stream is dropped when the task runs next.
/// # Bounds
/// Holds the stream. A few allocations per subscription, none per item.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let numbers = futures::stream::iter(["1", "2", "x"]).map(str::parse::<u32>);
/// # use futures::StreamExt;
/// let numbers = millstream::from_try_stream(executor.handle(), numbers);
/// let end = executor.run_until(numbers.collect::<Vec<_>>());
/// assert_eq!(end.unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[doc(alias = "TryStream")]
pub fn from_try_stream<X, St, T, E>(executor: X, stream: St) -> FromTryStream<X, St>
where
    X: Executor,
    St: Stream<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    FromTryStream { executor, stream }
}

/// The publisher of [`from_try_stream`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromTryStream<X, St> {
    executor: X,
    stream: St,
}

crate::opaque_debug::opaque_debug!(FromTryStream<X, St>);

impl<X, St, T, E> Publisher for FromTryStream<X, St>
where
    X: Executor,
    St: Stream<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        polled(&self.executor, Results(Box::pin(self.stream)), subscriber);
    }
}

struct Results<St>(Pin<Box<St>>);

impl<St, T, E> Polled for Results<St>
where
    St: Stream<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    #[inline]
    fn poll(&mut self, context: &mut Context<'_>) -> Pulled<T, E> {
        match self.0.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(item))) => Pulled::Item(item),
            Poll::Ready(Some(Err(error))) => Pulled::Error(error),
            Poll::Ready(None) => Pulled::Complete,
            Poll::Pending => Pulled::Pending,
        }
    }

    fn look_ahead(&mut self, _: &mut Context<'_>) -> Pulled<T, E> {
        // As for `from_stream`.
        if self.0.size_hint() == (0, Some(0)) { Pulled::Complete } else { Pulled::Pending }
    }
}
