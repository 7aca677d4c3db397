//! A bounded queue that spills, and shows the demand to those that fill it.
//!
//! ```text
//!  Inflow ──┐ put                              pull
//!  Inflow ──┼─────▶ │ queue, at most capacity │ ─────▶ Outflow: Pull ──▶ the host's emission
//!           │           │ spilled: handed back                              │
//!           ◀── demand ─┴──────────────────────────────── Metered ◀─────────┘
//! ```
//!
//! For sources that cannot wait: whoever calls back will not be slowed down. What happens when
//! there is no room is said by whoever puts an item in, as a [`Spill`], and what spills is handed
//! back: nothing is lost in silence.
//!
//! All of it is one state under one lock, so that demand, queue and end are never told apart:
//!
//! | what | changed by |
//! |---|---|
//! | `queue` | [`put`](Inflow::put) at its end, or by spilling; the outflow at its head |
//! | `credit` | added by [`Metered`], in units of the source; spent by the outflow, one per item |
//! | `asleep` | set by an outflow that finds nothing, in the same step; cleared by the put that rings |
//! | `ends` | as for a [`funnel`](crate::funnel) |
//! | `promised` | what the [observer](Inflow::on_request) was told of and has not put in |
//! | `out` | counts what is [withdrawn](Inflow::withdraw); down when it is restored, or given up |
//!
//! **What is wanted** is the credit that no queued item stands for, as far as there is room: so
//! many can be put in now, from anywhere, a signal of the same stream included, and none spills.
//!
//! **The observer is told of what is wanted and not promised yet**, when there is nothing queued:
//! so it is never told of more than there is room for, and of all that is asked in the end. It is
//! told serially: while it runs on one thread, others leave it alone, and the one that runs it
//! looks again. It may put items in. A panic of it ends the stream.
//!
//! **What is withdrawn** is the newest item of a full queue, while whoever puts another in makes one
//! of the two. The place is not kept: others may fill it in the meantime, and then the newest of
//! those comes out in its stead, to be merged as well. So nobody waits, and there are never more
//! items than fit and are being merged. The end waits for what is out.
//!
//! **Re-entrance.** An item that is put in from inside a signal of the same stream is queued, and
//! sent when that signal has returned, because the bell of a host that runs only takes note.
//!
//! No foreign code runs under the lock: items, wakers, bells and observers leave it first.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, Discards, End, Fault, More, Panic, Pull,
    Pulled, Rest, Subscriber, Subscription, Undelivered, report_undelivered,
};
use millstream_sync::{Mutex, MutexGuard, lock};

use crate::bell::Bell;
use crate::ending::{Contained, Ending, Ends, Wakers, Watch, forget, poll_until};
use crate::gauge::{Levels, Queue, Reading, Site};
use crate::running::undelivered;

/// A basin for at most `capacity` items. It allocates what it comes to hold.
#[must_use]
pub fn basin<T, E>(capacity: NonZeroUsize) -> (Inflow<T, E>, Outflow<T, E>) {
    let shared = Arc::new(Mutex::new(Basin {
        queue: VecDeque::new(),
        capacity: capacity.get(),
        credit: Credit::NONE,
        asleep: false,
        ends: Ends::new(),
        ready: Wakers::default(),
        promised: 0,
        observer: Observer::Nobody,
        farewells: Vec::new(),
        discards: Discards::default(),
        counts: Counts::default(),
        evicted: 0,
        out: 0,
        abandoned: false,
        most: 0,
        reading: None,
    }));
    let outflow = Outflow { shared: shared.clone(), watch: None };
    (Inflow { shared, done: false }, outflow)
}

struct Basin<T, E> {
    queue: VecDeque<T>,
    capacity: usize,
    /// What downstream has asked for and not been sent.
    credit: Credit,
    asleep: bool,
    ends: Ends<E>,
    /// Those that wait for demand.
    ready: Wakers,
    /// What the observer was told of, and has not put in.
    promised: u64,
    observer: Observer,
    farewells: Vec<Farewell>,
    discards: Discards,
    counts: Counts,
    /// Items that were queued, and spilled or were merged with another.
    evicted: u64,
    /// Items that are withdrawn.
    out: u64,
    /// The outflow has gone.
    abandoned: bool,
    /// The most that were queued at a time.
    most: u64,
    /// Where somebody looks, for what spills.
    reading: Option<Reading>,
}

