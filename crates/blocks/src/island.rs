//! An island: a source to pull from and the chain of stages below it, run by whoever knocks.
//!
//! ```text
//!        ┌──────────────────────── island ────────────────────────┐
//!        │ Turn: word │ Emission: source → stage → … → subscriber │
//!        └───▲────────────────────▲───────────────────────────────┘
//!            │                    └── Bell (news in a queue), held by whoever fills it
//!            └── Subscription (request, cancel), held by whoever asks
//! ```
//!
//! The guarded value is what it runs (`running`). Whoever enters the turn runs the emission;
//! whoever finds it held only adds. The source is synchronous ([`emit`]), or reads from
//! [lanes](crate::lane) that others fill ([`join`]): then it may have nothing for now, and goes on
//! when one of its bells rings.
//!
//! A *fed* island (`join_fed`) has one who fills its source and may also keep its turn, to hand it
//! items directly while there is demand and nothing else to send: see [`branch`](crate::branch).
//!
//! * **Alone** it runs where a synchronous source is subscribed to and the handle was let go before
//!   the subscriber became active: nobody can ask, cancel or break it off any more. So it looks for
//!   nothing between two items, and the emission never enters the island.
//! * **Cancellation** closes the word. If nobody holds the turn, the canceller drops source and
//!   subscriber (rule 3.13); otherwise the holder does, before the next item. Its
//!   [cause](crate::cause), if there is one, is in the mail before the word is closed.
//! * **A panic** in user code is caught here, at the entry, once for the whole chain. The chain
//!   is told by [`End::Fault`](millstream_core::End::Fault), the source is dropped, the word closes; nobody waits for ever.
//! * **Stack depth** does not grow with the number of items or requests: a request from inside a
//!   signal adds to the word and returns.
//! * **Nothing keeps itself alive.** A joined island and the sources that fill its lanes hold each
//!   other, so a handle that is [let go](Upstream::detach) is noted: without demand, nobody could
//!   ever ask again, and the island goes.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Fault, Panic, Progress, Pull, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock};

use crate::bell::{Bell, Host};
use crate::cause::{afresh, enter};
use crate::emission::Emission;
use crate::gauge::Panel;
use crate::mail::{self, Mail, leave_cause, leave_fault};
use crate::running::{Running, Runs, active, break_off_contained};
use crate::turn::{Holder, Turn};
use crate::word::Claim;

/// Subscribes `subscriber` to a source that is pulled: the whole protocol of a synchronous
/// publisher. One allocation.
pub fn emit<P: Pull, S: Subscriber<P::Item, P::Error>>(producer: P, subscriber: S) {
    let island = Island::<P, S::Active, _>::new(Pulled::default());
    // The turn is held while the subscriber becomes active: a request from inside
    // `on_subscribe` is noted, and served below.
    // SAFETY: made by `held`, and this is its one call (model `first_turn_excludes`).
    let mut holder = unsafe { island.turn.first() };
    let subscription = Subscription::new(island.clone());
    if let Some(active) = active(subscriber, subscription) {
        let emission = Emission::new(producer, active);
        if island.filled.was_let_go() {
            holder.abandon();
            return island.run_alone(emission);
        }
        island.turn.state(&mut holder).running = Running::Source(emission);
        island.drive(&mut holder);
    }
    // Without a subscription nobody asks or cancels any more.
    if Arc::strong_count(&island) == 1 {
        holder.abandon();
    }
}

/// Subscribes `subscriber` to a source that others fill. `make` is given the bell that they must
/// ring, and the context of `subscriber`; it subscribes to them. One
/// allocation, and those of the source.
pub fn join<P, S>(make: impl FnOnce(&Bell, &Context) -> P, subscriber: S)
where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    join_island(None, |_, bell, context| make(bell, context), subscriber);
}

/// As [`join`], for a source with one who feeds it: `make` is also given what items are offered
/// to directly.
pub(crate) fn join_fed<P, S>(
    feeds: Arc<dyn Feeds>,
    make: impl FnOnce(Arc<dyn Direct<P::Item>>, &Context) -> P,
    subscriber: S,
) where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    join_island(Some(feeds), |island, _, context| make(island.clone(), context), subscriber);
}

/// As [`join`], for a source that somebody may [visit](Island::visit): `feeds` is told whenever the
/// island rests.
pub(crate) fn join_visited<P, S>(
    feeds: Arc<dyn Feeds>,
    make: impl FnOnce(&Bell) -> P,
    subscriber: S,
) -> Arc<Island<P, S::Active>>
where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    join_island(Some(feeds), |_, bell, _| make(bell), subscriber)
}

