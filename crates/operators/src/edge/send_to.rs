//! `send_to`: the items into a tokio channel.

use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use crate::edge::{AsyncTarget, IntoTarget};

/// The items into a tokio channel: [`PublisherExt::send_to`](crate::PublisherExt::send_to). With
/// the feature `tokio-sync`.
///
/// ```text
/// up       r1--1-r1--2-r1----3-----|
/// channel  permit    permit  permit
/// gives                             Ok(())
/// ```
///
/// It is driven by whoever awaits it.
///
/// # Demand
/// Follows the channel: the first item is asked for when a place in it is reserved, and the next when
/// that was filled; that one waits for a place. A synchronous upstream is pulled when there is a
/// place. Nothing is sent that has no place, so nothing comes back.
/// # Completion
/// The sender is dropped; the end comes when the last item is in the channel.
/// # Errors
/// When the receiver is gone, as [`DeliveryError::Target`](crate::edge::DeliveryError::Target);
/// upstream is cancelled. When upstream fails, the sender is dropped: the other side sees an end,
/// and whoever awaits this one the error.
/// # Cancellation
/// Dropping the end drops the sender and cancels upstream.
/// # Bounds
/// One item waits; what the channel holds is its own.
///
/// # Examples
/// ```
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
/// ```
pub type SendTo<P> = IntoTarget<P, MpscTarget<<P as millstream_core::Publisher>::Item>>;

/// A tokio channel as an [`AsyncTarget`].
#[derive(Debug)]
pub struct MpscTarget<T> {
    sender: Sender<T>,
    permit: Option<OwnedPermit<T>>,
}

impl<T> MpscTarget<T> {
    /// Items go to `sender`.
    #[must_use]
    pub fn new(sender: Sender<T>) -> MpscTarget<T> {
        MpscTarget { sender, permit: None }
    }

    async fn reserve(&mut self) -> Result<OwnedPermit<T>, SendError<()>> {
        match self.permit.take() {
            Some(permit) => Ok(permit),
            None => self.sender.clone().reserve_owned().await,
        }
    }
}

impl<T: Send + 'static> AsyncTarget<T> for MpscTarget<T> {
    type Output = ();
    type Error = SendError<()>;

    async fn ready(&mut self) -> Result<(), SendError<()>> {
        self.permit = Some(self.reserve().await?);
        Ok(())
    }

    async fn send(&mut self, item: T) -> Result<(), SendError<()>> {
        let _sender = self.reserve().await?.send(item);
        Ok(())
    }

    async fn close(self) -> Result<(), SendError<()>> {
        Ok(())
    }
}