/// What was put into a basin so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items for which there was room, or was made.
    pub taken: u64,
    /// Items that were handed back, be it at once or later.
    pub spilled: u64,
}

enum Observer {
    Nobody,
    Here(Observing),
    /// It runs; who runs it looks again.
    Running,
}

type Observing = Box<dyn FnMut(Demand) + Send>;
type Farewell = Box<dyn FnOnce() + Send>;

type Shared<T, E> = Arc<Mutex<Basin<T, E>>>;

impl<T, E> Basin<T, E> {
    /// What is asked for and not covered by what is queued, as far as there is room.
    fn wanted(&self) -> u64 {
        let bound = self.credit.get().count().min(self.capacity as u64);
        bound.saturating_sub(self.queue.len() as u64)
    }

    /// What the observer is to be told of, if it is here.
    fn to_tell(&self) -> Option<Demand> {
        let Observer::Here(_) = self.observer else { return None };
        Demand::new(self.wanted().saturating_sub(self.promised))
    }

    /// Does `change`, and gives those that wait for demand, if that made some.
    fn making_demand<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> (R, Vec<Waker>) {
        let before = self.wanted();
        let made = change(self);
        let ready = before == 0 && self.wanted() > 0;
        (made, if ready { self.ready.take() } else { Vec::new() })
    }

    fn push(&mut self, item: T) {
        self.queue.push_back(item);
        self.most = self.most.max(self.queue.len() as u64);
    }

    /// The bell, if the outflow waits for it.
    fn wake(&mut self) -> Option<Bell> {
        std::mem::take(&mut self.asleep).then(|| self.ends.bell()).flatten()
    }
}

/// What happens to an item for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spill {
    /// It is handed back.
    Newest,
    /// It takes the place of the oldest.
    Oldest,
    /// It takes the place of all.
    All,
}

/// What was handed back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "items that spill are dropped in silence"]
pub enum Spilled<T> {
    /// There was room.
    Nothing,
    /// The newest, or the oldest.
    One(T),
    /// All that were queued, the oldest first.
    All(VecDeque<T>),
}

/// One of the ends that items go in by. A clone is another.
pub struct Inflow<T, E> {
    shared: Shared<T, E>,
    done: bool,
}

impl<T, E> Inflow<T, E> {
    /// Puts an item in, and rings if the outflow waits.
    ///
    /// # Errors
    /// The item, where nothing more is taken in.
    pub fn put(&self, item: T, spill: Spill) -> Result<Spilled<T>, T> {
        let mut basin = lock(&self.shared);
        if basin.ends.is_closed() {
            drop(basin);
            return Err(item);
        }
        basin.promised = basin.promised.saturating_sub(1);
        let mut refused = None;
        let spilled = if basin.queue.len() < basin.capacity {
            Spilled::Nothing
        } else {
            let spills = if spill == Spill::All { basin.queue.len() as u64 } else { 1 };
            basin.counts.spilled += spills;
            refused = basin.reading.clone().map(|reading| (reading, spills));
            basin.evicted += if spill == Spill::Newest { 0 } else { spills };
            match spill {
                Spill::Newest => {
                    drop(basin);
                    refuse(refused);
                    return Ok(Spilled::One(item));
                }
                Spill::Oldest => basin.queue.pop_front().map_or(Spilled::Nothing, Spilled::One),
                Spill::All => Spilled::All(std::mem::take(&mut basin.queue)),
            }
        };
        basin.counts.taken += 1;
        basin.push(item);
        let bell = basin.wake();
        drop(basin);
        refuse(refused);
        if let Some(bell) = bell {
            bell.ring();
        }
        Ok(spilled)
    }

