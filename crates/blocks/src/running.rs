//! What a host runs: an emission, and after it what stages below still hold.
//!
//! | state | what it is |
//! |---|---|
//! | `Vacant` | before the subscriber is active, and after the end |
//! | `Source` | the source is being sent |
//! | `Rest` | the source has ended, a stage below still holds items |
//!
//! It belongs to whoever runs it, and knows nothing of threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_core::{
    ActiveSubscriber, Cause, Credit, Fault, More, Panic, Progress, Pull, Rest, Subscriber,
    Subscription, Undelivered, report_undelivered,
};

use crate::cause::enter;
use crate::emission::{Emission, Offered, Pace, run_rest};

/// See the [module](self).
pub(crate) enum Running<P: Pull, A> {
    Vacant,
    Source(Emission<P, A>),
    Rest(Box<dyn Rest>),
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Running<P, A> {
    /// Sends what may be sent, and says why it stopped; `None` at the end, which downstream has
    /// been told.
    #[inline]
    pub(crate) fn advance(&mut self, more: More, pace: impl Pace) -> Option<Progress> {
        if let Running::Source(emission) = self {
            match emission.run_at(more, pace) {
                Progress::Ended => {}
                progress => return Some(progress),
            }
        }
        self.over(more, &pace.look())
    }

    /// Sends an item that comes past the source; what became of it where it was not just sent.
    #[inline]
    pub(crate) fn offer(
        &mut self,
        item: P::Item,
        interrupted: impl Fn() -> bool + Copy,
    ) -> Result<Option<Option<Progress>>, P::Item> {
        let Running::Source(emission) = self else { return Err(item) };
        match emission.offer(item, interrupted) {
            Offered::Taken => Ok(None),
            Offered::Refused(item) => Err(item),
            Offered::Stopped(Progress::Ended) => Ok(Some(self.over(More::NONE, &interrupted))),
            Offered::Stopped(progress) => Ok(Some(Some(progress))),
        }
    }

    /// Tells the end of the source, and goes on with what stages below hold.
    fn over(&mut self, more: More, interrupted: &dyn Fn() -> bool) -> Option<Progress> {
        let (rest, more) = match self {
            Running::Source(emission) => {
                let rest = emission.finish();
                *self = Running::Vacant;
                (rest?, More::NONE)
            }
            Running::Rest(_) | Running::Vacant => (self.take_rest()?, more),
        };
        let (rest, progress) = run_rest(rest, more, interrupted)?;
        *self = Running::Rest(rest);
        Some(progress)
    }

    /// What stages below hold, once the source has ended.
    fn take_rest(&mut self) -> Option<Box<dyn Rest>> {
        match std::mem::replace(self, Running::Vacant) {
            Running::Rest(rest) => Some(rest),
            _ => None,
        }
    }

    /// The source, while it is being sent.
    pub(crate) fn source(&mut self) -> Option<&mut P> {
        match self {
            Running::Source(emission) => emission.source(),
            Running::Rest(_) | Running::Vacant => None,
        }
    }

    /// What downstream still wants of the source; none where there is none.
    pub(crate) fn credit(&self) -> Credit {
        match self {
            Running::Source(emission) => emission.credit(),
            Running::Rest(_) | Running::Vacant => Credit::NONE,
        }
    }

    /// Drops all without a word, for `cause`.
    pub(crate) fn dismiss(&mut self, cause: Cause) {
        let _cause = enter(cause);
        *self = Running::Vacant;
    }
}

/// What is run, for what is compiled once for all of it.
pub(crate) trait Runs {
    /// Ends with `fault` in the middle.
    fn break_off(&mut self, fault: Fault);
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Runs for Running<P, A> {
    fn break_off(&mut self, fault: Fault) {
        // What downstream still holds after a fault, nobody can ask for.
        match self {
            Running::Source(emission) => drop(emission.break_off(fault)),
            Running::Rest(_) | Running::Vacant => match self.take_rest() {
                Some(rest) => drop(rest.break_off(fault)),
                None => report_undelivered(&Undelivered::Fault(fault)),
            },
        }
        *self = Running::Vacant;
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Runs for Emission<P, A> {
    fn break_off(&mut self, fault: Fault) {
        drop(Emission::break_off(self, fault));
    }
}

/// [Breaks off](Runs::break_off) after a panic; a second one reaches nobody but the hook.
pub(crate) fn break_off_contained(running: &mut dyn Runs, fault: Fault) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| running.break_off(fault))) {
        undelivered(second);
    }
}

/// The subscriber with its subscription. `None` where it panicked, and cannot be told.
#[inline]
pub(crate) fn active<T, E, S: Subscriber<T, E>>(
    subscriber: S,
    subscription: Subscription,
) -> Option<S::Active> {
    match catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription))) {
        Ok(active) => Some(active),
        Err(payload) => {
            undelivered(payload);
            None
        }
    }
}

/// Reports a panic that no subscriber can be told of.
pub(crate) fn undelivered(payload: Box<dyn Any + Send>) {
    report_undelivered(&Undelivered::Fault(Fault::Panicked(Panic::new(payload))));
}
