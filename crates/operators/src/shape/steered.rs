//! A rate that a controller decides, for a [paced](super::paced) stage.
//!
//! The stage says when it is asked for an item, when one goes and when one waits; by its clock that
//! makes a sample of each interval of the controller. One is made when the interval is over and the
//! stage runs: where it is asked for an item, or one waits, for which it looks at the end of each
//! interval. While nothing is sent it needs no rate, and decides none.

use std::time::Duration;

use millstream_blocks::bucket::{Tokens, VaryingMeter, Wait};
use millstream_blocks::gauge::{Decisions, Gauge, Sample};

use crate::control::{Controller, Unit};

/// What adds to a sample that which the stage does not see.
pub(crate) trait Tell: Send + 'static {
    fn tell(&mut self, sample: &mut Sample);
}

/// Nothing.
#[derive(Debug, Clone, Copy)]
pub struct Untold(());

impl Untold {
    pub(crate) const NEW: Untold = Untold(());
}

impl Tell for Untold {
    fn tell(&mut self, _: &mut Sample) {}
}

/// A function.
#[derive(Debug, Clone)]
pub struct ToldBy<F>(pub(crate) F);

impl<F: FnMut(&mut Sample) + Send + 'static> Tell for ToldBy<F> {
    fn tell(&mut self, sample: &mut Sample) {
        (self.0)(sample);
    }
}

/// The highest rate that a controller of a rate may answer.
///
/// # Panics
/// When that is not above 0 and below 2<sup>32</sup>, when it answers something else, or has no
/// interval.
#[track_caller]
pub(crate) fn most(kind: &str, controller: &impl Controller) -> f64 {
    assert!(
        controller.unit() != Unit::InFlight,
        "{kind}(time, prefetch, controller): the controller answers items at a time, and not items \
         per second: leave out `in_flight`",
    );
    assert!(
        !controller.interval().is_zero(),
        "{kind}(time, prefetch, controller): a rate is judged by what it leads to in some time, and \
         the interval of the controller is 0: `Aimd::interval` sets that of an `Aimd`",
    );
    let most = controller.most();
    assert!(
        most > 0.0 && most < VaryingMeter::MOST,
        "{kind}(time, prefetch, controller): a highest rate is above 0 and below 2^32 items per \
         second, and that of the controller is {most}",
    );
    most
}

/// A rate that makes sense: at most the highest, and zero for what is no rate.
fn rate(answer: f64, most: f64) -> f64 {
    if answer > 0.0 { answer.min(most) } else { 0.0 }
}

/// See the [module](self).
pub(crate) struct Steered<C, F> {
    meter: VaryingMeter,
    controller: C,
    told_by: F,
    most: f64,
    /// When the sample begins that is next.
    since: u64,
    /// When it is over.
    until: u64,
    processed: u64,
    busy: Duration,
    limited: bool,
    /// When an item went, after which no other was asked for.
    went: Option<u64>,
    decisions: Decisions,
    gauge: Option<Gauge>,
}

impl<C: Controller, F: Tell> Steered<C, F> {
    /// By a controller that never answers [more](most) than `most`.
    pub(crate) fn new(controller: C, told_by: F, most: f64, burst: u64) -> Steered<C, F> {
        let begins = rate(controller.limit(), most);
        Steered {
            meter: VaryingMeter::new(begins, burst),
            controller,
            told_by,
            most,
            since: 0,
            until: 0,
            processed: 0,
            busy: Duration::ZERO,
            limited: false,
            went: None,
            decisions: Decisions::new(begins),
            gauge: None,
        }
    }

    fn begin(&mut self, now: u64) {
        let interval = u64::try_from(self.controller.interval().as_nanos()).unwrap_or(u64::MAX);
        (self.since, self.until) = (now, now.saturating_add(interval.max(1)));
        (self.processed, self.busy, self.limited) = (0, Duration::ZERO, false);
    }

    /// The end of an interval.
    #[cold]
    fn decide(&mut self, now: u64) {
        let elapsed = Duration::from_nanos(now.saturating_sub(self.since));
        let mut sample = Sample::new(elapsed, self.processed);
        sample.busy = self.busy;
        let nanos = self.busy.as_nanos() / u128::from(self.processed.max(1));
        sample.latency = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        sample.limited = self.limited;
        self.told_by.tell(&mut sample);
        let rate = rate(self.controller.adjust(&sample), self.most);
        self.begin(now);
        self.decisions.decide(rate, sample);
        self.show();
        self.meter.change(rate, now);
    }

    fn show(&self) {
        if let Some(gauge) = &self.gauge {
            gauge.decided(self.decisions);
        }
    }

    fn goes(&mut self, now: u64) {
        self.processed += 1;
        self.went = Some(now);
    }
}

impl<C: Controller, F: Tell> Tokens for Steered<C, F> {
    #[inline]
    fn spend(&mut self, _: u64) -> bool {
        false
    }

    fn reserve(&mut self, cost: u64, now: u64) -> u64 {
        let due = self.meter.reserve(cost, now);
        if due <= now {
            self.goes(now);
        }
        due
    }

    fn gone(&mut self, now: u64) {
        self.meter.gone(now);
        self.goes(now);
    }

    fn runs(&self) -> bool {
        self.meter.runs()
    }

    fn rest(&mut self, now: u64) {
        self.meter.rest(now);
    }

    fn begins(&mut self, now: u64, gauge: Option<Gauge>) {
        self.gauge = gauge;
        self.show();
        self.begin(now);
    }

    fn asked(&mut self, now: impl FnOnce() -> u64) {
        let now = now();
        if let Some(went) = self.went.take() {
            self.busy += Duration::from_nanos(now.saturating_sub(went));
        }
        if now >= self.until {
            self.decide(now);
        }
    }

    fn look(&mut self, _: u64, now: u64) -> Wait {
        // The rate may be another since it was reserved.
        let due = self.meter.due(now);
        self.limited |= now < due;
        Wait { due, again: due.min(self.until) }
    }
}
