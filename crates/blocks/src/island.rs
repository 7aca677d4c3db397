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
//! * **Cancellation** closes the word. If nobody holds the turn, the canceller drops source and
//!   subscriber (rule 3.13); otherwise the holder does, before the next item.
//! * **A panic** in user code is caught here, at the entry, once for the whole chain. The chain
//!   is told by [`End::Fault`](millstream_core::End::Fault), the source is dropped, the word closes; nobody waits for ever.
//! * **Stack depth** does not grow with the number of items or requests: a request from inside a
//!   signal adds to the word and returns.
//! * **Nothing keeps itself alive.** A joined island and the sources that fill its lanes hold each
//!   other, so a handle that is [let go](Upstream::detach) is noted: without demand, nobody could
//!   ever ask again, and the island goes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Context, Demand, Fault, Panic, Progress, Pull, Subscriber, Subscription,
    Upstream,
};
use millstream_sync::{Mutex, lock};

use crate::bell::{Bell, Host};
use crate::emission::Emission;
use crate::gauge::Panel;
use crate::mail::Mail;
use crate::running::{Running, undelivered};
use crate::turn::{Holder, Turn};

/// Subscribes `subscriber` to a source that is pulled: the whole protocol of a synchronous
/// publisher. One allocation.
pub fn emit<P: Pull, S: Subscriber<P::Item, P::Error>>(producer: P, subscriber: S) {
    let island = Island::<P, S::Active>::new(false, None);
    // The turn is held while the subscriber becomes active: a request from inside
    // `on_subscribe` is noted, and served below.
    // SAFETY: made by `held`, and this is its one call (model `first_turn_excludes`).
    let mut holder = unsafe { island.turn.first() };
    let subscription = Subscription::new(island.clone());
    match catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription))) {
        Ok(active) => {
            holder.with(|station| {
                station.running = Running::Source(Emission::new(producer, active));
            });
            island.drive(&mut holder);
        }
        Err(payload) => undelivered(payload),
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
    let context = subscriber.context();
    let island = Island::<P, S::Active>::new(true, Panel::of(&context));
    // SAFETY: made by `held`, and this is its one call (model `first_turn_excludes`).
    let mut holder = unsafe { island.turn.first() };
    let subscription = Subscription::new(island.clone());
    let active = match catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription))) {
        Ok(active) => active,
        Err(payload) => return undelivered(payload),
    };
    // Nothing is subscribed for a downstream that has already gone.
    if island.turn.is_closed() {
        return drop(active);
    }
    let bell = Bell::new(island.clone());
    match catch_unwind(AssertUnwindSafe(|| make(&bell, &context))) {
        Ok(source) => {
            drop(bell);
            holder.with(|station| {
                station.running = Running::Source(Emission::new(source, active));
            });
            island.drive(&mut holder);
        }
        Err(payload) => {
            let running = Running::Source(Emission::<P, _>::sourceless(active));
            running.break_off_contained(Fault::Panicked(Panic::new(payload)));
        }
    }
}

struct Island<P: Pull, A> {
    turn: Turn<Station<P, A>>,
    mail: Mutex<Mail>,
    /// Whether somebody else fills the source: then there are others that hold this island.
    joined: bool,
    /// Where somebody looks at its boundaries.
    panel: Option<Arc<Panel>>,
}

/// What the holder of the turn guards.
struct Station<P: Pull, A> {
    running: Running<P, A>,
    /// Downstream let go of its handle, and all that it asked for has been claimed.
    detached: bool,
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Island<P, A> {
    fn new(joined: bool, panel: Option<Arc<Panel>>) -> Arc<Island<P, A>> {
        Arc::new(Island {
            turn: Turn::held(Station { running: Running::Vacant, detached: false }),
            mail: Mutex::new(Mail::default()),
            joined,
            panel,
        })
    }

    /// Emits as the holder of the turn, until there is nothing to do.
    fn drive(&self, holder: &mut Holder<'_, Station<P, A>>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.turns(holder)));
        if let Err(payload) = outcome {
            // The holder has not left: leaving is the last thing a turn does.
            let running = holder.with(|station| station.running.take());
            running.break_off_contained(Fault::Panicked(Panic::new(payload)));
        }
    }

    fn turns(&self, holder: &mut Holder<'_, Station<P, A>>) {
        let interrupted = || self.turn.interrupted();
        loop {
            let claim = holder.claim();
            let mail = if claim.signalled { lock(&self.mail).take() } else { Mail::default() };
            if claim.closed {
                return holder.with(|station| station.running = Running::Vacant);
            }
            let goes_on = holder.with(|station| {
                if let Some(fault) = mail.fault {
                    station.running.take().break_off(fault);
                    return false;
                }
                match station.running.advance(claim.more, &interrupted) {
                    Some(Progress::Starved) if station.detached => {
                        station.running = Running::Vacant;
                        false
                    }
                    progress => {
                        station.detached |= mail.detached;
                        progress.is_some()
                    }
                }
            });
            if goes_on && mail.detached {
                // What was asked before letting go may have come after the claim.
                continue;
            }
            if goes_on && let Some(panel) = &self.panel {
                panel.rest(holder.with(|station| station.running.credit()));
            }
            // At the end the holder is dropped without leaving: the word closes.
            if !goes_on || holder.leave() {
                return;
            }
        }
    }

    fn knock(&self, holder: Option<Holder<'_, Station<P, A>>>) {
        if let Some(mut holder) = holder {
            self.drive(&mut holder);
        }
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Upstream for Island<P, A> {
    fn request(&self, demand: Demand) {
        self.knock(self.turn.request(demand));
    }

    fn cancel(&self) {
        self.knock(self.turn.cancel());
    }

    fn detach(&self) {
        if self.joined && !self.turn.is_closed() {
            lock(&self.mail).detached = true;
            self.knock(self.turn.signal());
        }
    }

    fn fail(&self, fault: Fault) {
        if self.turn.is_closed() {
            return;
        }
        // Dropped outside of the lock: what a panic carries is foreign.
        let before = lock(&self.mail).fault.replace(fault);
        drop(before);
        self.knock(self.turn.signal());
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Host for Island<P, A> {
    fn ring(&self) {
        self.knock(self.turn.signal());
    }

    fn fail(&self, fault: Fault) {
        Upstream::fail(self, fault);
    }

    fn panel(&self) -> Option<&Arc<Panel>> {
        self.panel.as_ref()
    }
}

impl<P: Pull, A> fmt::Debug for Island<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Island").field("turn", &self.turn).finish_non_exhaustive()
    }
}
