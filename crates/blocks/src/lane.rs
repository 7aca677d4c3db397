//! A lane: a subscriber that fills a bounded queue, and a [`Pull`] that empties it.
//!
//! ```text
//!  upstream ──signals──▶ Inlet ─▶ ring(capacity) ─▶ Outlet: Pull ──▶ the host's emission
//!       ◀── request(capacity), then request(low) each time low items have left ──┘
//!                          └── Bell: the ring was empty and its reader waits
//! ```
//!
//! Every stage that takes signals on one side and sends them on another, later or elsewhere, is
//! made of lanes: one for `publish_on`, several for `merge` and `zip`.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `ring` | see [`ring`](crate::ring) | |
//! | `link` | put by the inlet, taken by the outlet, under its lock | any |
//! | `end` | written by the inlet before the ring is shut, taken by the outlet after it saw that | |
//!
//! * **Demand.** `capacity` is asked for when the subscription arrives, and `low` (three quarters,
//!   or [one](Outlet::one_by_one)) each time that many items have *left the queue*. So never more is on its way and queued than
//!   the capacity; a source that sends more than it was asked for ends the stream with
//!   [`Fault::Overflow`].
//! * **Past the queue.** The outlet of an [open lane](open_lane) asks for a turn at a time from inside of the
//!   loop that it gives its items to, while its queue is empty, and what comes in that call goes by the
//!   [door](crate::door). It does so as long as upstream sends all that it is asked for in the very call;
//!   else it asks ahead, as any other.
//! * **The end** comes behind what is queued, whether completion or failure, and needs no demand of
//!   its own. A fault does not wait: it goes to the host at once.
//! * **Cancellation.** An outlet that is dropped marks the ring first, cancels upstream second,
//!   and discards what is queued last; an item that is just being pushed comes back to the inlet,
//!   which keeps it until it is dropped. So an item whose destructor tells upstream of its end (it was
//!   to be acknowledged) tells one that knows it is cancelled (model
//!   `what_is_dropped_is_no_news_to_an_upstream_that_is_cancelled`). A subscription that arrives later
//!   is cancelled on arrival.
//! * **An upstream that is over** is let go when its end leaves the queue, and not cancelled.
//! * **A source that goes away** without an end is [`Fault::SourceDropped`].

use std::fmt;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, End, Fault, More, Pull, Pulled, Subscriber,
    Subscription, Undelivered, Upstream, report_undelivered,
};
use millstream_sync::{Mutex, lock, pause};

use crate::bell::Bell;
use crate::boxed::BoxPull;
use crate::cause::{self, afresh, current};
use crate::door::{NOWHERE, lend, pass, pass_below};
use crate::gauge::{Gauge, Reading, State, Tally};
use crate::ring::{Look, Popped, Pushed, Reader, Writer, ring};

/// A lane for at most `capacity` items that rings `bell` when its outlet waits. `context` is
/// that of the host's subscriber: what is never delivered goes to its discards. `gauge` is read
/// from it, if there is one.
#[must_use]
pub fn lane<T, E>(
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
    gauge: Option<Gauge>,
) -> (Inlet<T, E>, Outlet<T, E>)
where
    T: Send + 'static,
{
    let (mut writer, reader) = ring(capacity.get());
    let watch =
        gauge.map(|gauge| Watch { reading: gauge.read(writer.observe()), end: None, gauge });
    let shared = Arc::new(Shared::new(Link::Awaited, context.discards().clone()));
    let capacity = capacity.get() as u64;
    let active = ActiveInlet {
        writer: Some(writer),
        refused: None,
        lane: shared.address(),
        shared: shared.clone(),
        bell,
        reading: watch.as_ref().map(|watch| Box::new(watch.reading.clone())),
    };
    let inlet = Inlet { active, first: Some(Demand::of(capacity)), context: context.upstream() };
    let outlet = Outlet {
        reader: Some(reader),
        shared,
        upstream: None,
        left: 0,
        low: capacity - capacity / 4,
        asks: Asks::Ahead,
        patience: Patience::default(),
        watch: watch.map(|watch| Box::new(Watched::Lane(watch))),
    };
    (inlet, outlet)
}

