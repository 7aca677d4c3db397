//! A late-bound, switchable upstream that carries unspent demand over.
//!
//! A [`Relay`] stands between one downstream and a [`Sequence`] of sources, one at a time:
//! `concat`, `retry`, `repeat`, `on_error_resume`, `switch_if_empty`, `concat_map`. Downstream
//! has one subscription, to the relay; behind it sources come and go.
//!
//! The downstream subscriber is a **baton**: it is at home in the relay while no source is
//! subscribed, and travels with the source otherwise, so that signals pass straight through, on
//! the thread of the source, without a lock or an atomic operation per item.
//!
//! ```text
//!            request, cancel               baton out: subscribe(Leg { downstream })
//!  downstream ──────────────▶ Relay ◀──────────────────────────────────▶ current source
//!                               ▲          baton home: end, unspent credit
//!                               └── mailbox + SIGNAL
//! ```
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `Station` (sequence, downstream at home) | holder of the turn | always |
//! | the baton | the current source, serially | while it is away |
//! | `mail` | anyone, under its lock, never with user code under it | any |
//! | `current` | put by the leg, taken by the holder or the canceller, under its lock | any |
//!
//! **Demand is conserved.** What downstream asks goes through the relay's word to the current
//! source as it is (*raw*), and is turned into credit by the downstream's own `on_request` as it
//! arrives with the leg. When a source ends, its unspent credit comes home with the baton, and
//! so does the difference between the raw demand that was forwarded and the raw demand that the
//! leg has seen: a request that raced with the end is not lost (the JVM libraries lose this race
//! in eleven operators).
//!
//! **Cancellation reaches a source in any state.** The canceller closes the word first and then
//! takes `current`; a leg puts its subscription into `current` first and then looks at the word.
//! Both go through the lock, so one of the two sees the other.
//!
//! **Nothing keeps itself alive.** A relay and its current source hold each other, so a handle
//! that is let go ([`Upstream::detach`]) is noted: then the relay drops its hold on the source,
//! which goes when it starves, and takes the relay with it.
//!
//! **Stack depth is constant.** A source that ends, even inside `subscribe` or inside `request`,
//! puts the baton into the mailbox and signals; the turn's loop goes on to the next one. A
//! million retries of a source that fails at once use one stack frame.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Panic, Progress, Publisher,
    Rest, Subscriber, Subscription, Undelivered, Upstream, report_undelivered,
};
use millstream_sync::{Mutex, lock};

use crate::cause::{self, Note, afresh, current, subscribing, within};
use crate::emission::run_rest;
use crate::running::undelivered;
use crate::turn::{Holder, Turn};

/// What comes after what: the policy of an operator that is built on a relay.
pub trait Sequence: Send + 'static {
    /// What all sources send.
    type Item: Send + 'static;
    /// How the whole fails.
    type Error: Send + 'static;
    /// The sources.
    type Source: Publisher<Item = Self::Item>;
    /// What may arrive from outside: for `concat_map` the signals of its upstream. Sequences
    /// that know their sources say `Infallible`.
    type Feed: Send + 'static;

    /// The first step.
    fn start(&mut self) -> Then<Self::Source, Self::Error>;

    /// The step after a source has ended. `emitted` tells whether it sent an item.
    fn after(
        &mut self,
        end: SourceEnd<<Self::Source as Publisher>::Error>,
        emitted: bool,
    ) -> Then<Self::Source, Self::Error>;

    /// Something arrived from outside. `busy` tells whether a source is subscribed; then
    /// [`Then::Subscribe`] makes no sense, and an end cancels that source.
    fn fed(&mut self, feed: Self::Feed, busy: bool) -> Then<Self::Source, Self::Error>;

    /// There is demand, and no source: called whenever that is so after a [`Then::Wait`].
    fn wanted(&mut self) {}
}

/// How a source ended, where the sequence has a say in what follows.
#[derive(Debug)]
pub enum SourceEnd<E> {
    /// It sent all its items.
    Completed,
    /// It failed.
    Failed(E),
}

