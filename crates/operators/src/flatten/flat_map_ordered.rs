//! `flat_map_ordered`: each item a publisher, several of them at work, in the order of the items.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, Granted, capacity, feed_on, gauge, granted_feed};

/// Each item becomes a publisher, up to `limit` of them work at a time, and their items come in the
/// order of the items: [`PublisherExt::flat_map_ordered`](crate::PublisherExt::flat_map_ordered).
///
/// ```text
///           flat_map_ordered(2, 16, |x| x-x-x-|)
/// up    --1-2----3-------------|
/// down  --1-1-1-2-2-2-3-3-3----|
/// ```
///
/// The first sends, the others work ahead into their queues.
///
/// # Demand
/// `limit` from upstream when it is subscribed to, and one more for each inner publisher that is
/// complete and sent. `prefetch` from each inner publisher at once, and three quarters of it each
/// time as many of its items were sent; one that is synchronous is pulled as downstream asks.
/// # Completion
/// When upstream and all inner publishers are complete and their items sent.
/// # Errors
/// A failure in its place: after the items of all inner publishers before it, and of its own; the
/// others are cancelled then, and what they sent is discarded. A failure of upstream comes after
/// all inner publishers of what it sent before. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream's: all are cancelled, and what is queued is discarded.
/// # Bounds
/// `limit` inner publishers, `limit` items of an upstream that is not synchronous, and `prefetch`
/// items of each inner publisher that is not.
/// # Panics
/// When `limit` or `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::range(1..4).flat_map_ordered(2, 16, |n| millstream::range(0..n));
/// assert_eq!(all.collect::<Vec<_>>().block()?, [0, 0, 1, 0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FlatMapOrdered<P, F> {
    upstream: P,
    f: F,
    limit: NonZeroUsize,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, F> FlatMapOrdered<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, limit: usize, prefetch: usize, f: F) -> Self {
        FlatMapOrdered {
            upstream,
            f,
            limit: capacity("flat_map_ordered(0, prefetch, f)", limit),
            prefetch: capacity("flat_map_ordered(limit, 0, f)", prefetch),
            site: Site::here("flat_map_ordered"),
        }
    }
}

crate::opaque_debug::opaque_debug!(FlatMapOrdered<P, F>, limit, prefetch);

impl<P, Q, F> Publisher for FlatMapOrdered<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Q::Item, P::Error>>(self, subscriber: S) {
        let FlatMapOrdered { upstream, mut f, limit, prefetch, site } = self;
        join(
            |bell: &Bell, context| {
                let outer = granted_feed(upstream, limit, bell.clone(), context, site);
                let (bell, around) = (bell.clone(), context.clone());
                let room = limit.saturating_mul(prefetch).get();
                let gauge = gauge(Q::PULLS, &bell, context, site.input("inner"), room);
                InLine {
                    outer,
                    failure: None,
                    line: VecDeque::with_capacity(limit.get()),
                    limit: limit.get(),
                    started: false,
                    inner: move |item| {
                        feed_on(gauge.clone(), f(item), prefetch, bell.clone(), &around)
                    },
                }
            },
            subscriber,
        );
    }
}

struct InLine<O: Pull, Q: Pull, G> {
    outer: Granted<O>,
    /// How upstream failed, to be told after all inner publishers.
    failure: Option<Q::Error>,
    /// The first of these sends.
    line: VecDeque<Feed<Q>>,
    limit: usize,
    /// Whether the first of the line was pulled.
    started: bool,
    inner: G,
}

impl<O, Q, G> InLine<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    /// Takes on inner publishers while there is room; whether upstream skipped an item.
    fn take_on(&mut self) -> bool {
        while self.line.len() < self.limit {
            match self.outer.pull() {
                Pulled::Item(item) => {
                    let inner = (self.inner)(item);
                    self.line.push_back(inner);
                }
                Pulled::Skipped => return true,
                Pulled::Pending => break,
                Pulled::Complete => break,
                Pulled::Error(error) => {
                    self.failure = Some(error);
                }
            }
        }
        false
    }

    fn look(&mut self, demand: bool) -> Pulled<Q::Item, Q::Error> {
        if self.take_on() {
            return Pulled::Skipped;
        }
        let Some(first) = self.line.front_mut() else {
            if !self.outer.is_over() {
                return Pulled::Pending;
            }
            return self.failure.take().map_or(Pulled::Complete, Pulled::Error);
        };
        self.started |= demand;
        let pulled = if demand { first.pull() } else { first.look_ahead(self.started) };
        if let Pulled::Complete = pulled {
            self.line.pop_front();
            self.outer.done(1);
            self.started = false;
            return Pulled::Skipped;
        }
        pulled
    }
}

impl<O, Q, G> Pull for InLine<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Feed<Q> + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.look(true)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        self.look(false)
    }
}