/// A lane with a [door](crate::door), for a host that takes a [turn](Outlet::pull_turn) of its outlet: that
/// asks for the first items too, when it is pulled or looked at. Nobody looks at it.
#[must_use]
pub fn open_lane<T, E>(
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> (Inlet<T, E>, Outlet<T, E>)
where
    T: Send + 'static,
{
    let (inlet, mut outlet) = lane(capacity, bell, context, None);
    outlet.left = capacity.get() as u64;
    outlet.asks = Asks::NotYet;
    (Inlet { first: None, ..inlet }, outlet)
}

/// An outlet without a lane, for a host that would hold `pull` in place, and somebody looks: what
/// it gives is pulled, and counted by `gauge`. Such a host pays for no third kind of source.
#[must_use]
pub fn counted<P: Pull>(pull: P, gauge: Gauge) -> Outlet<P::Item, P::Error> {
    let counted = Counted { pull: BoxPull::new(pull), tally: Tally::new(gauge) };
    Outlet {
        reader: None,
        shared: Arc::new(Shared::new(Link::Gone, Discards::default())),
        upstream: None,
        left: 0,
        low: u64::MAX,
        asks: Asks::Ahead,
        patience: Patience::default(),
        watch: Some(Box::new(Watched::Pull(counted))),
    }
}

/// What an outlet keeps where somebody looks.
enum Watched<T, E> {
    /// At its lane.
    Lane(Watch),
    /// At what passes.
    Pull(Counted<T, E>),
}

struct Counted<T, E> {
    pull: BoxPull<T, E>,
    tally: Tally,
}

impl<T, E> Counted<T, E> {
    fn count(&mut self, pulled: Pulled<T, E>) -> Pulled<T, E> {
        self.tally.count(&pulled);
        pulled
    }
}

/// What an outlet keeps where somebody looks at its lane.
struct Watch {
    reading: Reading,
    /// How upstream ended.
    end: Option<State>,
    // Last: the line ends when the queue was closed.
    #[expect(dead_code, reason = "the line ends when it is dropped")]
    gauge: Gauge,
}

struct Shared<E> {
    link: Mutex<Link>,
    /// How upstream ended, or why the outlet went.
    end: Mutex<Option<End<E>>>,
    discards: Discards,
}

impl<E> Shared<E> {
    fn new(link: Link, discards: Discards) -> Shared<E> {
        Shared { link: Mutex::new(link), end: Mutex::new(None), discards }
    }

    /// By which its [door](crate::door) knows a lane.
    #[inline]
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Nothing more is wanted, for `cause`. Before the queue is closed: a writer that finds it
    /// closed is asked why (model `a_writer_that_finds_nobody_knows_why`).
    fn note(&self, cause: Cause) {
        if cause.is_failure() {
            let before = lock(&self.end).replace(End::Cancelled(cause));
            drop(before);
        }
    }

    fn cause(&self) -> Cause {
        match &*lock(&self.end) {
            Some(End::Cancelled(cause)) => cause.clone(),
            _ => Cause::NoMoreNeeded,
        }
    }
}

enum Link {
    /// The subscription has not arrived.
    Awaited,
    /// Nor has it, and the outlet has asked for so many: for whoever subscribes to ask.
    Owed(Demand),
    Here(Arc<dyn Upstream>),
    /// The outlet has gone.
    Gone,
}

/// The subscriber of a lane.
pub struct Inlet<T: 'static, E> {
    active: ActiveInlet<T, E>,
    /// What it asks for at the beginning, where the outlet does not.
    first: Option<Demand>,
    context: Context,
}

