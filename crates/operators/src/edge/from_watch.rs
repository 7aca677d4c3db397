//! `from_watch`: the values of a tokio watch channel.

use std::convert::Infallible;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use tokio::sync::watch::Receiver;

use crate::shape::polled::{Turns, polled};

/// The value of a tokio watch channel, and each that it has later when one is asked for. It is
/// received by a task of `executor`. With the feature `tokio-sync`.
///
/// ```text
/// value  a---b--c--d------e--sender gone
/// down   ^-r1-a-------r2-d---e--------r1-|
/// ```
///
/// A watch channel keeps the last value alone, so whoever asks late gets the last: values are
/// passed over and none is sent twice.
///
/// # Demand
/// The value is looked at when one is asked for: at once where it is new, or else when it changes.
/// # Completion
/// When the sender is gone and its last value was sent, which takes a unit of demand.
/// # Errors
/// None. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The receiver is dropped when the task runs next.
/// # Bounds
/// Holds the receiver. Each value is cloned under the lock of the channel.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let (sender, receiver) = tokio::sync::watch::channel("starting");
/// sender.send("ready").unwrap();
/// drop(sender);
/// let states = millstream::from_watch(executor.handle(), receiver);
/// assert_eq!(executor.run_until(states.collect::<Vec<_>>())?, ["ready"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "WatchStream")]
pub fn from_watch<X, T>(executor: X, receiver: Receiver<T>) -> FromWatch<X, T>
where
    X: Executor,
    T: Clone + Send + Sync + 'static,
{
    FromWatch { executor, receiver }
}

/// The publisher of [`from_watch`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromWatch<X, T> {
    executor: X,
    receiver: Receiver<T>,
}

crate::opaque_debug::opaque_debug!(FromWatch<X, T>);

impl<X, T> Publisher for FromWatch<X, T>
where
    X: Executor,
    T: Clone + Send + Sync + 'static,
{
    type Item = T;
    type Error = Infallible;

    fn subscribe<S: Subscriber<T, Infallible>>(self, subscriber: S) {
        let mut receiver = self.receiver;
        // Its present value is new to this stream, whoever saw it before.
        receiver.mark_changed();
        let next = |mut receiver: Receiver<T>| async move {
            if receiver.changed().await.is_err() {
                return Ok(None);
            }
            let value = receiver.borrow_and_update().clone();
            Ok(Some((value, receiver)))
        };
        polled(&self.executor, Turns::new(receiver, next), subscriber);
    }
}
