//! `from_stream`: the items of a `futures::Stream`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use millstream_core::{Publisher, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Polled, polled};

/// The items of a [`Stream`], which is driven by a task of `executor`. With the feature `futures`.
///
/// ```text
/// stream  -a--b--------c-|
/// down    ^-r2-a--b--r1-c----r1-|
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
/// None; for streams of `Result` see [`from_try_stream`](crate::edge::from_try_stream). A panic in
/// the stream becomes a fault. When the executor drops the task, downstream is told
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
/// let numbers = futures::stream::iter(1..=3);
/// let squares = millstream::from_stream(executor.handle(), numbers).map(|n| n * n);
/// assert_eq!(executor.run_until(squares.collect::<Vec<_>>())?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "from", alias = "fromPublisher")]
pub fn from_stream<X, St>(executor: X, stream: St) -> FromStream<X, St>
where
    X: Executor,
    St: Stream<Item: Send + 'static> + Send + 'static,
{
    FromStream { executor, stream }
}

/// The publisher of [`from_stream`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromStream<X, St> {
    executor: X,
    stream: St,
}

crate::opaque_debug::opaque_debug!(FromStream<X, St>);

impl<X, St> Publisher for FromStream<X, St>
where
    X: Executor,
    St: Stream<Item: Send + 'static> + Send + 'static,
{
    type Item = St::Item;
    type Error = Infallible;

    fn subscribe<S: Subscriber<St::Item, Infallible>>(self, subscriber: S) {
        polled(&self.executor, Items(Box::pin(self.stream)), subscriber);
    }
}

struct Items<St>(Pin<Box<St>>);

impl<St> Polled for Items<St>
where
    St: Stream<Item: Send + 'static> + Send + 'static,
{
    type Item = St::Item;
    type Error = Infallible;

    #[inline]
    fn poll(&mut self, context: &mut Context<'_>) -> Pulled<St::Item, Infallible> {
        match self.0.as_mut().poll_next(context) {
            Poll::Ready(Some(item)) => Pulled::Item(item),
            Poll::Ready(None) => Pulled::Complete,
            Poll::Pending => Pulled::Pending,
        }
    }

    fn look_ahead(&mut self, _: &mut Context<'_>) -> Pulled<St::Item, Infallible> {
        // A stream that says that it has no more is over, and need not be polled to know it.
        if self.0.size_hint() == (0, Some(0)) { Pulled::Complete } else { Pulled::Pending }
    }
}
