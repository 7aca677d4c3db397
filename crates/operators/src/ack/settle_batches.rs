//! `settle_batches`: a future is told what became of several items.

use std::error::Error;

use millstream_blocks::receipt::Verdict;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::ack::commits::{Entry, There};
use crate::ack::{AckError, Acked};

/// What became of an item.
#[derive(Debug, Clone)]
pub struct Settled<K> {
    /// Which item.
    pub tag: K,
    /// Whether it was acknowledged.
    pub verdict: Verdict,
}

/// Tells a future what became of all items that were settled while the one before ran:
/// [`Acking::settle_batches`](crate::ack::Acking::settle_batches).
///
/// ```text
///           acked(4, tag).settle_batches(executor, settle)
/// down    --1-2-3-4------------|
/// ack        1  2 n 4              n: the 3 is refused
/// settle     1✓---| 2✓3✗4✓---|
/// ```
///
/// As [`SettleEach`](crate::ack::SettleEach), with one future in flight at a time, on a task of the
/// executor. The items are in the order in which they were settled.
///
/// # Demand
/// As [`Acking`](crate::ack::Acking). An item that the future was told of is open until that is
/// ready.
/// # Completion
/// As upstream.
/// # Errors
/// [`AckError::Commit`] when the future fails; [`AckError::Stream`] as upstream. A panic in it becomes
/// a fault. When the executor refuses or drops the task, the stream ends with the fault that says so.
/// # Cancellation
/// Upstream is cancelled. What is still open is committed when it is acknowledged; the function is
/// dropped when nothing is open any more.
/// # Bounds
/// `window` items, in its queue or open, and as many tags; one future. One allocation for each batch.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::ack::Settled;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let (told, hears) = channel();
/// let executor = CurrentThread::new();
/// let end = millstream::from_iter(1..=9_u32)
///     .acked(4, |n| *n)
///     .settle_batches(executor.handle(), move |batch: Vec<Settled<u32>>| {
///         let told = told.clone();
///         async move { batch.into_iter().try_for_each(|settled| told.send(settled.tag)) }
///     })
///     .for_each(|n| println!("{n}"));
/// executor.run_until(end)?;
/// assert_eq!(hears.iter().collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SettleBatches<P, F, X, C> {
    entry: Entry<P, F, X, C>,
}

impl<P, F, X, C> SettleBatches<P, F, X, C> {
    pub(crate) fn new(entry: Entry<P, F, X, C>) -> Self {
        SettleBatches { entry }
    }
}

crate::opaque_debug::opaque_debug!(SettleBatches<P, F, X, C>);

impl<P, F, K, X, C, Fut, G> Publisher for SettleBatches<P, F, X, C>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
    X: Executor,
    C: FnMut(Vec<Settled<K>>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), G>> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    type Item = Acked<P::Item>;
    type Error = AckError<P::Error>;

    fn subscribe<S: Subscriber<Acked<P::Item>, AckError<P::Error>>>(self, subscriber: S) {
        self.entry
            .committing(There, |mut settle| {
                move |batch| {
                    settle(batch.drain(..).map(|(tag, verdict)| Settled { tag, verdict }).collect())
                }
            })
            .subscribe(subscriber);
    }
}
