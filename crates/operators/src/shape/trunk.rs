//! A trunk: one upstream whose items go to one of several branches each.
//!
//! Upstream is pulled while a branch has demand and nothing to send, and else only asked whether it
//! is over. Which branch an item goes to, what is done with one that has no place, and which
//! branches there are, is for whoever [divides](Divide). What runs a trunk, and the branches, are in
//! the block [`branch`](millstream_blocks::branch).

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::bell::Bell;
use millstream_blocks::branch::{Desk, Root, rooted_trunk};
use millstream_blocks::cause::within;
use millstream_blocks::gauge::{Panel, Site};
use millstream_core::{Context, Credit, Hands, More, Publisher, Pull, Pulled};

use crate::shape::hunger::Hunger;
use crate::shape::joined::{Feed, Receiver, feed_on};

/// How many items are divided before it is looked for a fault of the whole.
const BURST: usize = 64;

/// The same, where a host runs the trunk and has them in hand. Those that go into a queue, or need a
/// new branch, are for the host to look at soon: there are fewer of them.
const IN_HAND: usize = 1024;
pub(crate) const MOST_QUEUED: usize = 16;

/// How many items that a host has in hand are divided between two looks for news of branches. The host
/// sees for itself what comes of them; and whoever decides by what he knows of branches looks again.
const UNHEARD: usize = 16;

/// How often an upstream that skips items is asked at most whether it is over, while nobody
/// wants any.
const LOOKS: usize = 64;

/// Who the items of a trunk go to.
pub(crate) trait Divide: Send + 'static {
    type Item: Send + 'static;
    type Error: Send + 'static;

    /// Branch number `n` has news.
    fn attend(&mut self, n: usize, hunger: &mut Hunger);

    /// The news of all was heard: an item that had no place is tried again.
    fn retry(&mut self, hunger: &mut Hunger);

    /// Whether upstream is to be connected to, and with which context.
    fn connects(&mut self) -> Option<Context>;

    /// Upstream is connected to, and somebody looks.
    fn seen(&mut self, panel: &Arc<Panel>, context: &Context) {
        let _ = (panel, context);
    }

    /// Takes an item, while something is hungry and nothing is [held](Divide::is_held).
    fn route(&mut self, item: Self::Item, hunger: &mut Hunger);

    /// As [`route`](Divide::route), in the turn of a host that holds branches in place.
    fn hand(&mut self, item: Self::Item, hunger: &mut Hunger, hands: &mut impl Hands) -> Went {
        let _ = hands;
        self.route(item, hunger);
        Went::Queued
    }

    /// As [`hand`](Divide::hand), for items of `upstream` one after another, as long as `goes_on` says so
    /// after one that the host has: what upstream says then. `None` where none was taken.
    fn hand_run(
        &mut self,
        upstream: &mut impl Pull<Item = Self::Item, Error = Self::Error>,
        goes_on: impl FnMut() -> bool + Copy,
        hunger: &mut Hunger,
        hands: &mut impl Hands,
    ) -> Option<Pulled<Self::Item, Self::Error>> {
        let _ = (upstream, goes_on, hunger, hands);
        None
    }

    /// Whether another item may follow one that did not go to the host: what is new comes first.
    fn takes_another(&self, hunger: &Hunger, desk: &Desk) -> bool {
        hunger.all() > self.spared() && !self.is_held() && !desk.has_news()
    }

    /// The host of the trunk would hold so many more branches.
    fn grant(&mut self, room: usize, hunger: &mut Hunger) {
        let _ = (room, hunger);
    }

    /// How many of those that count as hungry are not to be fed for now.
    fn spared(&self) -> usize {
        0
    }

    /// Whether an item waits for its place: no other is taken before.
    fn is_held(&self) -> bool;

    /// Upstream is over: so are all branches, behind what they hold.
    fn finish(&mut self, end: Result<(), Self::Error>, hunger: &mut Hunger);

    /// Gives up the turn of branch number `n`, if it is kept.
    fn rest(&mut self, n: usize, hunger: &mut Hunger);

    /// Whether nobody is left who could be sent anything.
    fn is_over(&self) -> bool;
}

/// What became of an item in the turn of a host.
pub(crate) enum Went {
    /// The host has it, and takes another.
    InHand,
    /// It is in a queue, or waits.
    Queued,
    /// The host takes no other for now.
    Stopped,
}

