//! An island: a synchronous source and the chain of stages below it, in one allocation.
//!
//! ```text
//!        ┌──────────────────────── island ────────────────────────┐
//!        │ Turn: word │ Emission: source → stage → … → subscriber │
//!        └───▲────────────────────────────────────────────────────┘
//!            └── Subscription (request, cancel), held by whoever asks
//! ```
//!
//! States of the guarded value: `Vacant` (before the subscriber is active, and after the end),
//! `Source` (the source is being sent), `Rest` (the source has ended, a stage below still holds
//! items). Whoever enters the turn runs the emission; whoever finds it held only adds.
//!
//! * **Cancellation** closes the word. If nobody holds the turn, the canceller drops source and
//!   subscriber (rule 3.13); otherwise the holder does, before the next item.
//! * **A panic** in user code is caught here, at the entry, once for the whole chain. The chain
//!   is told by [`End::Fault`](millstream_core::End::Fault), the source is dropped, the word closes; nobody waits for ever.
//! * **Stack depth** does not grow with the number of items or requests: a request from inside a
//!   signal adds to the word and returns.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Demand, Fault, More, Panic, Progress, Pull, Rest, Subscriber, Subscription,
    Undelivered, Upstream, report_undelivered,
};
use millstream_sync::{Mutex, lock};

use crate::emission::{Emission, run_rest};
use crate::turn::{Holder, Turn};

/// Subscribes `subscriber` to a source that is pulled: the whole protocol of a synchronous
/// publisher. One allocation.
pub fn emit<P: Pull, S: Subscriber<P::Item, P::Error>>(producer: P, subscriber: S) {
    let island = Arc::new(Island {
        turn: Turn::held(Running::<P, S::Active>::Vacant),
        fault: Mutex::new(None),
    });
    // The turn is held while the subscriber becomes active: a request from inside
    // `on_subscribe` is noted, and served below.
    // SAFETY: made by `held` above, and this is its one call (model `first_turn_excludes`).
    let mut holder = unsafe { island.turn.first() };
    let subscription = Subscription::new(island.clone());
    match catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription))) {
        Ok(active) => {
            holder.with(|running| *running = Running::Source(Emission::new(producer, active)));
            island.drive(&mut holder);
        }
        Err(payload) => undelivered(payload),
    }
    // Without a subscription nobody asks or cancels any more.
    if Arc::strong_count(&island) == 1 {
        holder.abandon();
    }
}

enum Running<P: Pull, A> {
    Vacant,
    Source(Emission<P, A>),
    Rest(Box<dyn Rest>),
}

struct Island<P: Pull, A> {
    turn: Turn<Running<P, A>>,
    /// A fault from outside, waiting for the holder of the turn.
    fault: Mutex<Option<Fault>>,
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Island<P, A> {
    /// Emits as the holder of the turn, until there is nothing to do.
    fn drive(&self, holder: &mut Holder<'_, Running<P, A>>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.turns(holder)));
        if let Err(payload) = outcome {
            // The holder has not left: leaving is the last thing a turn does.
            let running = holder.with(|running| std::mem::replace(running, Running::Vacant));
            break_off(running, payload);
        }
    }

    fn turns(&self, holder: &mut Holder<'_, Running<P, A>>) {
        let interrupted = || self.turn.interrupted();
        loop {
            let claim = holder.claim();
            if claim.closed {
                return holder.with(|running| *running = Running::Vacant);
            }
            let fault = if claim.signalled { lock(&self.fault).take() } else { None };
            let goes_on = holder.with(|running| {
                if let Some(fault) = fault {
                    let _ = std::mem::replace(running, Running::Vacant).break_off(fault);
                    return false;
                }
                if let Running::Source(emission) = running {
                    match emission.run(claim.more, interrupted) {
                        Progress::Ended => {}
                        _ => return true,
                    }
                }
                let rest = match std::mem::replace(running, Running::Vacant) {
                    Running::Source(emission) => emission.finish().map(|rest| (rest, More::NONE)),
                    Running::Rest(rest) => Some((rest, claim.more)),
                    Running::Vacant => None,
                };
                match rest.and_then(|(rest, more)| run_rest(rest, more, &interrupted)) {
                    Some((rest, _)) => {
                        *running = Running::Rest(rest);
                        true
                    }
                    None => false,
                }
            });
            // At the end the holder is dropped without leaving: the word closes.
            if !goes_on || holder.leave() {
                return;
            }
        }
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Running<P, A> {
    fn break_off(self, fault: Fault) -> Option<Box<dyn Rest>> {
        match self {
            Running::Source(emission) => emission.break_off(fault),
            Running::Rest(rest) => rest.break_off(fault),
            Running::Vacant => {
                report_undelivered(&Undelivered::Fault(fault));
                None
            }
        }
    }
}

fn break_off<P: Pull, A: ActiveSubscriber<P::Item, P::Error>>(
    running: Running<P, A>,
    payload: Box<dyn Any + Send>,
) {
    let fault = Fault::Panicked(Panic::new(payload));
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(running.break_off(fault)))) {
        undelivered(second);
    }
}

/// Reports a panic that no subscriber can be told of.
pub(crate) fn undelivered(payload: Box<dyn Any + Send>) {
    report_undelivered(&Undelivered::Fault(Fault::Panicked(Panic::new(payload))));
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Upstream for Island<P, A> {
    fn request(&self, demand: Demand) {
        if let Some(mut holder) = self.turn.request(demand) {
            self.drive(&mut holder);
        }
    }

    fn cancel(&self) {
        if let Some(mut holder) = self.turn.cancel() {
            self.drive(&mut holder);
        }
    }

    fn fail(&self, fault: Fault) {
        if self.turn.is_closed() {
            return;
        }
        // Dropped outside of the lock: what a panic carries is foreign.
        let before = lock(&self.fault).replace(fault);
        drop(before);
        if let Some(mut holder) = self.turn.signal() {
            self.drive(&mut holder);
        }
    }
}

impl<P: Pull, A> fmt::Debug for Island<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Island").field("turn", &self.turn).finish_non_exhaustive()
    }
}