/// What a [`Sequence`] wants next.
#[derive(Debug)]
pub enum Then<S, E> {
    /// Subscribe to this.
    Subscribe(S),
    /// Wait for what comes from outside.
    Wait,
    /// Complete downstream, at once.
    Complete,
    /// Fail downstream, at once.
    Fail(E),
}

/// Subscribes `downstream` to a sequence of sources. One allocation, and those of each source.
///
/// `feeder` is given a way to feed the sequence from outside, before anything else happens.
pub fn relay<Q, S>(sequence: Q, downstream: S, feeder: impl FnOnce(Feeder<Q, S::Active>))
where
    Q: Sequence,
    S: Subscriber<Q::Item, Q::Error>,
{
    let relay = Arc::new(Relay {
        turn: Turn::new(Station {
            sequence: None,
            home: Home::Away,
            arrears: Credit::NONE,
            forwarded: Credit::NONE,
            overruled: None,
            detached: false,
        }),
        mail: Mutex::new(Mail {
            feeds: Vec::new(),
            deaf: false,
            detached: false,
            returned: None,
            overruling: None,
            closing: None,
            cause: Note::default(),
        }),
        current: Mutex::new(None),
    });
    let Some(holder) = relay.turn.enter() else { unreachable!("a new turn is idle") };
    let subscription = Subscription::new(relay.clone());
    let context = downstream.context();
    match catch_unwind(AssertUnwindSafe(|| downstream.on_subscribe(subscription))) {
        Ok(active) => {
            let baton = Baton {
                active,
                owed: Credit::NONE,
                seen: Credit::NONE,
                emitted: false,
                relay: relay.clone(),
                context,
            };
            // Nothing is subscribed for a downstream that has already gone.
            if !relay.turn.is_closed() {
                let feeder = catch_unwind(AssertUnwindSafe(|| {
                    subscribing(|| feeder(Feeder(relay.clone())));
                }));
                if let Err(payload) = feeder {
                    relay.fail(Fault::Panicked(Panic::new(payload)));
                }
            }
            relay.drive(holder, Some((sequence, baton)));
        }
        Err(payload) => undelivered(payload),
    }
}

/// See the [module](self).
pub struct Relay<Q: Sequence, A> {
    turn: Turn<Station<Q, A>>,
    mail: Mutex<Mail<Q, A>>,
    current: Mutex<Option<Arc<dyn Upstream>>>,
}

/// What the holder of the turn guards.
struct Station<Q: Sequence, A> {
    /// Dropped at the end, before downstream is told.
    sequence: Option<Q>,
    home: Home<Q, A>,
    /// Raw demand that no source has been asked for yet.
    arrears: Credit,
    /// Raw demand that the current source has been asked for.
    forwarded: Credit,
    /// The end that takes precedence over that of the current source, which was cancelled.
    overruled: Option<End<Q::Error>>,
    /// Downstream let go of its handle: without demand, nobody could ever ask again.
    detached: bool,
}

enum Home<Q: Sequence, A> {
    /// The baton is with the current source.
    Away,
    /// It is here, no source is subscribed.
    Here(Baton<Q, A>),
    /// The sequence is over, a stage downstream still holds items.
    Rest(Box<dyn Rest>),
    /// Downstream was told the end, or dropped.
    Gone,
}

/// What comes from elsewhere, for the holder to find.
struct Mail<Q: Sequence, A> {
    feeds: Vec<Q::Feed>,
    /// The sequence is over: nobody is interested in what feeds it any more.
    deaf: bool,
    detached: bool,
    returned: Option<Returned<Q, A>>,
    /// An end that does not wait for the current source.
    overruling: Option<End<Q::Error>>,
    /// An end that comes after the feeds that are waiting.
    closing: Option<End<Q::Error>>,
    /// Why the current source is cancelled from outside: downstream cancels, or somebody ends the
    /// whole. Stays, for a leg that is just arriving.
    cause: Note,
}

impl<Q: Sequence, A> Mail<Q, A> {
    fn take(&mut self) -> Mail<Q, A> {
        Mail {
            feeds: std::mem::take(&mut self.feeds),
            deaf: self.deaf,
            detached: self.detached,
            returned: self.returned.take(),
            overruling: self.overruling.take(),
            closing: self.closing.take(),
            cause: Note::default(),
        }
    }
}

