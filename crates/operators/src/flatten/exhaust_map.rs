//! `exhaust_map`: an item a publisher, and no other while that sends.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed_on, gauge};
use crate::shape::kept::{Taken, Taking, taking};

/// An item becomes a publisher, and what comes while that runs is discarded:
/// [`PublisherExt::exhaust_map`](crate::PublisherExt::exhaust_map).
///
/// ```text
///           exhaust_map(16, |x| x--x--x|)
/// up    --1------2-----3-------|
/// down  --1--1---1-----3--3--3-|     2 is discarded
/// ```
///
/// For what is asked for again and again, and done once at a time: a refresh on each tick, unless the
/// one before is still under way. The opposite is [`switch_map`](crate::PublisherExt::switch_map): the
/// newest takes the place of the one before.
///
/// # Demand
/// Upstream's items are taken as they come, `prefetch` of them asked for ahead. One that is
/// synchronous is pulled when no inner publisher runs: nothing of it comes meanwhile, and nothing of it
/// is discarded. The inner publisher is asked for `prefetch`, and for three quarters of it each time
/// as many of its items were sent; one that is synchronous is pulled as downstream asks.
/// # Completion
/// When upstream and the inner publisher are complete and its items sent.
/// # Errors
/// A failure of upstream, at once; or of the inner publisher after the items which it sent before.
/// The other is cancelled, and what is queued discarded. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream's: both are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items of upstream and of one inner publisher, where they are not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (clicks, presses) = millstream::channel(4);
/// let (reply, pages) = millstream::channel(4);
/// let mut once = Some(pages);
/// let mut loads = presses
///     .exhaust_map(4, move |click: u32| {
///         let pages = once.take().expect("one load at a time");
///         pages.map(move |page: &str| (click, page))
///     })
///     .cursor();
/// clicks.try_send(1)?;
/// clicks.try_send(2)?; // while the first is being loaded
/// reply.try_send("home")?;
/// assert_eq!(loads.block_next()?, Some((1, "home")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ExhaustMap<P, F> {
    upstream: P,
    f: F,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, F> ExhaustMap<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, prefetch: usize, f: F) -> ExhaustMap<P, F> {
        let prefetch = capacity("exhaust_map(0, f)", prefetch);
        ExhaustMap { upstream, f, prefetch, site: Site::here("exhaust_map") }
    }
}

crate::opaque_debug::opaque_debug!(ExhaustMap<P, F>, prefetch);

impl<P, Q, F> Publisher for ExhaustMap<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Q::Item, P::Error>>(self, subscriber: S) {
        let ExhaustMap { upstream, mut f, prefetch, site } = self;
        join(
            |bell, context| {
                let outer = taking(upstream, prefetch, bell, context, site);
                let (bell, around) = (bell.clone(), context.clone());
                let gauge = gauge(Q::PULLS, &bell, context, site.input("inner"), prefetch.get());
                let begin =
                    move |item| feed_on(gauge.clone(), f(item), prefetch, bell.clone(), &around);
                Exhausting { outer, inner: None, begin, started: false }
            },
            subscriber,
        );
    }
}

/// How many items of upstream are taken at most at a time: it may send without end.
const LOOKS: usize = 32;

struct Exhausting<O: Pull, Q: Pull, G> {
    outer: Taking<O>,
    inner: Option<Feed<Q>>,
    begin: G,
    /// Whether the inner publisher was pulled.
    started: bool,
}

impl<O, Q, G> Exhausting<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    /// Takes what upstream has: the first item begins where nothing runs, the others are discarded.
    fn take(&mut self) -> Result<Taken, O::Error> {
        for _ in 0..LOOKS {
            let runs = self.inner.is_some();
            if runs && self.outer.is_pulled() {
                return Ok(Taken::All);
            }
            let taken = self.outer.take(|item, slot| {
                if runs {
                    return Some(item);
                }
                *slot = Some(item);
                None
            })?;
            if let Some(item) = self.outer.slot.take() {
                self.started = false;
                self.inner = Some((self.begin)(item));
            }
            if taken != Taken::Some {
                self.outer.rest();
                return Ok(taken);
            }
        }
        Ok(Taken::Some)
    }

    /// Nothing came of the inner publisher, or there is none.
    fn rest(&self, taken: Taken) -> Pulled<Q::Item, Q::Error> {
        match taken {
            Taken::Some => Pulled::Skipped,
            Taken::Over if self.inner.is_none() => Pulled::Complete,
            Taken::All | Taken::Over => Pulled::Pending,
        }
    }

    /// What the inner publisher said, after what was taken of upstream.
    fn said(
        &mut self,
        pulled: Pulled<Q::Item, Q::Error>,
        taken: Taken,
    ) -> Pulled<Q::Item, Q::Error> {
        match pulled {
            Pulled::Complete => {
                self.inner = None;
                // One that is synchronous has its turn now.
                if self.outer.is_over() { Pulled::Complete } else { Pulled::Skipped }
            }
            Pulled::Pending => self.rest(taken),
            other => other,
        }
    }
}

impl<O, Q, G> Pull for Exhausting<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        let taken = match self.take() {
            Ok(taken) => taken,
            Err(error) => return Pulled::Error(error),
        };
        let Some(inner) = &mut self.inner else { return self.rest(taken) };
        self.started = true;
        let pulled = inner.pull();
        self.said(pulled, taken)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        // A synchronous upstream is not pulled without demand: where nothing runs it is asked for
        // its end.
        let taken = match (self.outer.is_pulled(), &self.inner) {
            (true, None) => self.outer.look(),
            (true, Some(_)) => Ok(Taken::All),
            (false, _) => self.take(),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return Pulled::Error(error),
        };
        let Some(inner) = &mut self.inner else { return self.rest(taken) };
        let pulled = inner.look_ahead(self.started);
        self.said(pulled, taken)
    }
}
