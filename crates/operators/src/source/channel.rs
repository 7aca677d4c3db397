//! `channel`: what is sent from elsewhere.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_blocks::alarm::block_on;
use millstream_blocks::funnel::{self, Reader, Refused, Writer, funnel};
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::executor_thread;

use crate::shape::joined;

/// How often a thread that finds no room looks for some before it goes to sleep: for about as long as it
/// would take to be woken.
const LOOKS: u32 = 400;

/// The items that [`Sender`]s send, from any thread and any number of them.
///
/// ```text
/// send  --1--2-3---4--complete
/// down  ^r2-1--2-----r2-3-4-|
/// ```
///
/// What is sent waits in a queue until it is asked for; when that is full, senders wait for their
/// turn, or get their item back at once, as they choose. What follows runs on the thread that
/// sends or asks, one at a time; [`publish_on`](crate::PublisherExt::publish_on) puts it elsewhere.
/// It is subscribed to once; [`broadcast`](crate::PublisherExt) and its kin are for many.
///
/// # Demand
/// As many items are taken out of the queue as are asked for.
/// # Completion
/// Behind what is queued, without demand of its own: when all senders are gone and each has said
/// that it is [done](Sender::complete), or by [`close`](Sender::close).
/// # Errors
/// Behind what is queued: by [`fail`](Sender::fail), which only the senders of [`try_channel`]
/// have. When a sender was dropped that did not say that it was done, the end is the fault
/// [`SourceDropped`](millstream_core::Fault::SourceDropped), once the last has gone: a task that
/// panicked or was aborted in the middle looks like that, and what it had sent so far is no whole.
/// [`complete_on_drop`](Sender::complete_on_drop) is for senders whose drop says enough.
/// # Cancellation
/// What is queued is discarded. Sends that wait get their items back, and later ones at once. To
/// drop the publisher without subscribing to it is the same.
/// # Bounds
/// `capacity` items; those of senders that wait are theirs. Two allocations, and one per
/// subscription; none per item, but for a send that has to wait.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (sender, numbers) = millstream::channel(4);
/// let workers = [1, 10].map(|first| {
///     let sender = sender.clone();
///     std::thread::spawn(move || {
///         for n in first..first + 3 {
///             sender.send_blocking(n).unwrap();
///         }
///         sender.complete();
///     })
/// });
/// sender.complete();
///
/// let mut all = numbers.collect::<Vec<_>>().block()?;
/// all.sort();
/// assert_eq!(all, [1, 2, 3, 10, 11, 12]);
/// # workers.map(|worker| worker.join().unwrap());
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// On an executor senders wait without a thread:
///
/// ```
/// use millstream::executor::{CurrentThread, Executor};
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let (sender, numbers) = millstream::channel(1);
/// executor.handle().spawn(Box::pin(async move {
///     for n in 0..100 {
///         if let Err(back) = sender.send(n).await {
///             panic!("{} was sent to nobody", back.0);
///         }
///     }
///     sender.complete();
/// }))?;
/// assert_eq!(executor.run_until(numbers.fold(0, |sum, n| sum + n))?, 4950);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Channel<T: 'static, E = Infallible> {
    reader: Reader<T, E>,
    site: Site,
}

/// What is sent from elsewhere: a sender, which can be cloned, and the publisher of what they
/// send. See [`Channel`].
#[doc(alias = "mpsc", alias = "unicast", alias = "Sinks.many", alias = "Source.queue")]
#[doc(alias = "UnicastProcessor", alias = "SubmissionPublisher")]
#[track_caller]
pub fn channel<T: Send + 'static>(capacity: usize) -> (Sender<T>, Channel<T>) {
    made("channel(0)", capacity, Site::here("channel"))
}