type SourceError<Q> = <<Q as Sequence>::Source as Publisher>::Error;

struct Returned<Q: Sequence, A> {
    baton: Baton<Q, A>,
    end: End<SourceError<Q>>,
}

/// The downstream subscriber and its accounts: in one place at a time.
struct Baton<Q: Sequence, A> {
    active: A,
    /// Credit of downstream that is not used up.
    owed: Credit,
    /// Raw demand that has arrived with the current source.
    seen: Credit,
    /// Whether the current source sent an item.
    emitted: bool,
    relay: Arc<Relay<Q, A>>,
    context: Context,
}

impl<Q: Sequence, A: ActiveSubscriber<Q::Item, Q::Error>> Baton<Q, A> {
    /// Turns raw demand into credit.
    ///
    /// # Errors
    /// Why downstream wants no more.
    fn ask(&mut self, raw: More, interrupted: &impl Fn() -> bool) -> Result<(), Cause> {
        let mut answer = self.active.on_request(raw);
        while answer.is_yield() && !interrupted() {
            answer = self.active.on_request(More::NONE);
        }
        self.owed.add(answer);
        if answer.is_cancel() { Err(self.active.cause()) } else { Ok(()) }
    }
}

impl<Q: Sequence, A: ActiveSubscriber<Q::Item, Q::Error>> Relay<Q, A> {
    fn drive(&self, mut holder: Holder<'_>, mut first: Option<(Q, Baton<Q, A>)>) {
        loop {
            let first = first.take();
            let worked = catch_unwind(AssertUnwindSafe(|| match first {
                Some((sequence, baton)) => self.begin(&mut holder, sequence, baton),
                None => self.turns(&mut holder),
            }));
            let Err(payload) = worked else { break };
            // User code of the sequence, or of downstream while the baton was here, panicked:
            // that is the end, as soon as the baton is here.
            let fault = Fault::Panicked(Panic::new(payload));
            self.cancel_current(Cause::Failed);
            self.turn.with(&mut holder, |station| match station.home {
                Home::Gone => report_undelivered(&Undelivered::Fault(fault)),
                _ => station.overruled = Some(End::Fault(fault)),
            });
        }
        drop(holder);
        if self.turn.is_closed() {
            self.empty_mailbox();
        }
    }

    fn begin(&self, holder: &mut Holder<'_>, sequence: Q, baton: Baton<Q, A>) {
        let goes_on = self.turn.with(holder, |station| {
            station.sequence = Some(sequence);
            station.home = Home::Here(baton);
            // Downstream may have demand of its own, or be complete already.
            if let Err(cause) = station.ask(More::NONE, &|| self.turn.interrupted()) {
                return self.end(station, End::Cancelled(cause));
            }
            // Cancelled while it was subscribed: `turns` clears up, and no source is started.
            if self.turn.is_closed() {
                return true;
            }
            let step = station.sequence.as_mut().map(Q::start);
            self.step(station, step)
        });
        if goes_on {
            self.turns(holder);
        }
    }

    /// Works off what came until there is nothing, and leaves; or returns at the end, and the
    /// holder is dropped, which closes the word.
    fn turns(&self, holder: &mut Holder<'_>) {
        loop {
            let claim = holder.claim();
            if claim.closed {
                let cause = self.cause();
                self.cancel_current(cause.clone());
                return self.turn.with(holder, |station| {
                    let sequence = station.sequence.take();
                    let home = std::mem::replace(&mut station.home, Home::Gone);
                    within(cause, || drop((sequence, home)));
                });
            }
            let goes_on = self.turn.with(holder, |station| {
                // First of all, so that no path loses it.
                station.arrears.add(claim.more);
                if claim.signalled && self.lets_go(station) {
                    return true;
                }
                match station.home {
                    Home::Gone => false,
                    Home::Here(_) | Home::Rest(_) if station.overruled.is_some() => {
                        self.overruled(station)
                    }
                    _ => (!claim.signalled || self.read_mail(station)) && self.spread(station),
                }
            });
            if !goes_on || holder.leave() {
                return;
            }
        }
    }

