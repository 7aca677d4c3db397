//! `commit_in_order`: what was acknowledged is committed, up to the first item that was not.

use std::error::Error;
use std::future::ready;

use millstream_core::{Publisher, Subscriber};

use crate::ack::commits::{Entry, Here};
use crate::ack::{AckError, Acked};

/// Commits the tag of the last item before the first that is not acknowledged:
/// [`Acking::commit_in_order`](crate::ack::Acking::commit_in_order).
///
/// ```text
///           acked(2, tag).commit_in_order(2, commit)
/// down    --1-2-------3---4--|
/// ack           2  1    4   3
/// commit           2        4       the 2 waits for the 1
/// ```
///
/// For a log that knows one position for each reader: a partition of Kafka, a file. To start again
/// from there delivers again what was not committed, and never less: at least once. Items that
/// were acknowledged behind one that is not are *deferred*: they wait for it.
///
/// The function runs on the thread that settles an item, one call at a time, and not for each item:
/// what became of several in the meantime is one commit.
///
/// # Demand
/// As [`Acking`](crate::ack::Acking); and no item is sent that would make more than
/// `window + max_deferred` that are not committed: an item that stays open stops the stream when so
/// many behind it are acknowledged. So many are delivered again at most, beside those that are open, by
/// whoever begins again. `usize::MAX` is no bound; what is deferred takes no memory, since of what is
/// side by side only the last will ever be committed.
/// # Completion
/// As upstream.
/// # Errors
/// * [`AckError::Nacked`] when an item is refused, by the policy [`OnNack::Stop`]; nothing is
///   committed from that item on. By [`OnNack::Skip`] it counts as acknowledged.
/// * [`AckError::Nacked`] also when an envelope is dropped while the stream runs, whatever the policy:
///   nobody decided that it may be lost. What is dropped because the stream was cancelled or has
///   failed is just not committed.
/// * [`AckError::Commit`] when the function fails.
/// * [`AckError::Stream`] as upstream.
///
/// A panic in the function becomes a fault.
/// # Cancellation
/// Upstream is cancelled. What is still open is committed when it is acknowledged; the function is
/// dropped when nothing is open any more.
/// # Bounds
/// `window` items, in its queue or open; twice as many tags, whatever `max_deferred` is.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::ack::AckError;
/// use millstream::prelude::*;
///
/// let (committed, commits) = channel();
/// let end = millstream::from_iter(1..=5_u32)
///     .acked(2, |n| *n)
///     .commit_in_order(2, move |n| committed.send(n))
///     .map_or_nack(|n| if n == 4 { Err("a four") } else { Ok(n) })
///     .for_each(|n| println!("{n}"))
///     .block();
/// let error = end.unwrap_err().into_error().unwrap();
/// assert_eq!(error.to_string(), "item 3 was not acknowledged: a four");
/// assert_eq!(commits.iter().last(), Some(3), "from 4 on they are delivered again");
/// ```
///
/// [`OnNack::Stop`]: crate::ack::OnNack::Stop
/// [`OnNack::Skip`]: crate::ack::OnNack::Skip
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CommitInOrder<P, F, C> {
    entry: Entry<P, F, (), C>,
}

impl<P, F, C> CommitInOrder<P, F, C> {
    pub(crate) fn new(entry: Entry<P, F, (), C>) -> Self {
        CommitInOrder { entry }
    }
}

crate::opaque_debug::opaque_debug!(CommitInOrder<P, F, C>);

impl<P, F, K, C, G> Publisher for CommitInOrder<P, F, C>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
    C: FnMut(K) -> Result<(), G> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    type Item = Acked<P::Item>;
    type Error = AckError<P::Error>;

    fn subscribe<S: Subscriber<Acked<P::Item>, AckError<P::Error>>>(self, subscriber: S) {
        self.entry
            .committing(
                |()| Here,
                |mut commit| move |batch| ready(batch.pop().map_or(Ok(()), |(tag, _)| commit(tag))),
            )
            .subscribe(subscriber);
    }
}
