//! `from_broadcast`: what comes through a tokio broadcast channel.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::shape::polled::{Turns, polled};

/// What comes through a tokio broadcast channel, and how much of it was missed. It is received by a
/// task of `executor`. With the feature `tokio-sync`.
///
/// ```text
/// send  -a-b-----c-d-e-----------all senders gone    a channel of 2
/// down  ^--r2-Ok(a)-Ok(b)--------r3-Err(1)-Ok(d)-Ok(e)---r1-|
/// ```
///
/// A broadcast channel overwrites what a slow receiver did not take. That is told as an item, so
/// that whoever is downstream decides: `try_map(|item| item)` makes it the end, and
/// `filter_map(Result::ok)` passes it over.
///
/// # Demand
/// One item is received for each that is asked for; without demand the channel overwrites.
/// # Completion
/// When all senders are gone and the rest was received, which takes a unit of demand.
/// # Errors
/// None; [`Lagged`] is an item. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The receiver is dropped when the task runs next.
/// # Bounds
/// Holds the receiver; what the channel holds is its own.
///
/// # Examples
/// ```
/// use millstream::edge::Lagged;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let (sender, receiver) = tokio::sync::broadcast::channel(2);
/// for n in 1..=3 {
///     sender.send(n).unwrap();
/// }
/// drop(sender);
/// let items = millstream::from_broadcast(executor.handle(), receiver);
/// let items = executor.run_until(items.collect::<Vec<_>>())?;
/// assert_eq!(items, [Err(Lagged { missed: 1 }), Ok(2), Ok(3)]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "BroadcastStream", alias = "BroadcastHub")]
pub fn from_broadcast<X, T>(executor: X, receiver: Receiver<T>) -> FromBroadcast<X, T>
where
    X: Executor,
    T: Clone + Send + 'static,
{
    FromBroadcast { executor, receiver }
}

/// A receiver was too slow, and items were overwritten before it took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    /// How many.
    pub missed: u64,
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items were overwritten before they were received", self.missed)
    }
}

impl Error for Lagged {}

/// The publisher of [`from_broadcast`].
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromBroadcast<X, T> {
    executor: X,
    receiver: Receiver<T>,
}

crate::opaque_debug::opaque_debug!(FromBroadcast<X, T>);

impl<X, T> Publisher for FromBroadcast<X, T>
where
    X: Executor,
    T: Clone + Send + 'static,
{
    type Item = Result<T, Lagged>;
    type Error = Infallible;

    fn subscribe<S: Subscriber<Result<T, Lagged>, Infallible>>(self, subscriber: S) {
        let next = |mut receiver: Receiver<T>| async move {
            let item = match receiver.recv().await {
                Ok(item) => Ok(item),
                Err(RecvError::Lagged(missed)) => Err(Lagged { missed }),
                Err(RecvError::Closed) => return Ok(None),
            };
            Ok(Some((item, receiver)))
        };
        polled(&self.executor, Turns::new(self.receiver, next), subscriber);
    }
}