/// As [`channel`], of a stream that can fail.
///
/// ```
/// use millstream::prelude::*;
///
/// let (sender, numbers) = millstream::try_channel(4);
/// sender.try_send(1)?;
/// sender.fail("out of numbers").unwrap();
/// let failure = numbers.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(failure.into_error(), Some("out of numbers"));
/// # Ok::<(), millstream::source::TrySendError<i32>>(())
/// ```
#[track_caller]
pub fn try_channel<T, E>(capacity: usize) -> (Sender<T, E>, Channel<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    made("try_channel(0)", capacity, Site::here("channel"))
}

#[track_caller]
fn made<T, E>(what: &str, capacity: usize, site: Site) -> (Sender<T, E>, Channel<T, E>) {
    let (writer, reader) = funnel(joined::capacity(what, capacity));
    (Sender { writer, completes_on_drop: false }, Channel { reader, site })
}

impl<T: 'static, E> fmt::Debug for Channel<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("capacity", &self.reader.capacity())
            .field("len", &self.reader.len())
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Channel<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let Channel { reader, site } = self;
        join(|bell, context| reader.attach(bell, context, site), subscriber);
    }
}

/// Sends the items of a [`Channel`]. Clones send to the same one.
/// [`send_to`](crate::PublisherExt::send_to) sends a whole stream there.
///
/// A sender ends by [`complete`](Sender::complete); dropping it says that something went wrong,
/// unless it [completes on drop](Sender::complete_on_drop).
pub struct Sender<T, E = Infallible> {
    writer: Writer<T, E>,
    completes_on_drop: bool,
}

impl<T, E> Sender<T, E> {
    /// Waits for room, and sends the item.
    ///
    /// Senders that wait have their turn in the order in which they came. Dropping the future
    /// takes the item back, unless it was sent by then, and leaves the others' turns as they are.
    ///
    /// # Errors
    /// The item, where nothing more is taken in: the stream has ended, or nobody receives it.
    pub fn send(&self, item: T) -> Sending<'_, T, E> {
        Sending { sending: self.writer.send(item) }
    }

    /// Sends the item if there is room. Nobody who waits for room is overtaken.
    ///
    /// # Errors
    /// The item, and why it was not sent.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.writer.push(item).map_err(|refused| match refused {
            Refused::Full(item) => TrySendError::Full(item),
            Refused::Closed(item) => TrySendError::Closed(item),
        })
    }

    /// Waits on this thread for room, and sends the item.
    ///
    /// It looks for room for some microseconds, unless others wait for it already, and then sleeps. From
    /// then on nobody overtakes it.
    ///
    /// It must not be called from inside a signal of this channel's own stream: it would wait for
    /// room that only its own return can make.
    ///
    /// # Errors
    /// The item, where nothing more is taken in; and before anything is done on a thread that
    /// runs an executor, as [`block`](crate::shape::end::Run::block) says: it could wait for work
    /// that only this thread can do.
    pub fn send_blocking(&self, item: T) -> Result<(), SendBlockingError<T>> {
        if executor_thread::is_current() {
            return Err(SendBlockingError::OnExecutor(item));
        }
        match self.writer.push_soon(item, LOOKS) {
            Ok(()) => Ok(()),
            Err(Refused::Closed(item)) => Err(SendBlockingError::Closed(item)),
            Err(Refused::Full(item)) => {
                block_on(self.writer.send(item), LOOKS).map_err(SendBlockingError::Closed)
            }
        }
    }

    /// This sender is done. The stream completes when all are, behind what is queued.
    pub fn complete(mut self) {
        self.writer.done();
    }

    /// Completes the stream now, behind what is queued, whatever other senders still have to
    /// send; `false` where it was over already.
    pub fn close(&self) -> bool {
        self.writer.complete()
    }

    /// Fails the stream, behind what is queued. Other senders get their items back.
    ///
    /// # Errors
    /// The error, where the stream was over already and nobody is to be told.
    pub fn fail(self, error: E) -> Result<(), E> {
        self.writer.fail(error)
    }

    /// From here on dropping this sender, or a clone made of it, is as good as
    /// [`complete`](Sender::complete), as it is for the channels of `std` and tokio. Clones that were
    /// made before still have to say that they are done, so this comes before the first. A sender that is
    /// dropped while its thread unwinds was not done; a task that was aborted drops its sender as one
    /// that has finished does.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let (sender, numbers) = millstream::channel(4);
    /// let sender = sender.complete_on_drop();
    /// sender.try_send(1)?;
    /// drop(sender);
    /// assert_eq!(numbers.collect::<Vec<_>>().block().unwrap(), [1]);
    /// # Ok::<(), millstream::source::TrySendError<i32>>(())
    /// ```
    #[must_use = "it is the sender that is given back which completes on drop"]
    pub fn complete_on_drop(mut self) -> Sender<T, E> {
        self.completes_on_drop = true;
        self
    }

    /// Waits until nothing more is taken in: the stream has ended, or nobody receives it. For
    /// producers that have something to stop.
    pub async fn closed(&self) {
        self.writer.closed().await;
    }

    /// Whether nothing more is taken in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// How many items are queued; others may be sending, and some may be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer.len()
    }

    /// Whether no item is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }
}

