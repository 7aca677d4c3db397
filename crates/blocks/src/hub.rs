//! A hub: one upstream, and outlets that come and go, each with a queue, a demand and a host of
//! its own.
//!
//! ```text
//!                                    ┌─ Seat ─▶ queue(capacity) ─▶ Outlet: Pull ─▶ a host
//!  upstream ──signals──▶ Distributor ┼─ Seat ─▶ queue(capacity) ─▶ Outlet: Pull ─▶ a host
//!      ▲                             └─ Seat ─▶ queue(capacity) ─▶ Outlet: Pull ─▶ a host
//!      │                                                            │
//!      └──────── request ◀── Accounts: what each has taken ◀────────┘
//! ```
//!
//! The [`Distributor`] is the one subscriber of upstream, and sends each item to each outlet that is
//! there. An [`Outlet`] is pulled by an [island](crate::island) or a [task](crate::task), so each
//! downstream runs by its own demand, and on its own thread where it has one. To divide items among
//! several is another matter: see [`branch`](crate::branch).
//!
//! # How to use it
//! | for | outlets are made by | and |
//! |---|---|---|
//! | `broadcast`: a fixed number | [`Hub::open`], at assembly | hosted when subscribed to ([`Outlet::host`]); upstream is connected to when each is hosted or gone |
//! | `share`: anybody, at any time | [`Hub::attach`], inside of `make` of [`join`](crate::island::join) | upstream is connected to when there is a quorum |
//!
//! An operator makes the hub with a [`Plan`], says by [`Hub::on_quorum`] how to subscribe to
//! upstream (`|hub| upstream.subscribe(hub.distributor())`), and gives out publishers whose
//! `subscribe` is
//!
//! ```text
//! join(|bell, context| { outlet.host(bell.clone(), context); outlet }, subscriber)
//! ```
//!
//! # Demand
//! All that upstream is ever asked for has room in *every* outlet that is there: it has been asked
//! for at most `capacity` items beyond what the slowest outlet has taken ([`Slow::Wait`]). So the
//! distributor never holds an item back, and an outlet that goes leaves room, never a debt. With a
//! policy by which slow outlets lose, it is the fastest that counts; an outlet that is alone is the
//! fastest, and loses nothing.
//!
//! What outlets take is accounted for in batches, when three quarters of its capacity have left the
//! queue of one: less than the capacity, so the accounts never lag so far that nobody would settle
//! them.
//!
//! # Who may touch what
//! | what | who may touch it | when |
//! |---|---|---|
//! | `state`: accounts, link, who joins, what is held | anyone, under its lock; no user code runs under it | any |
//! | `word`: items begun · NEWS | the distributor adds an item; who joins sets NEWS, under the lock | any |
//! | seats | the distributor | while it has a signal |
//! | `post` of a seat: its bell, its end | both sides, under its lock | any |
//! | queues | see [`ring`](crate::ring), and `window.rs` | |
//!
//! **Count and connection are one state.** Whether somebody is there, whether upstream is
//! connected, and whether it is over change under one lock. Who attaches either is there before
//! the last one goes, and upstream is kept, or comes after, and is told that it is over.
//!
//! **Where a new outlet begins.** The distributor begins each item by adding to the word, and who
//! joins sets NEWS in the same word: so each item is before or after, and the one that joined is
//! seated before the first item that is after. Nobody misses an item, nobody gets one twice.
//! An item is on its way while the last go, and may have been taken by some of them only: it is offered
//! to whoever comes next all the same, who begins with what the last left (model
//! `the_last_two_go_while_an_item_comes_and_the_next_comes`).
//!
//! # Ends
//! * Completion and failure come to each outlet behind what is in its queue. A fault does not
//!   wait; each gets an [echo](Fault::echo) of it.
//! * A panic of `Clone` ends upstream's chain: the distributor is told, and tells all outlets. One
//!   of the `Clone` of an error is told to all in place of the error. A panic in what follows an
//!   outlet is caught by its host, and only that outlet goes.
//! * Who attaches after the end is told the end, where the plan keeps it.
//! * What happens when the last outlet goes is the plan's [`Vacancy`].

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, End, Fault, More, Panic, Pull, Pulled,
    Rest, Subscriber, Subscription, Undelivered, Upstream, report_undelivered,
};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

pub use crate::accounts::Slow;

use crate::accounts::{Accounts, Place};
use crate::bell::Bell;
use crate::cause::{self, Note, afresh, current, gone, subscribing};
use crate::ending::Contained;
use crate::gauge::{self, Gauge, Levels, Queue, Reading, Site, Tally};
use crate::queue::{Put, Reader, Writer, queue};
use crate::ring::{Look, Popped};

const NEWS: u64 = 1;
/// One item.
const STEP: u64 = 2;

/// A value that is kept for whoever comes later, each of whom gets a clone.
pub type Kept<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Keeps a value.
pub fn keep<T: Clone + Send + Sync + 'static>(value: T) -> Kept<T> {
    Arc::new(move || value.clone())
}

/// What becomes of upstream when nobody is there.
#[derive(Clone)]
pub enum Vacancy {
    /// It is over, even before upstream was connected to.
    Close,
    /// It is over, if upstream was connected to.
    Cancel,
    /// It is over when the [`Grace`] is dropped, unless somebody came meanwhile. Until then as
    /// `Pause`.
    Grace(Arc<dyn Fn(Grace) + Send + Sync>),
    /// Upstream is asked for no more. What is queued for the last, and what still comes, is held
    /// for the next.
    Pause,
    /// Upstream goes on, and its items are dropped.
    Drop,
}

/// The last items, for whoever comes later.
#[derive(Debug)]
pub struct Replay<T> {
    /// How many.
    pub items: NonZeroUsize,
    /// How an item is kept.
    pub keep: fn(&T) -> Kept<T>,
}

