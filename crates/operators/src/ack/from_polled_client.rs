//! `from_polled_client`: a client that must be polled on, whether or not its items are wanted.

use std::task::{Context, Poll, Waker};

use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::on;

/// A client of a broker that has to be polled on, lest the broker takes it for dead; and that can be
/// told not to fetch: the consumers of Kafka. [`from_polled_client`] makes a publisher of it.
///
/// ```
/// use std::task::{Context, Poll};
/// use millstream::ack::{PolledBatch, PolledClient};
///
/// /// As those of Kafka do: it waits by itself, but not for ever.
/// struct Consumer { log: std::ops::Range<u32>, paused: bool }
///
/// impl PolledClient for Consumer {
///     type Item = u32;
///     type Error = std::io::Error;
///
///     fn poll(&mut self, _: &mut Context<'_>) -> PolledBatch<u32, std::io::Error> {
///         // Heart-beats go out here, in earnest, and it blocks for some milliseconds.
///         let batch: Vec<u32> = if self.paused { vec![] } else { self.log.by_ref().take(3).collect() };
///         Poll::Ready(Ok((self.paused || !batch.is_empty()).then_some(batch)))
///     }
///
///     fn pause(&mut self) -> Result<(), std::io::Error> {
///         self.paused = true;
///         Ok(())
///     }
///
///     fn resume(&mut self) -> Result<(), std::io::Error> {
///         self.paused = false;
///         Ok(())
///     }
/// }
/// ```
pub trait PolledClient: Send + 'static {
    /// What it gives.
    type Item: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// The next batch, or `None` at the end; an empty one where it has waited long enough. `Pending`
    /// where `context` is woken for it. A client that blocks never says so: it needs an executor where
    /// tasks may block. Any wait between two polls is the client's, in here.
    ///
    /// Between [`pause`](PolledClient::pause) and [`resume`](PolledClient::resume) a batch is empty, but
    /// for one that was under way.
    ///
    /// # Errors
    /// When the client fails; it is not polled again.
    fn poll(&mut self, context: &mut Context<'_>) -> PolledBatch<Self::Item, Self::Error>;

    /// Nobody wants items for now: it fetches none, until it is to [resume](PolledClient::resume).
    ///
    /// # Errors
    /// When the client fails; it is not polled again.
    fn pause(&mut self) -> Result<(), Self::Error>;

    /// Items are wanted again.
    ///
    /// # Errors
    /// When the client fails; it is not polled again.
    fn resume(&mut self) -> Result<(), Self::Error>;
}

/// What a [`PolledClient`] gives when it is polled: a batch, or `None` at the end.
pub type PolledBatch<T, E> = Poll<Result<Option<Vec<T>>, E>>;

/// The items of a [`PolledClient`], which is polled by a task of `executor` for as long as the stream
/// lasts, and paused while there is no demand.
///
/// ```text
/// demand  ^2-------^2-------------
/// client  poll  pause  poll  poll  resume  poll     poll without demand: heart-beats
///         [a,b,c]      []    []            [d]
/// down    --a-b----c----------------------d--
/// ```
///
/// # Demand
/// The client is polled for items when the batch before is used up and there is demand. While there
/// is none it is paused, and polled on. Nothing is polled before the first demand. It pauses at most
/// once for each batch, however the demand comes.
///
/// Demand wakes the task at once. A client that blocks in its poll sees it when that returns.
/// # Completion
/// When the client says so, after the items of its last batch.
/// # Errors
/// When the client says so, after the items of its last batch. A panic in it becomes a fault, as is a
/// paused client that goes on giving items. When the executor refuses or drops the task, the stream
/// ends with the fault that says so.
/// # Cancellation
/// The client is dropped when the task runs next; what is left of its batch is discarded.
/// # Bounds
/// One batch.
///
/// What follows runs on the same task, between two polls: where it takes longer than the broker waits,
/// put [`publish_on`](crate::PublisherExt::publish_on) behind it.
///
/// # Examples
/// ```
/// # use std::task::{Context, Poll};
/// # use millstream::ack::{PolledBatch, PolledClient};
/// # struct Consumer { log: std::ops::Range<u32>, paused: bool }
/// # impl PolledClient for Consumer {
/// #     type Item = u32;
/// #     type Error = std::io::Error;
/// #     fn poll(&mut self, _: &mut Context<'_>) -> PolledBatch<u32, std::io::Error> {
/// #         let batch: Vec<u32> = if self.paused { vec![] } else { self.log.by_ref().take(3).collect() };
/// #         Poll::Ready(Ok((self.paused || !batch.is_empty()).then_some(batch)))
/// #     }
/// #     fn pause(&mut self) -> Result<(), std::io::Error> { self.paused = true; Ok(()) }
/// #     fn resume(&mut self) -> Result<(), std::io::Error> { self.paused = false; Ok(()) }
/// # }
/// use millstream::ack::from_polled_client;
/// use millstream::executor::Threads;
/// use millstream::prelude::*;
///
/// let threads = Threads::new(1); // the client may block one
/// let consumer = Consumer { log: 0..10, paused: false };
/// let records = from_polled_client(threads.handle(), consumer);
/// assert_eq!(records.collect::<Vec<_>>().block()?, (0..10).collect::<Vec<_>>());
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(alias = "KafkaReceiver", alias = "plainSource", alias = "committableSource", alias = "pause")]
pub fn from_polled_client<X: Executor, C: PolledClient>(
    executor: X,
    client: C,
) -> FromPolledClient<X, C> {
    FromPolledClient { executor, client }
}