    /// Takes the newest item out, where there is no room for another: for whoever makes one of it
    /// and another, and [restores](Withdrawn::restore) that. Nothing where there is room, or
    /// nothing more is taken in.
    pub fn withdraw(&self) -> Option<(T, Withdrawn<'_, T, E>)> {
        let mut basin = lock(&self.shared);
        if basin.ends.is_closed() || basin.queue.len() < basin.capacity {
            return None;
        }
        let newest = basin.queue.pop_back()?;
        basin.out += 1;
        Some((newest, Withdrawn { shared: &self.shared }))
    }

    /// How many items are asked for and not queued yet, as far as there is room.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        lock(&self.shared).wanted()
    }

    /// Waits until an item is asked for, or nothing more is taken in.
    #[must_use = "futures do nothing unless they are polled"]
    pub fn ready(&self) -> Waiting<'_, T, E> {
        Waiting { shared: &self.shared, number: None, what: What::Demand }
    }

    /// Waits until nothing more is taken in.
    #[must_use = "futures do nothing unless they are polled"]
    pub fn closed(&self) -> Waiting<'_, T, E> {
        Waiting { shared: &self.shared, number: None, what: What::End }
    }

    /// Tells `observer` of what is wanted, serially: now, and then of what comes. It takes the
    /// place of the one before.
    pub fn on_request(&self, observer: impl FnMut(Demand) + Send + 'static) {
        let mut basin = lock(&self.shared);
        if basin.ends.is_closed() {
            drop(basin);
            return;
        }
        basin.promised = 0;
        let before = std::mem::replace(&mut basin.observer, Observer::Here(Box::new(observer)));
        drop(basin);
        drop(before);
        tell(&self.shared);
    }

    /// Calls `farewell` once, when nothing more is taken in; now, if that is so. A panic of it is
    /// reported as undelivered.
    pub fn on_close(&self, farewell: impl FnOnce() + Send + 'static) {
        let mut basin = lock(&self.shared);
        if basin.ends.is_closed() {
            drop(basin);
            return say(farewell);
        }
        basin.farewells.push(Box::new(farewell));
    }

    /// Whether nothing more is taken in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared).ends.is_closed()
    }

    /// How many items are in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.shared).queue.len()
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        lock(&self.shared).capacity
    }

    /// Says that this inflow has put in all it had to.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// Completes now, behind what is queued; `false` where it was over already.
    pub fn complete(&self) -> bool {
        shut(&self.shared, Ending::Complete).is_ok()
    }

    /// Fails now, behind what is queued.
    ///
    /// # Errors
    /// The error, where it was over already.
    pub fn fail(&self, error: E) -> Result<(), E> {
        match shut(&self.shared, Ending::Error(error)) {
            Err(Ending::Error(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// What was put in so far, by all.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.shared).counts
    }

    /// Discards an item that spilled: tells whom downstream says.
    pub fn discard(&self, item: T)
    where
        T: 'static,
    {
        let discards = lock(&self.shared).discards.clone();
        discards.discard(item);
    }

    /// Breaks the stream off by `fault`, at once.
    pub fn break_off(&self, fault: Fault) {
        break_off(&self.shared, fault);
    }
}

/// The place of an item that was [withdrawn](Inflow::withdraw).
#[must_use = "the outflow does not end before it is restored"]
pub struct Withdrawn<'a, T, E> {
    shared: &'a Shared<T, E>,
}

/// What became of an item that was to be restored.
#[must_use = "the item is in it, where it was not taken"]
pub enum Restored<'a, T, E> {
    /// It is queued, and counts for the one that was withdrawn and for another.
    Queued,
    /// There is no room any more: the item, and the newest of those that came in the meantime,
    /// which is out in its stead.
    Filled(T, T, Withdrawn<'a, T, E>),
    /// The outflow has gone.
    Gone(T),
}

impl<'a, T, E> Withdrawn<'a, T, E> {
    /// Queues `item`, made of what was withdrawn and of another. It is taken in behind a
    /// completion or a failure too, which came after what is in it.
    pub fn restore(self, item: T) -> Restored<'a, T, E> {
        let mut basin = lock(self.shared);
        if basin.abandoned {
            drop(basin);
            return Restored::Gone(item);
        }
        if basin.queue.len() >= basin.capacity
            && let Some(newer) = basin.queue.pop_back()
        {
            // Two become one.
            basin.evicted += 1;
            drop(basin);
            return Restored::Filled(item, newer, self);
        }
        basin.out -= 1;
        basin.counts.taken += 1;
        basin.evicted += 1;
        basin.promised = basin.promised.saturating_sub(1);
        basin.push(item);
        let bell = basin.wake();
        drop(basin);
        std::mem::forget(self);
        if let Some(bell) = bell {
            bell.ring();
        }
        Restored::Queued
    }
}

