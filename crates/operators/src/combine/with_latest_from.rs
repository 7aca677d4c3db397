//! `with_latest_from`: each item with the latest of another publisher.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// Each item with the latest of another publisher:
/// [`PublisherExt::with_latest_from`](crate::PublisherExt::with_latest_from).
///
/// ```text
/// other --------x-------y------|
/// up    --1-------2---3---4--|
/// down  ----------2x--3x--4y-|
/// ```
///
/// Items that come before the other's first are discarded.
///
/// # Demand
/// `prefetch` from both when they are subscribed to, and three quarters of it each time as many
/// items were taken; the other's are taken as they come. An upstream that is synchronous is pulled
/// as downstream asks; another that is synchronous is pulled by one item before each item.
/// # Completion
/// As upstream; the other's completion is ignored.
/// # Errors
/// A failure of either, after the items which it sent before. A panic while an item is cloned
/// becomes a fault.
/// # Cancellation
/// As downstream's: both are cancelled, and what is queued is discarded.
/// # Bounds
/// One item of the other, and `prefetch` of each that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let factor = millstream::just(10);
/// let products = millstream::range(1..4).with_latest_from(factor, 16).map(|(n, by)| n * by);
/// assert_eq!(products.collect::<Vec<_>>().block()?, [10, 20, 30]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WithLatestFrom<P, Q> {
    upstream: P,
    other: Q,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, Q> WithLatestFrom<P, Q> {
    #[track_caller]
    pub(crate) fn new(upstream: P, other: Q, prefetch: usize) -> WithLatestFrom<P, Q> {
        let prefetch = capacity("with_latest_from(other, 0)", prefetch);
        WithLatestFrom { upstream, other, prefetch, site: Site::here("with_latest_from") }
    }
}

crate::opaque_debug::opaque_debug!(WithLatestFrom<P, Q>, prefetch);

impl<P, Q> Publisher for WithLatestFrom<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error, Item: Clone>,
{
    type Item = (P::Item, Q::Item);
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let WithLatestFrom { upstream, other, prefetch, site } = self;
        join(
            |bell, context| WithLatest {
                // The other first: its first item is there for the first of upstream.
                other: Some(feed(other, prefetch, bell.clone(), context, site.input("other"))),
                upstream: feed(upstream, prefetch, bell.clone(), context, site.input("upstream")),
                latest: None,
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

/// How many items of the other are taken or skipped at most before an item of upstream.
const LOOKS: usize = 1024;

struct WithLatest<P: Pull, Q: Pull> {
    upstream: Feed<P>,
    /// Until it is complete.
    other: Option<Feed<Q>>,
    latest: Option<Q::Item>,
    discards: Discards,
}

impl<P: Pull, Q: Pull<Error = P::Error>> WithLatest<P, Q> {
    /// Takes what the other has; its failure.
    #[inline]
    fn refresh(&mut self) -> Option<P::Error> {
        // A synchronous one may skip for ever.
        for _ in 0..LOOKS {
            let Some(other) = &mut self.other else { break };
            match other.pull() {
                Pulled::Item(item) => {
                    self.latest = Some(item);
                    // One that is synchronous may have no end.
                    if other.is_pulled() {
                        return None;
                    }
                }
                Pulled::Skipped => {}
                Pulled::Pending => return None,
                Pulled::Complete => self.other = None,
                Pulled::Error(error) => return Some(error),
            }
        }
        None
    }
}

impl<P, Q> WithLatest<P, Q>
where
    P: Pull,
    Q: Pull<Error = P::Error, Item: Clone>,
{
    #[inline]
    fn pair(&self, pulled: Pulled<P::Item, P::Error>) -> Pulled<(P::Item, Q::Item), P::Error> {
        match pulled {
            Pulled::Item(item) => match &self.latest {
                Some(latest) => Pulled::Item((item, latest.clone())),
                None => {
                    self.discards.discard(item);
                    Pulled::Skipped
                }
            },
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(error),
        }
    }
}

impl<P, Q> Pull for WithLatest<P, Q>
where
    P: Pull,
    Q: Pull<Error = P::Error, Item: Clone>,
{
    type Item = (P::Item, Q::Item);
    type Error = P::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Self::Item, P::Error> {
        if let Some(error) = self.refresh() {
            return Pulled::Error(error);
        }
        let pulled = self.upstream.pull();
        self.pair(pulled)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Self::Item, P::Error> {
        // One that is synchronous is not pulled without demand.
        if self.other.as_ref().is_some_and(|other| !other.is_pulled())
            && let Some(error) = self.refresh()
        {
            return Pulled::Error(error);
        }
        let pulled = self.upstream.look_ahead(started);
        self.pair(pulled)
    }
}