impl<T> Clone for Replay<T> {
    fn clone(&self) -> Replay<T> {
        Replay { items: self.items, keep: self.keep }
    }
}

impl fmt::Debug for Vacancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Vacancy::Close => "Close",
            Vacancy::Cancel => "Cancel",
            Vacancy::Grace(_) => "Grace",
            Vacancy::Pause => "Pause",
            Vacancy::Drop => "Drop",
        })
    }
}

/// How a hub is to be.
pub struct Plan<T, E> {
    /// What it is, and where it was put.
    pub site: Site,
    /// How many items each outlet has room for.
    pub capacity: NonZeroUsize,
    /// What becomes of a slow outlet.
    pub slow: Slow,
    /// What becomes of upstream when nobody is there.
    pub vacancy: Vacancy,
    /// How many must be there before upstream is connected to, outlets made by [`Hub::open`]
    /// apart.
    pub quorum: usize,
    /// What is kept for whoever comes later.
    pub replay: Option<Replay<T>>,
    /// How a failure is kept for whoever comes later; without, nobody can attach after the end.
    pub keep_end: Option<fn(E) -> Kept<E>>,
}

impl<T, E> Clone for Plan<T, E> {
    fn clone(&self) -> Plan<T, E> {
        Plan {
            site: self.site,
            capacity: self.capacity,
            slow: self.slow,
            vacancy: self.vacancy.clone(),
            quorum: self.quorum,
            replay: self.replay.clone(),
            keep_end: self.keep_end,
        }
    }
}

impl<T, E> fmt::Debug for Plan<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("capacity", &self.capacity)
            .field("slow", &self.slow)
            .field("vacancy", &self.vacancy)
            .field("quorum", &self.quorum)
            .field("replay", &self.replay.as_ref().map(|replay| replay.items))
            .field("keeps_end", &self.keep_end.is_some())
            .finish()
    }
}

/// One upstream and its outlets. See the [module](self).
pub struct Hub<T: 'static, E: 'static>(Arc<Shared<T, E>>);

struct Shared<T: 'static, E: 'static> {
    word: AtomicU64,
    state: Mutex<State<T, E>>,
    plan: Plan<T, E>,
    /// An outlet settles when so many have left its queue.
    low: u64,
}

struct State<T: 'static, E: 'static> {
    link: Link,
    accounts: Accounts,
    /// How many more must come before upstream is connected to.
    awaiting: isize,
    connect: Option<Connect<T, E>>,
    joining: Vec<Seat<T, E>>,
    /// What nobody was there for, and the number of the first of it.
    held: VecDeque<T>,
    held_from: u64,
    history: VecDeque<Kept<T>>,
    /// How often the last has gone.
    vacated: u64,
    /// Nobody can attach any more.
    orphaned: bool,
    /// Why upstream is cancelled: what the last that went was dropped for.
    cause: Note,
    end: Option<LateEnd<E>>,
    /// What upstream is told of its surroundings: those of the first outlet that somebody looks at, of
    /// those that were opened together.
    context: Context,
    /// Whose they are.
    seen: Place,
}

type Connect<T, E> = Box<dyn FnOnce(Hub<T, E>) + Send>;

enum Link {
    /// Upstream has not been connected to.
    Idle,
    /// It is being subscribed to.
    Awaited,
    Here(Arc<dyn Upstream>),
    Over,
}

/// The end, for whoever comes later.
enum LateEnd<E> {
    Completed,
    Failed(Kept<E>),
    Fault(Fault),
}

impl<E> LateEnd<E> {
    /// What is kept of an end, where one is.
    fn of(end: &End<E>, keep: Option<fn(E) -> Kept<E>>) -> Option<LateEnd<E>>
    where
        E: Clone,
    {
        match (end, keep) {
            (End::Completed, _) => Some(LateEnd::Completed),
            (End::Failed(error), Some(keep)) => Some(LateEnd::Failed(keep(error.clone()))),
            (End::Fault(fault), _) => Some(LateEnd::Fault(fault.echo())),
            _ => None,
        }
    }

    fn copy(&self) -> LateEnd<E> {
        match self {
            LateEnd::Completed => LateEnd::Completed,
            LateEnd::Failed(error) => LateEnd::Failed(error.clone()),
            LateEnd::Fault(fault) => LateEnd::Fault(fault.echo()),
        }
    }
}

/// What is to be done when the lock has been given back.
#[must_use]
struct Then<T: 'static, E: 'static> {
    request: Option<(Arc<dyn Upstream>, Demand)>,
    cancel: Option<(Arc<dyn Upstream>, Cause)>,
    connect: Option<Connect<T, E>>,
    /// The last has gone, for the so-manieth time: what becomes of upstream is up to the plan.
    vacated: Option<u64>,
    /// How the queue stood that was closed because what is in it is held.
    left: Option<Levels>,
    unwanted: Unwanted<T, E>,
}

/// What nobody will have, dropped outside of the lock.
struct Unwanted<T: 'static, E: 'static> {
    connect: Option<Connect<T, E>>,
    items: VecDeque<T>,
    history: VecDeque<Kept<T>>,
}

impl<T, E> Default for Then<T, E> {
    fn default() -> Then<T, E> {
        Then {
            request: None,
            cancel: None,
            connect: None,
            vacated: None,
            left: None,
            unwanted: Unwanted { connect: None, items: VecDeque::new(), history: VecDeque::new() },
        }
    }
}

impl<T, E> State<T, E> {
    /// It is over, and nobody is there.
    fn close(&mut self, then: &mut Then<T, E>) {
        self.cause.put(current());
        if let Link::Here(upstream) = std::mem::replace(&mut self.link, Link::Over) {
            then.cancel = Some((upstream, self.cause.get()));
        }
        self.end.get_or_insert(LateEnd::Fault(Fault::SourceDropped));
        then.unwanted.connect = self.connect.take();
        then.unwanted.items.append(&mut self.held);
        then.unwanted.history.append(&mut self.history);
    }

