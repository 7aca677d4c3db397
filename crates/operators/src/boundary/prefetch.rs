//! `prefetch`: ask upstream before downstream asks.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_blocks::lane::lane;
use millstream_core::{Publisher, Subscriber};

use crate::shape::joined::capacity;

/// Upstream is asked for items before downstream asks, into a bounded queue:
/// [`PublisherExt::prefetch`](crate::PublisherExt::prefetch).
///
/// ```text
///           prefetch(4)
/// up    --1-2-3-4------5-6-|   asked for 4, then for 3 at a time
/// down  --1------2-3-4---5-6-|
/// ```
///
/// No thread is crossed: what follows runs on the thread that sends, or on the one that asks. It
/// makes many small requests into few large ones, and lets a source that sends from elsewhere work
/// ahead.
///
/// # Demand
/// `capacity` when it is subscribed to; after that three quarters of it, each time as many items
/// have left the queue.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// After what is queued. A fault does not wait.
/// # Cancellation
/// As downstream's; what is queued is discarded.
/// # Bounds
/// `capacity` items. Four allocations per subscription; none per item.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let items = millstream::from_iter(1..=5).prefetch(2);
/// assert_eq!(items.collect::<Vec<_>>().block()?, [1, 2, 3, 4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Prefetch<P> {
    upstream: P,
    capacity: NonZeroUsize,
    site: Site,
}

impl<P> Prefetch<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, n: usize) -> Prefetch<P> {
        Prefetch { upstream, capacity: capacity("prefetch(0)", n), site: Site::here("prefetch") }
    }
}

crate::opaque_debug::opaque_debug!(Prefetch<P>, capacity);

impl<P: Publisher> Publisher for Prefetch<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        join(
            |bell, context| {
                let gauge = bell.gauge(context, self.site, self.capacity.get());
                let (inlet, outlet) = lane(self.capacity, bell.clone(), context, gauge);
                self.upstream.subscribe(inlet);
                outlet
            },
            subscriber,
        );
    }
}
