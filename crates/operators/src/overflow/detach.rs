//! `detach`: upstream works on the next item while downstream has one.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::shape::hurried::keep_up;

/// Upstream works on the next item while downstream has one:
/// [`PublisherExt::detach`](crate::PublisherExt::detach).
///
/// ```text
/// up    --1------2---|
/// asks  ^1   ^1     ^1
/// down  ----r1-1---r1-2-|
/// ```
///
/// The same as [`prefetch(1)`](crate::PublisherExt::prefetch), by the name that says what it is for:
/// demand upstream does not wait for demand downstream any more, so that a stage which depends on
/// its own output can begin.
///
/// # Demand
/// One when it is subscribed to, and another each time that one leaves.
/// # Completion
/// After the item that waits.
/// # Errors
/// After the item that waits. A fault does not wait.
/// # Cancellation
/// As downstream's; the item that waits is discarded.
/// # Bounds
/// 1 item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let items = millstream::from_iter(1..=3).detach();
/// assert_eq!(items.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Detach<P> {
    upstream: P,
    site: Site,
}

impl<P> Detach<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P) -> Detach<P> {
        Detach { upstream, site: Site::here("detach") }
    }
}

crate::opaque_debug::opaque_debug!(Detach<P>);

impl<P: Publisher> Publisher for Detach<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        keep_up(self.upstream, NonZeroUsize::MIN, self.site, |outlet, _| outlet, subscriber);
    }
}
