//! Futures that a stage drives on its own task, a bounded number at a time.
//!
//! Each place is made when a future finds no other free, pinned once, keeps its waker, and is used again:
//! launching a future allocates nothing where as many were in flight before. A future is polled when it is launched and when it was woken, by the task of the
//! stage, whatever downstream does in the meantime.
//!
//! **The stage lingers.** Futures that were launched just now are often tasks of the same executor, in
//! its queue behind this one. The first to finish would wake the stage, for a single result, and so
//! would each after it. So a stage that has launched some lets its executor run the others once before
//! it rests ([`Bell::linger`]): what finishes meanwhile leaves its mark, wakes nobody, and is taken
//! together.
//!
//! **Futures are put off**, where many were ready after that: the next ones are polled for the first
//! time when the stage has lingered, as many of them are ready by then, and those need no waker. Work
//! that begins with the first poll (a future that is not a task already) begins by so much later.
//!
//! Both are guesses, which [`Hope`] makes by what came of the last: a stage whose futures wait for
//! something else does neither, but for a try from time to time.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_blocks::bell::{Bell, Marks};
use millstream_blocks::gauge::{Decisions, Site};
use millstream_core::{Discards, Fault, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::{Granted, granted_feed_asking, on};
use crate::shape::turns::Turns;

/// Futures in flight, each with a ticket.
pub(crate) struct Flights<Fut: Future, K> {
    /// At most `limit`.
    places: Vec<Place<Fut, K>>,
    limit: usize,
    free: Vec<usize>,
    marks: Arc<Marks>,
    /// Places whose futures were woken and not polled since.
    woken: VecDeque<usize>,
    /// Places whose futures were put off, and not polled yet.
    fresh: Vec<usize>,
    flying: usize,
    hope: Hope,
    bell: Bell,
}

struct Place<Fut, K> {
    future: Pin<Box<Option<Fut>>>,
    waker: Waker,
    ticket: K,
}

impl<Fut: Future, K: Copy> Flights<Fut, K> {
    /// For up to `limit` futures at a time, of a stage with this bell.
    pub(crate) fn new(limit: usize, bell: &Bell) -> Flights<Fut, K> {
        Flights {
            places: Vec::new(),
            limit,
            free: Vec::new(),
            woken: VecDeque::new(),
            fresh: Vec::new(),
            flying: 0,
            hope: Hope::default(),
            bell: bell.clone(),
            marks: Marks::new(limit),
        }
    }

    /// Another place, which is free.
    #[cold]
    fn open(&mut self, ticket: K) -> usize {
        let n = self.places.len();
        assert!(n < self.limit, "a stage launches no more than its limit, which is {n}");
        let waker = self.bell.marked(&self.marks, n).into_waker();
        self.places.push(Place { future: Box::pin(None), waker, ticket });
        self.free.push(n);
        n
    }

    /// How many are in flight.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.flying
    }

    /// Polls a future for the first time, unless it is put off, and keeps it where it is not ready;
    /// `ticket` comes back with its result.
    #[inline]
    pub(crate) fn launch(&mut self, ticket: K, future: Fut) -> Option<Fut::Output> {
        let n = match self.free.last() {
            Some(&n) => n,
            None => self.open(ticket),
        };
        let place = &mut self.places[n];
        place.future.set(Some(future));
        if self.hope.puts_off() {
            self.fresh.push(n);
        } else if let Some(output) = place.poll() {
            return Some(output);
        } else {
            self.hope.launched = true;
        }
        place.ticket = ticket;
        self.free.pop();
        self.flying += 1;
        None
    }

    /// Takes note of the futures that were woken, for [`land`](Flights::land) to poll. One that
    /// wakes itself while it is polled waits for the next time, so that it cannot keep the
    /// others, nor those who run on the same executor, from going on.
    pub(crate) fn listen(&mut self) {
        let woken = &mut self.woken;
        self.marks.take(|n| woken.push_back(n));
        if self.hope.waits() {
            woken.extend(self.fresh.drain(..));
        }
    }

    /// There is nothing to do: lets others run first, where that may bring something. Futures that
    /// were put off wait for that.
    #[inline(never)]
    pub(crate) fn rest(&mut self) {
        if self.hope.is_there(self.flying, self.fresh.len(), || self.marks.is_empty()) {
            self.bell.linger();
        }
    }

    /// The result of a future that was woken, or put off, and is ready now, with its ticket.
    pub(crate) fn land(&mut self) -> Option<(K, Fut::Output)> {
        while let Some(n) = self.woken.pop_front() {
            let place = &mut self.places[n];
            if let Some(output) = place.poll() {
                self.free.push(n);
                self.flying -= 1;
                return Some((place.ticket, output));
            }
        }
        self.hope.landed(self.flying - self.fresh.len());
        None
    }
}