    /// Whether downstream has let go of its handle since the last claim: then another one comes
    /// first, because what was asked before may have come after the last. Without it a source
    /// that was asked would count as starved.
    fn lets_go(&self, station: &mut Station<Q, A>) -> bool {
        let news = lock(&self.mail).detached && !station.detached;
        if news {
            station.detached = true;
            let entered = self.turn.signal();
            debug_assert!(entered.is_none(), "the turn is held");
        }
        news
    }

    /// Closed: what came too late is dropped.
    fn empty_mailbox(&self) {
        let mail = lock(&self.mail).take();
        let dropped = AssertUnwindSafe(|| within(self.cause(), || drop(mail)));
        if let Err(payload) = catch_unwind(dropped) {
            undelivered(payload);
        }
    }

    /// What came by mail, in the order that matters: a source comes home before the sequence is
    /// asked what follows. `false` at the end.
    fn read_mail(&self, station: &mut Station<Q, A>) -> bool {
        let Mail { feeds, returned, overruling, closing, .. } = lock(&self.mail).take();
        // Cancelled since the claim: a source that was dropped for that brings the baton home
        // without an end, which is nothing to tell. The canceller closes the word before it looks
        // for the source, so whoever finds the baton finds the word closed. `turns` clears up.
        if self.turn.is_closed() {
            return true;
        }
        if let Some(end) = overruling {
            self.cancel_current(self.cause_of(&end));
            station.overruled.get_or_insert(end);
            if !matches!(station.home, Home::Away) {
                return self.overruled(station);
            }
        }
        if let Some(returned) = returned
            && !self.came_home(station, returned)
        {
            return false;
        }
        for feed in feeds {
            // The first end stands; the sequence has no say after it.
            if station.overruled.is_some() {
                break;
            }
            let Some(sequence) = &mut station.sequence else { break };
            let step = sequence.fed(feed, matches!(station.home, Home::Away));
            if !self.step(station, Some(step)) {
                return false;
            }
        }
        match closing {
            Some(end) if station.sequence.is_some() && station.overruled.is_none() => {
                self.overrule(station, end)
            }
            _ => true,
        }
    }

    fn came_home(&self, station: &mut Station<Q, A>, returned: Returned<Q, A>) -> bool {
        // The source has ended: its subscription is spent.
        let spent = lock(&self.current).take();
        drop(spent);
        let Returned { mut baton, end } = returned;
        // However it ended: a stage downstream may hold items that are due for it.
        station.arrears.add(station.forwarded.take_beyond(baton.seen));
        let emitted = std::mem::take(&mut baton.emitted);
        station.forwarded = Credit::NONE;
        baton.seen = Credit::NONE;
        if station.detached
            && station.overruled.is_none()
            && baton.owed.is_empty()
            && station.arrears.is_empty()
            && matches!(end, End::Fault(Fault::SourceDropped))
        {
            // It starved, and nobody could ever ask again: that is not a fault. Where there is
            // demand that it has not seen, it did not starve.
            station.home = Home::Here(baton);
            return self.give_up(station);
        }
        station.home = Home::Here(baton);
        let end = match end {
            End::Cancelled(cause) => {
                // Downstream itself wants no more: it is past being told another end.
                if let Some(End::Fault(fault)) = station.overruled.take() {
                    report_undelivered(&Undelivered::Fault(fault));
                }
                return self.end(station, End::Cancelled(cause));
            }
            End::Fault(fault) => {
                // A source that was dropped for the sake of another end has nothing to say; one
                // that broke before that has.
                let stands = match &station.overruled {
                    None => false,
                    Some(End::Fault(_)) => true,
                    Some(_) => matches!(fault, Fault::SourceDropped),
                };
                if !stands {
                    station.overruled = Some(End::Fault(fault));
                }
                return self.overruled(station);
            }
            _ if station.overruled.is_some() => return self.overruled(station),
            End::Completed => SourceEnd::Completed,
            End::Failed(error) => SourceEnd::Failed(error),
        };
        let step = station.sequence.as_mut().map(|sequence| sequence.after(end, emitted));
        self.step(station, step)
    }

