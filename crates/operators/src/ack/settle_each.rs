//! `settle_each`: of each item it is told what became of it.

use std::error::Error;
use std::future::ready;

use millstream_blocks::receipt::Verdict;
use millstream_core::{Publisher, Subscriber};

use crate::ack::commits::{Entry, Here};
use crate::ack::{AckError, Acked};

/// Tells of each item what became of it, as it is settled:
/// [`Acking::settle_each`](crate::ack::Acking::settle_each).
///
/// ```text
///           acked(2, tag).settle_each(settle)
/// down    --1-2-------3--|
/// ack           2   n   3       n: the 1 is refused
/// settle        2✓ 1✗  3✓
/// ```
///
/// For a queue that keeps each item until it hears of it: AMQP, SQS, JetStream. What is refused, and
/// what is dropped, is told as well, so that the queue may deliver it again; the stream goes on.
///
/// The function runs on the thread that settles an item, one call at a time.
///
/// # Demand
/// As [`Acking`](crate::ack::Acking). An item that the function was not told of is open.
/// # Completion
/// As upstream.
/// # Errors
/// [`AckError::Commit`] when the function fails; [`AckError::Stream`] as upstream. A panic in the
/// function becomes a fault.
/// # Cancellation
/// Upstream is cancelled. What is still open is committed when it is acknowledged; the function is
/// dropped when nothing is open any more.
/// # Bounds
/// `window` items, in its queue or open, and as many tags.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::prelude::*;
///
/// let (told, hears) = channel();
/// millstream::from_iter(1..=3_u32)
///     .acked(2, |n| *n)
///     .settle_each(move |n, verdict| told.send((n, verdict.is_ok())))
///     .map_or_nack(|n| if n == 2 { Err("a two") } else { Ok(n) })
///     .for_each(|n| println!("{n}"))
///     .block()?;
/// assert_eq!(hears.iter().collect::<Vec<_>>(), [(1, true), (2, false), (3, true)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SettleEach<P, F, C> {
    entry: Entry<P, F, (), C>,
}

impl<P, F, C> SettleEach<P, F, C> {
    pub(crate) fn new(entry: Entry<P, F, (), C>) -> Self {
        SettleEach { entry }
    }
}

crate::opaque_debug::opaque_debug!(SettleEach<P, F, C>);

impl<P, F, K, C, G> Publisher for SettleEach<P, F, C>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
    C: FnMut(K, Verdict) -> Result<(), G> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    type Item = Acked<P::Item>;
    type Error = AckError<P::Error>;

    fn subscribe<S: Subscriber<Acked<P::Item>, AckError<P::Error>>>(self, subscriber: S) {
        self.entry
            .committing(
                |()| Here,
                |mut settle| {
                    move |batch| {
                        ready(batch.drain(..).try_for_each(|(tag, verdict)| settle(tag, verdict)))
                    }
                },
            )
            .subscribe(subscriber);
    }
}
