//! `batch_weighted`: what comes while downstream asks for nothing becomes one, up to a weight.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::lane::Outlet;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::hurried::keep_up;

/// What comes while downstream asks for nothing becomes one item, up to a weight:
/// [`PublisherExt::batch_weighted`](crate::PublisherExt::batch_weighted).
///
/// ```text
///           batch_weighted(4, cost, |n| vec![n], push)
/// cost    1   1 1 3
/// up    --a---b-c-d----------e-|
/// down  r1-[a]-------r3-[b,c]-[d]-[e]-|
/// ```
///
/// As [`conflate_with`](crate::PublisherExt::conflate_with), but it loses nothing and has a bound:
/// an item that would make the batch heavier than `max` waits, and upstream with it, until the batch
/// is asked for; it begins the next. An item that is heavier alone is a batch of its own, and each
/// weighs at least 1. The functions run where what follows runs: on the thread that sends, or on
/// the one that asks.
///
/// # Demand
/// One at a time, without regard to downstream, until an item waits.
/// # Completion
/// After what is kept.
/// # Errors
/// After what is kept. A fault does not wait. A panic in one of the functions becomes a fault.
/// # Cancellation
/// As downstream's; what is kept is discarded.
/// # Bounds
/// One batch of `max` at most, and 1 item that waits.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["to", "be", "or", "not", "to", "be"]);
/// let lines = words.batch_weighted(6, |word| word.len() as u64, str::to_owned, |line, word| line + word);
/// let mut cursor = lines.cursor();
/// assert_eq!(cursor.block_next()?, Some("tobeor".to_owned()), "three had come before it asked");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct BatchWeighted<P, W, C, F> {
    upstream: P,
    max: u64,
    cost: W,
    seed: C,
    f: F,
    site: Site,
}

impl<P, W, C, F> BatchWeighted<P, W, C, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: u64, cost: W, seed: C, f: F) -> Self {
        assert!(
            max > 0,
            "batch_weighted(0, cost, seed, f): a batch weighs at least 1, and at most 0 was asked for"
        );
        BatchWeighted { upstream, max, cost, seed, f, site: Site::here("batch_weighted") }
    }
}

crate::opaque_debug::opaque_debug!(BatchWeighted<P, W, C, F>, max);

impl<P, A, W, C, F> Publisher for BatchWeighted<P, W, C, F>
where
    P: Publisher,
    A: Send + 'static,
    W: FnMut(&P::Item) -> u64 + Send + 'static,
    C: FnMut(P::Item) -> A + Send + 'static,
    F: FnMut(A, P::Item) -> A + Send + 'static,
{
    type Item = A;
    type Error = P::Error;

    fn subscribe<S: Subscriber<A, P::Error>>(self, subscriber: S) {
        let BatchWeighted { upstream, max, cost, seed, f, site } = self;
        batching(upstream, Rules { max, cost, seed, f }, site, subscriber);
    }
}

/// How items become batches.
pub(super) struct Rules<W, C, F> {
    pub(super) max: u64,
    pub(super) cost: W,
    pub(super) seed: C,
    pub(super) f: F,
}

pub(super) fn batching<P, A, W, C, F, S>(
    upstream: P,
    rules: Rules<W, C, F>,
    site: Site,
    subscriber: S,
) where
    P: Publisher,
    A: Send + 'static,
    W: FnMut(&P::Item) -> u64 + Send + 'static,
    C: FnMut(P::Item) -> A + Send + 'static,
    F: FnMut(A, P::Item) -> A + Send + 'static,
    S: Subscriber<A, P::Error>,
{
    let make = |outlet: Outlet<_, _>, context: &millstream_core::Context| Batching {
        outlet: outlet.granting(),
        rules,
        batch: None,
        waits: None,
        end: None,
        discards: context.discards().clone(),
    };
    keep_up(upstream, NonZeroUsize::MIN, site, make, subscriber);
}

/// How many items become one at most before somebody looks for a cancellation.
const LOOKS: usize = 1024;

struct Batching<T: 'static, E, A: 'static, W, C, F> {
    outlet: Outlet<T, E>,
    rules: Rules<W, C, F>,
    /// What has come, and its weight.
    batch: Option<(A, u64)>,
    /// The item that did not fit, and its weight; upstream waits.
    waits: Option<(T, u64)>,
    end: Option<Pulled<A, E>>,
    discards: Discards,
}

impl<T, E, A, W, C, F> Batching<T, E, A, W, C, F>
where
    T: Send + 'static,
    E: Send + 'static,
    W: FnMut(&T) -> u64,
    C: FnMut(T) -> A,
    F: FnMut(A, T) -> A,
{
    /// An item of upstream, where no batch has begun.
    fn begin(&mut self, item: T, weight: u64) {
        self.batch = Some(((self.rules.seed)(item), weight));
        self.outlet.grant(1);
    }

    fn weigh(&mut self, item: &T) -> u64 {
        (self.rules.cost)(item).max(1)
    }

    fn add(&mut self, item: T) {
        let weight = self.weigh(&item);
        match self.batch.take() {
            None => self.begin(item, weight),
            Some((batch, sum)) if sum.saturating_add(weight) <= self.rules.max => {
                self.batch = Some(((self.rules.f)(batch, item), sum + weight));
                self.outlet.grant(1);
            }
            full => {
                self.batch = full;
                self.waits = Some((item, weight));
            }
        }
    }

    /// The batch, and the item that waited begins the next.
    fn take(&mut self) -> Option<A> {
        let (batch, _) = self.batch.take()?;
        if let Some((item, weight)) = self.waits.take() {
            self.begin(item, weight);
        }
        Some(batch)
    }
}

impl<T, E, A, W, C, F> Pull for Batching<T, E, A, W, C, F>
where
    T: Send + 'static,
    E: Send + 'static,
    A: Send + 'static,
    W: FnMut(&T) -> u64 + Send + 'static,
    C: FnMut(T) -> A + Send + 'static,
    F: FnMut(A, T) -> A + Send + 'static,
{
    type Item = A;
    type Error = E;

    fn pull(&mut self) -> Pulled<A, E> {
        if let Some(batch) = self.take() {
            return Pulled::Item(batch);
        }
        if let Some(end) = self.end.take() {
            return end;
        }
        match self.outlet.pull() {
            Pulled::Item(item) => {
                self.add(item);
                self.take().map_or(Pulled::Skipped, Pulled::Item)
            }
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(error),
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<A, E> {
        if self.batch.is_none()
            && let Some(end) = self.end.take()
        {
            return end;
        }
        for _ in 0..LOOKS {
            if self.waits.is_some() || self.end.is_some() {
                break;
            }
            let end = match self.outlet.pull() {
                Pulled::Item(item) => {
                    self.add(item);
                    continue;
                }
                Pulled::Skipped => continue,
                Pulled::Pending => return Pulled::Pending,
                Pulled::Complete => Pulled::Complete,
                Pulled::Error(error) => Pulled::Error(error),
            };
            if self.batch.is_none() {
                return end;
            }
            self.end = Some(end);
        }
        if self.waits.is_some() || self.end.is_some() { Pulled::Pending } else { Pulled::Skipped }
    }
}

impl<T: 'static, E, A: 'static, W, C, F> Drop for Batching<T, E, A, W, C, F> {
    fn drop(&mut self) {
        if let Some((batch, _)) = self.batch.take() {
            self.discards.discard(batch);
        }
        if let Some((item, _)) = self.waits.take() {
            self.discards.discard(item);
        }
    }
}