    /// Whether there is anything to be had for who comes next.
    fn is_wanted(&self, plan: &Plan<T, E>) -> bool {
        let told = !self.is_over() || plan.keep_end.is_some();
        told && !matches!(self.end, Some(LateEnd::Fault(_)))
    }

    /// The last has gone: what is in its queue is for the next.
    fn hold(&mut self, reader: &mut Option<Reader<T>>, then: &mut Then<T, E>) {
        let Some(mut reader) = reader.take() else { return };
        then.left = Some(reader.leave());
        (self.held_from, self.held) = reader.close();
        // What is still on its way for the fastest is more than the next has room for.
        let overdue = if self.is_over() { 0 } else { self.accounts.overdue() };
        let first = overdue.max(self.held_from);
        let n = self.held.len().min((first - self.held_from) as usize);
        then.unwanted.items.extend(self.held.drain(..n));
        self.held_from = first;
    }

    /// Whether it is time to connect: once.
    fn quorum(&mut self, then: &mut Then<T, E>) {
        if self.awaiting <= 0
            && self.accounts.live > 0
            && matches!(self.link, Link::Idle)
            && let Some(connect) = self.connect.take()
        {
            self.link = Link::Awaited;
            then.connect = Some(connect);
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    fn is_connected(&self) -> bool {
        matches!(self.link, Link::Here(_) | Link::Awaited)
    }

    /// Those who joined by item `n`.
    fn joined(&mut self, n: u64, word: &AtomicU64) -> Vec<Seat<T, E>> {
        let joined = self.joining.extract_if(.., |seat| seat.from <= n).collect();
        if self.joining.is_empty() {
            // ordering: relaxed, as in `Shared::join`; both are under the lock.
            word.fetch_and(!NEWS, Ordering::Relaxed);
        }
        joined
    }
}

impl<T, E> Shared<T, E> {
    /// Tells the distributor that somebody joins: at which item. Under the lock.
    fn join(&self) -> u64 {
        // ordering: relaxed; the order of the changes of this one word is all that is wanted
        // (model `joining_races_an_item`). Who finds NEWS takes the lock, which makes the edge.
        self.word.fetch_or(NEWS, Ordering::Relaxed) / STEP
    }

    /// Whether what comes while nobody is there is held for the next.
    fn holds(&self) -> bool {
        self.plan.replay.is_none() && !matches!(self.plan.vacancy, Vacancy::Drop)
    }

    /// What upstream may be asked for now.
    fn due(&self, state: &mut State<T, E>) -> Option<Demand> {
        if state.accounts.live > 0 {
            state.accounts.due()
        } else if matches!(self.plan.vacancy, Vacancy::Drop) {
            // ordering: relaxed; it was written by this thread, or before the lock was taken.
            let sent = self.word.load(Ordering::Relaxed) / STEP;
            state.accounts.due_up_to(sent.saturating_add(state.accounts.capacity))
        } else {
            None
        }
    }

    fn request(&self, state: &mut State<T, E>, then: &mut Then<T, E>) {
        if let Link::Here(upstream) = &state.link {
            let upstream = upstream.clone();
            then.request = self.due(state).map(|demand| (upstream, demand));
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Hub<T, E> {
    /// A hub with nobody there.
    #[must_use]
    pub fn new(plan: Plan<T, E>) -> Hub<T, E> {
        let capacity = plan.capacity.get() as u64;
        let state = State {
            link: Link::Idle,
            accounts: Accounts::new(capacity, plan.slow),
            awaiting: plan.quorum.try_into().unwrap_or(isize::MAX),
            connect: None,
            joining: Vec::new(),
            held: VecDeque::new(),
            held_from: 0,
            history: VecDeque::new(),
            vacated: 0,
            orphaned: false,
            cause: Note::default(),
            end: None,
            context: Context::default(),
            seen: Place::NOWHERE,
        };
        Hub(Arc::new(Shared {
            word: AtomicU64::new(0),
            state: Mutex::new(state),
            low: capacity - capacity / 4,
            plan,
        }))
    }

    /// How to subscribe to upstream, which is done once, when there is a quorum: it may be there
    /// already.
    pub fn on_quorum(&self, connect: impl FnOnce(Hub<T, E>) + Send + 'static) {
        let mut then = Then::default();
        let mut state = lock(&self.0.state);
        then.unwanted.connect = state.connect.replace(Box::new(connect));
        if state.is_over() {
            then.unwanted.connect = state.connect.take();
        }
        state.quorum(&mut then);
        drop(state);
        self.go(then);
    }

    /// Whether it is over, so that nobody needs upstream.
    #[must_use]
    pub fn is_over(&self) -> bool {
        lock(&self.0.state).is_over()
    }

    /// Whether it is the same hub.
    #[must_use]
    pub fn is(&self, other: &Hub<T, E>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// An outlet for whoever has `bell`, who is told that there is nothing to be had.
    pub fn refuse(&self, bell: Bell, context: &Context) -> Outlet<T, E> {
        let (seat, mut outlet) = self.pair(Place::NOWHERE, 0, 0);
        outlet.settle(bell, context, None);
        drop(seat.fail(Fault::SourceDropped));
        outlet
    }

    /// An outlet without a host. Upstream is not connected to before it is hosted or gone.
    #[must_use]
    pub fn open(&self) -> Outlet<T, E> {
        let mut state = lock(&self.0.state);
        state.awaiting += 1;
        let from = self.0.join();
        let place = state.accounts.open(from);
        let (seat, mut outlet) = self.pair(place, from, from);
        outlet.awaited = true;
        state.joining.push(seat);
        outlet
    }

    /// An outlet for whoever has `bell`, from the next item on, and before that what is held or
    /// replayed. `None` where it is over, and the end is not kept.
    ///
    /// May connect to upstream, and so send items, before it returns.
    pub fn attach(&self, bell: Bell, context: &Context) -> Option<Outlet<T, E>> {
        let mut state = lock(&self.0.state);
        let over = state.is_over();
        if over && (self.0.plan.keep_end.is_none() || state.orphaned) {
            return None;
        }
        let mut held = VecDeque::new();
        let position = if state.accounts.live == 0 && self.0.holds() {
            held = std::mem::take(&mut state.held);
            state.held_from
        } else {
            self.0.join()
        };
        let place = state.accounts.open(position);
        let (mut seat, mut outlet) = self.pair(place, position, position + held.len() as u64);
        let levels = bell.is_watched().then(|| seat.writer.observe());
        for item in held {
            let Put::Noted = seat.writer.push(item) else {
                unreachable!("no more is held than fits, and nobody waits at a new queue");
            };
        }
        outlet.backlog = state.history.clone();
        if over {
            let end = state.end.as_ref().map(LateEnd::copy);
            drop(state);
            outlet.settle(bell, context, levels);
            match end {
                Some(LateEnd::Completed) => seat.end(Ok(())),
                Some(LateEnd::Failed(error)) => seat.end(Err(error())),
                Some(LateEnd::Fault(fault)) => drop(seat.fail(fault)),
                None => drop(seat.fail(Fault::SourceDropped)),
            }
            return Some(outlet);
        }
        let mut then = Then::default();
        // Even where it begins with what is held: it is seated by the next item.
        self.0.join();
        state.joining.push(seat);
        state.awaiting -= 1;
        state.quorum(&mut then);
        self.0.request(&mut state, &mut then);
        drop(state);
        outlet.settle(bell, context, levels);
        self.go(then);
        Some(outlet)
    }

    /// Connects to upstream now, whether or not there is a quorum.
    pub fn connect(&self) {
        let mut then = Then::default();
        let mut state = lock(&self.0.state);
        if matches!(state.link, Link::Idle)
            && let Some(connect) = state.connect.take()
        {
            state.link = Link::Awaited;
            then.connect = Some(connect);
        }
        drop(state);
        self.go(then);
    }

    /// From here on nobody attaches: the last to go ends it, or this does if there is none. Those
    /// who wait for a quorum are told that the source has gone.
    pub fn orphan(&self) {
        let mut then = Then::default();
        let mut state = lock(&self.0.state);
        state.orphaned = true;
        // Those who wait for more to come would wait for ever.
        let in_vain = matches!(state.link, Link::Idle) && state.awaiting > 0;
        if !state.is_over() && (in_vain || state.accounts.live == 0) {
            state.close(&mut then);
        }
        let forlorn = if in_vain { std::mem::take(&mut state.joining) } else { Vec::new() };
        let State { held, history, .. } = &mut *state;
        then.unwanted.items.append(held);
        then.unwanted.history.append(history);
        drop(state);
        let mut contained = Contained::default();
        for seat in forlorn {
            contained.run(|| drop(seat.fail(Fault::SourceDropped)));
        }
        self.go(then);
        contained.done();
    }

    /// The subscriber of upstream. There is one.
    #[must_use]
    pub fn distributor(&self) -> Distributor<T, E>
    where
        T: Clone,
        E: Clone,
    {
        let seats = Seats { hub: self.clone(), table: Vec::new(), len: 0, overflow: false };
        Distributor(ActiveDistributor { seats: Some(seats), failed: false })
    }

    /// A seat that items go to from number `from` on, and its outlet, which is at `position`.
    fn pair(&self, place: Place, position: u64, from: u64) -> (Seat<T, E>, Outlet<T, E>) {
        let plan = &self.0.plan;
        let slides = plan.slow == Slow::DropOldest;
        let (writer, reader) = queue(plan.capacity.get(), position, slides);
        let post = Arc::new(Post(Mutex::new(PostState {
            bell: None,
            discards: Discards::default(),
            reading: None,
            end: None,
            gone: false,
        })));
        let seat = Seat { place, from, writer, post: post.clone() };
        let outlet = Outlet {
            backlog: VecDeque::new(),
            reader: Some(reader),
            post,
            hub: self.clone(),
            place,
            settled: position,
            low: self.0.low,
            awaited: false,
            watch: None,
        };
        (seat, outlet)
    }

    fn go(&self, then: Then<T, E>) {
        let Then { request, cancel, connect, vacated, left: _, unwanted } = then;
        if let Some((upstream, cause)) = cancel {
            cause::cancel(&*upstream, cause);
        }
        if let Some((upstream, demand)) = request {
            upstream.request(demand);
        }
        if let Some(connect) = connect {
            subscribing(|| connect(self.clone()));
        }
        if let Some(vacated) = vacated
            && let Vacancy::Grace(begin) = &self.0.plan.vacancy
        {
            let hub = self.clone();
            begin(Grace(Some(Box::new(move || hub.expire(vacated)))));
        }
        drop(unwanted);
    }

    /// The grace of the `vacated`-th time that nobody was there is over.
    fn expire(&self, vacated: u64) {
        let mut then = Then::default();
        let mut state = lock(&self.0.state);
        if state.accounts.live == 0 && state.vacated == vacated && state.is_connected() {
            state.close(&mut then);
        }
        drop(state);
        self.go(then);
    }

    /// An outlet has taken `n` more.
    fn credit(&self, place: Place, n: u64) {
        let mut then = Then::default();
        let mut state = lock(&self.0.state);
        state.accounts.credit(place, n);
        self.0.request(&mut state, &mut then);
        drop(state);
        self.go(then);
    }

    /// An outlet goes. Its queue is closed here if what is in it is held for the next.
    fn leave(&self, place: Place, awaited: bool, reader: &mut Option<Reader<T>>) -> Then<T, E> {
        let mut then = Then::default();
        let mut guard = lock(&self.0.state);
        let state = &mut *guard;
        if !state.accounts.close(place) {
            return then;
        }
        let seat = state.joining.iter().position(|seat| seat.place == place);
        let seat = seat.map(|n| state.joining.swap_remove(n));
        let plan = &self.0.plan;
        if state.accounts.live > 0 {
            self.0.request(state, &mut then);
        } else if state.orphaned || matches!(plan.vacancy, Vacancy::Close) {
            if !state.is_over() {
                state.close(&mut then);
            }
        } else if !matches!(state.link, Link::Idle) {
            match plan.vacancy {
                Vacancy::Close | Vacancy::Cancel => {
                    if !state.is_over() {
                        state.close(&mut then);
                    }
                }
                Vacancy::Drop => self.0.request(state, &mut then),
                Vacancy::Pause | Vacancy::Grace(_) => {
                    if self.0.holds() && state.is_wanted(plan) {
                        state.hold(reader, &mut then);
                    }
                    if !state.is_over() {
                        state.vacated += 1;
                        then.vacated = Some(state.vacated);
                    }
                }
            }
        }
        if matches!(state.link, Link::Idle) {
            if awaited {
                state.awaiting -= 1;
            } else if plan.quorum > 0 {
                state.awaiting += 1;
            }
            state.quorum(&mut then);
        }
        drop(guard);
        drop(seat);
        then
    }
}

impl<T, E> Clone for Hub<T, E> {
    fn clone(&self) -> Hub<T, E> {
        Hub(self.0.clone())
    }
}

impl<T, E> fmt::Debug for Hub<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("capacity", &self.0.plan.capacity).finish_non_exhaustive()
    }
}

/// While it is held, upstream is kept for whoever comes: see [`Vacancy::Grace`].
#[must_use = "dropping it ends what it is held for"]
pub struct Grace(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Grace {
    fn drop(&mut self) {
        if let Some(expire) = self.0.take() {
            expire();
        }
    }
}

impl fmt::Debug for Grace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grace")
    }
}

/// What both sides of a seat reach.
struct Post<E>(Mutex<PostState<E>>);

struct PostState<E> {
    /// Here while it is hosted.
    bell: Option<Bell>,
    discards: Discards,
    /// Where somebody looks.
    reading: Option<Reading>,
    end: Option<Result<(), Ended<E>>>,
    /// The outlet was dropped.
    gone: bool,
}

/// Why it ended other than by completion.
enum Ended<E> {
    Failed(E),
    /// Nobody hosted it yet who could be told.
    Fault(Fault),
}

impl<E> Post<E> {
    fn bell(&self) -> Option<Bell> {
        lock(&self.0).bell.clone()
    }

    fn end(&self, end: Result<(), Ended<E>>) {
        let before = lock(&self.0).end.replace(end);
        drop(before);
    }

    /// An item that came and has no place.
    #[cold]
    fn discard<T: 'static>(&self, item: T) {
        let post = lock(&self.0);
        let (discards, reading) = (post.discards.clone(), post.reading.clone());
        drop(post);
        if let Some(reading) = reading {
            reading.refuse();
        }
        discards.discard(item);
    }
}

/// The distributor's side of an outlet.
struct Seat<T, E> {
    place: Place,
    /// The first item for it.
    from: u64,
    writer: Writer<T>,
    post: Arc<Post<E>>,
}

impl<T, E> Seat<T, E> {
    fn ring(&self) {
        if let Some(bell) = self.post.bell() {
            bell.ring();
        }
    }

    fn end(self, end: Result<(), E>) {
        self.post.end(end.map_err(Ended::Failed));
        // Then the bell: who waits was hosted before.
        if self.writer.shut()
            && let Some(bell) = self.post.bell()
        {
            bell.ring();
        }
    }

    /// Gives the fault back where its outlet has gone.
    fn fail(self, fault: Fault) -> Option<Fault> {
        let mut post = lock(&self.post.0);
        match post.bell.clone() {
            _ if post.gone => return Some(fault),
            Some(bell) => {
                let reading = post.reading.clone();
                drop(post);
                if let Some(reading) = reading {
                    reading.broke();
                }
                bell.fail(fault);
            }
            None => {
                let before = post.end.replace(Err(Ended::Fault(fault)));
                drop(post);
                drop(before);
                let _nobody_waits = self.writer.shut();
            }
        }
        None
    }
}

/// The first that is there is told what it was, the others an echo of it. Whatever one of them
/// does, the others are told.
fn fail_all<T, E>(
    seats: impl Iterator<Item = Seat<T, E>>,
    mut fault: Fault,
    contained: &mut Contained,
) {
    let mut told = false;
    for seat in seats {
        let echo = fault.echo();
        let mut back = None;
        contained.run(|| back = seat.fail(fault));
        told |= back.is_none();
        fault = back.unwrap_or(echo);
    }
    if !told {
        report_undelivered(&Undelivered::Fault(fault));
    }
}

/// Those who are there, for the distributor.
struct Seats<T: 'static, E: 'static> {
    hub: Hub<T, E>,
    /// By the index of their place.
    table: Vec<Option<Seat<T, E>>>,
    len: usize,
    /// Upstream sent what it was not asked for.
    overflow: bool,
}

impl<T: Send + 'static, E: Send + 'static> Seats<T, E> {
    /// Sends `item` to all: a clone to each but the last. Gives it back where nobody is there, or one
    /// has gone: it may have been the last, and somebody have come since who wants the item.
    #[inline]
    fn send(&mut self, item: T) -> Option<T>
    where
        T: Clone,
    {
        let (mut left, mut back) = (self.len, None);
        for n in 0..self.table.len() {
            if self.table[n].is_none() {
                continue;
            }
            left -= 1;
            if left == 0 {
                return self.put(n, item).or(back);
            }
            if let Some(gone) = self.put(n, item.clone()) {
                back = Some(gone);
            }
        }
        Some(item)
    }

    /// Tells everybody the end, whatever one of them does.
    fn end(mut self, end: End<E>, contained: &mut Contained)
    where
        E: Clone,
    {
        let seats = std::mem::take(&mut self.table).into_iter().flatten();
        match end {
            End::Completed => seats.for_each(|seat| contained.run(|| seat.end(Ok(())))),
            End::Failed(error) => {
                // All clones before anybody is told: one that panics is a fault for all.
                match catch_unwind(AssertUnwindSafe(|| vec![error; self.len])) {
                    Ok(errors) => seats
                        .zip(errors)
                        .for_each(|(seat, error)| contained.run(|| seat.end(Err(error)))),
                    Err(payload) => {
                        fail_all(seats, Fault::Panicked(Panic::new(payload)), contained);
                    }
                }
            }
            End::Fault(fault) => fail_all(seats, fault, contained),
            End::Cancelled(_) => {}
        }
    }

    /// Gives `item` back where its outlet has gone.
    #[inline]
    fn put(&mut self, n: usize, item: T) -> Option<T> {
        let Some(seat) = &mut self.table[n] else { return Some(item) };
        match seat.writer.push(item) {
            Put::Noted => None,
            Put::Wake => {
                seat.ring();
                None
            }
            Put::Displaced(oldest) => {
                seat.post.discard(oldest);
                None
            }
            Put::Gone(item) => {
                self.empty(n);
                Some(item)
            }
            Put::Full(item) => self.full(n, item),
        }
    }

    #[cold]
    fn full(&mut self, n: usize, item: T) -> Option<T> {
        let hub = self.hub.clone();
        let Some(seat) = &self.table[n] else { return Some(item) };
        // Its room is given up before its queue: upstream may have been asked since.
        if !lock(&hub.0.state).accounts.is_open(seat.place) {
            self.empty(n);
            return Some(item);
        }
        seat.post.discard(item);
        let capacity = hub.0.plan.capacity.get() as u64;
        match hub.0.plan.slow {
            Slow::Disconnect => {
                if let Some(seat) = self.empty(n) {
                    drop(seat.fail(Fault::TooSlow { capacity }));
                }
            }
            // The oldest has made room: there is always some.
            Slow::Wait | Slow::DropOldest => self.overflow = true,
        }
        None
    }

    #[cold]
    fn empty(&mut self, n: usize) -> Option<Seat<T, E>> {
        let seat = self.table[n].take();
        self.len -= usize::from(seat.is_some());
        seat
    }

    fn seat(&mut self, seat: Seat<T, E>) {
        let n = seat.place.index;
        if n >= self.table.len() {
            self.table.resize_with(n + 1, || None);
        }
        // Whoever sat here has gone, or the place was not free.
        if self.table[n].replace(seat).is_none() {
            self.len += 1;
        }
    }

    #[cold]
    fn admit(&mut self, n: u64) {
        let hub = self.hub.clone();
        let joined = lock(&hub.0.state).joined(n, &hub.0.word);
        joined.into_iter().for_each(|seat| self.seat(seat));
    }

    /// Begins an item that is kept for whoever comes later.
    fn record(&mut self, item: &T) -> u64 {
        let hub = self.hub.clone();
        let replay = hub.0.plan.replay.as_ref();
        let kept = replay.map(|replay| (replay.keep)(item));
        let full = replay.map_or(0, |replay| replay.items.get());
        let mut state = lock(&hub.0.state);
        // ordering: as in `on_next`; under the lock, so that an item is begun and kept at once.
        let n = hub.0.word.fetch_add(STEP, Ordering::Relaxed) / STEP;
        let before = if state.history.len() == full { state.history.pop_front() } else { None };
        let unwanted = if state.is_over() || state.orphaned {
            kept
        } else {
            state.history.extend(kept);
            None
        };
        let joined = state.joined(n, &hub.0.word);
        drop(state);
        drop((before, unwanted));
        joined.into_iter().for_each(|seat| self.seat(seat));
        n
    }
}

/// The subscriber of upstream.
pub struct Distributor<T, E>(ActiveDistributor<T, E>)
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static;

impl<T, E> Subscriber<T, E> for Distributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Active = ActiveDistributor<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveDistributor<T, E> {
        let upstream = subscription.into_upstream();
        if let Some(seats) = &self.0.seats {
            let mut then = Then::default();
            let mut state = lock(&seats.hub.0.state);
            if state.is_over() {
                then.cancel = Some((upstream, state.cause.get()));
            } else {
                state.link = Link::Here(upstream);
                seats.hub.0.request(&mut state, &mut then);
            }
            drop(state);
            seats.hub.go(then);
        }
        self.0
    }

    fn context(&self) -> Context {
        let seats = self.0.seats.as_ref();
        seats.map_or_else(Context::default, |seats| lock(&seats.hub.0.state).context.clone())
    }
}

impl<T, E> fmt::Debug for Distributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Distributor")
    }
}

