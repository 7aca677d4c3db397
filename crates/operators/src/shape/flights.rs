//! Futures that a stage drives on its own task, a bounded number at a time.
//!
//! Each place is pinned once, keeps its waker, and is used again: launching a future allocates
//! nothing. A future is polled when it is launched and when it was woken, by the task of the
//! stage, whatever downstream does in the meantime.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_blocks::bell::{Bell, Marks};
use millstream_blocks::gauge::{Decisions, Site};
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::{Granted, granted_feed_asking, on};
use crate::shape::turns::Turns;

/// Futures in flight, each with a ticket.
pub(crate) struct Flights<Fut: Future, K> {
    places: Vec<Place<Fut, K>>,
    free: Vec<usize>,
    marks: Arc<Marks>,
    /// Places whose futures were woken and not polled since.
    woken: VecDeque<usize>,
    flying: usize,
}

struct Place<Fut, K> {
    future: Pin<Box<Option<Fut>>>,
    waker: Waker,
    ticket: K,
}

impl<Fut: Future, K: Copy> Flights<Fut, K> {
    /// For up to `limit` futures at a time, of a stage with this bell. `none` is a ticket that
    /// nobody holds.
    pub(crate) fn new(limit: usize, none: K, bell: &Bell) -> Flights<Fut, K> {
        let marks = Marks::new(limit);
        let place = |n| Place {
            future: Box::pin(None),
            waker: bell.marked(&marks, n).into_waker(),
            ticket: none,
        };
        Flights {
            places: (0..limit).map(place).collect(),
            free: (0..limit).rev().collect(),
            woken: VecDeque::with_capacity(limit),
            flying: 0,
            marks,
        }
    }

    /// How many are in flight.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.flying
    }

    /// Polls a future for the first time, and keeps it where it is not ready; `ticket` comes back
    /// with its result.
    #[inline]
    pub(crate) fn launch(&mut self, ticket: K, future: Fut) -> Option<Fut::Output> {
        let Some(n) = self.free.pop() else {
            unreachable!("a stage launches no more than its limit")
        };
        let place = &mut self.places[n];
        place.future.set(Some(future));
        place.ticket = ticket;
        self.flying += 1;
        self.poll(n)
    }

    /// Takes note of the futures that were woken, for [`land`](Flights::land) to poll. One that
    /// wakes itself while it is polled waits for the next time, so that it cannot keep the
    /// others, nor those who run on the same executor, from going on.
    pub(crate) fn listen(&mut self) {
        let woken = &mut self.woken;
        self.marks.take(|n| woken.push_back(n));
    }

    /// The result of a future that was woken and is ready now, with its ticket.
    pub(crate) fn land(&mut self) -> Option<(K, Fut::Output)> {
        while let Some(n) = self.woken.pop_front() {
            if let Some(output) = self.poll(n) {
                return Some((self.places[n].ticket, output));
            }
        }
        None
    }

    #[inline]
    fn poll(&mut self, n: usize) -> Option<Fut::Output> {
        let Place { future, waker, .. } = &mut self.places[n];
        // A future may wake when it is over already.
        let flying = future.as_mut().as_pin_mut()?;
        match flying.poll(&mut task::Context::from_waker(waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => {
                future.set(None);
                self.free.push(n);
                self.flying -= 1;
                Some(output)
            }
        }
    }
}

/// Where results wait for demand.
pub(crate) trait Landed<U>: Send + 'static {
    /// Room for `limit` results.
    fn new(limit: usize) -> Self;

    /// An item is taken on: its ticket.
    fn launched(&mut self) -> u64;

    /// The result that belongs to a ticket.
    fn landed(&mut self, ticket: u64, result: U);

    /// The next result that may be sent.
    fn next(&mut self) -> Option<U>;

    /// Results that wait, whether or not they may be sent.
    fn waiting(&self) -> usize;

    /// Hands out the results that wait.
    fn drain(&mut self, discard: &mut dyn FnMut(U));
}

/// In the order of the items.
pub(crate) struct InOrder<U> {
    /// The ticket of the first place.
    front: u64,
    places: VecDeque<Option<U>>,
    waiting: usize,
}

impl<U: Send + 'static> Landed<U> for InOrder<U> {
    fn new(limit: usize) -> InOrder<U> {
        InOrder { front: 0, places: VecDeque::with_capacity(limit), waiting: 0 }
    }

    #[inline]
    fn launched(&mut self) -> u64 {
        self.places.push_back(None);
        self.front + self.places.len() as u64 - 1
    }

    #[inline]
    fn landed(&mut self, ticket: u64, result: U) {
        self.places[(ticket - self.front) as usize] = Some(result);
        self.waiting += 1;
    }

    #[inline]
    fn next(&mut self) -> Option<U> {
        let result = self.places.front_mut()?.take()?;
        self.places.pop_front();
        self.front += 1;
        self.waiting -= 1;
        Some(result)
    }

    fn waiting(&self) -> usize {
        self.waiting
    }

    fn drain(&mut self, discard: &mut dyn FnMut(U)) {
        self.places.drain(..).flatten().for_each(discard);
    }
}

