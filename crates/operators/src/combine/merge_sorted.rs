//! `merge_sorted`: items of several publishers that are in order, in order.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::head::Head;
use crate::shape::joined::{capacity, feed};

/// Items of several publishers that are in order, in order: [`merge_all_sorted`], and
/// [`PublisherExt::merge_sorted`](crate::PublisherExt::merge_sorted) for two.
///
/// ```text
/// a     --1-----4--------6--|
/// b     ----3------5-|
/// down  ----1---3--4-----5-6|
/// ```
///
/// The least of the items at the head of each source is sent; of equal ones, that of the first
/// source. It waits until each source has one or is complete, so a source that is silent holds up
/// the others. Where a source is not in order, so is what is sent.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as
/// many of its items were sent. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once.
/// # Errors
/// The first failure, as soon as it is at the head of its source; the other sources are cancelled,
/// and what they sent is discarded. A panic in the function is a fault.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// One item for each source, and `prefetch` for each that is not synchronous. As many comparisons
/// for an item as the logarithm of the number of sources.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (odd, even) = (millstream::from_iter([1, 3, 5]), millstream::from_iter([2, 4]));
/// let all = odd.merge_sorted(even, 4, Ord::cmp).collect::<Vec<_>>().block()?;
/// assert_eq!(all, [1, 2, 3, 4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MergeSorted<P, F> {
    sources: Vec<P>,
    prefetch: NonZeroUsize,
    compare: F,
    site: Site,
}

/// Items of several publishers that are in order, in order. See [`MergeSorted`].
#[doc(alias = "mergeComparing", alias = "mergeSorted", alias = "kmerge_by")]
#[track_caller]
pub fn merge_all_sorted<P, F>(
    sources: impl IntoIterator<Item = P>,
    prefetch: usize,
    compare: F,
) -> MergeSorted<P, F>
where
    P: Publisher,
    F: FnMut(&P::Item, &P::Item) -> Ordering + Send + 'static,
{
    MergeSorted::of("merge_all_sorted(sources, 0, compare)", sources, prefetch, compare)
}

impl<P, F> MergeSorted<P, F> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(
        call: &str,
        sources: impl IntoIterator<Item = P>,
        prefetch: usize,
        compare: F,
    ) -> Self {
        let prefetch = capacity(call, prefetch);
        let sources = sources.into_iter().collect();
        MergeSorted { sources, prefetch, compare, site: Site::here("merge_sorted") }
    }
}

crate::opaque_debug::opaque_debug!(MergeSorted<P, F>, prefetch);

impl<P, F> Publisher for MergeSorted<P, F>
where
    P: Publisher,
    F: FnMut(&P::Item, &P::Item) -> Ordering + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let MergeSorted { sources, prefetch, compare, site } = self;
        join(
            |bell, context| {
                let heads: Vec<_> = sources
                    .into_iter()
                    .enumerate()
                    .map(|(n, source)| {
                        let feed = feed(source, prefetch, bell.clone(), context, site.number(n));
                        Some(Head::new(feed, context.discards()))
                    })
                    .collect();
                let waiting = (0..heads.len()).collect();
                Sorted { heap: Vec::with_capacity(heads.len()), waiting, heads, compare }
            },
            subscriber,
        );
    }
}

struct Sorted<Q: Pull, F> {
    /// Each until it is complete.
    heads: Vec<Option<Head<Q>>>,
    /// Heads with an item: a heap, the least first.
    heap: Vec<usize>,
    /// Heads without.
    waiting: Vec<usize>,
    compare: F,
}

impl<Q, F> Sorted<Q, F>
where
    Q: Pull,
    F: FnMut(&Q::Item, &Q::Item) -> Ordering,
{
    /// Gives each head an item that has none, by `fill`: what keeps the least from being known, or
    /// the end.
    fn fill(
        &mut self,
        fill: impl Fn(&mut Head<Q>) -> Option<Pulled<Q::Item, Q::Error>>,
    ) -> Option<Pulled<Q::Item, Q::Error>> {
        let mut kept = None;
        let mut at = 0;
        // All are asked, so that all that wait are told of news.
        while let Some(&n) = self.waiting.get(at) {
            let Some(head) = &mut self.heads[n] else {
                self.waiting.swap_remove(at);
                continue;
            };
            match fill(head) {
                None if head.item.is_some() => {
                    self.waiting.swap_remove(at);
                    self.push(n);
                }
                None | Some(Pulled::Pending) => {
                    kept = Some(Pulled::Pending);
                    at += 1;
                }
                Some(Pulled::Complete) => {
                    self.heads[n] = None;
                    self.waiting.swap_remove(at);
                }
                Some(Pulled::Error(error)) => return Some(Pulled::Error(error)),
                Some(Pulled::Skipped | Pulled::Item(_)) => {
                    kept.get_or_insert(Pulled::Skipped);
                    at += 1;
                }
            }
        }
        if self.heap.is_empty() && self.waiting.is_empty() {
            return Some(Pulled::Complete);
        }
        kept
    }

    /// Whether the item of one head goes before that of another.
    fn before(&mut self, a: usize, b: usize) -> bool {
        let [a_item, b_item] = [a, b].map(|n| self.heads[n].as_ref().and_then(|h| h.item.as_ref()));
        match (a_item, b_item) {
            (Some(a_item), Some(b_item)) => {
                (self.compare)(a_item, b_item).then(a.cmp(&b)) == Ordering::Less
            }
            _ => false,
        }
    }

    fn push(&mut self, n: usize) {
        self.heap.push(n);
        let mut at = self.heap.len() - 1;
        while at > 0 && self.before(self.heap[at], self.heap[(at - 1) / 2]) {
            self.heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let last = self.heap.pop()?;
        let Some(first) = self.heap.first_mut() else { return Some(last) };
        let least = std::mem::replace(first, last);
        let mut at = 0;
        loop {
            let mut next = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.before(self.heap[child], self.heap[next]) {
                    next = child;
                }
            }
            if next == at {
                return Some(least);
            }
            self.heap.swap(at, next);
            at = next;
        }
    }
}

impl<Q, F> Pull for Sorted<Q, F>
where
    Q: Pull,
    F: FnMut(&Q::Item, &Q::Item) -> Ordering + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        if let Some(kept) = self.fill(Head::fetch) {
            return kept;
        }
        let Some(n) = self.pop() else { return Pulled::Complete };
        self.waiting.push(n);
        match self.heads[n].as_mut().and_then(|head| head.item.take()) {
            Some(item) => Pulled::Item(item),
            None => Pulled::Skipped,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        self.fill(Head::end).unwrap_or(Pulled::Pending)
    }
}