impl<T, E> Clone for Sender<T, E> {
    fn clone(&self) -> Sender<T, E> {
        let completes_on_drop = self.completes_on_drop;
        Sender { writer: self.writer.clone(), completes_on_drop }
    }
}

impl<T, E> Drop for Sender<T, E> {
    fn drop(&mut self) {
        if self.completes_on_drop && !std::thread::panicking() {
            self.writer.done();
        }
    }
}

impl<T, E> fmt::Debug for Sender<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("len", &self.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// An item on its way: see [`Sender::send`].
#[must_use = "futures are lazy: nothing is sent before `.await`"]
pub struct Sending<'a, T, E = Infallible> {
    sending: funnel::Sending<'a, T, E>,
}

impl<T, E> Future for Sending<'_, T, E> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // What follows the channel may run in here.
        let _polled = executor_thread::polls();
        Pin::new(&mut self.sending).poll(cx).map_err(SendError)
    }
}

impl<T, E> fmt::Debug for Sending<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sending.fmt(f)
    }
}

/// An item that was not sent, because nothing more is taken in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why an item was not sent at once. It comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or others wait for it.
    Full(T),
    /// Nothing more is taken in.
    Closed(T),
}

/// Why an item was not sent by a thread that waits. It comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendBlockingError<T> {
    /// Nothing more is taken in.
    Closed(T),
    /// This thread runs an executor, which must not wait: send with `send(..).await`.
    OnExecutor(T),
}

impl<T> SendError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            TrySendError::Full(item) | TrySendError::Closed(item) => item,
        }
    }
}

impl<T> SendBlockingError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            SendBlockingError::Closed(item) | SendBlockingError::OnExecutor(item) => item,
        }
    }
}

/// `Debug`, `Display` and `Error` for errors that carry an item, whatever it is.
macro_rules! carries_an_item {
    ($error:ident: $($pattern:pat => $name:literal, $says:literal;)+) => {
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($pattern => $name),+ })
            }
        }

        impl<T> fmt::Display for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($pattern => $says),+ })
            }
        }

        impl<T> Error for $error<T> {}
    };
}

carries_an_item! { SendError:
    SendError(_) => "SendError(..)", "the channel is closed";
}
carries_an_item! { TrySendError:
    TrySendError::Full(_) => "Full(..)", "the channel is full";
    TrySendError::Closed(_) => "Closed(..)", "the channel is closed";
}
carries_an_item! { SendBlockingError:
    SendBlockingError::Closed(_) => "Closed(..)", "the channel is closed";
    SendBlockingError::OnExecutor(_) => "OnExecutor(..)",
        "a blocking send was called on a thread that runs an executor, where it could wait for \
         itself; await the send instead";
}
