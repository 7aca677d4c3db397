//! `conflate_with`: what comes while downstream asks for nothing becomes one.

use std::num::NonZeroUsize;

use millstream_blocks::basin::{Inflow, Restored, Spill, Spilled};
use millstream_blocks::gauge::Site;
use millstream_blocks::intake::Filled;
use millstream_core::{Publisher, Subscriber};

use crate::shape::hurried::fill;

/// What comes while downstream asks for nothing becomes one item:
/// [`PublisherExt::conflate_with`](crate::PublisherExt::conflate_with).
///
/// ```text
///           conflate_with(|n| vec![n], push)
/// up    --1---2-3-4-------5-|
/// down  r1-[1]-----r2-[2,3,4]-[5]-|
/// ```
///
/// `seed` makes the first of it, `f` adds each that follows. An item that is asked for already
/// passes alone, through `seed`. Both run on the thread that sends, with nothing locked. What
/// follows runs there too, or on the thread that asks.
///
/// # Demand
/// Everything, once downstream has had the time to ask. An upstream that is synchronous is asked
/// for 1024 items, and one for each that leaves.
/// # Completion
/// After what is kept.
/// # Errors
/// After what is kept. A fault does not wait. A panic in one of the functions becomes a fault.
/// # Cancellation
/// As downstream's; what is kept is discarded.
/// # Bounds
/// 1 state, which is as large as `f` makes it.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// // The mean of what came since the last time.
/// let readings = millstream::from_iter([3.0, 5.0, 4.0]);
/// let means = readings
///     .conflate_with(|x| (x, 1.0), |(sum, n), x| (sum + x, n + 1.0))
///     .map(|(sum, n)| sum / n);
/// let mut cursor = means.cursor();
/// assert_eq!(cursor.block_next()?, Some(4.0));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ConflateWith<P, C, F> {
    upstream: P,
    seed: C,
    f: F,
    site: Site,
}

impl<P, C, F> ConflateWith<P, C, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, seed: C, f: F) -> ConflateWith<P, C, F> {
        ConflateWith { upstream, seed, f, site: Site::here("conflate_with") }
    }
}

crate::opaque_debug::opaque_debug!(ConflateWith<P, C, F>);

impl<P, A, C, F> Publisher for ConflateWith<P, C, F>
where
    P: Publisher,
    A: Send + 'static,
    C: FnMut(P::Item) -> A + Send + 'static,
    F: FnMut(A, P::Item) -> A + Send + 'static,
{
    type Item = A;
    type Error = P::Error;

    fn subscribe<S: Subscriber<A, P::Error>>(self, subscriber: S) {
        let ConflateWith { upstream, seed, f, site } = self;
        conflating(upstream, seed, f, site, subscriber);
    }
}

pub(super) fn conflating<P, A, S>(
    upstream: P,
    mut seed: impl FnMut(P::Item) -> A + Send + 'static,
    mut f: impl FnMut(A, P::Item) -> A + Send + 'static,
    site: Site,
    subscriber: S,
) where
    P: Publisher,
    A: Send + 'static,
    S: Subscriber<A, P::Error>,
{
    let fills = move |item, inflow: &Inflow<A, P::Error>| match inflow.withdraw() {
        Some((kept, place)) => match place.restore(f(kept, item)) {
            Restored::Queued => Filled::On,
            Restored::Gone(kept) | Restored::Filled(kept, ..) => Filled::Refused(kept),
        },
        // Room stays: nobody else fills this place.
        None => match inflow.put(seed(item), Spill::Newest) {
            Ok(Spilled::Nothing) => Filled::On,
            Ok(Spilled::One(kept)) | Err(kept) => Filled::Refused(kept),
            Ok(Spilled::All(_)) => Filled::Failed,
        },
    };
    fill(upstream, NonZeroUsize::MIN, site, fills, subscriber);
}