/// See the [module](self).
pub(crate) struct Trunk<N, O: Pull, D> {
    /// Until upstream is connected to.
    connect: Option<N>,
    /// From then on, until it is over.
    upstream: Option<Feed<O>>,
    /// An item that was taken to find out whether upstream is over.
    ahead: Option<O::Item>,
    started: bool,
    /// The host had to go away without what it wants.
    starved: bool,
    divide: D,
    hunger: Hunger,
    news: Vec<usize>,
    desk: Arc<Desk>,
    /// Of whoever upstream was connected for.
    context: Context,
    /// Where somebody looks.
    panel: Option<Arc<Panel>>,
}

/// The context of the readers, and where somebody looks.
pub(crate) type Seer<'a> = (&'a Context, Option<&'a Arc<Panel>>);

/// Connects a trunk to its upstream, for readers with that context.
pub(crate) fn connect<P: Publisher>(
    upstream: P,
    capacity: NonZeroUsize,
    bell: Bell,
    (context, panel): Seer<'_>,
    site: Site,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let room = if upstream.pulls() { 0 } else { capacity.get() };
    let gauge = panel.map(|panel| panel.gauge(context, site, room));
    feed_on(gauge, upstream, capacity, bell, context)
}

impl<N, O, D> Trunk<N, O, D>
where
    N: FnOnce(Seer<'_>) -> Feed<O>,
    O: Pull,
    D: Divide<Item = O::Item, Error = O::Error>,
{
    /// Over what `connect` gives, once it is wanted.
    pub(crate) fn new(desk: &Arc<Desk>, divide: D, connect: N) -> Trunk<N, O, D> {
        Trunk {
            connect: Some(connect),
            upstream: None,
            ahead: None,
            started: false,
            starved: false,
            divide,
            hunger: Hunger::default(),
            news: Vec::new(),
            desk: desk.clone(),
            context: Context::default(),
            panel: None,
        }
    }

    fn listen(&mut self) {
        let news = &mut self.news;
        self.desk.take(|n| news.push(n));
        while let Some(n) = self.news.pop() {
            self.divide.attend(n, &mut self.hunger);
        }
        if self.connect.is_some()
            && let Some(context) = self.divide.connects()
            && let Some(connect) = self.connect.take()
        {
            self.panel = Panel::of(&context);
            self.upstream = Some(connect((&context, self.panel.as_ref())));
            if let Some(panel) = &self.panel {
                self.divide.seen(panel, &context);
            }
            self.context = context;
        }
        self.divide.retry(&mut self.hunger);
    }

    fn finish(&mut self, end: Result<(), O::Error>) {
        self.upstream = None;
        self.divide.finish(end, &mut self.hunger);
    }

    /// Nobody wants anything: whether upstream is over all the same.
    fn look_ahead(&mut self) {
        for _ in 0..LOOKS {
            if self.divide.is_held() || self.ahead.is_some() {
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

    /// Gives up the turns that are kept.
    fn rest(&mut self) -> Pulled<Infallible, Infallible> {
        if self.divide.is_over() {
            let upstream = self.upstream.take();
            within(self.desk.cause(), || drop(upstream));
            return Pulled::Complete;
        }
        if let Some(panel) = &self.panel {
            let mut demand = Credit::NONE;
            demand.add(More::of(self.hunger.hungry() as u64));
            panel.rest(demand);
        }
        if std::mem::take(&mut self.starved) {
            // Whatever it was that came may be what it waits for.
            self.desk.call_host();
        }
        self.let_go();
        Pulled::Pending
    }

    fn let_go(&mut self) {
        while let Some(n) = self.hunger.take_kept() {
            self.divide.rest(n, &mut self.hunger);
        }
    }

    #[inline]
    fn divide_in_hand(&mut self, hands: &mut impl Hands) -> bool {
        if self.hunger.all() <= self.divide.spared() {
            self.look_ahead();
            return false;
        }
        if self.divide.is_held() {
            return false;
        }
        self.started = true;
        let Trunk { upstream, divide, hunger, desk, .. } = self;
        if let Some(item) = self.ahead.take() {
            ahead_in_hand(divide, item, hunger, hands);
            return true;
        }
        let Some(upstream) = upstream.as_mut().and_then(Feed::in_place) else { return false };
        let desk = &**desk;
        let (mut unheard, mut left) = (UNHEARD, IN_HAND / UNHEARD);
        let mut goes_on = move || {
            unheard -= 1;
            unheard > 0 || {
                (unheard, left) = (UNHEARD, left - 1);
                left > 0 && !desk.has_news()
            }
        };
        let pulled = match divide.hand_run(upstream, goes_on, hunger, hands) {
            Some(pulled) => pulled,
            None => {
                let mut queued = 0;
                upstream.pull_while(|item| match divide.hand(item, hunger, hands) {
                    // Nothing else has changed by it.
                    Went::InHand => goes_on(),
                    Went::Queued => {
                        queued += 1;
                        queued < MOST_QUEUED && divide.takes_another(hunger, desk)
                    }
                    Went::Stopped => false,
                })
            }
        };
        match pulled {
            Pulled::Item(_) | Pulled::Skipped => {}
            Pulled::Pending => return false,
            Pulled::Complete => self.finish(Ok(())),
            Pulled::Error(error) => self.finish(Err(error)),
        }
        true
    }
}

/// Out of line, so that the loop has the only other one in it.
#[cold]
#[inline(never)]
fn ahead_in_hand<D: Divide>(
    divide: &mut D,
    item: D::Item,
    hunger: &mut Hunger,
    hands: &mut impl Hands,
) {
    divide.hand(item, hunger, hands);
}

/// What a host runs in its own turn.
pub(crate) trait InHand: Pull<Item = Infallible, Error = Infallible> {
    /// Divides items; the host would hold `room` more branches. `false` where there is nothing for
    /// now.
    fn run_for(&mut self, room: usize, hands: &mut impl Hands) -> bool;
}

impl<N, O, D> InHand for Trunk<N, O, D>
where
    N: FnOnce(Seer<'_>) -> Feed<O> + Send + 'static,
    O: Pull,
    D: Divide<Item = O::Item, Error = O::Error>,
{
    #[inline]
    fn run_for(&mut self, room: usize, hands: &mut impl Hands) -> bool {
        self.starved = false;
        self.listen();
        self.divide.grant(room, &mut self.hunger);
        let goes_on = self.divide_in_hand(hands);
        self.let_go();
        if self.divide.is_over() {
            // Told by whoever has the turn of the trunk, when it rests.
            self.desk.bell().ring();
        }
        self.starved = !goes_on;
        goes_on
    }
}

/// A trunk with a host that runs it: what the host pulls the branches from that are new.
pub(crate) struct Rooted<G, R: InHand> {
    branches: G,
    root: Root<R>,
}

/// Runs a trunk that `host` may run as well. `make` is given the context of what is upstream of that;
/// it gives the trunk, and the branch by which those that are new come to the host.
pub(crate) fn rooted<B: Publisher, R: InHand, M: FnOnce(&Arc<Desk>, Context) -> (R, B)>(
    size: usize,
    host: &Receiver,
    above: Context,
    make: M,
) -> Rooted<impl Pull<Item = B::Item, Error = B::Error> + use<B, R, M>, R> {
    let mut branches = None;
    let root = rooted_trunk(size, &host.0, |desk| {
        let (trunk, new) = make(desk, above.clone());
        branches = Some(new.into_pull(above.with_host(host.0.clone())));
        trunk
    });
    match branches {
        Some(Ok(branches)) => Rooted { branches, root },
        _ => unreachable!("a branch has just been made, and there is a host"),
    }
}

impl<G: Pull, R: InHand> Pull for Rooted<G, R> {
    type Item = G::Item;
    type Error = G::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<G::Item, G::Error> {
        self.branches.pull()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<G::Item, G::Error> {
        self.branches.look_ahead(started)
    }

    #[inline]
    fn hand_out(&mut self, hands: &mut impl Hands) -> bool {
        let Some(room) = hands.room() else {
            self.root.ring();
            return false;
        };
        self.root.visit(|trunk| trunk.run_for(room, hands))
    }
}

impl<N, O, D> Pull for Trunk<N, O, D>
where
    N: FnOnce(Seer<'_>) -> Feed<O> + Send + 'static,
    O: Pull,
    D: Divide<Item = O::Item, Error = O::Error>,
{
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        self.listen();
        if self.hunger.hungry() == 0 {
            self.look_ahead();
            return self.rest();
        }
        if self.divide.is_held() {
            return self.rest();
        }
        self.started = true;
        let Trunk { upstream, divide, hunger, desk, .. } = self;
        if let Some(item) = self.ahead.take() {
            divide.route(item, hunger);
            return Pulled::Skipped;
        }
        let Some(upstream) = upstream else { return self.rest() };
        let mut left = BURST;
        let pulled = upstream.pull_while(|item| {
            divide.route(item, hunger);
            left -= 1;
            left > 0 && hunger.hungry() > 0 && !divide.is_held() && !desk.has_news()
        });
        match pulled {
            Pulled::Item(_) | Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => self.rest(),
            Pulled::Complete => {
                self.finish(Ok(()));
                Pulled::Skipped
            }
            Pulled::Error(error) => {
                self.finish(Err(error));
                Pulled::Skipped
            }
        }
    }
}

impl<N, O: Pull, D> Drop for Trunk<N, O, D> {
    fn drop(&mut self) {
        if let Some(item) = self.ahead.take() {
            self.context.discards().discard(item);
        }
    }
}