/// As they come.
pub(crate) struct AsTheyCome<U>(VecDeque<U>);

impl<U: Send + 'static> Landed<U> for AsTheyCome<U> {
    fn new(limit: usize) -> AsTheyCome<U> {
        AsTheyCome(VecDeque::with_capacity(limit))
    }

    fn launched(&mut self) -> u64 {
        0
    }

    #[inline]
    fn landed(&mut self, _: u64, result: U) {
        self.0.push_back(result);
    }

    #[inline]
    fn next(&mut self) -> Option<U> {
        self.0.pop_front()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }

    fn drain(&mut self, discard: &mut dyn FnMut(U)) {
        self.0.drain(..).for_each(discard);
    }
}

/// How many items may be in a stage at a time.
pub(crate) trait Limit<U>: Send + 'static {
    /// What is noted of an item when its future is launched.
    type Launch: Copy + Send + 'static;

    /// The most that it ever is: there is room for so many from the beginning.
    fn most(&self) -> NonZeroUsize;

    /// What it is now, at most [`most`](Limit::most).
    fn now(&self) -> usize;

    /// A future is about to be launched, as one of so many in flight.
    fn launched(&mut self, flying: usize) -> Self::Launch;

    /// A future landed, with this result; so many are still in flight.
    fn landed(&mut self, launch: Self::Launch, result: &U, flying: usize);

    /// There is demand, and nothing to do: so many items are in the stage.
    fn rested(&mut self, held: usize);

    /// A result was sent: whether upstream is asked for another item in its place.
    fn sent(&mut self) -> bool;

    /// What was decided since the last time: how many upstream is asked for beyond those.
    fn decided(&mut self) -> Option<(u64, Decisions)>;
}

/// One that never changes, and costs nothing.
impl<U> Limit<U> for NonZeroUsize {
    type Launch = ();

    #[inline]
    fn most(&self) -> NonZeroUsize {
        *self
    }

    #[inline]
    fn now(&self) -> usize {
        self.get()
    }

    #[inline]
    fn launched(&mut self, _: usize) {}

    #[inline]
    fn landed(&mut self, (): (), _: &U, _: usize) {}

    #[inline]
    fn rested(&mut self, _: usize) {}

    #[inline]
    fn sent(&mut self) -> bool {
        true
    }

    #[inline]
    fn decided(&mut self) -> Option<(u64, Decisions)> {
        None
    }
}

/// Makes the limit of a stage, whose host has a bell.
pub(crate) trait MakeLimit<U> {
    /// What is made.
    type Limit: Limit<U>;

    fn make(self, bell: &Bell) -> Self::Limit;
}

impl<U> MakeLimit<U> for NonZeroUsize {
    type Limit = NonZeroUsize;

    fn make(self, _: &Bell) -> NonZeroUsize {
        self
    }
}

/// What a stage whose items go through futures is made of.
pub(crate) struct Flying<N, F, W, E, G> {
    /// How many items are in the stage at a time: waiting, in flight, or landed.
    pub(crate) limit: N,
    /// What the stage is, and where.
    pub(crate) site: Site,
    /// Which of them may fly.
    pub(crate) turns: W,
    /// The future of an item.
    pub(crate) f: F,
    /// How downstream is told of a failure of upstream.
    pub(crate) error: fn(E) -> G,
}

