//! `switch_map`: each item a publisher, the newest only.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed_on, gauge};
use crate::shape::kept::{Taken, Taking, taking};

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
/// under an upstream that is pulled in place, and is not over, that of an inner publisher waits for the
/// next request. A panic in the function becomes a fault.
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
                let outer = taking(upstream, prefetch, bell, context, site);
                let (bell, around) = (bell.clone(), context.clone());
                let gauge = gauge(Q::PULLS, &bell, context, site.input("inner"), prefetch.get());
                let switch =
                    move |item| feed_on(gauge.clone(), f(item), prefetch, bell.clone(), &around);
                Switched { outer, inner: None, switch, started: false }
            },
            subscriber,
        );
    }
}

/// How many items of upstream are taken at most at a time: one that is synchronous may have no
/// end.
const LOOKS: usize = 32;

struct Switched<O: Pull, Q: Pull, G> {
    outer: Taking<O>,
    inner: Option<Feed<Q>>,
    switch: G,
    /// Whether the inner publisher was pulled.
    started: bool,
}

impl<O, Q, G> Switched<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    /// Takes what upstream has; the newest of it is the inner publisher from here on.
    fn renew(&mut self) -> Result<Taken, O::Error> {
        let mut taken = Taken::Some;
        for _ in 0..LOOKS {
            taken = self.outer.take(|item, newest| newest.replace(item))?;
            if taken != Taken::Some {
                break;
            }
        }
        self.outer.rest();
        if let Some(newest) = self.outer.slot.take() {
            // The old one is cancelled before the new one is subscribed to.
            self.inner = None;
            self.started = false;
            self.inner = Some((self.switch)(newest));
        }
        Ok(taken)
    }

    /// What the newest inner publisher says, where there is one.
    #[inline]
    fn newest(
        &mut self,
        ask: impl FnOnce(&mut Feed<Q>) -> Pulled<Q::Item, Q::Error>,
    ) -> Pulled<Q::Item, Q::Error> {
        if let Some(inner) = &mut self.inner {
            match ask(inner) {
                Pulled::Complete => self.inner = None,
                other => return other,
            }
        }
        if self.outer.is_over() { Pulled::Complete } else { Pulled::Pending }
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
            Ok(Taken::All | Taken::Over) => {}
            // Upstream has more, and the newest counts.
            Ok(Taken::Some) => return Pulled::Skipped,
            Err(error) => return Pulled::Error(error),
        }
        self.started = true;
        self.newest(Feed::pull)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        // A synchronous upstream is not pulled without demand: it is asked for its end, and while it
        // may have a newer one, what the inner publisher has does not count.
        let taken = if self.outer.is_pulled() { self.outer.look() } else { self.renew() };
        match taken {
            Ok(Taken::All) if self.outer.is_pulled() => return Pulled::Pending,
            Ok(Taken::All | Taken::Over) => {}
            Ok(Taken::Some) => return Pulled::Skipped,
            Err(error) => return Pulled::Error(error),
        }
        let started = self.started;
        self.newest(|inner| inner.look_ahead(started))
    }
}
