//! `merge_preferred`: items of several publishers, of the first that has one.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::combine::merge::merged;
use crate::shape::joined::capacity;
use crate::shape::roster::Order;

/// Items of several publishers, of the first that has one: [`merge_all_preferred`], and
/// [`PublisherExt::merge_preferred`](crate::PublisherExt::merge_preferred) for two.
///
/// ```text
/// a     --1--------2-3-|
/// b     -----9-8-7----------|
/// down  --1--9-----2-3-8-7--|     there is demand for two items before 2, and for more after it
/// ```
///
/// Before each item it is looked who has one, from the first source on. It is not fair: a source that
/// always has items at hand, as a synchronous one has, leaves nothing to those behind it until it is
/// complete. Where each is to have its share there is
/// [`merge_prioritized`](crate::PublisherExt::merge_prioritized). The order of the items of one source
/// is kept.
///
/// # Demand
/// `prefetch` from each source, and three quarters of it each time as many of its items were sent.
/// A source that sends in the call which asks it is asked for an item at a time, when it has its
/// turn. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once.
/// # Errors
/// The first failure, after the items which that source sent before; the other sources are
/// cancelled, and what they sent is discarded. A failure of a source behind others waits until those
/// have no items at hand.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items for each source that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (urgent, first) = millstream::channel(4);
/// let (usual, then) = millstream::channel(4);
/// let mut jobs = first.merge_preferred(then, 4).cursor();
/// usual.try_send("sweep")?;
/// usual.try_send("paint")?;
/// urgent.try_send("put out the fire")?;
/// assert_eq!(jobs.block_next()?, Some("put out the fire"));
/// assert_eq!(jobs.block_next()?, Some("sweep"));
/// urgent.try_send("call a doctor")?;
/// assert_eq!(jobs.block_next()?, Some("call a doctor"));
/// assert_eq!(jobs.block_next()?, Some("paint"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MergePreferred<P> {
    sources: Vec<P>,
    prefetch: NonZeroUsize,
    site: Site,
}

/// Items of several publishers, of the first that has one. See [`MergePreferred`].
#[doc(alias = "mergePreferred", alias = "mergePriority")]
#[track_caller]
pub fn merge_all_preferred<P: Publisher>(
    sources: impl IntoIterator<Item = P>,
    prefetch: usize,
) -> MergePreferred<P> {
    MergePreferred::of("merge_all_preferred(sources, 0)", sources, prefetch)
}

impl<P> MergePreferred<P> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(call: &str, sources: impl IntoIterator<Item = P>, prefetch: usize) -> Self {
        let prefetch = capacity(call, prefetch);
        let sources = sources.into_iter().collect();
        MergePreferred { sources, prefetch, site: Site::here("merge_preferred") }
    }
}

crate::opaque_debug::opaque_debug!(MergePreferred<P>, prefetch);

impl<P: Publisher> Publisher for MergePreferred<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let MergePreferred { sources, prefetch, site } = self;
        join(
            |bell, context| merged(sources, Order::First, prefetch, (bell, context), site),
            subscriber,
        );
    }
}