impl<Fut: Future, K> Place<Fut, K> {
    /// The result of its future, which is gone then.
    #[inline]
    fn poll(&mut self) -> Option<Fut::Output> {
        // A future may wake when it is over already.
        let flying = self.future.as_mut().as_pin_mut()?;
        match flying.poll(&mut task::Context::from_waker(&self.waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => {
                self.future.set(None);
                Some(output)
            }
        }
    }
}

/// Whether the futures of a stage are ready when others on its executor have run.
#[derive(Default)]
struct Hope {
    /// Some were launched, and were not ready at once, since the stage lingered last.
    launched: bool,
    /// The stage lingers, and what came of it is not known yet.
    trial: Option<Trial>,
    /// That it lingers at all.
    lingering: Doubt,
    /// That it puts futures off.
    putting_off: Doubt,
    /// How many more times those that are launched are put off, before they are polled at once for a
    /// change: they may be ready then.
    rounds: u32,
}

struct Trial {
    /// How many are in flight.
    flying: usize,
    /// Whether some of them were put off.
    put_off: bool,
}

impl Hope {
    const ROUNDS: u32 = 63;

    /// Whether what is launched now is put off.
    #[inline]
    fn puts_off(&self) -> bool {
        self.rounds > 0
    }

    /// Whether the stage has lingered, and not looked since.
    #[inline]
    fn waits(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether to linger: so many are in flight, and so many of them are put off. `nothing_came` where
    /// none was woken.
    #[inline]
    fn is_there(
        &mut self,
        flying: usize,
        put_off: usize,
        nothing_came: impl FnOnce() -> bool,
    ) -> bool {
        let put_off = put_off > 0;
        if put_off {
            self.rounds = self.rounds.saturating_sub(1);
        } else if !self.launched || flying == 0 || !nothing_came() || !self.lingering.allows() {
            return false;
        }
        self.launched = false;
        self.trial = Some(Trial { flying, put_off });
        true
    }

    /// What was woken, or put off, was polled: so many are not ready.
    #[inline]
    fn landed(&mut self, still: usize) {
        if let Some(trial) = self.trial.take() {
            self.learn(&trial, still);
        }
    }

    #[inline(never)]
    fn learn(&mut self, trial: &Trial, still: usize) {
        let landed = trial.flying.saturating_sub(still);
        let many = 4 * landed >= trial.flying;
        if trial.put_off {
            self.putting_off.learn(many);
            if !many {
                self.rounds = 0;
            }
        } else {
            self.lingering.learn(landed > 0);
            if many && self.putting_off.allows() {
                self.rounds = Hope::ROUNDS;
            }
        }
    }
}

/// How often something is not tried, because it was in vain.
#[derive(Default)]
struct Doubt {
    /// How many times it is not, from now on.
    skips: u32,
    /// How many times it was not, before the last try.
    skipped: u32,
}

impl Doubt {
    const MOST: u32 = 255;

    /// Whether to try.
    fn allows(&mut self) -> bool {
        let allows = self.skips == 0;
        self.skips = self.skips.saturating_sub(1);
        allows
    }

    /// It was tried, and good for something or in vain: the next try is twice as far away.
    fn learn(&mut self, good: bool) {
        self.skipped = if good { 0 } else { (2 * self.skipped + 1).min(Doubt::MOST) };
        self.skips = self.skipped;
    }
}

/// What becomes of an item: its future, and what comes of that.
pub(crate) trait Course<T>: Send + 'static {
    /// What it goes through.
    type Future: Future + Send + 'static;
    /// What waits for demand.
    type Result: Send + 'static;
    /// How it ends the stream.
    type Error: Send + 'static;

    /// The future of an item.
    fn launch(&mut self, item: T) -> Self::Future;