impl<T: 'static, E> Inlet<T, E> {
    /// Asks for `first` at the beginning, which is at most the capacity, and not for all of that.
    #[must_use]
    pub fn asking(mut self, first: NonZeroUsize) -> Inlet<T, E> {
        debug_assert!(
            self.first.is_some_and(|all| first.get() as u64 <= all.get()),
            "asked for more than fits"
        );
        self.first = Some(Demand::of(first.get() as u64));
        self
    }

    /// Asks for nothing at the beginning: the outlet [grants](Outlet::grant) all.
    #[must_use]
    pub fn asking_nothing(mut self) -> Inlet<T, E> {
        self.first = None;
        self
    }
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for Inlet<T, E> {
    type Active = ActiveInlet<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveInlet<T, E> {
        let upstream = subscription.into_upstream();
        let mut link = lock(&self.active.shared.link);
        let (gone, first) = match &*link {
            Link::Gone => (true, None),
            Link::Owed(demand) => (false, Some(*demand)),
            Link::Awaited | Link::Here(_) => (false, self.first),
        };
        if !gone {
            *link = Link::Here(upstream.clone());
        }
        drop(link);
        if gone {
            cause::cancel(&*upstream, self.active.shared.cause());
        } else if let Some(first) = first {
            upstream.request(first);
        }
        self.active
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl<T: 'static, E> fmt::Debug for Inlet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").field("active", &self.active).finish_non_exhaustive()
    }
}

/// The subscriber of a lane, with its subscription.
///
/// It is moved into the loop that calls it, and back, so it is to be small: what is seldom needed is
/// elsewhere.
pub struct ActiveInlet<T: 'static, E> {
    /// Here until the end.
    writer: Option<Writer<T>>,
    /// An item that did not get into the queue. It goes when this does: upstream is cancelled by then.
    refused: Option<T>,
    /// The address of what is shared, while the outlet is known to have taken all that was put in the
    /// queue; else [`NOWHERE`].
    lane: usize,
    shared: Arc<Shared<E>>,
    bell: Bell,
    /// Where somebody looks.
    reading: Option<Box<Reading>>,
}

impl<T: 'static, E> ActiveInlet<T, E> {
    #[inline(never)]
    fn push(&mut self, item: T) -> More {
        let Some(writer) = &mut self.writer else { return More::CANCEL };
        let lane = self.shared.address();
        // SAFETY: it is what this shares with its outlet, which is for the same items (model
        // `an_item_passes_alone`).
        let item = match unsafe { pass_below(lane, writer.came(), item) } {
            Ok(()) => {
                self.lane = lane;
                return More::NONE;
            }
            Err(item) => item,
        };
        self.lane = NOWHERE;
        match writer.push(item) {
            Pushed::Noted => More::NONE,
            Pushed::Wake => {
                self.bell.ring();
                More::NONE
            }
            Pushed::Gone(item) => {
                self.writer = None;
                self.refuse(item);
                More::CANCEL
            }
            Pushed::Full(item) => {
                let capacity = writer.capacity() as u64;
                // The reader is broken off by it, and looks for no end.
                self.shared.note(Cause::Failed);
                self.fail(Fault::Overflow { capacity });
                self.refuse(item);
                More::CANCEL
            }
        }
    }
}

