//! `flat_map_unordered`: each item a publisher, several of them at a time.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{
    Feed, Granted, Hosting, capacity, gauge, granted_feed, handing_feed, hosted_feed, in_place,
    unwatched,
};
use crate::shape::rounds::{Played, Rounds, TURN, Turn, one};
use crate::shape::table::{NoHands, Table};

/// Each item becomes a publisher, and up to `limit` of them send at a time:
/// [`PublisherExt::flat_map_unordered`](crate::PublisherExt::flat_map_unordered).
///
/// ```text
///           flat_map_unordered(2, 16, |x| x-x-x-|)
/// up    --1---2----3-------------|
/// down  --1-1-2-1-2---2-3-3-3----|
/// ```
///
/// It is fair: an inner publisher with items at hand gives up to 64, and then the next has its
/// turn; one that sends in the call which asks it, up to 256. The order of the items of one inner
/// publisher is kept. Inner publishers that are synchronous are held in place: they cost no queue and
/// no allocation, and each gives up to 1024; a new one and one that has waited have their turns
/// alternately. A group of `group_by` is held in place as well: it has a queue, and needs no other;
/// where upstream is the `group_by` itself, over a synchronous source, its items come past that queue,
/// in the order of upstream, up to 1024 before others have their turns.
///
/// # Demand
/// `limit` from upstream when it is subscribed to, and one more for each inner publisher that is
/// complete. `prefetch` from each inner publisher, and three quarters of it each time as many of
/// its items were sent; one that sends in the call which asks it is asked for up to 256 at a time;
/// one that is synchronous, and a group of `group_by`, is pulled as downstream asks.
/// # Completion
/// When upstream and all inner publishers are complete and their items sent.
/// # Errors
/// The first failure, of upstream or of an inner publisher, after the items which that one sent
/// before; the others are cancelled, and what they sent is discarded. A panic in the function
/// becomes a fault.
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
/// let all = millstream::range(1..4).flat_map_unordered(2, 16, |n| millstream::range(0..n));
/// let mut all = all.collect::<Vec<_>>().block()?;
/// all.sort();
/// assert_eq!(all, [0, 0, 0, 1, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FlatMapUnordered<P, F> {
    upstream: P,
    f: F,
    limit: NonZeroUsize,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, F> FlatMapUnordered<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, limit: usize, prefetch: usize, f: F) -> Self {
        FlatMapUnordered {
            upstream,
            f,
            limit: capacity("flat_map_unordered(0, prefetch, f)", limit),
            prefetch: capacity("flat_map_unordered(limit, 0, f)", prefetch),
            site: Site::here("flat_map_unordered"),
        }
    }
}

crate::opaque_debug::opaque_debug!(FlatMapUnordered<P, F>, limit, prefetch);

impl<P, Q, F> Publisher for FlatMapUnordered<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Q::Item, P::Error>>(self, subscriber: S) {
        let FlatMapUnordered { upstream, mut f, limit, prefetch, site } = self;
        if Q::PULLS && unwatched(&subscriber.context()) {
            return join(
                |bell, context| {
                    let outer = granted_feed(upstream, limit, bell.clone(), context, site);
                    let above = context.upstream();
                    let inner = move |item| in_place(f(item), above.clone());
                    let rounds = Rounds::new(VecDeque::new());
                    Taking { outer, rounds, fresh: false, limit: limit.get(), inner }
                },
                subscriber,
            );
        }
        flatten(upstream, f, (limit, prefetch), site, subscriber);
    }
}

/// Up to `limit` at a time, each in place where it is [`HOSTED`](Publisher::HOSTED), and in a queue of
/// `prefetch` where it is not.
pub(super) fn flatten<P, Q, F, S>(
    upstream: P,
    f: F,
    sizes: (NonZeroUsize, NonZeroUsize),
    site: Site,
    subscriber: S,
) where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
    S: Subscriber<Q::Item, P::Error>,
{
    join(|bell, context| flattened(upstream, f, sizes, site, (bell, context)), subscriber);
}

/// The stage of [`flatten`]. It can be pulled on after an error: what failed is over.
pub(super) fn flattened<P, Q, F>(
    upstream: P,
    mut f: F,
    (limit, prefetch): (NonZeroUsize, NonZeroUsize),
    site: Site,
    (bell, context): (&Bell, &Context),
) -> impl Pull<Item = Q::Item, Error = P::Error> + use<P, Q, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    let outer = handing_feed(upstream, limit, bell.clone(), context, site);
    let room = limit.saturating_mul(prefetch).get();
    let gauge = gauge(Q::PULLS, bell, context, site.input("inner"), room);
    let mut hosting = Hosting::new(context);
    let inner = move |item, bell| hosted_feed(gauge.clone(), f(item), prefetch, bell, &mut hosting);
    Flattened { outer, table: Table::new(limit.get()), inner, bell: bell.clone() }
}

/// Inner publishers that are synchronous, which nobody looks at.
struct Taking<O: Pull, Q, G> {
    outer: Granted<O>,
    rounds: Rounds<Q>,
    /// Whether the last turn was that of a new one.
    fresh: bool,
    limit: usize,
    inner: G,
}

