//! `send_to`: the items into a channel.

use std::convert::Infallible;

use millstream_core::Publisher;
#[cfg(feature = "tokio-sync")]
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::edge::{AsyncTarget, IntoTarget};
use crate::source::{SendError, Sender};

/// The items into a channel: [`PublisherExt::send_to`](crate::PublisherExt::send_to). Into one of
/// [`channel`](crate::source::channel()), or, with the feature `tokio-sync`, one of tokio.
///
/// ```text
/// up       r1--1-r1--2-r1----3-----|
/// channel      1     2       3
/// gives                             Ok(())
/// ```
///
/// It is driven by whoever awaits it.
///
/// # Demand
/// Follows the channel. Of a channel of tokio the first item is asked for when a place in it is reserved,
/// and the next when that was filled; that one waits for a place. Of a channel of this library the first
/// is asked for at once, and the next when it is in the queue or waits for its turn.
/// # Completion
/// The sender [completes](Sender::complete), and one of tokio is dropped; the end comes when the last item
/// is in the channel.
/// # Errors
/// When nobody receives any more, as [`DeliveryError::Target`](crate::edge::DeliveryError::Target);
/// upstream is cancelled. When upstream fails, whoever awaits this end has the error, and the sender is
/// dropped: the other side of a channel of this library sees a sender that went away, which is a fault
/// unless it [completes on drop](Sender::complete_on_drop), and that of one of tokio an end.
/// # Cancellation
/// Dropping the end drops the sender and cancels upstream.
/// # Bounds
/// One item waits, and of a channel of this library another for its turn to be sent; what the channel
/// holds is its own.
///
/// # Examples
/// Many streams into one, that come and go:
///
/// ```
/// use millstream::prelude::*;
///
/// let (sender, numbers) = millstream::channel(4);
/// let feeds = [0..3, 10..13].map(|range| {
///     let feed = millstream::range(range).send_to(sender.clone());
///     std::thread::spawn(|| feed.block())
/// });
/// sender.complete(); // this one; the stream is over when all are
///
/// assert_eq!(numbers.fold(0, |sum, n| sum + n).block().unwrap(), 36);
/// for feed in feeds {
///     feed.join().unwrap().unwrap();
/// }
/// ```
///
/// With tokio:
///
/// ```
/// # #[cfg(feature = "tokio-sync")] {
/// use millstream::prelude::*;
///
/// # futures::executor::block_on(async {
/// let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
/// millstream::from_iter(1..=3).send_to(sender).await?;
/// let mut received = Vec::new();
/// while let Some(n) = receiver.recv().await {
///     received.push(n);
/// }
/// assert_eq!(received, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # }
/// ```
pub type SendTo<P, S> = IntoTarget<P, <S as IntoAsyncTarget<<P as Publisher>::Item>>::Target>;

/// What [`send_to`](crate::PublisherExt::send_to) sends to: a sender, as an [`AsyncTarget`].
pub trait IntoAsyncTarget<T: Send + 'static> {
    /// The target.
    type Target: AsyncTarget<T>;

    /// This as a target.
    fn into_async_target(self) -> Self::Target;
}

/// A channel of this library as an [`AsyncTarget`].
#[derive(Debug)]
pub struct ChannelTarget<T, E = Infallible>(Sender<T, E>);

impl<T: Send + 'static, E: Send + 'static> IntoAsyncTarget<T> for Sender<T, E> {
    type Target = ChannelTarget<T, E>;

    fn into_async_target(self) -> ChannelTarget<T, E> {
        ChannelTarget(self)
    }
}

impl<T: Send + 'static, E: Send + 'static> AsyncTarget<T> for ChannelTarget<T, E> {
    type Output = ();
    type Error = SendError<()>;

    async fn send(&mut self, item: T) -> Result<(), SendError<()>> {
        self.0.send(item).await.map_err(|_| SendError(()))
    }

    async fn close(self) -> Result<(), SendError<()>> {
        self.0.complete();
        Ok(())
    }
}

/// A tokio channel as an [`AsyncTarget`].
#[cfg(feature = "tokio-sync")]
#[derive(Debug)]
pub struct MpscTarget<T> {
    sender: mpsc::Sender<T>,
    permit: Option<OwnedPermit<T>>,
}

#[cfg(feature = "tokio-sync")]
impl<T> MpscTarget<T> {
    /// Items go to `sender`.
    #[must_use]
    pub fn new(sender: mpsc::Sender<T>) -> MpscTarget<T> {
        MpscTarget { sender, permit: None }
    }

    async fn reserve(&mut self) -> Result<OwnedPermit<T>, mpsc::error::SendError<()>> {
        match self.permit.take() {
            Some(permit) => Ok(permit),
            None => self.sender.clone().reserve_owned().await,
        }
    }
}

#[cfg(feature = "tokio-sync")]
impl<T: Send + 'static> IntoAsyncTarget<T> for mpsc::Sender<T> {
    type Target = MpscTarget<T>;

    fn into_async_target(self) -> MpscTarget<T> {
        MpscTarget::new(self)
    }
}

#[cfg(feature = "tokio-sync")]
impl<T: Send + 'static> AsyncTarget<T> for MpscTarget<T> {
    type Output = ();
    type Error = mpsc::error::SendError<()>;

    async fn ready(&mut self) -> Result<(), mpsc::error::SendError<()>> {
        self.permit = Some(self.reserve().await?);
        Ok(())
    }

    async fn send(&mut self, item: T) -> Result<(), mpsc::error::SendError<()>> {
        let _sender = self.reserve().await?.send(item);
        Ok(())
    }

    async fn close(self) -> Result<(), mpsc::error::SendError<()>> {
        Ok(())
    }
}