fn join_island<P, S>(
    feeds: Option<Arc<dyn Feeds>>,
    make: impl FnOnce(&Arc<Island<P, S::Active>>, &Bell, &Context) -> P,
    subscriber: S,
) -> Arc<Island<P, S::Active>>
where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    let context = subscriber.context();
    let island = Island::<P, S::Active>::new(Joined { panel: Panel::of(&context), feeds });
    begin(&island, make, &context, subscriber);
    island
}

fn begin<P, S>(
    island: &Arc<Island<P, S::Active>>,
    make: impl FnOnce(&Arc<Island<P, S::Active>>, &Bell, &Context) -> P,
    context: &Context,
    subscriber: S,
) where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    // SAFETY: made by `held`, and this is its one call (model `first_turn_excludes`).
    let mut holder = unsafe { island.turn.first() };
    let subscription = Subscription::new(island.clone());
    let Some(active) = active(subscriber, subscription) else { return };
    // Nothing is subscribed for a downstream that has already gone.
    if island.turn.is_closed() {
        let _cause = enter(mail::cause(&island.mail));
        return drop(active);
    }
    let bell = Bell::new(island.clone());
    match catch_unwind(AssertUnwindSafe(|| make(island, &bell, context))) {
        Ok(source) => {
            drop(bell);
            island.turn.state(&mut holder).running = Running::Source(Emission::new(source, active));
            island.drive(&mut holder);
        }
        Err(payload) => {
            let mut emission = Emission::<P, _>::sourceless(active);
            break_off_contained(&mut emission, Fault::Panicked(Panic::new(payload)));
        }
    }
}

pub(crate) struct Island<P: Pull, A, F = Joined> {
    turn: Turn<Station<P, A>>,
    mail: Mutex<Mail>,
    filled: F,
}

/// Where the source has its items from.
pub(crate) trait Filled: Send + Sync + 'static {
    /// The handle was let go: whether that is all there is to do.
    fn let_go(&self) -> bool;

    /// Where somebody looks at its boundaries.
    fn panel(&self) -> Option<&Arc<Panel>> {
        None
    }

    /// Who fills it, and may keep its turn.
    fn feeds(&self) -> Option<&Arc<dyn Feeds>> {
        None
    }
}

/// It is synchronous: only the handle holds the island.
#[derive(Default)]
struct Pulled {
    /// One, where the handle was let go.
    let_go: AtomicUsize,
}

impl Pulled {
    fn was_let_go(&self) -> bool {
        // ordering: acquire pairs with the release in `let_go`: what was done by the handle before
        // is in the word and the mail (model `asking_and_letting_go_race_on_subscribe`).
        self.let_go.load(Ordering::Acquire) != 0
    }
}

impl Filled for Pulled {
    #[inline]
    fn let_go(&self) -> bool {
        // ordering: release pairs with the acquire in `was_let_go`.
        self.let_go.store(1, Ordering::Release);
        true
    }
}

/// Somebody else fills it: there are others that hold the island.
pub(crate) struct Joined {
    panel: Option<Arc<Panel>>,
    feeds: Option<Arc<dyn Feeds>>,
}

impl Filled for Joined {
    fn let_go(&self) -> bool {
        false
    }

    fn panel(&self) -> Option<&Arc<Panel>> {
        self.panel.as_ref()
    }

    fn feeds(&self) -> Option<&Arc<dyn Feeds>> {
        self.feeds.as_ref()
    }
}

/// Who fills the source of a fed island.
pub(crate) trait Feeds: Send + Sync + 'static {
    /// The island rests, or has news for whoever keeps its turn. `hungry`: there is demand, and
    /// nothing to send.
    fn news(&self, hungry: bool);
}

/// How a turn was given up, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    /// It is kept: there is demand, and nothing to send.
    Kept,
    /// It was given up, in that state.
    Left { hungry: bool },
    /// Somebody else has it.
    Busy,
    /// The stream is over.
    Over,
}

/// A fed island, for the one who feeds it.
pub(crate) trait Direct<T>: Host {
    /// Takes the turn if it is free, and sends what is in the source; keeps it where there is
    /// demand left.
    fn enter(&self) -> Rests;

    /// Sends `item`, past the source. It comes back where it may not be sent.
    ///
    /// # Safety
    /// The caller keeps the turn.
    unsafe fn offer(&self, item: T) -> (Rests, Option<T>);

    /// Looks at the news; keeps the turn where there is demand left.
    ///
    /// # Safety
    /// The caller keeps the turn.
    unsafe fn attend(&self) -> Rests;

    /// Gives the turn up.
    ///
    /// # Safety
    /// The caller keeps the turn.
    unsafe fn leave(&self) -> Rests;
}

