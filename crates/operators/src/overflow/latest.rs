//! `latest`: the newest item, where downstream is slower.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::overflow::Overflow;
use crate::shape::hurried::fill;

/// The newest item, where downstream is slower than upstream:
/// [`PublisherExt::latest`](crate::PublisherExt::latest).
///
/// ```text
/// up    --1-2-3-----4-5-|
/// down  ^-------r1-3----r1-5-|   1, 2 and 4 are discarded
/// ```
///
/// While downstream asks for nothing one item is kept, and each that comes takes its place. What
/// follows runs on the thread that sends, or on the one that asks.
///
/// # Demand
/// Everything, once downstream has had the time to ask. An upstream that is synchronous is asked
/// for 1024 items, and one for each that leaves.
/// # Completion
/// After the item that is kept.
/// # Errors
/// After the item that is kept. A fault does not wait.
/// # Cancellation
/// As downstream's; the item that is kept is discarded.
/// # Bounds
/// 1 item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut cursor = millstream::range(1..100).latest().cursor();
/// // Downstream asks for the first when all have come.
/// assert_eq!(cursor.block_next()?, Some(99));
/// assert_eq!(cursor.block_next()?, None);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Latest<P> {
    upstream: P,
    site: Site,
}

impl<P> Latest<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P) -> Latest<P> {
        Latest { upstream, site: Site::here("latest") }
    }
}

crate::opaque_debug::opaque_debug!(Latest<P>);

impl<P: Publisher> Publisher for Latest<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let overflow = Overflow::latest();
        let fills = move |item, inflow: &_| overflow.fill(item, inflow);
        fill(self.upstream, NonZeroUsize::MIN, self.site, fills, subscriber);
    }
}