/// The subscriber of upstream, with its subscription.
pub struct ActiveDistributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// Here until the end.
    seats: Option<Seats<T, E>>,
    /// It ended its outlets itself.
    failed: bool,
}

impl<T, E> ActiveDistributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// Item `n` came when nobody was there for it, or one of those who were has gone.
    #[cold]
    fn missed(&mut self, n: u64, mut item: T) -> More {
        let Some(seats) = &mut self.seats else { return More::CANCEL };
        let hub = seats.hub.clone();
        loop {
            let mut state = lock(&hub.0.state);
            if state.is_over() {
                return More::CANCEL;
            }
            let joined = state.joined(n, &hub.0.word);
            if joined.is_empty() {
                let vacant = state.accounts.live == 0;
                let next = state.held_from + state.held.len() as u64;
                let due = if vacant { hub.0.due(&mut state) } else { None };
                // An earlier item was for one that has gone since.
                if vacant && hub.0.holds() && n == next {
                    // What upstream was asked for has room.
                    if state.held.len() < hub.0.plan.capacity.get() {
                        state.held.push_back(item);
                    } else {
                        seats.overflow = true;
                    }
                }
                return due.map_or(More::NONE, More::from);
            }
            drop(state);
            // To those alone: others who are there have it.
            let mut back = None;
            for seat in joined {
                let place = seat.place.index;
                seats.seat(seat);
                back = seats.put(place, item.clone()).or(back);
            }
            match back {
                None => return More::NONE,
                Some(back) => item = back,
            }
        }
    }

    fn finish(&mut self, end: End<E>) {
        let Some(mut seats) = self.seats.take() else { return };
        let hub = seats.hub.clone();
        let keep = hub.0.plan.keep_end;
        let (end, late) = match catch_unwind(AssertUnwindSafe(|| LateEnd::of(&end, keep))) {
            Ok(late) => (end, late),
            Err(payload) => {
                let fault = Fault::Panicked(Panic::new(payload));
                let late = LateEnd::Fault(fault.echo());
                (End::Fault(fault), Some(late))
            }
        };
        let mut then = Then::<T, E>::default();
        let mut state = lock(&hub.0.state);
        if state.is_over() {
            drop(state);
            // Nobody is there.
            if let End::Fault(fault) = end {
                report_undelivered(&Undelivered::Fault(fault));
            }
            return;
        }
        let link = std::mem::replace(&mut state.link, Link::Over);
        let joined = std::mem::take(&mut state.joining);
        state.end = late;
        if !state.is_wanted(&hub.0.plan) || state.orphaned {
            let State { held, history, .. } = &mut *state;
            then.unwanted.items.append(held);
            then.unwanted.history.append(history);
        }
        drop(state);
        joined.into_iter().for_each(|seat| seats.seat(seat));
        let mut contained = Contained::default();
        seats.end(end, &mut contained);
        drop(link);
        hub.go(then);
        contained.done();
    }
}