/// What the holder of the turn guards.
struct Station<P: Pull, A> {
    running: Running<P, A>,
    /// Downstream let go of its handle, and all that it asked for has been claimed.
    detached: bool,
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>, F: Filled> Island<P, A, F> {
    #[inline(always)]
    fn new(filled: F) -> Arc<Island<P, A, F>> {
        // In two steps: an island that is made before there is memory for it would have to be dropped
        // where there is none, and so is copied as a whole, with the room for what is not there yet.
        let place = Arc::into_raw(Arc::<Island<P, A, F>>::new_uninit()).cast::<Island<P, A, F>>();
        let island = Island {
            turn: Turn::held(Station { running: Running::Vacant, detached: false }),
            mail: Mutex::new(Mail::default()),
            filled,
        };
        // SAFETY: `place` has just been made for a `MaybeUninit` of it, so nobody else can read or
        // write it (every model begins with it), and it is initialised when it is said to be.
        unsafe {
            place.cast_mut().write(island);
            Arc::from_raw(place)
        }
    }

    /// Runs a stream that nobody can ask, cancel or break off any more, and drops what is left when
    /// the demand is used up. The turn is kept for ever, in case somebody tries.
    fn run_alone(&self, mut emission: Emission<P, A>) {
        let claim = self.turn.last_claim();
        if claim.closed {
            let _cause = enter(mail::cause(&self.mail));
            return drop(emission);
        }
        if claim.signalled
            && let Some(fault) = lock(&self.mail).take().fault
        {
            return break_off_contained(&mut emission, fault);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| emission.run_out(claim.more)));
        if let Err(payload) = outcome {
            break_off_contained(&mut emission, Fault::Panicked(Panic::new(payload)));
        }
    }

    /// As [`drive`](Driven::drive), by one who has claimed already.
    fn drive_from(&self, holder: &mut Holder<'_>, claim: Claim) {
        if let Rests::Left { hungry } = self.contained(holder, claim, false)
            && let Some(feeds) = self.filled.feeds()
        {
            feeds.news(hungry);
        }
    }

    /// [`turns`](Island::turns), where a panic ends the stream.
    fn contained(&self, holder: &mut Holder<'_>, claim: Claim, keeps: bool) -> Rests {
        match catch_unwind(AssertUnwindSafe(|| self.turns(holder, claim, keeps))) {
            Ok(rests) => rests,
            Err(payload) => self.broken(holder, payload),
        }
    }

    fn broken(&self, holder: &mut Holder<'_>, payload: Box<dyn Any + Send>) -> Rests {
        // The holder has not left: leaving is the last thing a turn does.
        let running = &mut self.turn.state(holder).running;
        break_off_contained(running, Fault::Panicked(Panic::new(payload)));
        Rests::Over
    }

    fn turns(&self, holder: &mut Holder<'_>, mut claim: Claim, keeps: bool) -> Rests {
        loop {
            let mail = if claim.signalled { lock(&self.mail).take() } else { Mail::default() };
            let progress = {
                let mut state = self.turn.state(holder);
                let station = &mut *state;
                // At the end the holder is dropped without leaving: the word closes.
                if claim.closed {
                    station.running.dismiss(mail::cause(&self.mail));
                    return Rests::Over;
                }
                if let Some(fault) = mail.fault {
                    station.running.break_off(fault);
                    return Rests::Over;
                }
                let Some(progress) = station.running.advance(claim.more, self.turn.watch()) else {
                    return Rests::Over;
                };
                if progress == Progress::Starved && station.detached {
                    station.running = Running::Vacant;
                    return Rests::Over;
                }
                station.detached |= mail.detached;
                if !mail.detached
                    && let Some(panel) = self.filled.panel()
                {
                    panel.rest(station.running.credit());
                }
                progress
            };
            if mail.detached {
                // What was asked before letting go may have come after the claim.
                claim = holder.claim();
                continue;
            }
            let hungry = progress == Progress::Pending;
            if keeps && hungry {
                return Rests::Kept;
            }
            if holder.leave() {
                return Rests::Left { hungry };
            }
            claim = holder.claim();
        }
    }

    /// Goes on with a turn that the feeder has, and keeps it for it where there is demand left.
    fn keep_on(&self, mut holder: Holder<'_>) -> Rests {
        let claim = holder.claim();
        let rests = self.contained(&mut holder, claim, true);
        if rests == Rests::Kept {
            holder.keep();
        }
        rests
    }

    /// Lends the source to somebody who is not its subscriber, for the time of `f`. `None` where the
    /// stream is over, or somebody else has the turn: then `missed` is called, and who has the turn
    /// tells [whoever feeds it](Feeds::news) after that.
    pub(crate) fn visit<R>(&self, missed: impl FnOnce(), f: impl FnOnce(&mut P) -> R) -> Option<R> {
        let mut holder = match self.turn.enter() {
            Some(holder) => holder,
            None => {
                missed();
                self.turn.signal()?
            }
        };
        let visited =
            catch_unwind(AssertUnwindSafe(|| self.turn.state(&mut holder).running.source().map(f)));
        let result = match visited {
            Ok(result) => result,
            Err(payload) => {
                self.broken(&mut holder, payload);
                return None;
            }
        };
        // What came meanwhile, be it the end, is for the island.
        if !holder.leave() {
            self.drive(&mut holder);
        } else if let Some(feeds) = self.filled.feeds() {
            feeds.news(false);
        }
        result
    }
}