impl<O, Q, G> Taking<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Q,
{
    /// Whose turn it is: a new one's, and that of one that stands in line, by turns. Else why it is
    /// nobody's.
    #[inline]
    fn next(&mut self) -> Result<Turn<Q>, Pulled<Q::Item, Q::Error>> {
        if let Some(current) = self.rounds.resume() {
            return Ok(current);
        }
        let waiting = self.rounds.waiting();
        let after_a_new_one = std::mem::replace(&mut self.fresh, false);
        if (waiting == 0 || !after_a_new_one) && waiting < self.limit {
            match self.outer.pull() {
                Pulled::Item(item) => {
                    self.fresh = true;
                    return Ok(((self.inner)(item), TURN));
                }
                Pulled::Skipped => return Err(Pulled::Skipped),
                Pulled::Pending | Pulled::Complete => {}
                Pulled::Error(error) => return Err(Pulled::Error(error)),
            }
        }
        match self.rounds.first() {
            Some(first) => Ok(first),
            None if self.outer.is_over() => Err(Pulled::Complete),
            None => Err(Pulled::Pending),
        }
    }

    /// New ones, one after another, as long as each is over in its turn: while no other stands in
    /// line, and upstream is in place too. Else `None`.
    #[inline(always)]
    fn play_new_ones(
        &mut self,
        each: &mut impl FnMut(Q::Item) -> bool,
    ) -> Option<Pulled<Q::Item, Q::Error>> {
        let Taking { outer, rounds, fresh, inner, .. } = self;
        if !rounds.is_empty() {
            return None;
        }
        *fresh = true;
        let mut failure = None;
        let pulled = outer.in_place()?.pull_while(|item| {
            match rounds.play((inner(item), TURN), each) {
                Played::Over => return true,
                Played::Empty | Played::Stopped => {}
                Played::Failed(error) => failure = Some(error),
            }
            false
        });
        if let Some(error) = failure {
            return Some(Pulled::Error(error));
        }
        match pulled {
            Pulled::Skipped | Pulled::Item(_) => return Some(Pulled::Skipped),
            Pulled::Pending => return Some(Pulled::Pending),
            Pulled::Complete => {}
            Pulled::Error(error) => {
                outer.end();
                return Some(Pulled::Error(error));
            }
        }
        outer.end();
        Some(Pulled::Complete)
    }
}

impl<O, Q, G> Pull for Taking<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        one(self)
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        loop {
            if let Some(pulled) = self.play_new_ones(&mut each) {
                return pulled;
            }
            let played = match self.next() {
                Ok(source) => self.rounds.play(source, &mut each),
                Err(pulled) => return pulled,
            };
            match played {
                Played::Over => self.outer.done(1),
                Played::Empty => {
                    self.outer.done(1);
                    return Pulled::Skipped;
                }
                Played::Stopped => return Pulled::Skipped,
                Played::Failed(error) => return Pulled::Error(error),
            }
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        match self.next() {
            Ok(source) => match self.rounds.look_ahead(source) {
                Pulled::Complete => {
                    self.outer.done(1);
                    Pulled::Skipped
                }
                seen => seen,
            },
            Err(pulled) => pulled,
        }
    }
}

/// Others.
struct Flattened<O: Pull, Q: Pull, G> {
    outer: Granted<O>,
    table: Table<Q>,
    inner: G,
    bell: Bell,
}

impl<O, Q, G> Flattened<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item, Bell) -> Feed<Q> + Send + 'static,
{
    /// Takes on inner publishers while there is room and upstream has items.
    #[inline]
    fn take_on(&mut self) -> Pulled<(), Q::Error> {
        while self.table.has_room() {
            self.outer.done(self.table.take_removed());
            match self.outer.pull() {
                Pulled::Item(item) => {
                    let inner = &mut self.inner;
                    self.table.add(&self.bell, |bell| inner(item, bell));
                }
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending => break,
                Pulled::Complete => break,
                Pulled::Error(error) => return Pulled::Error(error),
            }
        }
        Pulled::Pending
    }
}

impl<O, Q, G> Flattened<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
{
    /// No feed has anything: upstream may have items in hand for some.
    #[inline]
    fn receive(&mut self, each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        let mut receiver = self.table.receiver(each);
        let goes_on = self.outer.hand_out(&mut receiver);
        match receiver.finish() {
            Ok(told) if told || goes_on => Pulled::Skipped,
            Ok(_) => Pulled::Pending,
            Err(error) => Pulled::Error(error),
        }
    }
}

impl<O, Q, G> Pull for Flattened<O, Q, G>
where
    O: Pull<Error = Q::Error>,
    Q: Pull,
    G: FnMut(O::Item, Bell) -> Feed<Q> + Send + 'static,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match self.take_on() {
            Pulled::Error(error) => return Pulled::Error(error),
            Pulled::Skipped => return Pulled::Skipped,
            _ => {}
        }
        match self.table.pull() {
            Pulled::Complete if !self.outer.is_over() => {}
            Pulled::Pending => {}
            other => return other,
        }
        let mut first = None;
        match self.receive(|item| {
            first = Some(item);
            false
        }) {
            Pulled::Skipped => first.map_or(Pulled::Skipped, Pulled::Item),
            other => other,
        }
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        loop {
            match self.take_on() {
                Pulled::Error(error) => return Pulled::Error(error),
                Pulled::Skipped => return Pulled::Skipped,
                _ => {}
            }
            match self.table.play(&mut each) {
                None => continue,
                Some(Pulled::Complete) if !self.outer.is_over() => {}
                Some(Pulled::Pending) => {}
                Some(other) => return other,
            }
            return self.receive(each);
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        self.outer.hand_out(&mut NoHands);
        match self.take_on() {
            Pulled::Error(error) => return Pulled::Error(error),
            Pulled::Skipped => return Pulled::Skipped,
            _ => {}
        }
        match self.table.look_ahead() {
            Pulled::Complete if !self.outer.is_over() => Pulled::Pending,
            other => other,
        }
    }
}