impl<T, E> ActiveSubscriber<T, E> for ActiveDistributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        let Some(seats) = &mut self.seats else { return More::CANCEL };
        let n = if seats.hub.0.plan.replay.is_some() {
            seats.record(&item)
        } else {
            // ordering: relaxed; the order of the changes of this one word is all that is wanted
            // (model `joining_races_an_item`).
            let word = seats.hub.0.word.fetch_add(STEP, Ordering::Relaxed);
            if word & NEWS != 0 {
                seats.admit(word / STEP);
            }
            word / STEP
        };
        let more = match seats.send(item) {
            None => More::NONE,
            Some(item) => self.missed(n, item),
        };
        let Some(seats) = &self.seats else { return More::CANCEL };
        if seats.overflow {
            let capacity = seats.hub.0.plan.capacity.get() as u64;
            self.failed = true;
            self.finish(End::Fault(Fault::Overflow { capacity }));
            return More::CANCEL;
        }
        more
    }

    fn cause(&self) -> Cause {
        match &self.seats {
            _ if self.failed => Cause::Failed,
            Some(seats) => lock(&seats.hub.0.state).cause.get(),
            None => Cause::NoMoreNeeded,
        }
    }

    fn on_complete(mut self) {
        self.finish(End::Completed);
    }

    fn on_error(mut self, error: E) {
        self.finish(End::Failed(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.finish(End::Fault(fault));
    }

    fn on_end(mut self, end: End<E>) -> Option<Box<dyn Rest>> {
        match end {
            // Nobody is there.
            End::Cancelled(_) => drop(self.seats.take()),
            end => self.finish(end),
        }
        None
    }
}

impl<T, E> Drop for ActiveDistributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    fn drop(&mut self) {
        // Dropped without an end: because it was cancelled, when nobody is there, or because
        // the source went away.
        if let Some(seats) = &self.seats
            && !lock(&seats.hub.0.state).is_over()
        {
            let mut lost = ActiveDistributor { seats: self.seats.take(), failed: self.failed };
            gone(move |fault| lost.finish(End::Fault(fault)));
        }
    }
}

