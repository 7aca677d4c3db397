//! `into_sink`: a `futures::Sink` that feeds a publisher.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_sink::Sink;

use crate::source::{SendError, Sender, TrySendError};

impl<T: Send + 'static, E: Send + 'static> Sender<T, E> {
    /// This sender as a [`Sink`]. See [`ChannelSink`]. With the feature `futures`.
    pub fn into_sink(self) -> ChannelSink<T, E> {
        ChannelSink(State::Ready(self))
    }
}

/// A [`Sink`] that feeds the publisher of a channel: [`Sender::into_sink`]. With the feature
/// `futures`.
///
/// ```text
/// sink  -ready-1-ready-2-----ready-3-close
/// down  ^--------r1----1--r2-------2-3--|    a channel of 1
/// ```
///
/// # Demand
/// As the channel's: the sink is ready when the item before is in the queue, and so waits, in its
/// turn, while that is full and nothing is asked for.
/// # Completion
/// By closing the sink, as [`Sender::complete`] does. One that is dropped without is a sender that
/// went away, which is a fault, unless it [completes on drop](Sender::complete_on_drop).
/// # Errors
/// [`SendError`] with the item, where nothing more is taken in: from sending it or, if it had to
/// wait, from what is polled next.
/// # Cancellation
/// When downstream cancels, an item that waits comes back.
/// # Bounds
/// What the channel holds, and the item that waits for its turn. One allocation for an item that
/// has to wait.
///
/// # Examples
/// ```
/// use futures::{SinkExt, StreamExt, stream};
/// use millstream::prelude::*;
///
/// # futures::executor::block_on(async {
/// let (sender, numbers) = millstream::channel(4);
/// let sink = sender.into_sink();
/// let sent = stream::iter(0..100).map(Ok).forward(sink);
/// let sum = numbers.fold(0, |sum, n| sum + n);
/// let (sum, sent) = futures::future::join(sum, sent).await;
/// assert!(sent.is_ok());
/// assert_eq!(sum?, 4950);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// # }).unwrap();
/// ```
#[must_use = "a sink does nothing unless something is sent to it"]
pub struct ChannelSink<T: 'static, E: 'static>(State<T, E>);

enum State<T: 'static, E: 'static> {
    Ready(Sender<T, E>),
    /// An item waits for room, and has the sender.
    Waiting(Waiting<T, E>),
    /// Closed, or what it sent came back.
    Over,
}

type Waiting<T, E> = Pin<Box<dyn Future<Output = (Sender<T, E>, Result<(), SendError<T>>)> + Send>>;

impl<T: Send + 'static, E: Send + 'static> ChannelSink<T, E> {
    /// Waits until what was sent is in the queue.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let State::Waiting(waiting) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let Poll::Ready((sender, sent)) = waiting.as_mut().poll(cx) else { return Poll::Pending };
        self.0 = State::Ready(sender);
        Poll::Ready(sent)
    }
}

impl<T: Send + 'static, E: Send + 'static> Sink<T> for ChannelSink<T, E> {
    type Error = SendError<T>;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        self.poll_sent(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), SendError<T>> {
        match std::mem::replace(&mut self.0, State::Over) {
            State::Ready(sender) => match sender.try_send(item) {
                Ok(()) => self.0 = State::Ready(sender),
                Err(TrySendError::Full(item)) => {
                    self.0 = State::Waiting(Box::pin(async move {
                        let sent = sender.send(item).await;
                        (sender, sent)
                    }));
                }
                Err(TrySendError::Closed(item)) => {
                    self.0 = State::Ready(sender);
                    return Err(SendError(item));
                }
            },
            State::Waiting(_) => panic!("an item was sent to a sink that was not ready"),
            State::Over => return Err(SendError(item)),
        }
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        self.poll_sent(cx)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let Poll::Ready(sent) = self.poll_sent(cx) else { return Poll::Pending };
        if let State::Ready(sender) = std::mem::replace(&mut self.0, State::Over) {
            sender.complete();
        }
        Poll::Ready(sent)
    }
}

impl<T, E> fmt::Debug for ChannelSink<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "ChannelSink(ready)",
            State::Waiting(_) => "ChannelSink(waiting)",
            State::Over => "ChannelSink(over)",
        })
    }
}
