//! `forward`: the items into a `futures::Sink`.

use std::future::poll_fn;
use std::pin::Pin;

use futures_sink::Sink;

use crate::edge::{AsyncTarget, IntoTarget};

/// The items into a [`Sink`], which is closed when upstream is complete:
/// [`PublisherExt::forward`](crate::PublisherExt::forward). With the feature `futures`.
///
/// ```text
/// up    r1----1-r1----2-r1--------|
/// sink  ready send ready send flush close
/// gives                               Ok(())
/// ```
///
/// It is driven by whoever awaits it.
///
/// # Demand
/// Follows `poll_ready`: the first item is asked for when the sink is ready first, and the next
/// when it has been given one; that one waits until it is ready again. A synchronous upstream is
/// pulled when the sink is ready. The sink is flushed when upstream has nothing for now.
/// # Completion
/// The sink is closed; the end comes when it has.
/// # Errors
/// [`DeliveryError`](crate::edge::DeliveryError) says which side. When upstream fails, the sink is
/// flushed and dropped, not closed; when the sink fails, upstream is cancelled. A fault does not
/// wait for the sink. A panic in the sink is a fault.
/// # Cancellation
/// Dropping the end drops the sink, without closing it, and cancels upstream.
/// # Bounds
/// One item waits, and what the sink holds. A few allocations; none per item.
///
/// # Examples
/// ```
/// use futures::SinkExt;
/// use futures::channel::mpsc;
/// use millstream::prelude::*;
///
/// # futures::executor::block_on(async {
/// let (sink, mut received) = mpsc::channel(8);
/// millstream::from_iter(1..=3).forward(sink).await?;
/// # use futures::StreamExt;
/// assert_eq!(received.collect::<Vec<_>>().await, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type Forward<P, Si> = IntoTarget<P, SinkTarget<Si>>;

/// A [`Sink`] as an [`AsyncTarget`].
#[derive(Debug)]
pub struct SinkTarget<Si>(Pin<Box<Si>>);

impl<Si> SinkTarget<Si> {
    /// Items go to `sink`.
    pub fn new(sink: Si) -> SinkTarget<Si> {
        SinkTarget(Box::pin(sink))
    }
}

impl<T, Si> AsyncTarget<T> for SinkTarget<Si>
where
    T: Send + 'static,
    Si: Sink<T, Error: Send + 'static> + Send + 'static,
{
    type Output = ();
    type Error = Si::Error;

    async fn ready(&mut self) -> Result<(), Si::Error> {
        poll_fn(|cx| self.0.as_mut().poll_ready(cx)).await
    }

    async fn send(&mut self, item: T) -> Result<(), Si::Error> {
        self.0.as_mut().start_send(item)
    }

    async fn flush(&mut self) -> Result<(), Si::Error> {
        poll_fn(|cx| self.0.as_mut().poll_flush(cx)).await
    }

    async fn close(mut self) -> Result<(), Si::Error> {
        poll_fn(|cx| self.0.as_mut().poll_close(cx)).await
    }
}
