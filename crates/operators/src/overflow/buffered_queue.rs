//! `buffered_queue`: a bounded queue, and what becomes of an item for which it has no room.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::overflow::WhenFull;
use crate::shape::hurried::{fill, keep_up};
use crate::shape::joined::capacity;

/// A bounded queue, and what becomes of an item for which it has no room:
/// [`PublisherExt::buffered_queue`](crate::PublisherExt::buffered_queue).
///
/// ```text
///           buffered_queue(2, Overflow::drop_oldest())
/// up    --1-2-3-4---------5-|
/// down  ^---------r2-3-4----r1-5-|   1 and 2 are dropped
/// ```
///
/// With [`Backpressure`](crate::overflow::Backpressure) upstream waits while the queue is full;
/// with an [`Overflow`](crate::overflow::Overflow) it does not, and the policy says what goes. What
/// follows runs on the thread that sends, or on the one that asks.
///
/// # Demand
/// With `Backpressure`: `capacity` when it is subscribed to, and one for each item that leaves the
/// queue. With an `Overflow`: everything, once downstream has had the time to ask; an upstream that
/// is synchronous is asked for 1024 items, and one for each that leaves the queue.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// After what is queued. So is that of [`Overflow::error`](crate::overflow::Overflow::error), for
/// which upstream is cancelled at once. A fault does not wait. A panic in a function of the policy
/// becomes a fault.
/// # Cancellation
/// As downstream's; what is queued is discarded.
/// # Bounds
/// `capacity` items.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::overflow::{Backpressure, Overflow};
///
/// // Nothing is dropped where downstream has asked.
/// let all = millstream::range(1..6).buffered_queue(2, Overflow::drop_oldest());
/// assert_eq!(all.collect::<Vec<_>>().block()?, [1, 2, 3, 4, 5]);
///
/// // Downstream asks for nothing before the last has come.
/// let mut cursor = millstream::range(1..6).buffered_queue(2, Overflow::drop_oldest()).cursor();
/// assert_eq!(cursor.block_next()?, Some(4));
/// assert_eq!(cursor.block_next()?, Some(5));
///
/// let waits = millstream::range(1..6).buffered_queue(2, Backpressure);
/// assert_eq!(waits.count().block()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct BufferedQueue<P, T, E> {
    upstream: P,
    capacity: NonZeroUsize,
    when_full: WhenFull<T, E>,
    site: Site,
}

impl<P, T, E> BufferedQueue<P, T, E> {
    #[track_caller]
    pub(crate) fn new(upstream: P, n: usize, when_full: WhenFull<T, E>) -> Self {
        let capacity = capacity("buffered_queue(0, policy)", n);
        BufferedQueue { upstream, capacity, when_full, site: Site::here("buffered_queue") }
    }
}

impl<P: Clone, T, E> Clone for BufferedQueue<P, T, E> {
    fn clone(&self) -> Self {
        BufferedQueue {
            upstream: self.upstream.clone(),
            when_full: self.when_full.clone(),
            ..*self
        }
    }
}

crate::opaque_debug::opaque_debug!(BufferedQueue<P, T, E>, capacity, when_full);

impl<P: Publisher> Publisher for BufferedQueue<P, P::Item, P::Error> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let BufferedQueue { upstream, capacity, when_full, site } = self;
        match when_full {
            WhenFull::Waits(_) => {
                keep_up(upstream, capacity, site, |outlet, _| outlet.one_by_one(), subscriber);
            }
            WhenFull::Overflows(overflow) => {
                let fills = move |item, inflow: &_| overflow.fill(item, inflow);
                fill(upstream, capacity, site, fills, subscriber);
            }
        }
    }
}
