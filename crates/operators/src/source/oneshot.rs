//! `oneshot`: one item, sent from elsewhere.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;

use millstream_blocks::funnel::{Reader, Writer, funnel};
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::source::SendError;

/// One item that a [`OneshotSender`] sends, or none.
///
/// ```text
/// send  ----1
/// down  ^------r1-1|
/// ```
///
/// The item is kept until it is asked for. What follows runs on the thread that sends or asks.
///
/// # Demand
/// The item waits for it.
/// # Completion
/// With the item, or without demand by [`complete`](OneshotSender::complete).
/// # Errors
/// By [`fail`](OneshotSender::fail), which only the sender of [`try_oneshot`] has, without demand.
/// A sender that is dropped without a word is the fault
/// [`SourceDropped`](millstream_core::Fault::SourceDropped).
/// # Cancellation
/// The item is discarded; one that is sent later comes back. To drop the publisher without
/// subscribing to it is the same.
/// # Bounds
/// One item. Two allocations, and one per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (sender, answer) = millstream::oneshot();
/// let asked = std::thread::spawn(move || answer.map(|n| n + 1).single().block());
/// sender.send(41)?;
/// assert_eq!(asked.join().unwrap().unwrap(), 42);
/// # Ok::<(), millstream::source::SendError<i32>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Oneshot<T: 'static, E = Infallible> {
    reader: Reader<T, E>,
    site: Site,
}

/// One item, sent from elsewhere: its sender, and the publisher of the item. See [`Oneshot`].
#[doc(alias = "maybe", alias = "Source.maybe", alias = "Sinks.one", alias = "MaybeSubject")]
#[doc(alias = "AsyncProcessor", alias = "promise")]
#[track_caller]
pub fn oneshot<T: Send + 'static>() -> (OneshotSender<T>, Oneshot<T>) {
    try_oneshot()
}

/// As [`oneshot`], of a stream that can fail.
///
/// ```
/// use millstream::prelude::*;
///
/// let (sender, answer) = millstream::try_oneshot::<u32, _>();
/// sender.fail("no answer").unwrap();
/// assert_eq!(answer.first().block().unwrap_err().into_error(), Some("no answer"));
/// ```
#[track_caller]
pub fn try_oneshot<T, E>() -> (OneshotSender<T, E>, Oneshot<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (writer, reader) = funnel(NonZeroUsize::MIN);
    (OneshotSender { writer }, Oneshot { reader, site: Site::here("oneshot") })
}

impl<T: 'static, E> fmt::Debug for Oneshot<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = !self.reader.is_empty();
        f.debug_struct("Oneshot").field("sent", &sent).finish_non_exhaustive()
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Oneshot<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let Oneshot { reader, site } = self;
        join(|bell, context| reader.attach(bell, context, site), subscriber);
    }
}

/// Sends the item of a [`Oneshot`].
#[must_use = "dropping it without a word is a fault of its stream"]
pub struct OneshotSender<T, E = Infallible> {
    writer: Writer<T, E>,
}

impl<T, E> OneshotSender<T, E> {
    /// Sends the item, and completes.
    ///
    /// # Errors
    /// The item, where nobody receives it.
    pub fn send(mut self, item: T) -> Result<(), SendError<T>> {
        self.writer.done();
        // There is room: it is the first.
        self.writer.push(item).map_err(|refused| SendError(refused.into_inner()))
    }

    /// Completes without an item.
    pub fn complete(mut self) {
        self.writer.done();
    }

    /// Fails.
    ///
    /// # Errors
    /// The error, where nobody is to be told.
    pub fn fail(self, error: E) -> Result<(), E> {
        self.writer.fail(error)
    }

    /// Waits until nobody receives the item any more. For a producer that has work to stop.
    pub async fn closed(&self) {
        self.writer.closed().await;
    }

    /// Whether nobody receives the item any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }
}

impl<T, E> fmt::Debug for OneshotSender<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotSender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
