//! `from_mpsc`: what comes through a tokio channel.

use std::convert::Infallible;
use std::task::{Context, Poll};

use millstream_core::{Publisher, Pulled, Subscriber};
use millstream_executors::Executor;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use crate::shape::polled::{Polled, polled};

/// What comes through a tokio channel, bounded or not. It is received by a task of `executor`. With
/// the feature `tokio-sync`.
///
/// ```text
/// send  -a-b--c----all senders gone
/// down  ^--r2-a-b--r2-c-----------|
/// ```
///
/// # Demand
/// One item is received for each that is asked for; without demand the channel fills, and its
/// senders wait as they would for any slow receiver.
/// # Completion
/// When all senders are gone and the channel is empty, which takes a unit of demand. The channel
/// does not tell a sender that is done from one that panicked: let a sender that can fail send
/// `Result`, and end the stream by [`try_map`](crate::PublisherExt::try_map).
/// # Errors
/// None. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The receiver is dropped, with what is in the channel, when the task runs next: sending fails
/// from then on.
/// # Bounds
/// Holds the receiver; what the channel holds is its own.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let (sender, receiver) = tokio::sync::mpsc::channel(8);
/// for n in 1..=3 {
///     sender.try_send(n).unwrap();
/// }
/// drop(sender);
/// let items = millstream::from_mpsc(executor.handle(), receiver);
/// assert_eq!(executor.run_until(items.collect::<Vec<_>>())?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "ReceiverStream", alias = "UnboundedReceiverStream")]
pub fn from_mpsc<X, R>(executor: X, receiver: R) -> FromMpsc<X, R>
where
    X: Executor,
    R: MpscReceiver,
{
    FromMpsc { executor, receiver }
}

/// The two receivers of `tokio::sync::mpsc`.
pub trait MpscReceiver: sealed::Sealed {
    /// What is received.
    type Item: Send + 'static;

    /// As `poll_recv` of the receiver.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Item>>;
}

mod sealed {
    pub trait Sealed: Send + 'static {}
    impl<T: Send + 'static> Sealed for super::Receiver<T> {}
    impl<T: Send + 'static> Sealed for super::UnboundedReceiver<T> {}
}

impl<T: Send + 'static> MpscReceiver for Receiver<T> {
    type Item = T;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Receiver::poll_recv(self, cx)
    }
}

impl<T: Send + 'static> MpscReceiver for UnboundedReceiver<T> {
    type Item = T;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        UnboundedReceiver::poll_recv(self, cx)
    }
}

/// The publisher of [`from_mpsc`].
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromMpsc<X, R> {
    executor: X,
    receiver: R,
}

crate::opaque_debug::opaque_debug!(FromMpsc<X, R>);

impl<X: Executor, R: MpscReceiver> Publisher for FromMpsc<X, R> {
    type Item = R::Item;
    type Error = Infallible;

    fn subscribe<S: Subscriber<R::Item, Infallible>>(self, subscriber: S) {
        polled(&self.executor, Received(self.receiver), subscriber);
    }
}

struct Received<R>(R);

impl<R: MpscReceiver> Polled for Received<R> {
    type Item = R::Item;
    type Error = Infallible;

    fn poll(&mut self, cx: &mut Context<'_>) -> Pulled<R::Item, Infallible> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(item)) => Pulled::Item(item),
            Poll::Ready(None) => Pulled::Complete,
            Poll::Pending => Pulled::Pending,
        }
    }
}