impl<T, E> fmt::Debug for ActiveDistributor<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveDistributor").field("over", &self.seats.is_none()).finish()
    }
}

/// The end of a hub that items come out by. Whoever pulls it must be the host of its bell, and
/// must pull again after the bell has rung.
///
/// Dropped, hosted or not, it has gone: what is in its queue is discarded.
pub struct Outlet<T: Send + 'static, E: Send + 'static> {
    /// What came before, and was kept.
    backlog: VecDeque<Kept<T>>,
    /// Here until it is dropped.
    reader: Option<Reader<T>>,
    post: Arc<Post<E>>,
    hub: Hub<T, E>,
    place: Place,
    /// What has been accounted for.
    settled: u64,
    low: u64,
    /// Upstream waits for it to be hosted.
    awaited: bool,
    /// Where somebody looks.
    watch: Option<Box<Watch>>,
}

/// What an outlet keeps where somebody looks at it.
struct Watch {
    /// Counts what is replayed, which is not in the queue.
    replayed: Option<Tally>,
    reading: Option<Reading>,
    /// How upstream ended.
    end: Option<gauge::State>,
    // Last: the line ends when the queue was closed.
    #[expect(dead_code, reason = "the line ends when it is dropped")]
    gauge: Gauge,
}

impl<T: Send + 'static, E: Send + 'static> Outlet<T, E> {
    /// From here on rings `bell`, and tells the discards of `context`, which is that of
    /// the host's subscriber, of what is never delivered.
    ///
    /// May connect to upstream, and so send items, before it returns.
    pub fn host(&mut self, bell: Bell, context: &Context) {
        let levels = if bell.is_watched() {
            let mut state = lock(&self.hub.0.state);
            let seat = state.joining.iter_mut().find(|seat| seat.place == self.place);
            seat.map(|seat| seat.writer.observe())
        } else {
            None
        };
        self.settle(bell, context, levels);
        if std::mem::take(&mut self.awaited) {
            let mut then = Then::default();
            let mut state = lock(&self.hub.0.state);
            state.awaiting -= 1;
            state.quorum(&mut then);
            drop(state);
            self.hub.go(then);
        }
    }

