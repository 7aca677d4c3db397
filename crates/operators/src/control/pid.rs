//! `Pid`: as fast as it went the last time, less what waits.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::control::{Controller, InFlight, Sample, Unit, bounds};

/// The rate estimator of Spark Streaming's backpressure: items per second, from how fast the last
/// of them were worked on and how long they had to wait for that.
///
/// ```text
/// speed = processed / busy                            what it could have done in that time
/// error = rate - speed
/// waits = speed * delay / interval                    what waits, as a rate of one interval
/// rate  = rate - proportional * error - integral * waits - derivative * (error - error before) / elapsed
/// ```
///
/// with 1.0 for `proportional`, 0.2 for `integral` and 0.0 for `derivative`, and never below the
/// least rate. The first sample only tells where to begin; one in which nothing was finished tells
/// nothing. It does the same as Spark's, number for number, and has a highest rate besides.
///
/// # Where it does not work
///
/// With `proportional` at 1 the rate before cancels out: the next rate is the speed of the last
/// sample, less a fifth of what waits. It keeps nothing of what it knew, so it is there after one
/// sample, and follows all noise: a speed that is off by a tenth in one sample is a rate that is off
/// by a tenth in the next. It is never above that speed. And it comes to rest only where a rate *r* makes the work run at a speed
/// of exactly *r*:
///
/// * **Where the speed falls with the rate** it has no fixed point that it could stay at. If twice
///   the rate makes the work a quarter as fast, as a service does that begins to thrash, each step
///   overcorrects the one before: too fast, too slow, too fast, for ever, here between a third of the
///   best rate and 1.7 times as much (test `a_pid_never_rests_where_speed_falls_with_the_rate`).
/// * **Where an interval costs more than it lasts.** If each interval has a cost of its own (a
///   query, a commit) that is as long as the interval, the work is slower than any rate, and each
///   rate is below the one before: it ends at the least rate, and the items wait (test
///   `a_pid_ends_at_the_least_rate_where_an_interval_costs_more_than_it_lasts`).
/// * **Where it is told late.** It makes up for what waits until it is told that nothing does. When a
///   service gets half as fast, and each sample is ten intervals late, the service has nothing to do
///   in eight intervals of those that follow (test
///   `a_pid_that_is_told_late_goes_on_cutting_when_nothing_waits_any_more`); as a limit of items at a
///   time it swings for ever.
///
/// A lower `proportional` is the remedy for the first: it makes each step a part of the way. Where
/// nothing of this is known, [`Aimd`](crate::control::Aimd) is the safer choice.
///
/// ```
/// use std::time::Duration;
/// use millstream::control::{Controller, Pid, Sample};
///
/// let mut pid = Pid::new(Duration::from_secs(1), 10.0..=100_000.0);
/// // 500 items, on which it worked for half of the second.
/// let mut sample = Sample::new(Duration::from_secs(1), 500);
/// sample.busy = Duration::from_millis(500);
/// pid.adjust(&sample);
/// assert_eq!(pid.adjust(&sample), 1000.0, "as fast as it went");
/// // The same, but they had to wait for half a second: 500 items are in the queue.
/// sample.delay = Duration::from_millis(500);
/// assert_eq!(pid.adjust(&sample), 900.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pid {
    interval: Duration,
    least: f64,
    most: f64,
    proportional: f64,
    integral: f64,
    derivative: f64,
    /// What is answered.
    limit: f64,
    /// The rate and the error of the last sample, once there was one.
    before: Option<(f64, f64)>,
}

impl Pid {
    /// Rates in this range, a new one in each interval. It begins with the highest.
    ///
    /// # Panics
    /// When the interval is zero, an end of the range is not a finite number above zero, or they are
    /// the wrong way round.
    #[track_caller]
    #[must_use]
    pub fn new(interval: Duration, rates: RangeInclusive<f64>) -> Pid {
        assert!(
            !interval.is_zero(),
            "Pid::new(0, rates): what waits is spread over an interval, which lasts some time",
        );
        let (least, most) = bounds("Pid::new(interval, rates)", &rates);
        Pid {
            interval,
            least,
            most,
            proportional: 1.0,
            integral: 0.2,
            derivative: 0.0,
            limit: most,
            before: None,
        }
    }

    /// The rate to begin with, until there is a second sample.
    ///
    /// # Panics
    /// When it is not in the range.
    #[track_caller]
    #[must_use]
    pub fn start(mut self, rate: f64) -> Pid {
        let (least, most) = (self.least, self.most);
        assert!(
            (least..=most).contains(&rate),
            "Pid::start(rate): the rates are {least}..={most}, and {rate} was given",
        );
        self.limit = rate;
        self
    }

    /// How much of an error is put right at once.
    ///
    /// # Panics
    /// When it is not a finite number above zero.
    #[track_caller]
    #[must_use]
    pub fn proportional(mut self, gain: f64) -> Pid {
        assert!(
            gain > 0.0 && gain.is_finite(),
            "Pid::proportional(gain): without it no error is put right: a number above 0, and \
             {gain} was given",
        );
        self.proportional = gain;
        self
    }

    /// How much of what waits is made up for in an interval.
    ///
    /// # Panics
    /// When it is negative, or not finite.
    #[track_caller]
    #[must_use]
    pub fn integral(mut self, gain: f64) -> Pid {
        self.integral = not_negative("Pid::integral(gain)", gain);
        self
    }

    /// How much the change of the error counts.
    ///
    /// # Panics
    /// When it is negative, or not finite.
    #[track_caller]
    #[must_use]
    pub fn derivative(mut self, gain: f64) -> Pid {
        self.derivative = not_negative("Pid::derivative(gain)", gain);
        self
    }

    /// As a limit of items at a time, for work that should take `latency` per item. See
    /// [`InFlight`].
    ///
    /// # Panics
    /// When the latency is zero, or so short that not even the highest rate is one item at a time.
    #[track_caller]
    #[must_use]
    pub fn in_flight(self, latency: Duration) -> InFlight<Pid> {
        InFlight::new(self, latency)
    }
}

#[track_caller]
fn not_negative(what: &str, gain: f64) -> f64 {
    assert!(
        gain >= 0.0 && gain.is_finite(),
        "{what}: a gain is a number from 0 on, and {gain} was given",
    );
    gain
}

impl Controller for Pid {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn most(&self) -> f64 {
        self.most
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        let Some(speed) = sample.speed() else { return self.limit };
        let elapsed = sample.elapsed.as_secs_f64();
        if elapsed == 0.0 {
            return self.limit;
        }
        let Some((rate, error_before)) = self.before else {
            self.before = Some((speed, 0.0));
            return self.limit;
        };
        let error = rate - speed;
        let waits = speed * sample.delay.as_secs_f64() / self.interval.as_secs_f64();
        let change = (error - error_before) / elapsed;
        let next =
            rate - self.proportional * error - self.integral * waits - self.derivative * change;
        self.limit = next.clamp(self.least, self.most);
        self.before = Some((self.limit, error));
        self.limit
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }
}