    fn step(&self, station: &mut Station<Q, A>, step: Option<Then<Q::Source, Q::Error>>) -> bool {
        match step {
            None | Some(Then::Wait) => true,
            Some(Then::Complete) => self.overrule(station, End::Completed),
            Some(Then::Fail(error)) => self.overrule(station, End::Failed(error)),
            Some(Then::Subscribe(source)) => {
                match std::mem::replace(&mut station.home, Home::Away) {
                    Home::Here(baton) => {
                        let active = ActiveLeg { baton: Some(baton), fresh: true };
                        source.subscribe(Leg { active });
                    }
                    home => station.home = home,
                }
                true
            }
        }
    }

    /// The sequence says how the whole ends: at once where the baton is here, else as soon as
    /// the cancelled source has given it back.
    fn overrule(&self, station: &mut Station<Q, A>, end: End<Q::Error>) -> bool {
        if let Home::Here(_) = station.home {
            return self.end(station, end);
        }
        let cause = end.cause();
        station.overruled = Some(end);
        self.cancel_current(cause);
        true
    }

    /// Tells downstream the end, after the sequence is dropped. `true` where a stage downstream
    /// still holds items.
    fn end(&self, station: &mut Station<Q, A>, end: End<Q::Error>) -> bool {
        lock(&self.mail).deaf = true;
        let cause = station.overruled.as_ref().unwrap_or(&end).cause();
        within(cause, || drop(station.sequence.take()));
        let end = station.overruled.take().unwrap_or(end);
        let rest = match std::mem::replace(&mut station.home, Home::Gone) {
            Home::Here(Baton { active, .. }) => active.on_end(end),
            Home::Rest(rest) => match end {
                End::Fault(fault) => rest.break_off(fault),
                _ => Some(rest),
            },
            Home::Away | Home::Gone => {
                if let End::Fault(fault) = end {
                    report_undelivered(&Undelivered::Fault(fault));
                }
                None
            }
        };
        let more = station.arrears.take();
        self.deliver_rest(station, rest, more)
    }

    /// [`end`](Relay::end), where it is known which takes precedence.
    fn overruled(&self, station: &mut Station<Q, A>) -> bool {
        self.end(station, End::Cancelled(Cause::NoMoreNeeded))
    }

    /// Delivers what is left as far as there is demand. `true` where something still is.
    fn deliver_rest(
        &self,
        station: &mut Station<Q, A>,
        rest: Option<Box<dyn Rest>>,
        more: More,
    ) -> bool {
        match rest.and_then(|rest| run_rest(rest, more, &|| self.turn.interrupted())) {
            Some((_, Progress::Starved)) if station.detached => false,
            Some((rest, _)) => {
                station.home = Home::Rest(rest);
                true
            }
            None => false,
        }
    }

    /// Drops all without a word: nobody could ever ask for more.
    fn give_up(&self, station: &mut Station<Q, A>) -> bool {
        lock(&self.mail).deaf = true;
        drop(station.sequence.take());
        station.home = Home::Gone;
        false
    }

    /// Takes demand to where it is due.
    fn spread(&self, station: &mut Station<Q, A>) -> bool {
        match &mut station.home {
            Home::Away => {
                if let Some(end) = &station.overruled {
                    // A source that was still arriving when it was overruled.
                    self.cancel_current(self.cause_of(end));
                    return true;
                }
                if !station.arrears.is_empty() {
                    let current = lock(&self.current).clone();
                    if let Some(current) = current {
                        let raw = station.arrears.take();
                        station.forwarded.add(raw);
                        if let Some(demand) = raw.demand() {
                            current.request(demand);
                        }
                    }
                }
                if station.detached && station.arrears.is_empty() {
                    // What lives by its handles may go when it starves.
                    let current = lock(&self.current).take();
                    if let Some(current) = current {
                        current.detach();
                    }
                }
                true
            }
            Home::Here(_) => {
                let raw = station.arrears.take();
                if let Err(cause) = station.ask(raw, &|| self.turn.interrupted()) {
                    return self.end(station, End::Cancelled(cause));
                }
                let wanted = matches!(&station.home, Home::Here(baton) if !baton.owed.is_empty());
                match &mut station.sequence {
                    Some(sequence) if wanted => sequence.wanted(),
                    _ if station.detached => return self.give_up(station),
                    _ => {}
                }
                true
            }
            Home::Rest(_) => {
                let raw = station.arrears.take();
                match std::mem::replace(&mut station.home, Home::Gone) {
                    Home::Rest(rest) => self.deliver_rest(station, Some(rest), raw),
                    _ => false,
                }
            }
            Home::Gone => false,
        }
    }