impl<T, E> Drop for Withdrawn<'_, T, E> {
    /// Given up: what was withdrawn is lost, and the end may come.
    fn drop(&mut self) {
        let mut basin = lock(self.shared);
        basin.out -= 1;
        basin.evicted += 1;
        let bell = basin.wake();
        drop(basin);
        if let Some(bell) = bell {
            bell.ring();
        }
    }
}

impl<T, E> fmt::Debug for Withdrawn<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Withdrawn")
    }
}

impl<T, E> fmt::Debug for Restored<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Restored::Queued => "Queued",
            Restored::Filled(..) => "Filled",
            Restored::Gone(_) => "Gone",
        })
    }
}

/// Tells whoever looks of items that spilled.
fn refuse(refused: Option<(Reading, u64)>) {
    if let Some((reading, spills)) = refused {
        (0..spills).for_each(|_| reading.refuse());
    }
}

fn break_off<T, E>(shared: &Shared<T, E>, fault: Fault) {
    let basin = lock(shared);
    let (bell, reading) = (basin.ends.bell(), basin.reading.clone());
    drop(basin);
    match bell {
        Some(bell) => {
            if let Some(reading) = reading {
                reading.broke();
            }
            bell.fail(fault);
        }
        None => report_undelivered(&Undelivered::Fault(fault)),
    }
}

fn shut<T, E>(shared: &Shared<T, E>, ending: Ending<E>) -> Result<(), Ending<E>> {
    let mut basin = lock(shared);
    let told = basin.ends.shut(ending)?;
    let close = close(&mut basin);
    let bell = basin.wake();
    drop(basin);
    let mut contained = Contained::default();
    contained.run(|| {
        if let Some(bell) = bell {
            bell.ring();
        }
    });
    contained.wake(told);
    close(&mut contained);
    contained.done();
    Ok(())
}

fn wake(wakers: Vec<Waker>) {
    if !wakers.is_empty() {
        let mut contained = Contained::default();
        contained.wake(wakers);
        contained.done();
    }
}

/// What is left to do for those that would wait in vain, outside of the lock.
fn close<T, E>(basin: &mut Basin<T, E>) -> impl FnOnce(&mut Contained) + use<T, E> {
    let ready = basin.ready.take();
    let observer = std::mem::replace(&mut basin.observer, Observer::Nobody);
    let farewells = std::mem::take(&mut basin.farewells);
    move |contained| {
        contained.wake(ready);
        for farewell in farewells {
            say(farewell);
        }
        contained.run(|| drop(observer));
    }
}

/// Whoever brings the end is not to blame for what a farewell does, and may be a destructor.
fn say(farewell: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(farewell)) {
        undelivered(payload);
    }
}

/// Tells the observer of what it does not know yet. Where it runs, whoever runs it looks again.
fn tell<T, E>(shared: &Shared<T, E>) {
    loop {
        let mut basin = lock(shared);
        let Some(demand) = basin.to_tell() else { return };
        let here = std::mem::replace(&mut basin.observer, Observer::Running);
        let Observer::Here(mut observer) = here else { return };
        basin.promised += demand.get();
        drop(basin);
        let told = catch_unwind(AssertUnwindSafe(|| observer(demand)));
        let mut basin = lock(shared);
        // Unless it was replaced, or all is over.
        if matches!(basin.observer, Observer::Running) && told.is_ok() {
            basin.observer = Observer::Here(observer);
            drop(basin);
        } else {
            drop(basin);
            drop(observer);
        }
        if let Err(payload) = told {
            break_off(shared, Fault::Panicked(Panic::new(payload)));
            return;
        }
    }
}

