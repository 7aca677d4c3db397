//! Paced stages: an item goes when the tokens that it costs are there.
//!
//! One stage for [`throttle`](crate::PublisherExt::throttle) and its kin, which differ in where
//! the tokens come from, what an item costs, and what is done with one that comes too early. It
//! holds one item: while that waits, and where upstream showed it when it was asked for its end.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::bucket::{Tokens, Wait};
use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, feed_on, gauge, on};
use crate::shape::timed::Alarm;

/// What an item costs.
pub(crate) trait Cost<T>: Send + 'static {
    /// In tokens.
    fn of(&mut self, item: &T) -> u64;
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct One;

impl<T> Cost<T> for One {
    #[inline]
    fn of(&mut self, _: &T) -> u64 {
        1
    }
}

/// What a function says.
pub(crate) struct By<F>(pub(crate) F);

impl<T, F: FnMut(&T) -> u64 + Send + 'static> Cost<T> for By<F> {
    #[inline]
    fn of(&mut self, item: &T) -> u64 {
        (self.0)(item)
    }
}

/// What is done with an item that comes too early.
pub(crate) trait Early<E>: Send + 'static {
    /// How the stream fails.
    type Error: Send + 'static;

    /// A failure of upstream.
    fn upstream(error: E) -> Self::Error;

    /// The failure, where it does not wait.
    fn fails(by: Duration) -> Option<Self::Error>;
}

/// It waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits;

impl<E: Send + 'static> Early<E> for Waits {
    type Error = E;

    fn upstream(error: E) -> E {
        error
    }

    fn fails(_: Duration) -> Option<E> {
        None
    }
}

/// What a paced stage is made of.
pub(crate) struct Pace<K, C, H> {
    pub(crate) tokens: K,
    pub(crate) cost: C,
    pub(crate) early: H,
    pub(crate) prefetch: NonZeroUsize,
    pub(crate) site: Site,
}

impl<K: Tokens, C, H> Pace<K, C, H> {
    /// Runs the stage on a task of `time`.
    pub(crate) fn run<P, X, S>(self, upstream: P, time: &X, subscriber: S)
    where
        P: Publisher,
        X: Executor + Clock,
        C: Cost<P::Item>,
        H: Early<P::Error>,
        S: Subscriber<P::Item, H::Error>,
    {
        let Pace { mut tokens, cost, early, prefetch, site } = self;
        on(
            time,
            |bell, context| {
                let gauge = gauge(upstream.pulls(), bell, context, site, prefetch.get());
                let feed = feed_on(gauge.clone(), upstream, prefetch, bell.clone(), context);
                let alarm = Alarm::new(time, bell);
                tokens.begins(alarm.now().as_nanos(), gauge);
                Paced::new(feed, tokens, cost, early, alarm, context.discards())
            },
            subscriber,
        );
    }
}

struct Paced<Q: Pull, K, C, H> {
    feed: Feed<Q>,
    tokens: K,
    cost: C,
    held: Option<Held<Q::Item>>,
    alarm: Alarm,
    discards: Discards,
    early: std::marker::PhantomData<fn() -> H>,
}

struct Held<T> {
    item: T,
    /// When it may go, once its tokens are reserved.
    due: Option<Moment>,
}

impl<Q: Pull, K: Tokens, C: Cost<Q::Item>, H: Early<Q::Error>> Paced<Q, K, C, H> {
    fn new(
        feed: Feed<Q>,
        tokens: K,
        cost: C,
        _: H,
        alarm: Alarm,
        discards: &Discards,
    ) -> Paced<Q, K, C, H> {
        let (discards, early) = (discards.clone(), std::marker::PhantomData);
        Paced { feed, tokens, cost, held: None, alarm, discards, early }
    }

    #[inline]
    fn pay(&mut self, item: Q::Item) -> Pulled<Q::Item, H::Error> {
        let cost = self.cost.of(&item);
        if self.tokens.spend(cost) { Pulled::Item(item) } else { self.reserve(item, cost) }
    }

    #[inline(never)]
    fn reserve(&mut self, item: Q::Item, cost: u64) -> Pulled<Q::Item, H::Error> {
        let now = self.alarm.now();
        let due = Moment::from_nanos(self.tokens.reserve(cost, now.as_nanos()));
        if due <= now {
            return Pulled::Item(item);
        }
        if let Some(error) = H::fails(due.since(now)) {
            self.discards.discard(item);
            return Pulled::Error(error);
        }
        self.held = Some(Held { item, due: Some(due) });
        self.wait(due, now)
    }

    /// There is an item that is held.
    #[inline(never)]
    fn go_on(&mut self) -> Pulled<Q::Item, H::Error> {
        if let Some(due) = self.held.as_ref().and_then(|held| held.due) {
            return self.wait(due, self.alarm.now());
        }
        self.held.take().map_or(Pulled::Pending, |held| self.pay(held.item))
    }

    /// The item that is held waits until it is due.
    fn wait(&mut self, due: Moment, now: Moment) -> Pulled<Q::Item, H::Error> {
        let Wait { due, again } = self.tokens.look(due.as_nanos(), now.as_nanos());
        let due = Moment::from_nanos(due);
        if due <= now
            && let Some(held) = self.held.take()
        {
            self.tokens.gone(now.as_nanos());
            return Pulled::Item(held.item);
        }
        if let Some(held) = &mut self.held {
            held.due = Some(due);
        }
        self.alarm.rest_until(Moment::from_nanos(again));
        Pulled::Pending
    }

    #[inline]
    fn rest(&mut self) {
        if self.tokens.runs() {
            self.tokens.rest(self.alarm.now().as_nanos());
        }
    }
}

impl<Q: Pull, K: Tokens, C: Cost<Q::Item>, H: Early<Q::Error>> Pull for Paced<Q, K, C, H> {
    type Item = Q::Item;
    type Error = H::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, H::Error> {
        let alarm = &self.alarm;
        self.tokens.asked(|| alarm.now().as_nanos());
        if self.held.is_some() {
            return self.go_on();
        }
        match self.feed.pull() {
            Pulled::Item(item) => self.pay(item),
            Pulled::Pending => {
                self.rest();
                Pulled::Pending
            }
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(H::upstream(error)),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, H::Error> {
        self.rest();
        if self.held.is_some() {
            return Pulled::Pending;
        }
        match self.feed.look_ahead(started) {
            // Whoever runs this would send it at once, and it has not been paid for.
            Pulled::Item(item) => {
                self.held = Some(Held { item, due: None });
                Pulled::Pending
            }
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(H::upstream(error)),
        }
    }
}

impl<Q: Pull, K, C, H> Drop for Paced<Q, K, C, H> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.discards.discard(held.item);
        }
    }
}