    /// What comes of the output of a future, or the end of the stream, at once.
    fn landed(
        &mut self,
        output: <Self::Future as Future>::Output,
    ) -> Result<Self::Result, Ending<Self::Error>>;
}

/// How a future ends the stream.
pub(crate) enum Ending<G> {
    Complete,
    Error(G),
    Fault(Fault),
}

/// A function that makes the future of an item, and one of its output: beside it, so that the future
/// is kept as it is.
pub(crate) struct Call<F, R>(pub(crate) F, pub(crate) R);

impl<T, F, Fut, R, U, G> Course<T> for Call<F, R>
where
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    R: FnMut(Fut::Output) -> Result<U, G> + Send + 'static,
    U: Send + 'static,
    G: Send + 'static,
{
    type Future = Fut;
    type Result = U;
    type Error = G;

    #[inline]
    fn launch(&mut self, item: T) -> Fut {
        (self.0)(item)
    }

    #[inline]
    fn landed(&mut self, output: Fut::Output) -> Result<U, Ending<G>> {
        (self.1)(output).map_err(Ending::Error)
    }
}

/// A function that makes the future of an item, and a state that it takes and its future gives back: one
/// at a time.
pub(crate) struct Carried<S, F, R> {
    /// Here while no future has it.
    state: Option<S>,
    f: F,
    /// What its output means.
    read: R,
}

impl<S, F, R> Carried<S, F, R> {
    pub(crate) fn new(state: S, f: F, read: R) -> Carried<S, F, R> {
        Carried { state: Some(state), f, read }
    }
}

impl<T, S, F, Fut, R, U, G> Course<T> for Carried<S, F, R>
where
    S: Send + 'static,
    F: FnMut(S, T) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    R: FnMut(Fut::Output) -> Result<(U, S), Ending<G>> + Send + 'static,
    U: Send + 'static,
    G: Send + 'static,
{
    type Future = Fut;
    type Result = U;
    type Error = G;

    #[inline]
    fn launch(&mut self, item: T) -> Fut {
        let Some(state) = self.state.take() else {
            unreachable!("one at a time: no future has the state")
        };
        (self.f)(state, item)
    }

    #[inline]
    fn landed(&mut self, output: Fut::Output) -> Result<U, Ending<G>> {
        let (result, state) = (self.read)(output)?;
        self.state = Some(state);
        Ok(result)
    }
}

/// Where results wait for demand.
pub(crate) trait Landed<U>: Send + 'static {
    /// What is sent.
    type Item: Send + 'static;

    /// Room for `limit` results.
    fn new(limit: usize) -> Self;

    /// An item is taken on: its ticket.
    fn launched(&mut self) -> u64;

    /// The result that belongs to a ticket.
    fn landed(&mut self, ticket: u64, result: U);

    /// The next one that may be sent.
    fn next(&mut self) -> Option<Self::Item>;

    /// Takes away a result that would be next, and of which nothing is sent. Whether there was one.
    #[inline]
    fn pass_over(&mut self) -> bool {
        false
    }

    /// Results that wait, whether or not they may be sent.
    fn waiting(&self) -> usize;

    /// Hands out the results that wait.
    fn drain(&mut self, discard: &mut dyn FnMut(Self::Item));
}

/// In the order of the items.
pub(crate) struct InOrder<U> {
    /// The ticket of the first place.
    front: u64,
    places: VecDeque<Option<U>>,
    waiting: usize,
}

impl<U: Send + 'static> Landed<U> for InOrder<U> {
    type Item = U;

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

/// In the order of the items, those that passed. The others keep their places until what was before them
/// is gone: they are within the limit too.
pub(crate) struct Passed<U>(InOrder<Option<U>>);

impl<U: Send + 'static> Landed<Option<U>> for Passed<U> {
    type Item = U;

    fn new(limit: usize) -> Passed<U> {
        Passed(InOrder::new(limit))
    }

    #[inline]
    fn launched(&mut self) -> u64 {
        self.0.launched()
    }

    #[inline]
    fn landed(&mut self, ticket: u64, result: Option<U>) {
        self.0.landed(ticket, result);
    }

    #[inline]
    fn next(&mut self) -> Option<U> {
        if let Some(Some(None)) = self.0.places.front() { None } else { self.0.next().flatten() }
    }

    #[inline]
    fn pass_over(&mut self) -> bool {
        matches!(self.0.places.front(), Some(Some(None))) && self.0.next().is_some()
    }

    fn waiting(&self) -> usize {
        self.0.waiting()
    }

    fn drain(&mut self, discard: &mut dyn FnMut(U)) {
        self.0.drain(&mut |result| {
            if let Some(result) = result {
                discard(result);
            }
        });
    }
}