impl<T, E> Clone for Inflow<T, E> {
    fn clone(&self) -> Inflow<T, E> {
        lock(&self.shared).ends.enter();
        Inflow { shared: self.shared.clone(), done: false }
    }
}

impl<T, E> Drop for Inflow<T, E> {
    fn drop(&mut self) {
        let end = lock(&self.shared).ends.leave(self.done);
        if let Some(end) = end {
            // One that came before stands.
            let _ = shut(&self.shared, end);
        }
    }
}

impl<T, E> fmt::Debug for Inflow<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflow").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Ready when there is demand, or nothing more is taken in.
#[must_use = "futures do nothing unless they are polled"]
pub struct Waiting<'a, T, E> {
    shared: &'a Shared<T, E>,
    number: Option<u64>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Demand,
    End,
}

impl What {
    fn list<T, E>(self, basin: &mut Basin<T, E>) -> &mut Wakers {
        match self {
            What::Demand => &mut basin.ready,
            What::End => &mut basin.ends.watching,
        }
    }
}

impl<T, E> Future for Waiting<'_, T, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<()> {
        let Waiting { shared, number, what } = &mut *self;
        let what = *what;
        poll_until(
            shared,
            number,
            context,
            |basin| basin.ends.is_closed() || what == What::Demand && basin.wanted() > 0,
            |basin| what.list(basin),
        )
    }
}

impl<T, E> Drop for Waiting<'_, T, E> {
    fn drop(&mut self) {
        forget(self.shared, self.number, |basin| self.what.list(basin));
    }
}

impl<T, E> fmt::Debug for Waiting<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("for", &self.what).finish_non_exhaustive()
    }
}

/// The end that items come out by. Whoever pulls it must be the host of the bell that it was
/// [given](Outflow::attach), and must pull again after the bell has rung.
pub struct Outflow<T: 'static, E> {
    shared: Shared<T, E>,
    watch: Option<Box<Watch>>,
}

impl<T, E> Basin<T, E> {
    fn levels(&self) -> Levels {
        let came = self.counts.taken - self.evicted;
        Levels { came, went: came - self.queue.len() as u64 - self.out, most: self.most }
    }
}

impl<T: Send + 'static, E: Send + 'static> Queue for Mutex<Basin<T, E>> {
    fn levels(&self) -> Levels {
        lock(self).levels()
    }
}

impl<T: 'static, E> Outflow<T, E> {
    /// From here on inflows ring `bell` when this waits, what is never delivered is told to whom
    /// `context` says, and whoever looks sees it as what was put at `site`.
    #[must_use]
    pub fn attach(mut self, bell: &Bell, context: &Context, site: Site) -> Outflow<T, E>
    where
        T: Send,
        E: Send + 'static,
    {
        let capacity = lock(&self.shared).capacity;
        let queue = || self.shared.clone() as Arc<dyn Queue>;
        self.watch = Watch::of(bell, context, site, capacity, queue);
        let reading = self.watch.as_ref().map(|watch| watch.reading());
        let discards = context.discards().clone();
        let mut basin = lock(&self.shared);
        let before = (
            basin.ends.attach(bell.clone()),
            std::mem::replace(&mut basin.discards, discards),
            std::mem::replace(&mut basin.reading, reading),
        );
        drop(basin);
        drop(before);
        self
    }

    /// `subscriber`, whose demand those that fill this basin can see.
    pub fn metered<S>(&self, subscriber: S) -> Metered<S, T, E> {
        Metered { subscriber, shared: self.shared.clone() }
    }

    fn take(&mut self) -> Pulled<T, E> {
        loop {
            let mut basin = lock(&self.shared);
            let (item, ready) = basin.making_demand(|basin| {
                let item = basin.queue.pop_front()?;
                // Nothing, where nobody meters what is asked.
                basin.credit.spend_up_to(1);
                Some(item)
            });
            if let Some(item) = item {
                drop(basin);
                wake(ready);
                return Pulled::Item(item);
            }
            if basin.to_tell().is_none() {
                return Self::rest(&mut self.watch, basin);
            }
            drop(basin);
            tell(&self.shared);
        }
    }

    /// Where no item is to be taken.
    fn rest<I>(
        watch: &mut Option<Box<Watch>>,
        mut basin: MutexGuard<'_, Basin<T, E>>,
    ) -> Pulled<I, E> {
        if basin.ends.is_closed() && basin.out == 0 {
            let taken = basin.ends.take();
            drop(basin);
            if let Some(watch) = watch {
                watch.ended(taken.state());
            }
            return taken.pulled();
        }
        basin.asleep = true;
        Pulled::Pending
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Outflow<T, E> {
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        self.take()
    }

    fn look_ahead(&mut self, _started: bool) -> Pulled<T, E> {
        let basin = lock(&self.shared);
        // To be told of the end, for which no demand is needed.
        if basin.queue.is_empty() { Self::rest(&mut self.watch, basin) } else { Pulled::Pending }
    }
}