    fn settle(&mut self, bell: Bell, context: &Context, levels: Option<Arc<dyn Queue>>) {
        let discards = context.discards().clone();
        let plan = &self.hub.0.plan;
        if let Some(gauge) = bell.gauge(context, plan.site, plan.capacity.get()) {
            let upstream = context.upstream().with_discards(Discards::default());
            let mut state = lock(&self.hub.0.state);
            let first = state.context.board::<gauge::Watch>().is_none()
                || self.awaited && self.place.is_before(state.seen);
            let before = first.then(|| {
                state.seen = self.place;
                std::mem::replace(&mut state.context, upstream)
            });
            drop(state);
            drop(before);
            self.watch = Some(Box::new(Watch {
                replayed: (!self.backlog.is_empty()).then(|| Tally::new(gauge.clone())),
                reading: levels.map(|levels| gauge.read(levels)),
                end: None,
                gauge,
            }));
        }
        let reading = self.watch.as_ref().and_then(|watch| watch.reading.clone());
        let mut post = lock(&self.post.0);
        let fault = match post.end.take() {
            Some(Err(Ended::Fault(fault))) => Some(fault),
            end => {
                post.end = end;
                None
            }
        };
        let ringing = fault.is_some().then(|| bell.clone());
        let before = (post.bell.replace(bell), std::mem::replace(&mut post.discards, discards));
        post.reading = reading;
        drop(post);
        drop(before);
        if let (Some(bell), Some(fault)) = (ringing, fault) {
            bell.fail(fault);
        }
    }