/// As they come.
pub(crate) struct AsTheyCome<U>(VecDeque<U>);

impl<U: Send + 'static> Landed<U> for AsTheyCome<U> {
    type Item = U;

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

    /// Whether items are taken for which there is no demand yet.
    const AHEAD: bool = true;

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

/// One, and that is taken when it is wanted: the one before it was sent, and there is demand.
pub(crate) struct OneAsWanted;

impl<U> Limit<U> for OneAsWanted {
    type Launch = ();

    const AHEAD: bool = false;

    fn most(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    #[inline]
    fn now(&self) -> usize {
        1
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

impl<U> MakeLimit<U> for OneAsWanted {
    type Limit = OneAsWanted;

    fn make(self, _: &Bell) -> OneAsWanted {
        self
    }
}

/// What a stage whose items go through futures is made of.
pub(crate) struct Flying<N, C, W, E, G> {
    /// How many items are in the stage at a time: waiting, in flight, or landed.
    pub(crate) limit: N,
    /// What the stage is, and where.
    pub(crate) site: Site,
    /// Which of them may fly.
    pub(crate) turns: W,
    /// What becomes of each.
    pub(crate) course: C,
    /// How downstream is told of a failure of upstream.
    pub(crate) error: fn(E) -> G,
}

impl<N, C, W, E, G> Flying<N, C, W, E, G> {
    /// Runs the stage on a task of `executor`.
    pub(crate) fn fly<L, P, X, S>(self, upstream: P, executor: &X, subscriber: S)
    where
        N: MakeLimit<C::Result>,
        L: Landed<C::Result>,
        P: Publisher<Error = E>,
        X: Executor,
        W: Turns<P::Item>,
        C: Course<P::Item, Error = G>,
        E: Send + 'static,
        G: Send + 'static,
        S: Subscriber<L::Item, G>,
    {
        let Flying { limit, site, turns, course, error } = self;
        on(
            executor,
            |bell, context| {
                let limit = limit.make(bell);
                let most = limit.most();
                let now = NonZeroUsize::new(limit.now()).map_or(most, |first| first.min(most));
                let first = <N::Limit as Limit<C::Result>>::AHEAD.then_some(now);
                Driven::<_, _, _, L, _> {
                    outer: granted_feed_asking(upstream, most, first, bell.clone(), context, site),
                    looked: None,
                    failure: None,
                    turns,
                    flights: Flights::new(most.get(), bell),
                    landed: L::new(most.get()),
                    limit,
                    course,
                    error,
                    discards: context.discards().clone(),
                }
            },
            subscriber,
        );
    }
}

/// Each comes back with the number of its item, whose turn is over then, and when it was launched.
type InFlight<Fut, Lane, Launch> = Flights<Fut, Option<(u64, Lane, Launch)>>;

/// The item whose turn it is now, with its ticket.
type Next<T> = Option<(T, u64)>;

struct Driven<N, O, C, L, W>
where
    N: Limit<C::Result>,
    O: Pull,
    C: Course<O::Item>,
    L: Landed<C::Result>,
    W: Turns<O::Item>,
{
    outer: Granted<O>,
    /// What was found where the end was looked for, without demand. Only where nothing is taken ahead.
    looked: Option<O::Item>,
    /// How upstream failed, to be told after the results of what it sent.
    failure: Option<C::Error>,
    turns: W,
    flights: InFlight<C::Future, W::Lane, N::Launch>,
    landed: L,
    limit: N,
    course: C,
    error: fn(O::Error) -> C::Error,
    discards: Discards,
}

impl<N, O, C, L, W> Driven<N, O, C, L, W>
where
    N: Limit<C::Result>,
    O: Pull,
    C: Course<O::Item>,
    L: Landed<C::Result>,
    W: Turns<O::Item>,
{
    /// Polls what was woken, and launches while there is room, where items `may_come`. `Pending` when
    /// that is done.
    fn work(&mut self, may_come: bool) -> Pulled<L::Item, C::Error> {
        self.flights.listen();
        while let Some((ticket, output)) = self.flights.land() {
            let Some((ticket, lane, launch)) = ticket else { continue };
            let next = match self.landed(ticket, lane, launch, output) {
                Ok(next) => next,
                Err(end) => return self.over(end),
            };
            if let Some((item, ticket)) = next
                && let Err(end) = self.launch(item, ticket, lane)
            {
                return self.over(end);
            }
        }
        loop {
            // One at a time: whoever runs this looks for a cancellation in between.
            if self.landed.pass_over() {
                self.sent();
                return Pulled::Skipped;
            }
            // One that is ready at once decides as one that was woken does.
            if let Some((more, decisions)) = self.limit.decided() {
                self.decided(more, decisions);
            }
            if !may_come || self.held() >= self.limit.now() {
                break;
            }
            match self.next() {
                Pulled::Item(item) => {
                    let ticket = self.landed.launched();
                    if let Some((item, lane)) = self.turns.arrived(item, ticket)
                        && let Err(end) = self.launch(item, ticket, lane)
                    {
                        return self.over(end);
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

    /// The next item of upstream.
    #[inline(always)]
    fn next(&mut self) -> Pulled<O::Item, O::Error> {
        if !N::AHEAD
            && let Some(item) = self.looked.take()
        {
            return Pulled::Item(item);
        }
        self.outer.pull()
    }

    /// Looks whether upstream is over, where nothing is taken without demand and nothing is here.
    /// `Pending` when that is done.
    fn look(&mut self, started: bool) -> Pulled<L::Item, C::Error> {
        if self.looked.is_some() || self.held() > 0 {
            return Pulled::Pending;
        }
        match self.outer.look_for_end(started) {
            Pulled::Item(item) => self.looked = Some(item),
            Pulled::Skipped => return Pulled::Skipped,
            Pulled::Pending | Pulled::Complete => {}
            Pulled::Error(error) => self.failure = Some((self.error)(error)),
        }
        Pulled::Pending
    }

    /// Launches an item, and as long as they are ready at once those whose turn comes by it.
    #[inline]
    fn launch(
        &mut self,
        mut item: O::Item,
        mut ticket: u64,
        lane: W::Lane,
    ) -> Result<(), Ending<C::Error>> {
        loop {
            let launch = self.limit.launched(self.flights.len() + 1);
            let future = self.course.launch(item);
            let Some(output) = self.flights.launch(Some((ticket, lane, launch)), future) else {
                return Ok(());
            };
            let Some(next) = self.landed(ticket, lane, launch, output)? else { return Ok(()) };
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
        output: <C::Future as Future>::Output,
    ) -> Result<Next<O::Item>, Ending<C::Error>> {
        let result = self.course.landed(output)?;
        self.limit.landed(launch, &result, self.flights.len());
        self.landed.landed(ticket, result);
        Ok(self.turns.landed(lane))
    }

    /// A result is gone: another item may come.
    #[inline]
    fn sent(&mut self) {
        if self.limit.sent() {
            self.outer.done(1);
        } else {
            self.outer.keep();
        }
    }

    /// How many items are in the stage.
    #[inline]
    fn held(&self) -> usize {
        self.turns.waiting() + self.flights.len() + self.landed.waiting()
    }

    /// The end, if it is here.
    fn rest(&mut self) -> Pulled<L::Item, C::Error> {
        if !self.outer.is_over() || self.held() > 0 {
            return Pulled::Pending;
        }
        self.failure.take().map_or(Pulled::Complete, Pulled::Error)
    }

    /// The end, by a future. A fault is told by the host.
    #[cold]
    fn over(&self, end: Ending<C::Error>) -> Pulled<L::Item, C::Error> {
        match end {
            Ending::Complete => Pulled::Complete,
            Ending::Error(error) => Pulled::Error(error),
            Ending::Fault(fault) => {
                self.flights.bell.fail(fault);
                Pulled::Pending
            }
        }
    }
}

impl<N, O, C, L, W> Pull for Driven<N, O, C, L, W>
where
    N: Limit<C::Result>,
    O: Pull,
    C: Course<O::Item>,
    L: Landed<C::Result>,
    W: Turns<O::Item>,
{
    type Item = L::Item;
    type Error = C::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<L::Item, C::Error> {
        for worked in [false, true] {
            if worked {
                match self.work(true) {
                    Pulled::Pending => {}
                    other => return other,
                }
            }
            if let Some(result) = self.landed.next() {
                self.sent();
                return Pulled::Item(result);
            }
        }
        let held = self.held();
        self.limit.rested(held);
        if self.flights.len() > 0 {
            self.flights.rest();
        }
        self.rest()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<L::Item, C::Error> {
        let worked = self.work(N::AHEAD);
        // A future that was put off needs no demand either.
        self.flights.rest();
        let looked = match worked {
            Pulled::Pending if !N::AHEAD => self.look(started),
            other => other,
        };
        match looked {
            Pulled::Pending => self.rest(),
            other => other,
        }
    }
}

impl<N, O, C, L, W> Drop for Driven<N, O, C, L, W>
where
    N: Limit<C::Result>,
    O: Pull,
    C: Course<O::Item>,
    L: Landed<C::Result>,
    W: Turns<O::Item>,
{
    fn drop(&mut self) {
        // Upstream first, and what is held whatever that does: what is dropped is no news to it.
        let _held = Held(&mut self.landed, &mut self.turns, &self.discards, PhantomData);
        let _looked = Looked(self.looked.take(), &self.discards);
        self.outer.end();
    }
}

/// An item that was found is discarded when this is dropped.
struct Looked<'a, T: 'static>(Option<T>, &'a Discards);

impl<T: 'static> Drop for Looked<'_, T> {
    fn drop(&mut self) {
        if let Some(item) = self.0.take() {
            self.1.discard(item);
        }
    }
}

/// Results and items that wait are discarded when this is dropped.
struct Held<'a, L: Landed<U>, W: Turns<T>, U: 'static, T: 'static>(
    &'a mut L,
    &'a mut W,
    &'a Discards,
    PhantomData<(U, T)>,
);

impl<L: Landed<U>, W: Turns<T>, U: 'static, T: 'static> Drop for Held<'_, L, W, U, T> {
    fn drop(&mut self) {
        let Held(landed, turns, discards, _) = self;
        landed.drain(&mut |result| discards.discard(result));
        turns.drain(&mut |item| discards.discard(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One round: so many are launched and not ready at once; how many are in flight when the stage has
    /// looked again. Whether it lingered.
    fn round(hope: &mut Hope, launched: usize, still: usize) -> bool {
        let put_off = if hope.puts_off() { launched } else { 0 };
        hope.launched |= put_off == 0;
        let lingers = hope.is_there(launched, put_off, || true);
        assert_eq!(hope.waits(), lingers);
        hope.landed(still);
        assert!(!hope.waits(), "it is known");
        lingers
    }

    #[test]
    fn a_stage_lingers_less_and_less_where_that_is_in_vain() {
        let mut hope = Hope::default();
        let lingered: Vec<usize> = (0..2000).filter(|_| round(&mut hope, 4, 4)).collect();
        assert_eq!(lingered, [0, 2, 6, 14, 30, 62, 126, 254, 510, 766, 1022, 1278, 1534, 1790]);
    }

    #[test]
    fn it_lingers_each_time_where_that_brings_a_few_and_puts_nothing_off() {
        let mut hope = Hope::default();
        for _ in 0..100 {
            assert!(round(&mut hope, 16, 15));
            assert!(!hope.puts_off());
        }
    }

    #[test]
    fn futures_are_put_off_where_that_brought_many_but_for_a_change() {
        let mut hope = Hope::default();
        let at_once: Vec<u32> = (0..200)
            .filter(|_| {
                let at_once = !hope.puts_off();
                assert!(round(&mut hope, 16, 12));
                at_once
            })
            .collect();
        assert_eq!(at_once, [0, 64, 128, 192]);
    }

    /// They begin with their first poll: to put them off is in vain, and to linger is not.
    #[test]
    fn futures_are_put_off_less_and_less_where_few_are_ready_after() {
        let mut hope = Hope::default();
        let put_off: Vec<usize> = (0..600)
            .filter(|_| {
                let put_off = hope.puts_off();
                assert!(round(&mut hope, 16, if put_off { 13 } else { 0 }));
                put_off
            })
            .collect();
        assert_eq!(put_off, [1, 4, 9, 18, 35, 68, 133, 262, 519]);
    }

    #[test]
    fn it_rests_where_something_came_or_nothing_was_launched_or_flies() {
        let mut hope = Hope::default();
        assert!(!hope.is_there(1, 0, || true), "nothing was launched");
        hope.launched = true;
        assert!(!hope.is_there(0, 0, || true), "nothing flies");
        assert!(!hope.is_there(1, 0, || false), "one was woken");
        assert!(hope.is_there(1, 0, || true));
        hope.landed(1);
        assert!(!hope.is_there(1, 0, || true), "once");
    }
}
