//! `skip_until`: nothing before another publisher says so.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// Discards items until another publisher sends one, or is complete:
/// [`PublisherExt::skip_until`](crate::PublisherExt::skip_until).
///
/// ```text
/// signal -----------x
/// up     --1--2--3-----4--5--|
/// down   --------------4--5--|
/// ```
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time as many items were
/// taken; without demand, none is taken. A synchronous upstream is pulled as downstream asks.
/// # Completion
/// As upstream.
/// # Errors
/// A failure of upstream or of the signal, after the items which that one sent before.
/// # Cancellation
/// As downstream's: both are cancelled, and what is queued is discarded. The signal is cancelled
/// when it came.
/// # Bounds
/// `prefetch` items of upstream and of the signal, where they are not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let open = millstream::range(0..3).skip_until(millstream::just("go"), 16);
/// assert_eq!(open.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// let shut = millstream::range(0..3).skip_until(millstream::pending::<()>(), 16);
/// assert_eq!(shut.count().block()?, 0);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SkipUntil<P, Q> {
    upstream: P,
    signal: Q,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, Q> SkipUntil<P, Q> {
    #[track_caller]
    pub(crate) fn new(upstream: P, signal: Q, prefetch: usize) -> SkipUntil<P, Q> {
        let prefetch = capacity("skip_until(signal, 0)", prefetch);
        SkipUntil { upstream, signal, prefetch, site: Site::here("skip_until") }
    }
}

crate::opaque_debug::opaque_debug!(SkipUntil<P, Q>, prefetch);

impl<P, Q> Publisher for SkipUntil<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let SkipUntil { upstream, signal, prefetch, site } = self;
        join(
            |bell, context| Gated {
                signal: Some(feed(signal, prefetch, bell.clone(), context, site.input("signal"))),
                upstream: feed(upstream, prefetch, bell.clone(), context, site.input("upstream")),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

struct Gated<P: Pull, Q: Pull> {
    upstream: Feed<P>,
    /// Until it came.
    signal: Option<Feed<Q>>,
    discards: Discards,
}

impl<P: Pull, Q: Pull<Error = P::Error>> Gated<P, Q> {
    /// Looks whether the signal came; its failure.
    #[inline]
    fn look(&mut self) -> Option<P::Error> {
        let signal = self.signal.as_mut()?;
        match signal.pull() {
            Pulled::Item(_) | Pulled::Complete => self.signal = None,
            Pulled::Skipped | Pulled::Pending => {}
            Pulled::Error(error) => return Some(error),
        }
        None
    }

    /// What of upstream's passes.
    #[inline]
    fn gate(&self, pulled: Pulled<P::Item, P::Error>) -> Pulled<P::Item, P::Error> {
        match pulled {
            Pulled::Item(item) if self.signal.is_some() => {
                self.discards.discard(item);
                Pulled::Skipped
            }
            other => other,
        }
    }
}

impl<P: Pull, Q: Pull<Error = P::Error>> Pull for Gated<P, Q> {
    type Item = P::Item;
    type Error = P::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        if let Some(error) = self.look() {
            return Pulled::Error(error);
        }
        let pulled = self.upstream.pull();
        self.gate(pulled)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        if let Some(error) = self.look() {
            return Pulled::Error(error);
        }
        let pulled = self.upstream.look_ahead(started);
        self.gate(pulled)
    }
}