impl<T: 'static, E> Drop for Outflow<T, E> {
    fn drop(&mut self) {
        let mut basin = lock(&self.shared);
        basin.abandoned = true;
        let (told, left) = basin.ends.abandon();
        let close = close(&mut basin);
        let last = basin.levels();
        let queue = std::mem::take(&mut basin.queue);
        let discards = std::mem::take(&mut basin.discards);
        let reading = basin.reading.take();
        drop(basin);
        drop(reading);
        if let Some(watch) = &self.watch {
            watch.close(last);
        }
        let mut contained = Contained::default();
        contained.wake(told);
        close(&mut contained);
        contained.run(|| drop(left));
        for item in queue {
            contained.run(|| discards.discard(item));
        }
        contained.run(|| drop(discards));
        contained.done();
    }
}

impl<T: 'static, E> fmt::Debug for Outflow<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outflow")
            .field("len", &lock(&self.shared).queue.len())
            .finish_non_exhaustive()
    }
}

/// A subscriber that passes everything on, and notes what is asked of the source.
pub struct Metered<S, T, E> {
    subscriber: S,
    shared: Shared<T, E>,
}

impl<T, E, S> Subscriber<T, E> for Metered<S, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    type Active = ActiveMetered<S::Active, T, E>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let Metered { subscriber, shared } = self;
        ActiveMetered { active: subscriber.on_subscribe(subscription), shared, unbounded: false }
    }

    fn context(&self) -> Context {
        self.subscriber.context()
    }
}

impl<S, T, E> fmt::Debug for Metered<S, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metered")
    }
}

/// [`Metered`] with its subscription.
pub struct ActiveMetered<A, T, E> {
    active: A,
    shared: Shared<T, E>,
    /// Unbounded stays: nothing is to be noted any more.
    unbounded: bool,
}

impl<A, T, E> ActiveMetered<A, T, E> {
    #[inline]
    fn note(&mut self, answer: More) -> More {
        if answer.is_special() || answer == More::NONE || self.unbounded {
            return answer;
        }
        let mut basin = lock(&self.shared);
        let ((), ready) = basin.making_demand(|basin| basin.credit.add(answer));
        self.unbounded = basin.credit.is_unbounded();
        drop(basin);
        wake(ready);
        answer
    }
}

impl<A, T, E> ActiveSubscriber<T, E> for ActiveMetered<A, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        let answer = self.active.on_next(item);
        self.note(answer)
    }

    fn cause(&self) -> Cause {
        self.active.cause()
    }

    fn on_complete(self) {
        self.active.on_complete();
    }

    fn on_error(self, error: E) {
        self.active.on_error(error);
    }

    fn on_fault(self, fault: Fault) {
        self.active.on_fault(fault);
    }

    #[inline]
    fn on_request(&mut self, more: More) -> More {
        let answer = self.active.on_request(more);
        self.note(answer)
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        self.active.on_end(end)
    }
}

impl<A, T, E> fmt::Debug for ActiveMetered<A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveMetered").field("unbounded", &self.unbounded).finish_non_exhaustive()
    }
}