impl<N, F, W, E, G> Flying<N, F, W, E, G> {
    /// Runs the stage on a task of `executor`.
    pub(crate) fn fly<L, P, X, Fut, U, S>(self, upstream: P, executor: &X, subscriber: S)
    where
        N: MakeLimit<U>,
        L: Landed<U>,
        P: Publisher<Error = E>,
        X: Executor,
        W: Turns<P::Item>,
        F: FnMut(P::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
        G: Send + 'static,
        S: Subscriber<U, G>,
    {
        let Flying { limit, site, turns, f, error } = self;
        on(
            executor,
            |bell, context| {
                let limit = limit.make(bell);
                let most = limit.most();
                let first = NonZeroUsize::new(limit.now()).map_or(most, |first| first.min(most));
                Driven::<_, _, _, _, L, _, _, _> {
                    outer: granted_feed_asking(upstream, most, first, bell.clone(), context, site),
                    failure: None,
                    turns,
                    flights: Flights::new(most.get(), None, bell),
                    landed: L::new(most.get()),
                    limit,
                    f,
                    error,
                    discards: context.discards().clone(),
                    results: PhantomData,
                }
            },
            subscriber,
        );
    }
}

/// Each comes back with the number of its item, whose turn is over then, and when it was launched.
type InFlight<Fut, Lane, Launch> = Flights<Fut, Option<(u64, Lane, Launch)>>;

struct Driven<N, O, F, Fut, L, W, U, G>
where
    N: Limit<U>,
    O: Pull,
    Fut: Future,
    L: Landed<U>,
    W: Turns<O::Item>,
    U: 'static,
{
    outer: Granted<O>,
    /// How upstream failed, to be told after the results of what it sent.
    failure: Option<G>,
    turns: W,
    flights: InFlight<Fut, W::Lane, N::Launch>,
    landed: L,
    limit: N,
    f: F,
    error: fn(O::Error) -> G,
    discards: Discards,
    results: PhantomData<fn(U)>,
}

impl<N, O, F, Fut, L, W, U, G> Driven<N, O, F, Fut, L, W, U, G>
where
    N: Limit<U>,
    O: Pull,
    F: FnMut(O::Item) -> Fut,
    Fut: Future<Output = Result<U, G>>,
    L: Landed<U>,
    W: Turns<O::Item>,
{
    /// Polls what was woken, and launches while there is room. `Pending` when that is done.
    fn work(&mut self) -> Pulled<U, G> {
        self.flights.listen();
        while let Some((ticket, result)) = self.flights.land() {
            let Some((ticket, lane, launch)) = ticket else { continue };
            let next = match self.landed(ticket, lane, launch, result) {
                Ok(next) => next,
                Err(error) => return Pulled::Error(error),
            };
            if let Some((item, ticket)) = next
                && let Err(error) = self.launch(item, ticket, lane)
            {
                return Pulled::Error(error);
            }
        }
        loop {
            // One that is ready at once decides as one that was woken does.
            if let Some((more, decisions)) = self.limit.decided() {
                self.decided(more, decisions);
            }
            if self.held() >= self.limit.now() {
                break;
            }
            match self.outer.pull() {
                Pulled::Item(item) => {
                    let ticket = self.landed.launched();
                    if let Some((item, lane)) = self.turns.arrived(item, ticket)
                        && let Err(error) = self.launch(item, ticket, lane)
                    {
                        return Pulled::Error(error);
                    }
                }
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending => break,
                Pulled::Complete => break,
                Pulled::Error(error) => {
                    self.failure = Some((self.error)(error));
                }
            }
        }
        Pulled::Pending
    }

    /// Launches an item, and as long as they are ready at once those whose turn comes by it.
    #[inline]
    fn launch(&mut self, mut item: O::Item, mut ticket: u64, lane: W::Lane) -> Result<(), G> {
        loop {
            let launch = self.limit.launched(self.flights.len() + 1);
            let future = (self.f)(item);
            let Some(result) = self.flights.launch(Some((ticket, lane, launch)), future) else {
                return Ok(());
            };
            let Some(next) = self.landed(ticket, lane, launch, result)? else { return Ok(()) };
            (item, ticket) = next;
        }
    }

    #[cold]
    fn decided(&mut self, more: u64, decisions: Decisions) {
        self.outer.decided(decisions);
        if more > 0 {
            self.outer.raise(more);
        }
    }

    /// Keeps a result for downstream: the item whose turn it is now.
    #[inline]
    fn landed(
        &mut self,
        ticket: u64,
        lane: W::Lane,
        launch: N::Launch,
        result: Result<U, G>,
    ) -> Result<Option<(O::Item, u64)>, G> {
        let result = result?;
        self.limit.landed(launch, &result, self.flights.len());
        self.landed.landed(ticket, result);
        Ok(self.turns.landed(lane))
    }

    /// How many items are in the stage.
    #[inline]
    fn held(&self) -> usize {
        self.turns.waiting() + self.flights.len() + self.landed.waiting()
    }

    /// The end, if it is here.
    fn rest(&mut self) -> Pulled<U, G> {
        if !self.outer.is_over() || self.held() > 0 {
            return Pulled::Pending;
        }
        self.failure.take().map_or(Pulled::Complete, Pulled::Error)
    }
}

impl<N, O, F, Fut, L, W, U, G> Pull for Driven<N, O, F, Fut, L, W, U, G>
where
    N: Limit<U>,
    O: Pull,
    F: FnMut(O::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    L: Landed<U>,
    W: Turns<O::Item>,
    U: Send + 'static,
    G: Send + 'static,
{
    type Item = U;
    type Error = G;

    #[inline]
    fn pull(&mut self) -> Pulled<U, G> {
        for worked in [false, true] {
            if worked {
                match self.work() {
                    Pulled::Pending => {}
                    other => return other,
                }
            }
            if let Some(result) = self.landed.next() {
                if self.limit.sent() {
                    self.outer.done(1);
                } else {
                    self.outer.keep();
                }
                return Pulled::Item(result);
            }
        }
        let held = self.held();
        self.limit.rested(held);
        self.rest()
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<U, G> {
        match self.work() {
            Pulled::Pending => self.rest(),
            other => other,
        }
    }
}

impl<N, O, F, Fut, L, W, U, G> Drop for Driven<N, O, F, Fut, L, W, U, G>
where
    N: Limit<U>,
    O: Pull,
    Fut: Future,
    L: Landed<U>,
    W: Turns<O::Item>,
    U: 'static,
{
    fn drop(&mut self) {
        let discards = &self.discards;
        self.landed.drain(&mut |result| discards.discard(result));
        self.turns.drain(&mut |item| discards.discard(item));
    }
}
