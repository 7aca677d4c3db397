//! `delay_subscription_until`: upstream is subscribed to when another publisher says so.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// Upstream is subscribed to when another publisher sends an item, or is complete:
/// [`PublisherExt::delay_subscription_until`](crate::PublisherExt::delay_subscription_until).
///
/// ```text
/// signal ---x
/// up        1--2---3|
/// down   ---1--2---3|
/// ```
///
/// # Demand
/// What downstream asks for in the meantime is kept. `prefetch` of the signal, which is pulled when
/// downstream asks if it is synchronous; `prefetch` of upstream when that is subscribed to, and three
/// quarters of it each time that as many items were sent. An upstream that is synchronous is pulled
/// as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// A failure of the signal before it came; of upstream, after what is queued.
/// # Cancellation
/// As downstream's: both are cancelled, and what is queued is discarded. The signal is cancelled
/// when it came, before upstream is subscribed to.
/// # Bounds
/// `prefetch` items of upstream and of the signal, where they are not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let ready = millstream::just("ready");
/// let later = millstream::range(0..3).delay_subscription_until(ready, 16);
/// assert_eq!(later.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct DelaySubscriptionUntil<P, Q> {
    upstream: P,
    signal: Q,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, Q> DelaySubscriptionUntil<P, Q> {
    #[track_caller]
    pub(crate) fn new(upstream: P, signal: Q, prefetch: usize) -> DelaySubscriptionUntil<P, Q> {
        let prefetch = capacity("delay_subscription_until(signal, 0)", prefetch);
        let site = Site::here("delay_subscription_until");
        DelaySubscriptionUntil { upstream, signal, prefetch, site }
    }
}

crate::opaque_debug::opaque_debug!(DelaySubscriptionUntil<P, Q>, prefetch);

impl<P, Q> Publisher for DelaySubscriptionUntil<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let DelaySubscriptionUntil { upstream, signal, prefetch, site } = self;
        join(
            |bell, context| {
                let waits = feed(signal, prefetch, bell.clone(), context, site.input("signal"));
                let (bell, context) = (bell.clone(), context.clone());
                let site = site.input("upstream");
                let start = move || feed(upstream, prefetch, bell, &context, site);
                Signalled { signal: Some(waits), start: Some(start), feed: None }
            },
            subscriber,
        );
    }
}

struct Signalled<Q: Pull, W: Pull, F> {
    /// Until it came.
    signal: Option<Feed<W>>,
    start: Option<F>,
    /// From then on.
    feed: Option<Feed<Q>>,
}

impl<Q, W, F> Signalled<Q, W, F>
where
    Q: Pull,
    W: Pull<Error = Q::Error>,
    F: FnOnce() -> Feed<Q>,
{
    /// Subscribes, where the signal is there by `pulled`; what there is to say where it is not.
    #[cold]
    fn heard(&mut self, pulled: Pulled<W::Item, W::Error>) -> Option<Pulled<Q::Item, Q::Error>> {
        match pulled {
            Pulled::Item(_) | Pulled::Complete => {
                self.signal = None;
                self.feed = self.start.take().map(|start| start());
                None
            }
            Pulled::Skipped => Some(Pulled::Skipped),
            Pulled::Pending => Some(Pulled::Pending),
            Pulled::Error(error) => Some(Pulled::Error(error)),
        }
    }

    #[inline]
    fn waits(&mut self) -> Option<Pulled<Q::Item, Q::Error>> {
        let pulled = self.signal.as_mut()?.pull();
        self.heard(pulled)
    }
}

impl<Q, W, F> Pull for Signalled<Q, W, F>
where
    Q: Pull,
    W: Pull<Error = Q::Error>,
    F: FnOnce() -> Feed<Q> + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        if let Some(waits) = self.waits() {
            return waits;
        }
        self.feed.as_mut().map_or(Pulled::Pending, Pull::pull)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        // A synchronous signal is not pulled without demand.
        if self.signal.as_ref().is_some_and(Feed::is_pulled) {
            return Pulled::Pending;
        }
        if let Some(waits) = self.waits() {
            return waits;
        }
        self.feed.as_mut().map_or(Pulled::Pending, |feed| feed.look_ahead(started))
    }
}
