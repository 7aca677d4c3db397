//! `merge_prioritized`: items of several publishers, as they come, in turns of different length.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::combine::merge::merged;
use crate::shape::joined::capacity;
use crate::shape::roster::Order;

/// Items of several publishers, as they come, by turns as long as their weights:
/// [`merge_all_prioritized`], and
/// [`PublisherExt::merge_prioritized`](crate::PublisherExt::merge_prioritized) for two.
///
/// ```text
///           weights 2 and 1
/// a     --1-2-3-4-|
/// b     --9-8-7----------|
/// down  -------1-2-9-3-4-8-7-|     all are there before downstream asks
/// ```
///
/// A source with items at hand gives as many as it weighs, and then the next has its turn; one that
/// has fewer gives those, and one that has none is passed over. So each has its share of what is sent
/// as long as it has items, nobody waits for ever, and nothing is left to chance. The order of the
/// items of one source is kept. Where one is to go before the other in any case there is
/// [`merge_preferred`](crate::PublisherExt::merge_preferred).
///
/// A source that is not synchronous has `prefetch` items at hand at most: its share is that of its
/// weight where it weighs no more than that.
///
/// # Demand
/// `prefetch` from each source, and three quarters of it each time as many of its items were sent.
/// A source that sends in the call which asks it is asked for a turn at a time. A synchronous source
/// is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once.
/// # Errors
/// The first failure, after the items which that source sent before; the other sources are
/// cancelled, and what they sent is discarded. While nobody asks, and another source has items at
/// hand, a failure waits for the next request.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items for each source that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>, or a weight is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (paid, free) = (millstream::from_iter([1, 2, 3, 4]), millstream::from_iter([-1, -2, -3]));
/// let mut served = paid.merge_prioritized(free, [2, 1], 16).collect::<Vec<_>>().block()?;
/// assert_eq!(served, [1, 2, -1, 3, 4, -2, -3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MergePrioritized<P> {
    sources: Vec<P>,
    weights: Box<[u32]>,
    prefetch: NonZeroUsize,
    site: Site,
}

/// Items of several publishers, each with its weight, as they come, by turns as long as that. See
/// [`MergePrioritized`].
#[doc(alias = "mergePrioritized", alias = "mergePrioritizedN", alias = "select_with_strategy")]
#[track_caller]
pub fn merge_all_prioritized<P: Publisher>(
    weighted: impl IntoIterator<Item = (P, u32)>,
    prefetch: usize,
) -> MergePrioritized<P> {
    MergePrioritized::of("merge_all_prioritized(weighted, 0)", weighted, prefetch)
}

impl<P> MergePrioritized<P> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(
        call: &str,
        weighted: impl IntoIterator<Item = (P, u32)>,
        prefetch: usize,
    ) -> Self {
        let prefetch = capacity(call, prefetch);
        let (sources, weights): (_, Vec<u32>) = weighted.into_iter().unzip();
        if let Some(n) = weights.iter().position(|weight| *weight == 0) {
            let name = call.split('(').next().unwrap_or(call);
            panic!("{name}: a source weighs at least 1, and number {n} weighs 0");
        }
        let site = Site::here("merge_prioritized");
        MergePrioritized { sources, weights: weights.into(), prefetch, site }
    }
}

crate::opaque_debug::opaque_debug!(MergePrioritized<P>, weights, prefetch);

impl<P: Publisher> Publisher for MergePrioritized<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let MergePrioritized { sources, weights, prefetch, site } = self;
        let order = Order::Weights(weights);
        join(|bell, context| merged(sources, order, prefetch, (bell, context), site), subscriber);
    }
}
