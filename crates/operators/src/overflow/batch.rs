//! `batch`: what comes while downstream asks for nothing becomes one, up to so many items.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::overflow::batch_weighted::{Rules, batching};
use crate::shape::joined::bound;

/// What comes while downstream asks for nothing becomes one item, up to `max` of them:
/// [`PublisherExt::batch`](crate::PublisherExt::batch).
///
/// ```text
///           batch(2, |n| vec![n], push)
/// up    --1---2-3-4------5-|
/// down  r1-[1]-----r3-[2,3]-[4]-[5]-|
/// ```
///
/// As [`conflate_with`](crate::PublisherExt::conflate_with), but it loses nothing and has a bound:
/// when `max` items have come another one waits, and upstream with it, until the batch is asked
/// for. A slow consumer gets many at a time, a fast one each alone. For items of different weight see
/// [`BatchWeighted`](crate::overflow::BatchWeighted).
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
/// One batch of `max` items, and 1 item that waits.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let push = |mut batch: Vec<_>, n| {
///     batch.push(n);
///     batch
/// };
/// let mut cursor = millstream::range(1..6).batch(3, |n| vec![n], push).cursor();
/// assert_eq!(cursor.block_next()?, Some(vec![1, 2, 3]), "as many as fit had come");
/// assert_eq!(cursor.block_next()?, Some(vec![4, 5]));
/// assert_eq!(cursor.block_next()?, None);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Batch<P, C, F> {
    upstream: P,
    max: NonZeroUsize,
    seed: C,
    f: F,
    site: Site,
}

impl<P, C, F> Batch<P, C, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: usize, seed: C, f: F) -> Batch<P, C, F> {
        Batch { upstream, max: bound("batch(0, seed, f)", max), seed, f, site: Site::here("batch") }
    }
}

crate::opaque_debug::opaque_debug!(Batch<P, C, F>, max);

impl<P, A, C, F> Publisher for Batch<P, C, F>
where
    P: Publisher,
    A: Send + 'static,
    C: FnMut(P::Item) -> A + Send + 'static,
    F: FnMut(A, P::Item) -> A + Send + 'static,
{
    type Item = A;
    type Error = P::Error;

    fn subscribe<S: Subscriber<A, P::Error>>(self, subscriber: S) {
        let Batch { upstream, max, seed, f, site } = self;
        let rules = Rules { max: max.get() as u64, cost: |_: &P::Item| 1, seed, f };
        batching(upstream, rules, site, subscriber);
    }
}
