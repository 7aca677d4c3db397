//! One upstream divided among a number of readers: each item goes to one of them.
//!
//! Upstream is connected to when each reader has subscribed or gone. Items are taken while a
//! reader has demand and nothing to send.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::branch::{Branch, Desk, Feeder, Sent, branch, trunk};
use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Pulled};

use crate::shape::hunger::Hunger;
use crate::shape::joined::{Feed, feed};

/// How many items are divided before it is looked for news of the whole.
const BURST: usize = 64;

/// How often an upstream that skips items is asked at most whether it is over, while nobody
/// wants any.
const LOOKS: usize = 64;

/// Which reader an item goes to.
pub(crate) trait Choose<T>: Send + 'static {
    /// The number of a reader, which may have gone. `hungry` tells which have demand, and nothing
    /// to send; there is one at least.
    fn choose(&mut self, item: &T, hungry: &dyn Fn(usize) -> bool) -> usize;

    /// Whether an item that cannot go where it was to go may go elsewhere.
    const ANYWHERE: bool;
}

/// Divides `upstream` among `K` readers, which have room for `capacity` items each.
pub(crate) fn divided<const K: usize, P, C>(
    upstream: P,
    capacity: NonZeroUsize,
    prefetch: NonZeroUsize,
    choose: C,
    site: Site,
) -> [Branch<P::Item, P::Error>; K]
where
    P: Publisher<Error: Clone>,
    C: Choose<P::Item>,
{
    let mut branches = [const { None }; K];
    let context = Context::default();
    trunk(K, &context.clone(), |desk| {
        let feeders = (0..K).map(|n| {
            let (feeder, branch) = branch(desk, n, capacity, &context);
            branches[n] = Some(branch);
            Some(feeder)
        });
        let feeders = feeders.collect();
        let bell = desk.bell().clone();
        Divided {
            connect: Some(move || feed(upstream, prefetch, bell, &context, site)),
            upstream: None,
            ahead: None,
            started: false,
            choose,
            left: K,
            feeders,
            held: None,
            hunger: Hunger::default(),
            news: Vec::new(),
            desk: desk.clone(),
        }
    });
    branches.map(|branch| match branch {
        Some(branch) => branch,
        None => unreachable!("a trunk makes its branches at once"),
    })
}

struct Divided<N, O: Pull, C> {
    /// Until all readers are there.
    connect: Option<N>,
    /// From then on, until it is over.
    upstream: Option<Feed<O>>,
    /// An item that was taken to find out whether upstream is over.
    ahead: Option<O::Item>,
    started: bool,
    choose: C,
    /// Readers that have not gone.
    left: usize,
    feeders: Vec<Option<Feeder<O::Item, O::Error>>>,
    /// An item that has no room.
    held: Option<(usize, O::Item)>,
    hunger: Hunger,
    news: Vec<usize>,
    desk: Arc<Desk>,
}

impl<N, O, C> Divided<N, O, C>
where
    N: FnOnce() -> Feed<O>,
    O: Pull<Error: Clone>,
    C: Choose<O::Item>,
{
    fn listen(&mut self) {
        let news = &mut self.news;
        self.desk.take(|n| news.push(n));
        while let Some(n) = self.news.pop() {
            if let Some(feeder) = &mut self.feeders[n]
                && self.hunger.attend(n, feeder)
            {
                self.close(n);
            }
        }
        if self.connect.is_some()
            && self.feeders.iter().flatten().all(Feeder::is_read)
            && self.left > 0
            && let Some(connect) = self.connect.take()
        {
            self.upstream = Some(connect());
        }
        if let Some((n, item)) = self.held.take() {
            self.give(n, item);
        }
    }

    fn close(&mut self, n: usize) {
        if let Some(feeder) = self.feeders[n].take() {
            self.hunger.forget(&feeder);
            self.left -= 1;
        }
    }

    fn route(&mut self, item: O::Item) {
        self.started = true;
        let Divided { feeders, choose, .. } = self;
        let hungry = |n: usize| feeders[n].as_ref().is_some_and(Feeder::is_hungry);
        let n = choose.choose(&item, &hungry);
        self.give(n, item);
    }

    fn give(&mut self, n: usize, item: O::Item) {
        let sent = match self.feeders.get_mut(n).and_then(Option::as_mut) {
            Some(feeder) => self.hunger.send(n, feeder, item),
            None => Sent::Gone(item),
        };
        match sent {
            Sent::Taken => {}
            Sent::Full(item) => self.held = Some((n, item)),
            Sent::Gone(item) => {
                if self.feeders.get(n).is_some_and(Option::is_some) {
                    self.close(n);
                }
                if !C::ANYWHERE {
                    return drop(item);
                }
                match self.hunger.hungry() {
                    0 => self.held = Some((n, item)),
                    _ => self.route(item),
                }
            }
        }
    }

    fn finish(&mut self, end: Result<(), O::Error>) {
        self.upstream = None;
        for n in 0..self.feeders.len() {
            if let Some(feeder) = self.feeders[n].take() {
                self.hunger.forget(&feeder);
                feeder.end(end.clone());
            }
        }
        self.left = 0;
    }

    /// Nobody wants anything: whether upstream is over all the same.
    fn look_ahead(&mut self) {
        for _ in 0..LOOKS {
            if self.held.is_some() || self.ahead.is_some() {
                return;
            }
            let Some(upstream) = &mut self.upstream else { return };
            match upstream.look_ahead(self.started) {
                Pulled::Item(item) => self.ahead = Some(item),
                Pulled::Skipped => {}
                Pulled::Pending => return,
                Pulled::Complete => self.finish(Ok(())),
                Pulled::Error(error) => self.finish(Err(error)),
            }
        }
    }

    fn rest(&mut self) -> Pulled<Infallible, Infallible> {
        if self.left == 0 {
            return Pulled::Complete;
        }
        while let Some(n) = self.hunger.take_kept() {
            if let Some(feeder) = &mut self.feeders[n] {
                self.hunger.rest(feeder);
            }
        }
        Pulled::Pending
    }
}

impl<N, O, C> Pull for Divided<N, O, C>
where
    N: FnOnce() -> Feed<O> + Send + 'static,
    O: Pull<Error: Clone>,
    C: Choose<O::Item>,
{
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        self.listen();
        for _ in 0..BURST {
            if self.hunger.hungry() == 0 {
                self.look_ahead();
                return self.rest();
            }
            if self.held.is_some() {
                return self.rest();
            }
            if self.desk.has_news() {
                return Pulled::Skipped;
            }
            let pulled = match (self.ahead.take(), &mut self.upstream) {
                (Some(item), _) => Pulled::Item(item),
                (None, Some(upstream)) => upstream.pull(),
                (None, None) => return self.rest(),
            };
            match pulled {
                Pulled::Item(item) => self.route(item),
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending => return self.rest(),
                Pulled::Complete => self.finish(Ok(())),
                Pulled::Error(error) => self.finish(Err(error)),
            }
        }
        Pulled::Skipped
    }
}
