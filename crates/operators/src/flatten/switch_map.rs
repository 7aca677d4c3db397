//! `switch_map`: each item a publisher, the newest only.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed, feed_on, gauge};

/// Each item becomes a publisher, and only the newest sends:
/// [`PublisherExt::switch_map`](crate::PublisherExt::switch_map).
///
/// ```text
///           switch_map(16, |x| x--x--x|)
/// up    --1------2-----------|
/// down  --1--1---2--2--2-----|
/// ```
///
/// # Demand
/// Upstream's items are taken as they come, `prefetch` of them asked for ahead. The newest inner
/// publisher is asked for `prefetch`, and for three quarters of it each time as many of its items
/// were sent; one that is synchronous is pulled as downstream asks.
/// # Completion
/// When upstream and the newest inner publisher are complete and its items sent.
/// # Errors
/// A failure of upstream, or of the newest inner publisher after the items which it sent before;
/// under an upstream that is pulled in place, that of an inner publisher waits for the next request.
/// A panic in the function becomes a fault.
/// # Cancellation
/// As downstream's: both are cancelled, and what is queued is discarded. An inner publisher that is
/// not the newest any more is cancelled, and what it sent and was not delivered is discarded.
/// # Bounds
/// `prefetch` items of upstream and of one inner publisher, where they are not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::just(3).switch_map(16, |n| millstream::range(0..n));
/// assert_eq!(all.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SwitchMap<P, F> {
    upstream: P,
    f: F,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, F> SwitchMap<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, prefetch: usize, f: F) -> SwitchMap<P, F> {
        let prefetch = capacity("switch_map(0, f)", prefetch);
        SwitchMap { upstream, f, prefetch, site: Site::here("switch_map") }
    }
}

crate::opaque_debug::opaque_debug!(SwitchMap<P, F>, prefetch);

impl<P, Q, F> Publisher for SwitchMap<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Q::Item, P::Error>>(self, subscriber: S) {
        let SwitchMap { upstream, mut f, prefetch, site } = self;
        join(
            |bell, context| {
                let outer = feed(upstream, prefetch, bell.clone(), context, site);
                let (bell, around) = (bell.clone(), context.clone());
                let gauge = gauge(Q::PULLS, &bell, context, site.input("inner"), prefetch.get());
                Switched {
                    outer: Some(outer),
                    inner: None,
                    switch: move |item| {
                        feed_on(gauge.clone(), f(item), prefetch, bell.clone(), &around)
                    },
                    started: false,
                    discards: context.discards().clone(),
                }
            },
            subscriber,
        );
    }
}

/// How many items of upstream are taken at most at a time: one that is synchronous may have no
/// end.
const LOOKS: usize = 32;

struct Switched<O: Pull, Q: Pull, G> {
    /// Until it is complete.
    outer: Option<Feed<O>>,
    inner: Option<Feed<Q>>,
    switch: G,
    /// Whether the inner publisher was pulled.
    started: bool,
    discards: Discards,
}

impl<O, Q, G> Switched<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    /// Takes what upstream has; the newest of it is the inner publisher from here on.
    fn renew(&mut self) -> Pulled<(), Q::Error> {
        let mut newest = None;
        let mut renewed = Pulled::Skipped;
        for _ in 0..LOOKS {
            let Some(outer) = &mut self.outer else {
                renewed = Pulled::Pending;
                break;
            };
            match outer.pull() {
                Pulled::Item(item) => {
                    if let Some(older) = newest.replace(item) {
                        self.discards.discard(older);
                    }
                }
                Pulled::Skipped => {}
                Pulled::Pending => {
                    renewed = Pulled::Pending;
                    break;
                }
                Pulled::Complete => self.outer = None,
                Pulled::Error(error) => {
                    if let Some(item) = newest {
                        self.discards.discard(item);
                    }
                    return Pulled::Error(error);
                }
            }
        }
        if let Some(item) = newest {
            // The old one is cancelled before the new one is subscribed to.
            self.inner = None;
            self.started = false;
            self.inner = Some((self.switch)(item));
        }
        renewed
    }

    fn rest(&self) -> Pulled<Q::Item, Q::Error> {
        if self.outer.is_none() && self.inner.is_none() {
            Pulled::Complete
        } else {
            Pulled::Pending
        }
    }
}

impl<O, Q, G> Pull for Switched<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match self.renew() {
            Pulled::Error(error) => return Pulled::Error(error),
            // Upstream has more, and the newest counts.
            Pulled::Skipped => return Pulled::Skipped,
            _ => {}
        }
        let Some(inner) = &mut self.inner else { return self.rest() };
        self.started = true;
        match inner.pull() {
            Pulled::Complete => {
                self.inner = None;
                self.rest()
            }
            other => other,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        // A synchronous upstream is not pulled without demand.
        match &self.outer {
            Some(outer) if outer.is_pulled() => return Pulled::Pending,
            Some(_) => match self.renew() {
                Pulled::Error(error) => return Pulled::Error(error),
                Pulled::Skipped => return Pulled::Skipped,
                _ => {}
            },
            None => {}
        }
        let Some(inner) = &mut self.inner else { return self.rest() };
        match inner.look_ahead(self.started) {
            Pulled::Complete => {
                self.inner = None;
                self.rest()
            }
            other => other,
        }
    }
}