    /// Items that wait in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.backlog.len() + self.reader.as_ref().map_or(0, Reader::len)
    }

    /// Whether no item waits in the queue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn account(&mut self, position: u64) {
        let taken = position - std::mem::replace(&mut self.settled, position);
        self.hub.credit(self.place, taken);
    }

    #[cold]
    fn over<I>(&mut self) -> Pulled<I, E> {
        let end = lock(&self.post.0).end.take();
        let (end, pulled) = match end {
            Some(Err(Ended::Failed(error))) => (gauge::State::Failed, Pulled::Error(error)),
            _ => (gauge::State::Completed, Pulled::Complete),
        };
        if let Some(watch) = &mut self.watch {
            watch.end = Some(end);
        }
        pulled
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Outlet<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        if let Some(kept) = self.backlog.pop_front() {
            if let Some(Watch { replayed: Some(replayed), .. }) = self.watch.as_deref_mut() {
                replayed.pass();
            }
            return Pulled::Item(kept());
        }
        loop {
            let Some(reader) = &mut self.reader else { return Pulled::Complete };
            match reader.pop() {
                Popped::Item(item) => {
                    let position = reader.position();
                    if position - self.settled >= self.low {
                        self.account(position);
                    }
                    return Pulled::Item(item);
                }
                Popped::Empty => {
                    if reader.sleep() {
                        return Pulled::Pending;
                    }
                }
                Popped::Shut => return self.over(),
            }
        }
    }

    fn look_ahead(&mut self, _started: bool) -> Pulled<T, E> {
        if !self.backlog.is_empty() {
            return Pulled::Pending;
        }
        loop {
            let Some(reader) = &mut self.reader else { return Pulled::Complete };
            match reader.look() {
                Look::Items => return Pulled::Pending,
                // To be told of the end, for which no demand is needed.
                Look::Nothing => {
                    if reader.sleep() {
                        return Pulled::Pending;
                    }
                }
                Look::Over => return self.over(),
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Outlet<T, E> {
    fn drop(&mut self) {
        let mut post = lock(&self.post.0);
        post.gone = true;
        let before = (post.bell.take(), post.reading.take());
        let discards = std::mem::take(&mut post.discards);
        drop(post);
        drop(before);
        let mut reader = self.reader.take();
        let then = self.hub.leave(self.place, self.awaited, &mut reader);
        // What is held for the next did not come to this one.
        let held = then.left.map(|left| Levels { came: left.went, ..left });
        // The queue before what follows: what upstream drops when it is cancelled has nowhere to go.
        let going = Going(&self.hub, Some(then));
        if let Some(watch) = &mut self.watch {
            watch.replayed = None;
            let left = held.or_else(|| reader.as_mut().map(Reader::leave));
            if let (Some(reading), Some(left)) = (&watch.reading, left) {
                reading.close(left, watch.end);
            }
        }
        if let Some(reader) = reader {
            reader.discard(|item| discards.discard(item));
        }
        drop(going);
    }
}

/// Does what is to be done when it is dropped, whatever the destructors of items did.
struct Going<'a, T: Send + 'static, E: Send + 'static>(&'a Hub<T, E>, Option<Then<T, E>>);

impl<T: Send + 'static, E: Send + 'static> Drop for Going<'_, T, E> {
    fn drop(&mut self) {
        if let Some(then) = self.1.take() {
            // It may ask for more, of which the outlet that goes is not the cause.
            afresh(|| self.0.go(then));
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Outlet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("reader", &self.reader).finish_non_exhaustive()
    }
}