    /// What came by mail about why the whole is over.
    fn cause(&self) -> Cause {
        lock(&self.mail).cause.get()
    }

    /// Why a source is cancelled for the sake of `end`.
    fn cause_of(&self, end: &End<Q::Error>) -> Cause {
        match self.cause() {
            // Nobody said.
            Cause::NoMoreNeeded => end.cause(),
            said => said,
        }
    }

    fn cancel_current(&self, cause: Cause) {
        let current = lock(&self.current).take();
        if let Some(current) = current {
            cause::cancel(&*current, cause);
        }
    }

    /// The whole ends, whatever the current source does, even if the holder of the turn is busy
    /// with it: as in `cancel`, a leg that is just arriving looks after it has put `current`.
    fn overrule_from_outside(&self, end: End<Q::Error>) {
        let cause = match current() {
            Cause::NoMoreNeeded => end.cause(),
            said => said,
        };
        let mut late = None;
        let cause = {
            let mut mail = lock(&self.mail);
            mail.cause.put(cause);
            match &mail.overruling {
                None => mail.overruling = Some(end),
                Some(_) => late = Some(end),
            }
            mail.cause.get()
        };
        drop(late);
        self.cancel_current(cause);
        // What follows is told by signals.
        afresh(|| self.post(|_| {}));
    }

    fn post(&self, put: impl FnOnce(&mut Mail<Q, A>)) {
        put(&mut lock(&self.mail));
        match self.turn.signal() {
            Some(holder) => self.drive(holder, None),
            None if self.turn.is_closed() => self.empty_mailbox(),
            None => {}
        }
    }
}

impl<Q: Sequence, A: ActiveSubscriber<Q::Item, Q::Error>> Station<Q, A> {
    fn ask(&mut self, raw: More, interrupted: &impl Fn() -> bool) -> Result<(), Cause> {
        match &mut self.home {
            Home::Here(baton) => baton.ask(raw, interrupted),
            _ => Ok(()),
        }
    }
}

impl<Q, A> Upstream for Relay<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    fn request(&self, demand: Demand) {
        if let Some(holder) = self.turn.request(demand) {
            self.drive(holder, None);
        }
    }

    fn cancel(&self) {
        Note::leave(&self.mail, |mail| &mut mail.cause);
        let holder = self.turn.cancel();
        // After closing: a leg that is just arriving looks at the word after `current`.
        self.cancel_current(current());
        if let Some(holder) = holder {
            self.drive(holder, None);
        }
    }

    fn cancel_because(&self, cause: Cause) {
        within(cause, || self.cancel());
    }

    fn detach(&self) {
        // A relay and its current source hold each other.
        if !self.turn.is_closed() {
            self.post(|mail| mail.detached = true);
        }
    }

    fn fail(&self, fault: Fault) {
        if !self.turn.is_closed() {
            self.overrule_from_outside(End::Fault(fault));
        }
    }
}

impl<Q: Sequence, A> fmt::Debug for Relay<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("turn", &self.turn).finish_non_exhaustive()
    }
}

/// Feeds a [`Sequence`] from outside.
pub struct Feeder<Q: Sequence, A>(Arc<Relay<Q, A>>);

impl<Q: Sequence, A: ActiveSubscriber<Q::Item, Q::Error>> Feeder<Q, A> {
    /// Hands over a feed; the sequence sees it on the thread that holds the turn.
    pub fn feed(&self, feed: Q::Feed) {
        let mut late = Some(feed);
        self.0.post(|mail| {
            if !mail.deaf {
                mail.feeds.extend(late.take());
            }
        });
        drop(late);
    }