/// The publisher of [`from_polled_client`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromPolledClient<X, C> {
    executor: X,
    client: C,
}

crate::opaque_debug::opaque_debug!(FromPolledClient<X, C>);

impl<X: Executor, C: PolledClient> Publisher for FromPolledClient<X, C> {
    type Item = C::Item;
    type Error = C::Error;

    fn subscribe<S: Subscriber<C::Item, C::Error>>(self, subscriber: S) {
        let FromPolledClient { executor, client } = self;
        on(
            &executor,
            |bell, context| Polling {
                client,
                state: State::New,
                batch: Vec::new().into_iter(),
                end: None,
                waker: bell.clone().into_waker(),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Fetching,
    Paused,
}

struct Polling<C: PolledClient> {
    client: C,
    state: State,
    batch: std::vec::IntoIter<C::Item>,
    /// What the client said, for when its batch is used up.
    end: Option<Pulled<C::Item, C::Error>>,
    waker: Waker,
    discards: Discards,
}

impl<C: PolledClient> Polling<C> {
    /// Polls the client once; what came is in the batch, or in the end.
    fn poll(&mut self) {
        let Poll::Ready(polled) = self.client.poll(&mut Context::from_waker(&self.waker)) else {
            return;
        };
        match polled {
            Ok(Some(items)) => {
                if !items.is_empty() {
                    assert!(
                        self.batch.as_slice().is_empty(),
                        "from_polled_client(executor, client): a paused client gave {} items while \
                         {} of its last batch were not wanted yet; nothing holds more than one batch",
                        items.len(),
                        self.batch.len(),
                    );
                    self.batch = items.into_iter();
                }
                // Others are let run, and a cancellation is seen, before it is polled again.
                if self.batch.as_slice().is_empty() || self.state == State::Paused {
                    self.waker.wake_by_ref();
                }
            }
            Ok(None) => self.end = Some(Pulled::Complete),
            Err(error) => self.end = Some(Pulled::Error(error)),
        }
    }

    /// The next item that is there, or the end.
    fn next(&mut self) -> Pulled<C::Item, C::Error> {
        if let Some(item) = self.batch.next() {
            return Pulled::Item(item);
        }
        self.end.take().unwrap_or(Pulled::Pending)
    }

    /// Tells the client to go on or to pause, and takes note where it fails.
    fn tell(&mut self, state: State) {
        if self.state == state || self.end.is_some() {
            return;
        }
        let told = match state {
            State::Paused => self.client.pause(),
            State::Fetching if self.state == State::Paused => self.client.resume(),
            _ => Ok(()),
        };
        self.state = state;
        if let Err(error) = told {
            self.end = Some(Pulled::Error(error));
        }
    }
}

impl<C: PolledClient> Pull for Polling<C> {
    type Item = C::Item;
    type Error = C::Error;

    fn pull(&mut self) -> Pulled<C::Item, C::Error> {
        if self.batch.as_slice().is_empty() {
            self.tell(State::Fetching);
            if self.end.is_none() {
                self.poll();
            }
        }
        self.next()
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<C::Item, C::Error> {
        if self.state == State::New {
            return Pulled::Pending;
        }
        self.tell(State::Paused);
        if self.end.is_none() {
            self.poll();
        }
        if self.batch.as_slice().is_empty() { self.next() } else { Pulled::Pending }
    }
}

impl<C: PolledClient> Drop for Polling<C> {
    fn drop(&mut self) {
        self.batch.by_ref().for_each(|item| self.discards.discard(item));
    }
}
