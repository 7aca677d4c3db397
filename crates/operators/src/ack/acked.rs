//! `acked`: items that are to be acknowledged, a bounded number of them at a time.

use std::error::Error;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::outcome::outcome;
use millstream_blocks::receipt::{OnNack, Order, Verdict};
use millstream_core::Publisher;
use millstream_executors::Executor;

use crate::ack::AckedPublisher;
use crate::ack::acked_publisher::Books;
use crate::ack::commit_in_order::CommitInOrder;
use crate::ack::commit_in_order_async::CommitInOrderAsync;
use crate::ack::commits::Entry;
use crate::ack::settle_batches::{SettleBatches, Settled};
use crate::ack::settle_each::SettleEach;
use crate::shape::joined::capacity;

/// Each item in an envelope, at most `window` of which are open at a time:
/// [`PublisherExt::acked`](crate::PublisherExt::acked). What becomes of what is acknowledged is said
/// next.
///
/// ```text
///           acked(2, tag)
/// up    --1-2-------3---4--|
/// down  --1-2-------3---4--|     each in an envelope
/// ack         2  1    3   4      whoever has them, on any thread
/// ```
///
/// | | what was acknowledged | what was refused or dropped |
/// |---|---|---|
/// | [`commit_in_order`](Acking::commit_in_order) | a log with a position: all up to here | holds back what follows, and fails the stream, [or is skipped](Acking::on_nack) |
/// | [`settle_each`](Acking::settle_each) | a queue that is told of each item | is told, and may send it again |
///
/// Both give an [`AckedPublisher`], on which there are no operators but those that see to it that each
/// envelope is settled, and in order where it matters.
///
/// # Demand
/// `window` when it is subscribed to, and one more for each item that was settled, in quarters of the
/// window or as soon as upstream owes nothing: what upstream owes and what is open are `window` at
/// most. A synchronous upstream is pulled as there is room and demand. An item that is settled on
/// another thread makes room there and then, and what follows runs on that thread; put
/// [`publish_on`](AckedPublisher::publish_on) behind it where it should not.
/// # Completion
/// When upstream is complete; items may still be open. The ends of an [`AckedPublisher`] wait for
/// these, and for the last commit.
/// # Errors
/// As upstream, as [`AckError::Stream`](crate::ack::AckError::Stream). What else there is says how it goes on.
/// A panic in `tag` becomes a fault.
/// # Cancellation
/// Upstream is cancelled. Open items stay open until they are settled, and are then committed as
/// before.
/// # Bounds
/// `window` items, in its queue or open, and as many tags. One lock for each item when it is issued,
/// and one when it is settled; no allocation.
/// # Panics
/// When `window` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (committed, commits) = std::sync::mpsc::channel();
/// millstream::from_iter(["a", "b", "c"])
///     .enumerate()
///     .acked(16, |(offset, _)| *offset)
///     .commit_in_order(0, move |offset| committed.send(offset))
///     .map(|(_, word)| word)
///     .for_each(|word| println!("{word}"))
///     .block()?;
/// assert_eq!(commits.iter().last(), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Acking<P, F> {
    upstream: P,
    window: NonZeroUsize,
    tag: F,
    on_nack: OnNack,
    site: Site,
}

crate::opaque_debug::opaque_debug!(Acking<P, F>, window, on_nack);

impl<P, F> Acking<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, window: usize, tag: F) -> Acking<P, F> {
        let window = capacity("acked(0, tag)", window);
        Acking { upstream, window, tag, on_nack: OnNack::default(), site: Site::here("acked") }
    }
}

impl<P, F, K> Acking<P, F>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
{
    /// What becomes of the stream when an item is refused: it [stops](OnNack::Stop), unless this says
    /// otherwise. Where each item is [settled](Acking::settle_each) it says nothing: whoever is told of
    /// the item decides.
    pub fn on_nack(self, policy: OnNack) -> Acking<P, F> {
        Acking { on_nack: policy, ..self }
    }

    /// Commits the tag of the last item before the first that is not acknowledged. See
    /// [`CommitInOrder`].
    #[doc(alias = "Committer", alias = "ReceiverOffset", alias = "maxDeferredCommits")]
    pub fn commit_in_order<C, G>(
        self,
        max_deferred: usize,
        commit: C,
    ) -> AckedPublisher<CommitInOrder<P, F, C>>
    where
        C: FnMut(K) -> Result<(), G> + Send + 'static,
        G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let order = Order::Issued(self.on_nack);
        let (entry, books) = self.entry(max_deferred, order, (), commit);
        AckedPublisher::with(CommitInOrder::new(entry), books)
    }

    /// The same through a future, on an executor, for all that was acknowledged meanwhile. See
    /// [`CommitInOrderAsync`].
    #[doc(alias = "Committer", alias = "commitBatchSize", alias = "commitAsync")]
    pub fn commit_in_order_async<X, C, Fut, G>(
        self,
        max_deferred: usize,
        executor: X,
        commit: C,
    ) -> AckedPublisher<CommitInOrderAsync<P, F, X, C>>
    where
        X: Executor,
        C: FnMut(K) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), G>> + Send + 'static,
        G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let order = Order::Issued(self.on_nack);
        let (entry, books) = self.entry(max_deferred, order, executor, commit);
        AckedPublisher::with(CommitInOrderAsync::new(entry), books)
    }

    /// Tells of each item what became of it, as it is settled. See [`SettleEach`].
    #[doc(alias = "basicAck", alias = "basicNack", alias = "deleteMessage", alias = "acknowledge")]
    pub fn settle_each<C, G>(self, settle: C) -> AckedPublisher<SettleEach<P, F, C>>
    where
        C: FnMut(K, Verdict) -> Result<(), G> + Send + 'static,
        G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let (entry, books) = self.entry(0, Order::Settled, (), settle);
        AckedPublisher::with(SettleEach::new(entry), books)
    }

    /// The same through a future, on an executor, for all that were settled meanwhile. See
    /// [`SettleBatches`].
    #[doc(alias = "deleteMessageBatch", alias = "basicAck")]
    pub fn settle_batches<X, C, Fut, G>(
        self,
        executor: X,
        settle: C,
    ) -> AckedPublisher<SettleBatches<P, F, X, C>>
    where
        X: Executor,
        C: FnMut(Vec<Settled<K>>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), G>> + Send + 'static,
        G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let (entry, books) = self.entry(0, Order::Settled, executor, settle);
        AckedPublisher::with(SettleBatches::new(entry), books)
    }

    fn entry<H, C>(
        self,
        deferred: usize,
        order: Order,
        host: H,
        commit: C,
    ) -> (Entry<P, F, H, C>, Books) {
        let (completer, committed) = outcome();
        let Acking { upstream, window, tag, site, .. } = self;
        let entry = Entry { upstream, tag, window, deferred, order, site, host, commit, completer };
        let max_deferred = match order {
            Order::Issued(_) => deferred,
            Order::Settled => usize::MAX,
        };
        (entry, Books { committed: Some(committed), window: window.get(), max_deferred })
    }
}
