//! A limit that a controller decides, for a stage whose items go through futures (`flights`).
//!
//! The stage tells when a future is launched, and when it has landed; by the clock of its executor
//! that makes a sample of each *round*, in which as many land as were in flight when it began. The
//! limit that the controller answers is for what is launched from then on: nothing in flight is
//! touched. Upstream owes no more than the limit: where it was cut, the next results are sent without
//! asking for others in their place, and where it was raised, more are asked for at once.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::{Decisions, Sample};
use millstream_executors::time::{Clock, Moment};

use crate::control::{Controller, Unit};
use crate::shape::flights::{Limit, MakeLimit};
use crate::shape::joined::capacity;
use crate::shape::timed::Alarm;

/// Which results mean that there was too much.
pub(crate) trait Judge<U>: Send + 'static {
    fn is_overload(&mut self, result: &U) -> bool;
}

/// None does.
#[derive(Debug, Clone, Copy)]
pub struct Unjudged(());

impl Unjudged {
    pub(crate) const NEW: Unjudged = Unjudged(());
}

impl<U> Judge<U> for Unjudged {
    fn is_overload(&mut self, _: &U) -> bool {
        false
    }
}

/// Those that a function says.
#[derive(Debug, Clone)]
pub struct JudgedBy<F>(pub(crate) F);

impl<U, F: FnMut(&U) -> bool + Send + 'static> Judge<U> for JudgedBy<F> {
    fn is_overload(&mut self, result: &U) -> bool {
        (self.0)(result)
    }
}

/// The most that a controller of items at a time may answer.
///
/// # Panics
/// When that is below 1 or above what there can be room for, or it answers something else.
#[track_caller]
pub(crate) fn most(kind: &str, controller: &impl Controller) -> NonZeroUsize {
    assert!(
        controller.unit() != Unit::PerSecond,
        "{kind}(time, controller, f): the controller answers items per second, and not items at \
         a time: `Pid::in_flight` makes the one of the other",
    );
    let most = controller.most();
    assert!(
        most >= 1.0,
        "{kind}(time, controller, f): the highest limit of the controller is {most}, and one item \
         at a time is the least",
    );
    capacity(&format!("{kind}(time, controller, f), whose highest limit is 0"), most as usize)
}

/// A controller and its clock, for [`Flying`](crate::shape::flights::Flying).
pub(crate) struct Governed<'x, C, J, X> {
    pub(crate) controller: C,
    pub(crate) judge: J,
    pub(crate) most: NonZeroUsize,
    pub(crate) clock: &'x X,
}

impl<U, C: Controller, J: Judge<U>, X: Clock> MakeLimit<U> for Governed<'_, C, J, X> {
    type Limit = Governor<C, J>;

    fn make(self, bell: &Bell) -> Governor<C, J> {
        let Governed { controller, judge, most, clock } = self;
        let clock = Alarm::new(clock, bell);
        let begins = clock.now();
        let limit = controller.limit();
        let limit = limit.clamp(1.0, most.get() as f64);
        Governor {
            controller,
            judge,
            most,
            limit: at_a_time(limit, most),
            too_many: 0,
            missing: 0,
            round: Round::new(begins, 0),
            busy_since: begins,
            decisions: Decisions::new(limit),
            news: true,
            clock,
        }
    }
}

/// A limit as a number of items.
fn at_a_time(limit: f64, most: NonZeroUsize) -> usize {
    // What is no number becomes zero by this, and then one.
    (limit as usize).clamp(1, most.get())
}

/// See the [module](self).
pub(crate) struct Governor<C, J> {
    controller: C,
    judge: J,
    clock: Alarm,
    most: NonZeroUsize,
    limit: usize,
    /// Items that upstream owes, or that are in the stage, beyond the limit.
    too_many: u64,
    /// Items that upstream is still to be asked for.
    missing: u64,
    round: Round,
    /// Since when something has been in flight, or when that was last added to the round.
    busy_since: Moment,
    decisions: Decisions,
    /// Something was decided that the stage does not know.
    news: bool,
}

/// What there was since the last sample.
struct Round {
    since: Moment,
    /// It is over when so many have landed.
    flying: u64,
    processed: u64,
    latency: Duration,
    busy: Duration,
    limited: bool,
    overloaded: bool,
}

impl Round {
    fn new(since: Moment, flying: usize) -> Round {
        Round {
            since,
            flying: (flying as u64).max(1),
            processed: 0,
            latency: Duration::ZERO,
            busy: Duration::ZERO,
            limited: false,
            overloaded: false,
        }
    }

    fn sample(&self, elapsed: Duration) -> Sample {
        let mut sample = Sample::new(elapsed, self.processed);
        sample.busy = self.busy;
        let nanos = self.latency.as_nanos() / u128::from(self.processed.max(1));
        sample.latency = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        sample.limited = self.limited;
        sample.overloaded = self.overloaded;
        sample
    }
}

impl<C: Controller, J> Governor<C, J> {
    /// Ends the round, if it is one.
    fn decide(&mut self, now: Moment, flying: usize) {
        let elapsed = now.since(self.round.since);
        if self.round.processed < self.round.flying
            || elapsed.is_zero()
            || elapsed < self.controller.interval()
        {
            return;
        }
        let sample = self.round.sample(elapsed);
        self.round = Round::new(now, flying);
        let limit = self.controller.adjust(&sample);
        let most = self.most.get() as f64;
        let limit = if limit >= 1.0 { limit.min(most) } else { 1.0 };
        self.decisions.decide(limit, sample);
        self.news = true;
        let (before, now) = (self.limit as u64, at_a_time(limit, self.most) as u64);
        self.limit = now as usize;
        let up = now.saturating_sub(before);
        let paid = up.min(self.too_many);
        self.too_many -= paid;
        self.missing += up - paid;
        let down = before.saturating_sub(now);
        let saved = down.min(self.missing);
        self.missing -= saved;
        self.too_many += down - saved;
    }
}

impl<U, C: Controller, J: Judge<U>> Limit<U> for Governor<C, J> {
    type Launch = Moment;

    fn most(&self) -> NonZeroUsize {
        self.most
    }

    fn now(&self) -> usize {
        self.limit
    }

    fn launched(&mut self, flying: usize) -> Moment {
        let now = self.clock.now();
        if flying == 1 {
            self.busy_since = now;
        }
        now
    }

    fn landed(&mut self, launch: Moment, result: &U, flying: usize) {
        let now = self.clock.now();
        self.round.busy += now.since(self.busy_since);
        self.busy_since = now;
        self.round.processed += 1;
        self.round.latency = self.round.latency.saturating_add(now.since(launch));
        self.round.overloaded |= self.judge.is_overload(result);
        self.decide(now, flying);
    }

    fn rested(&mut self, held: usize) {
        self.round.limited |= held >= self.limit;
    }

    fn sent(&mut self) -> bool {
        let one_less = self.too_many > 0;
        self.too_many -= u64::from(one_less);
        !one_less
    }

    fn decided(&mut self) -> Option<(u64, Decisions)> {
        if !std::mem::take(&mut self.news) {
            return None;
        }
        Some((std::mem::take(&mut self.missing), self.decisions))
    }
}