impl<T: 'static, E> ActiveInlet<T, E> {
    /// An item that did not get into the queue, and is the last.
    #[cold]
    fn refuse(&mut self, item: T) {
        if let Some(reading) = &self.reading {
            reading.refuse();
        }
        self.refused = Some(item);
    }

    fn end(&mut self, end: End<E>) {
        let Some(writer) = self.writer.take() else { return };
        let before = lock(&self.shared.end).replace(end);
        drop(before);
        if writer.shut() {
            self.bell.ring();
        }
    }

    fn fail(&mut self, fault: Fault) {
        if let Some(writer) = self.writer.take() {
            if writer.is_gone() {
                report_undelivered(&Undelivered::Fault(fault));
            } else {
                if let Some(reading) = &self.reading {
                    reading.broke();
                }
                self.bell.fail(fault);
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for ActiveInlet<T, E> {
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        // SAFETY: it is nowhere, or what this shares with its outlet, which is for the same items (model
        // `an_item_passes_alone`).
        match unsafe { pass(self.lane, item) } {
            Ok(()) => More::NONE,
            Err(item) => self.push(item),
        }
    }

    fn cause(&self) -> Cause {
        self.shared.cause()
    }

    fn on_complete(mut self) {
        self.end(End::Completed);
    }

    fn on_error(mut self, error: E) {
        self.end(End::Failed(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.fail(fault);
    }
}

impl<T: 'static, E> Drop for ActiveInlet<T, E> {
    fn drop(&mut self) {
        if let Some(item) = self.refused.take() {
            self.shared.discards.discard(item);
        }
        // Dropped without an end: because the outlet cancelled, or the source went away.
        if self.writer.as_ref().is_some_and(|writer| !writer.is_gone()) {
            afresh(|| self.fail(Fault::SourceDropped));
        }
    }
}

impl<T: 'static, E> fmt::Debug for ActiveInlet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveInlet").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// The end of a lane that items come out by. Whoever pulls it must be the host of its bell, and
/// must pull again after the bell has rung.
pub struct Outlet<T: 'static, E> {
    /// Here until it is dropped; there is none where what it gives is [pulled](counted).
    reader: Option<Reader<T>>,
    shared: Arc<Shared<E>>,
    /// A copy of the link, once it was needed.
    upstream: Option<Arc<dyn Upstream>>,
    /// Items that left the queue since the last request.
    left: u64,
    low: u64,
    asks: Asks,
    patience: Patience,
    /// Where somebody looks.
    watch: Option<Box<Watched<T, E>>>,
}

/// When an outlet asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    /// When `low` items have left.
    Ahead,
    /// So too, and there is a door: whether upstream sends in that very call is looked at.
    Looking,
    /// Upstream does: for a turn, when the queue is empty.
    Promptly,
    /// So too, and nothing was asked for yet.
    NotYet,
}

impl<T: 'static, E> Outlet<T, E> {
    /// From here on asks for nothing by itself, but for what is [granted](Outlet::grant).
    #[must_use]
    pub fn granting(mut self) -> Outlet<T, E> {
        self.low = u64::MAX;
        self
    }

    /// From here on asks for another item with each that leaves the queue.
    #[must_use]
    pub fn one_by_one(mut self) -> Outlet<T, E> {
        self.low = 1;
        self
    }

    /// Asks upstream for `n` more. With what was asked for before and is not there yet, or has not
    /// left the queue, they are at most as many as fit.
    pub fn grant(&mut self, n: u64) {
        self.left = n;
        self.replenish();
    }

    /// Asks for the first items, if nothing was asked for yet.
    #[inline]
    pub fn begin(&mut self) {
        if self.asks == Asks::NotYet {
            self.replenish();
        }
    }

    #[cold]
    fn replenish(&mut self) {
        let left = std::mem::take(&mut self.left);
        let waiting = self.len() as u64;
        if let Some(upstream) = self.upstream(left) {
            upstream.request(Demand::of(left));
        }
        if self.asks != Asks::Ahead {
            let prompt = self.len() as u64 >= waiting + left;
            self.asks = if prompt { Asks::Promptly } else { Asks::Looking };
        }
    }

    /// Whom to ask for `n`. Nobody, where the subscription has not arrived: it is asked when it does.
    #[inline]
    fn upstream(&mut self, n: u64) -> Option<&dyn Upstream> {
        if self.upstream.is_none() {
            self.look_for_upstream(n);
        }
        self.upstream.as_deref()
    }

    #[cold]
    fn look_for_upstream(&mut self, n: u64) {
        let mut link = lock(&self.shared.link);
        match &mut *link {
            Link::Awaited => *link = Link::Owed(Demand::of(n)),
            Link::Owed(demand) => *demand = demand.plus(Demand::of(n)),
            Link::Here(upstream) => self.upstream = Some(upstream.clone()),
            Link::Gone => {}
        }
    }

    /// Items that wait in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reader.as_ref().map_or(0, Reader::len)
    }

    /// Whether no item waits in the queue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether upstream sends what it is asked for in the very call, as far as is known; then it is asked
    /// in the turns of this outlet, and not ahead.
    #[inline]
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        self.asks >= Asks::Promptly
    }

    /// Whether what it gives is [pulled](counted).
    #[must_use]
    pub fn is_pulled(&self) -> bool {
        matches!(self.watch.as_deref(), Some(Watched::Pull(_)))
    }

    #[cold]
    fn over<I>(&mut self) -> Pulled<I, E> {
        // Upstream is over: there is nothing to cancel, nor to keep.
        let link = std::mem::replace(&mut *lock(&self.shared.link), Link::Gone);
        drop((link, self.upstream.take()));
        let (end, pulled) = match lock(&self.shared.end).take() {
            Some(End::Failed(error)) => (State::Failed, Pulled::Error(error)),
            _ => (State::Completed, Pulled::Complete),
        };
        if let Some(Watched::Lane(watch)) = self.watch.as_deref_mut() {
            watch.end = Some(end);
        }
        pulled
    }
}