/// An island, for what is compiled once for all of them.
trait Driven {
    /// Emits as the holder of the turn, until there is nothing to do.
    fn drive(&self, holder: &mut Holder<'_>);
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>, F: Filled> Driven for Island<P, A, F> {
    fn drive(&self, holder: &mut Holder<'_>) {
        let claim = holder.claim();
        self.drive_from(holder, claim);
    }
}

/// Whoever has the turn may only keep it, and must see this all the same.
fn knock_in_haste(island: &dyn Driven, holder: Option<Holder<'_>>, feeds: Option<&Arc<dyn Feeds>>) {
    match (holder, feeds) {
        (Some(mut holder), _) => island.drive(&mut holder),
        // Whoever feeds it may send items to others.
        (None, Some(feeds)) => afresh(|| feeds.news(true)),
        (None, None) => {}
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>, F: Filled> Direct<P::Item>
    for Island<P, A, F>
{
    fn enter(&self) -> Rests {
        match self.turn.enter() {
            Some(holder) => self.keep_on(holder),
            None if self.turn.is_closed() => Rests::Over,
            None => Rests::Busy,
        }
    }

    // SAFETY: the caller's part is that of `Direct::offer`: it keeps the turn (model
    // `the_kept_turn_excludes`).
    unsafe fn offer(&self, item: P::Item) -> (Rests, Option<P::Item>) {
        // SAFETY: the caller keeps the turn (model `the_kept_turn_excludes`).
        let mut holder = unsafe { self.turn.resume() };
        let offered = catch_unwind(AssertUnwindSafe(|| {
            self.turn.state(&mut holder).running.offer(item, self.turn.watch())
        }));
        match offered {
            Ok(Ok(None)) => {
                holder.keep();
                (Rests::Kept, None)
            }
            // The end was told.
            Ok(Ok(Some(None))) => (Rests::Over, None),
            Ok(Ok(Some(Some(_)))) => (self.keep_on(holder), None),
            Ok(Err(item)) => (self.keep_on(holder), Some(item)),
            Err(payload) => (self.broken(&mut holder, payload), None),
        }
    }

    // SAFETY: what the caller owes is said at `Direct` (model `the_kept_turn_excludes`).
    unsafe fn attend(&self) -> Rests {
        if !self.turn.interrupted() {
            return Rests::Kept;
        }
        // SAFETY: the caller keeps the turn (model `the_kept_turn_excludes`).
        self.keep_on(unsafe { self.turn.resume() })
    }

    unsafe fn leave(&self) -> Rests {
        // SAFETY: the caller keeps the turn (model `the_kept_turn_excludes`).
        let mut holder = unsafe { self.turn.resume() };
        if holder.leave() {
            return Rests::Left { hungry: true };
        }
        let claim = holder.claim();
        self.contained(&mut holder, claim, false)
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>, F: Filled> Upstream for Island<P, A, F> {
    fn request(&self, demand: Demand) {
        if let Some(mut holder) = self.turn.request_claimed(demand) {
            self.drive_from(&mut holder, Claim::of(demand));
        }
    }

    fn cancel(&self) {
        leave_cause(&self.mail);
        knock_in_haste(self, self.turn.cancel(), self.filled.feeds());
    }

    fn cancel_because(&self, cause: Cause) {
        let _cause = enter(cause);
        self.cancel();
    }

    fn detach(&self) {
        if !self.filled.let_go() && !self.turn.is_closed() {
            lock(&self.mail).detached = true;
            knock_in_haste(self, self.turn.signal(), None);
        }
    }

    fn fail(&self, fault: Fault) {
        if self.turn.is_closed() {
            return;
        }
        leave_fault(&self.mail, fault);
        knock_in_haste(self, self.turn.signal(), self.filled.feeds());
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>, F: Filled> Host for Island<P, A, F> {
    fn ring(&self) {
        if let Some(mut holder) = self.turn.signal() {
            self.drive(&mut holder);
        }
    }

    fn fail(&self, fault: Fault) {
        Upstream::fail(self, fault);
    }

    fn panel(&self) -> Option<&Arc<Panel>> {
        self.filled.panel()
    }
}

impl<P: Pull, A, F> fmt::Debug for Island<P, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Island").field("turn", &self.turn).finish_non_exhaustive()
    }
}