    /// Ends the whole with `end`, at once: the current source is cancelled. A failure comes after
    /// the feeds that the sequence has not seen yet; a fault does not wait for them.
    /// After the end of the sequence it does nothing.
    pub fn end(&self, end: End<Q::Error>) {
        let mut at_once = Some(end);
        {
            let mut mail = lock(&self.0.mail);
            if mail.deaf {
                drop(mail);
                return;
            }
            if !mail.feeds.is_empty() && !matches!(at_once, Some(End::Fault(_))) {
                mail.closing = at_once.take();
            }
        }
        match at_once {
            Some(end) => self.0.overrule_from_outside(end),
            None => self.0.post(|_| {}),
        }
    }
}

impl<Q: Sequence, A> fmt::Debug for Feeder<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feeder")
    }
}

/// The subscriber that a relay sends to its current source: the baton, on its way.
struct Leg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    active: ActiveLeg<Q, A>,
}

impl<Q, A> Subscriber<Q::Item, SourceError<Q>> for Leg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    type Active = ActiveLeg<Q, A>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveLeg<Q, A> {
        if let Some(baton) = &self.active.baton {
            let relay = &baton.relay;
            let late = lock(&relay.current).replace(subscription.into_upstream());
            drop(late);
            if relay.turn.is_closed() || lock(&relay.mail).overruling.is_some() {
                relay.cancel_current(relay.cause());
            } else {
                // Demand that came while there was no source is waiting.
                relay.post(|_| {});
            }
        }
        self.active
    }

    fn context(&self) -> Context {
        self.active.baton.as_ref().map(|baton| baton.context.clone()).unwrap_or_default()
    }
}

/// Sends the baton home when it is dropped, whatever happened to the source.
struct ActiveLeg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    /// Here until it is sent home.
    baton: Option<Baton<Q, A>>,
    /// The credit that came with the baton has not been handed to the source yet.
    fresh: bool,
}

impl<Q, A> ActiveLeg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    fn go_home(&mut self, end: End<SourceError<Q>>) {
        if let Some(baton) = self.baton.take() {
            let relay = baton.relay.clone();
            relay.post(|mail| mail.returned = Some(Returned { baton, end }));
        }
    }
}

impl<Q, A> ActiveSubscriber<Q::Item, SourceError<Q>> for ActiveLeg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    #[inline]
    fn on_next(&mut self, item: Q::Item) -> More {
        let Some(baton) = &mut self.baton else { return More::CANCEL };
        baton.emitted = true;
        baton.owed.spend();
        let answer = baton.active.on_next(item);
        baton.owed.add(answer);
        answer
    }

    fn on_complete(mut self) {
        self.go_home(End::Completed);
    }

    fn on_error(mut self, error: SourceError<Q>) {
        self.go_home(End::Failed(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.go_home(End::Fault(fault));
    }

    fn cause(&self) -> Cause {
        self.baton.as_ref().map_or(Cause::NoMoreNeeded, |baton| baton.active.cause())
    }

    fn on_request(&mut self, more: More) -> More {
        let Some(baton) = &mut self.baton else { return More::CANCEL };
        baton.seen.add(more);
        let answer = baton.active.on_request(more);
        if answer.is_special() {
            // Not a number: what was carried waits for the next call.
            return answer;
        }
        let carried = if std::mem::take(&mut self.fresh) { baton.owed.get() } else { More::NONE };
        baton.owed.add(answer);
        answer.plus(carried)
    }

    fn on_end(mut self, end: End<SourceError<Q>>) -> Option<Box<dyn Rest>> {
        self.go_home(end);
        None
    }
}

impl<Q, A> Drop for ActiveLeg<Q, A>
where
    Q: Sequence,
    A: ActiveSubscriber<Q::Item, Q::Error>,
{
    fn drop(&mut self) {
        // Dropped without an end: the relay cancelled it, or the source went away.
        afresh(|| self.go_home(End::Fault(Fault::SourceDropped)));
    }
}
