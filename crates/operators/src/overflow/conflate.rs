//! `conflate`: items that come while downstream asks for nothing become one.

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::overflow::conflate_with::conflating;

/// Items that come while downstream asks for nothing become one:
/// [`PublisherExt::conflate`](crate::PublisherExt::conflate).
///
/// ```text
///           conflate(|a, b| a + b)
/// up    --1---2-3-4-----5-|
/// down  r1-1-------r2-9-5-|
/// ```
///
/// An item that is asked for already passes as it is. The function runs on the thread that sends,
/// with nothing locked; what follows runs there too, or on the thread that asks. For a result of
/// another type see [`ConflateWith`](crate::overflow::ConflateWith), for a bound on what becomes
/// one [`Batch`](crate::overflow::Batch).
///
/// # Demand
/// Everything, once downstream has had the time to ask. An upstream that is synchronous is asked
/// for 1024 items, and one for each that leaves.
/// # Completion
/// After what is kept.
/// # Errors
/// After what is kept. A fault does not wait. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream's; what is kept is discarded.
/// # Bounds
/// 1 item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut cursor = millstream::range(1..101).conflate(|sum, n| sum + n).cursor();
/// assert_eq!(cursor.block_next()?, Some(5050), "all have come before it asked");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Conflate<P, F> {
    upstream: P,
    f: F,
    site: Site,
}

impl<P, F> Conflate<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, f: F) -> Conflate<P, F> {
        Conflate { upstream, f, site: Site::here("conflate") }
    }
}

crate::opaque_debug::opaque_debug!(Conflate<P, F>);

impl<P, F> Publisher for Conflate<P, F>
where
    P: Publisher,
    F: FnMut(P::Item, P::Item) -> P::Item + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Conflate { upstream, f, site } = self;
        conflating(upstream, |item| item, f, site, subscriber);
    }
}
