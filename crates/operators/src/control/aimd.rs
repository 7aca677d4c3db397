//! `Aimd`: a little more while all is well, much less when there is too much.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::control::{Controller, Sample, bounds};

/// Additive increase, multiplicative decrease: the rule by which TCP shares a network.
///
/// ```text
/// limit      /|      /|      /|
///           / |     / |     / |     too much
///          /  |    /  |    /  |    /
///         /   |   /   |   /   |   /
///        /    |  /    |  /    |  /
///       /     | /     | /     | /
///      /      |/      |/      |/
/// ```
///
/// *Too much* is a sample that was [overloaded](Sample::overloaded), or whose items took longer on
/// average than [`latency`](Aimd::latency) says, if it says so. Then the limit is multiplied by
/// [`decrease`](Aimd::decrease). After any other sample in which the limit was
/// [reached](Sample::limited) and something was finished, [`increase`](Aimd::increase) is added. A
/// limit that was not reached says nothing about what the service can do, and is left as it is.
///
/// **After a cut** it looks away: what was begun before the cut still tells of the limit that was.
/// As in TCP, a cut is answered once, and the samples that begin before the time is over that an
/// item took then, or [`pause`](Aimd::pause) if that is longer, change nothing.
///
/// **Where items wait in a queue** [`latency`](Aimd::latency) tells of the wait when it is over. The limit
/// goes on rising meanwhile, and is left as it is for as long again after the cut. So a bound of many
/// samples is exceeded by much: for a rate that is raised by 2 % of what the service can do each
/// second, the longest wait is one and a half times a bound of a second, and three times one of
/// twenty. A bound that is not far above what an item takes alone keeps the queue short, and so does
/// an [overload](Sample::overloaded) that is told from the length of the queue. For items in flight it is
/// bounded by the limit itself.
///
/// **What it is good for.** It finds what a service can do without knowing it, never rests at a
/// limit that is too high, and several of them that share a service end up with equal shares. The
/// price is the saw: for the default (a cut of 0.7) the limit is on average 15 % below the highest.
///
/// | | unless told otherwise |
/// |---|---|
/// | [`start`](Aimd::start) | the least limit |
/// | [`increase`](Aimd::increase) | 1 per sample: for a rate, say more |
/// | [`decrease`](Aimd::decrease) | 0.7 |
/// | [`latency`](Aimd::latency) | none: only what is overloaded is too much |
/// | [`pause`](Aimd::pause) | as long as an item took |
/// | [`interval`](Aimd::interval) | none: a sample per round |
///
/// ```
/// use std::time::Duration;
/// use millstream::control::{Aimd, Controller, Sample};
///
/// let mut aimd = Aimd::new(1.0..=64.0).start(20.0).latency(Duration::from_millis(50));
/// let mut sample = Sample::new(Duration::from_millis(100), 200);
/// sample.latency = Duration::from_millis(10);
/// assert_eq!(aimd.adjust(&sample), 21.0);
/// sample.latency = Duration::from_millis(51);
/// assert_eq!(aimd.adjust(&sample), 21.0 * 0.7);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Aimd {
    least: f64,
    most: f64,
    limit: f64,
    increase: f64,
    decrease: f64,
    latency: Option<Duration>,
    pause: Duration,
    interval: Duration,
    /// For how long it still looks away.
    away: Duration,
}

impl Aimd {
    /// Limits in this range.
    ///
    /// # Panics
    /// When an end of the range is not a finite number above zero, or they are the wrong way round.
    #[track_caller]
    #[must_use]
    pub fn new(limits: RangeInclusive<f64>) -> Aimd {
        let (least, most) = bounds("Aimd::new(limits)", &limits);
        Aimd {
            least,
            most,
            limit: least,
            increase: 1.0,
            decrease: 0.7,
            latency: None,
            pause: Duration::ZERO,
            interval: Duration::ZERO,
            away: Duration::ZERO,
        }
    }

    /// The limit to begin with.
    ///
    /// # Panics
    /// When it is not in the range.
    #[track_caller]
    #[must_use]
    pub fn start(mut self, limit: f64) -> Aimd {
        let (least, most) = (self.least, self.most);
        assert!(
            (least..=most).contains(&limit),
            "Aimd::start(limit): the limits are {least}..={most}, and {limit} was given",
        );
        self.limit = limit;
        self
    }

    /// What is added for a sample in which all was well.
    ///
    /// # Panics
    /// When it is not a finite number above zero.
    #[track_caller]
    #[must_use]
    pub fn increase(mut self, step: f64) -> Aimd {
        assert!(
            step > 0.0 && step.is_finite(),
            "Aimd::increase(step): a step is a number above 0, and {step} was given",
        );
        self.increase = step;
        self
    }

    /// What the limit is multiplied by when there is too much.
    ///
    /// # Panics
    /// When it is not between zero and one.
    #[track_caller]
    #[must_use]
    pub fn decrease(mut self, factor: f64) -> Aimd {
        assert!(
            factor > 0.0 && factor < 1.0,
            "Aimd::decrease(factor): a cut is by a factor between 0 and 1, and {factor} was given",
        );
        self.decrease = factor;
        self
    }

    /// The longest that items may take on average.
    ///
    /// # Panics
    /// When it is zero.
    #[track_caller]
    #[must_use]
    pub fn latency(mut self, most: Duration) -> Aimd {
        assert!(
            !most.is_zero(),
            "Aimd::latency(0): every item takes some time, and no limit would be low enough",
        );
        self.latency = Some(most);
        self
    }

    /// For how long it looks away after a cut, at least: where its limit takes effect later than
    /// after the time that an item takes.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Aimd {
        self.pause = pause;
        self
    }

    /// The least time that a sample should be about.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Aimd {
        self.interval = interval;
        self
    }
}

impl Controller for Aimd {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn most(&self) -> f64 {
        self.most
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        let looks_away = !self.away.is_zero();
        self.away = self.away.saturating_sub(sample.elapsed);
        if looks_away {
            return self.limit;
        }
        let finished = sample.processed > 0;
        let slow = finished && self.latency.is_some_and(|most| sample.latency > most);
        if sample.overloaded || slow {
            self.limit = (self.limit * self.decrease).max(self.least);
            self.away = sample.latency.max(self.pause);
        } else if finished && sample.limited {
            self.limit = (self.limit + self.increase).min(self.most);
        }
        self.limit
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}
