//! One upstream divided among a number of readers: each item goes to one of them.
//!
//! Upstream is connected to when each reader has subscribed or gone. Items are taken while a
//! reader has demand and nothing to send.

use std::num::NonZeroUsize;

use millstream_blocks::branch::{Branch, Feeder, Seen, Sent, branch, trunk};
use millstream_blocks::gauge::{Site, Watch};
use millstream_core::{Context, Publisher};

use crate::shape::hunger::Hunger;
use crate::shape::trunk::{Divide, Seer, Trunk, connect};

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
    trunk(K, |desk| {
        let feeders = (0..K).map(|n| {
            let seen = Seen::Alone(site.number(n));
            let (feeder, branch) = branch(desk, n, capacity, &Context::default(), seen, None);
            branches[n] = Some(branch);
            Some(feeder)
        });
        let divided = Divided {
            choose,
            left: K,
            feeders: feeders.collect(),
            held: None,
            readers: Vec::new(),
            context: Context::default(),
        };
        let bell = desk.bell().clone();
        let connect = move |seen: Seer<'_>| connect(upstream, prefetch, bell, seen, site);
        Trunk::new(desk, divided, connect)
    });
    branches.map(|branch| match branch {
        Some(branch) => branch,
        None => unreachable!("a trunk makes its branches at once"),
    })
}

struct Divided<T: Send + 'static, E: Send + 'static, C> {
    choose: C,
    /// Readers that have not gone.
    left: usize,
    feeders: Vec<Option<Feeder<T, E>>>,
    /// An item that has no room.
    held: Option<(usize, T)>,
    /// The context of each reader, from when upstream was connected to.
    readers: Vec<Context>,
    /// That of all of them.
    context: Context,
}

impl<T: Send + 'static, E: Send + 'static, C> Divided<T, E, C> {
    /// An item for reader number `n`, which nobody takes: it is told of it, if it was there and
    /// wants to know, and else whoever is told what is dropped upstream.
    #[cold]
    fn discard(&self, n: usize, item: T) {
        let of_reader = self.readers.get(n).map(Context::discards);
        let told = of_reader.filter(|discards| !discards.is_none());
        told.unwrap_or_else(|| self.context.discards()).discard(item);
    }
}

impl<T, E, C> Divided<T, E, C>
where
    T: Send + 'static,
    E: Send + 'static,
    C: Choose<T>,
{
    fn close(&mut self, n: usize, hunger: &mut Hunger) {
        if let Some(feeder) = self.feeders[n].take() {
            hunger.forget(&feeder);
            self.left -= 1;
        }
    }

    fn give(&mut self, n: usize, item: T, hunger: &mut Hunger) {
        let sent = match self.feeders.get_mut(n).and_then(Option::as_mut) {
            Some(feeder) => hunger.send(n, feeder, item),
            None => Sent::Gone(item),
        };
        match sent {
            Sent::Taken => {}
            Sent::Full(item) => self.held = Some((n, item)),
            Sent::Gone(item) => {
                if self.feeders.get(n).is_some_and(Option::is_some) {
                    self.close(n, hunger);
                }
                if !C::ANYWHERE {
                    return self.discard(n, item);
                }
                match hunger.hungry() {
                    0 => self.held = Some((n, item)),
                    _ => self.choose(item, hunger),
                }
            }
        }
    }

    fn choose(&mut self, item: T, hunger: &mut Hunger) {
        let Divided { feeders, choose, .. } = self;
        let hungry = |n: usize| feeders[n].as_ref().is_some_and(Feeder::is_hungry);
        let n = choose.choose(&item, &hungry);
        self.give(n, item, hunger);
    }
}

impl<T, E, C> Divide for Divided<T, E, C>
where
    T: Send + 'static,
    E: Clone + Send + 'static,
    C: Choose<T>,
{
    type Item = T;
    type Error = E;

    fn attend(&mut self, n: usize, hunger: &mut Hunger) {
        if let Some(feeder) = &mut self.feeders[n]
            && hunger.attend(n, feeder)
        {
            self.close(n, hunger);
        }
    }

    fn retry(&mut self, hunger: &mut Hunger) {
        if let Some((n, item)) = self.held.take() {
            self.give(n, item, hunger);
        }
    }

    /// When each reader has subscribed or gone, and one is there.
    fn connects(&mut self) -> Option<Context> {
        if self.left == 0 || !self.feeders.iter().flatten().all(Feeder::is_read) {
            return None;
        }
        let context = |feeder: &mut Option<Feeder<T, E>>| {
            feeder.as_mut().map_or_else(Context::default, Feeder::context)
        };
        self.readers = self.feeders.iter_mut().map(context).collect();
        self.context = together(&self.readers);
        Some(self.context.clone())
    }

    #[inline]
    fn route(&mut self, item: T, hunger: &mut Hunger) {
        self.choose(item, hunger);
    }

    #[inline]
    fn is_held(&self) -> bool {
        self.held.is_some()
    }

    fn finish(&mut self, end: Result<(), E>, hunger: &mut Hunger) {
        for n in 0..self.feeders.len() {
            if let Some(feeder) = self.feeders[n].take() {
                hunger.forget(&feeder);
                feeder.end(end.clone());
            }
        }
        self.left = 0;
    }

    fn rest(&mut self, n: usize, hunger: &mut Hunger) {
        if let Some(feeder) = &mut self.feeders[n] {
            hunger.rest(feeder);
        }
    }

    fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl<T: Send + 'static, E: Send + 'static, C> Drop for Divided<T, E, C> {
    fn drop(&mut self) {
        if let Some((n, item)) = self.held.take() {
            self.discard(n, item);
        }
    }
}

/// What several readers tell upstream together: the first board, and the first who wants to know of
/// what is discarded.
fn together(readers: &[Context]) -> Context {
    let seen = readers.iter().find(|context| Watch::is_over(context));
    let context = seen.map_or_else(Context::default, Context::upstream);
    match readers.iter().find(|context| !context.discards().is_none()) {
        Some(told) => context.with_discards(told.discards().clone()),
        None => context,
    }
}