impl<T: Send + 'static, E: Send + 'static> Outlet<T, E> {
    /// Where the queue gives nothing: it is over, or there is none. One way out for both, so that
    /// [`pull`](Pull::pull) stays short enough to be a part of the loops that run it.
    #[cold]
    #[inline(never)]
    fn pull_without_queue(&mut self) -> Pulled<T, E> {
        match self.watch.as_deref_mut() {
            Some(Watched::Pull(counted)) => {
                let pulled = counted.pull.pull();
                counted.count(pulled)
            }
            _ => self.over(),
        }
    }

    #[cold]
    fn look_ahead_counted(&mut self, started: bool) -> Pulled<T, E> {
        match self.watch.as_deref_mut() {
            Some(Watched::Pull(counted)) => {
                let pulled = counted.pull.look_ahead(started);
                counted.count(pulled)
            }
            _ => Pulled::Complete,
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Outlet<T, E> {
    /// As [`pull_while`](Pull::pull_while), for up to `turn` items, which it counts down. `None` where
    /// the turn is over, and `each` takes another.
    ///
    /// What upstream sends in the call that asks it for more is handed to `each` past the queue, by the
    /// [door](crate::door), if there is one.
    #[inline]
    pub fn pull_turn(
        &mut self,
        turn: &mut u32,
        each: &mut impl FnMut(T) -> bool,
    ) -> Option<Pulled<T, E>> {
        while let Some(reader) = &mut self.reader {
            if *turn == 0 {
                return None;
            }
            if self.asks <= Asks::Looking && reader.run().is_some_and(|run| run > 1) {
                let _waited = self.patience.wait(reader, self.left);
            }
            match reader.pop() {
                Popped::Item(item) => {
                    *turn -= 1;
                    self.left += 1;
                    if self.left >= self.low && self.asks <= Asks::Looking {
                        self.replenish();
                    }
                    if !each(item) {
                        return Some(Pulled::Skipped);
                    }
                }
                Popped::Empty if self.asks >= Asks::Promptly && self.left > 0 => {
                    if !self.ask_for(turn, each) {
                        return Some(Pulled::Skipped);
                    }
                }
                Popped::Empty => {
                    if reader.sleep() {
                        return Some(Pulled::Pending);
                    }
                }
                Popped::Shut => break,
            }
        }
        self.turn_without_queue(turn, each)
    }

    #[cold]
    #[inline(never)]
    fn turn_without_queue(
        &mut self,
        turn: &mut u32,
        each: &mut impl FnMut(T) -> bool,
    ) -> Option<Pulled<T, E>> {
        while *turn > 0 {
            match self.pull_without_queue() {
                Pulled::Item(item) => {
                    *turn -= 1;
                    if !each(item) {
                        return Some(Pulled::Skipped);
                    }
                }
                other => return Some(other),
            }
        }
        None
    }

    /// Asks for what is left of a turn, by the door; whether `each` takes another.
    #[inline(never)]
    fn ask_for(&mut self, turn: &mut u32, each: &mut impl FnMut(T) -> bool) -> bool {
        let n = self.left.min(u64::from(*turn));
        self.left -= n;
        let (lane, went) = (self.shared.address(), self.reader.as_ref().map_or(0, Reader::went));
        let upstream = self.upstream(n);
        let (passed, goes_on) = lend(lane, went, u64::from(*turn), each, || {
            if let Some(upstream) = upstream {
                upstream.request(Demand::of(n));
            }
        });
        self.left += passed;
        *turn -= passed as u32;
        self.asks = Asks::Promptly;
        if passed < n && passed + (self.len() as u64) < n {
            self.asks = Asks::Looking;
            if self.left >= self.low {
                self.replenish();
            }
        }
        goes_on
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Outlet<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        while let Some(reader) = &mut self.reader {
            if reader.run().is_some_and(|run| run > 1) {
                let _waited = self.patience.wait(reader, self.left);
            }
            match reader.pop() {
                Popped::Item(item) => {
                    self.left += 1;
                    if self.left >= self.low {
                        self.replenish();
                    }
                    return Pulled::Item(item);
                }
                Popped::Empty if self.left >= self.low => self.replenish(),
                Popped::Empty => {
                    if reader.sleep() {
                        return Pulled::Pending;
                    }
                }
                Popped::Shut => break,
            }
        }
        self.pull_without_queue()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<T, E> {
        self.begin();
        loop {
            let Some(reader) = &mut self.reader else {
                return self.look_ahead_counted(started);
            };
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

/// When an outlet that has caught up with its inlet waits a moment before it looks again, and for how
/// long.
///
/// To look takes the cache line of the tail from the writer, and each push after it fetches the
/// line back. Two sides in lock step so pay for every item what they should pay for dozens. A
/// reader that took several items at a time has a writer that is at work just now; so it looks away
/// for a moment, and finds many. Where that brought nothing (the writer has stopped, or would run
/// on this very thread) it waits less and less often.
///
/// **How long** is what the last looks say: until about a half has come of what may come, which is what
/// upstream was asked for. After less than that they look more often than they need; after more the
/// writer has used up what it was asked for, and rests, and is to be woken. That depends on the writer,
/// on the capacity, and on how long a processor takes to look up. A slow writer is waited for no longer
/// than `LONGEST`.
struct Patience {
    /// How many times it will not wait.
    skip: u32,
    /// How many it will not next, if waiting is in vain again.
    doubt: u32,
    /// How long it waits where as many may come as fit, in spins.
    moment: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { skip: 0, doubt: 0, moment: Patience::FIRST }
    }
}

impl Patience {
    const MOST: u32 = 255;
    const FIRST: u32 = 32;
    const LONGEST: u32 = 96;

    /// Waits and looks, or not: whether it did. So many items left the queue for which upstream was not
    /// asked for others.
    #[cold]
    fn wait<T>(&mut self, reader: &mut Reader<T>, left: u64) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let capacity = reader.capacity() as u64;
        let coming = capacity.saturating_sub(left).max(1);
        pause((u64::from(self.moment) * coming / capacity) as u32);
        self.doubt = match reader.look() {
            Look::Items => 0,
            Look::Nothing | Look::Over => (2 * self.doubt + 1).min(Patience::MOST),
        };
        self.skip = self.doubt;
        if self.doubt == 0 {
            self.learn(reader.seen(), coming);
        }
        true
    }

    /// So many came, of those that might.
    fn learn(&mut self, came: u64, coming: u64) {
        if 8 * came < 3 * coming {
            self.moment = (self.moment + self.moment / 8 + 1).min(Patience::LONGEST);
        } else if 8 * came > 5 * coming {
            self.moment = (self.moment - self.moment / 8).saturating_sub(1).max(1);
        }
    }
}

impl<T: 'static, E> Drop for Outlet<T, E> {
    fn drop(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        // The ring first: what upstream drops when it is cancelled, by this or because it finds
        // nobody when it subscribes, is not a source gone away (models
        // `cancel_is_not_a_source_gone`, `a_late_subscription_is_not_a_source_gone`).
        self.shared.note(current());
        let levels = reader.leave();
        if let Some(Watched::Lane(watch)) = self.watch.as_deref() {
            watch.reading.close(levels, watch.end);
        }
        // The items last, whatever upstream does when it is cancelled.
        let _queued = Queued(Some(reader), &self.shared.discards);
        let link = std::mem::replace(&mut *lock(&self.shared.link), Link::Gone);
        if let Link::Here(upstream) = link {
            cause::cancel(&*upstream, current());
        }
    }
}

/// What is queued is discarded when this is dropped.
struct Queued<'a, T: 'static>(Option<Reader<T>>, &'a Discards);

impl<T: 'static> Drop for Queued<'_, T> {
    fn drop(&mut self) {
        if let Some(reader) = self.0.take() {
            reader.close(|item| self.1.discard(item));
        }
    }
}

impl<T: 'static, E> fmt::Debug for Outlet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("reader", &self.reader).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(millstream_loom, millstream_shuttle))))]
mod tests {
    use super::*;

    /// How often of `times` a reader waits that has taken two items, while `meanwhile` come.
    fn waits(times: u32, meanwhile: u32) -> u32 {
        let (mut writer, mut reader) = ring(8);
        let mut patience = Patience::default();
        let mut waits = 0;
        for _ in 0..times {
            while let Look::Items = reader.look() {
                assert!(matches!(reader.pop(), Popped::Item(())));
            }
            for _ in 0..meanwhile {
                assert!(matches!(writer.push(()), Pushed::Noted));
            }
            waits += u32::from(patience.wait(&mut reader, 0));
        }
        waits
    }

    #[test]
    fn waiting_that_brings_items_goes_on() {
        assert_eq!(waits(10_000, 1), 10_000);
    }

    #[test]
    fn waiting_in_vain_becomes_rare() {
        assert!(waits(10_000, 0) < 60, "{}", waits(10_000, 0));
    }

    /// How many of `capacity` come in the end while a reader waits, where so many come in ten spins; and
    /// for how long it waits.
    fn settled(capacity: u64, in_ten_spins: u64) -> (u64, u32) {
        let mut patience = Patience::default();
        let came = |moment| (u64::from(moment) * in_ten_spins / 10).clamp(1, capacity);
        for _ in 0..100 {
            patience.learn(came(patience.moment), capacity);
        }
        (came(patience.moment), patience.moment)
    }

    #[test]
    fn it_waits_until_about_a_half_of_what_may_come_is_there() {
        for (capacity, in_ten_spins) in [(256, 14), (256, 60), (256, 300), (16, 14), (16, 3)] {
            let (came, _) = settled(capacity, in_ten_spins);
            assert!((3 * capacity..=5 * capacity).contains(&(8 * came)), "{came} of {capacity}");
        }
    }

    #[test]
    fn a_slow_writer_is_not_waited_for_longer_and_longer() {
        assert_eq!(settled(256, 1), (9, Patience::LONGEST));
    }

    #[test]
    fn for_one_item_it_waits_as_shortly_as_it_can() {
        assert_eq!(settled(1, 10), (1, 1));
    }
}
