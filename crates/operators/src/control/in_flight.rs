//! `InFlight`: a rate, as how many items at a time make it.

use std::time::Duration;

use crate::control::{Controller, Sample, Unit};

/// A controller of a rate as one of a limit of items at a time, for work that should take a certain
/// time per item: [`Pid::in_flight`](crate::control::Pid::in_flight).
///
/// So many at a time, at so long each, is a rate: that is Little's law. The limit is what the rate
/// comes to at the latency that is wanted. The controller is told the speed that so many at a time
/// make at the latency that there *is*, and as a delay what an item took too long. So it raises the
/// limit while items take less time than they may, and cuts it while they take longer. A limit that
/// was not [reached](Sample::limited) is not raised.
///
/// ```
/// use std::time::Duration;
/// use millstream::control::{Controller, Pid, Sample};
///
/// let second = Duration::from_secs(1);
/// let mut limit = Pid::new(second, 1.0..=1000.0).start(400.0).in_flight(Duration::from_millis(25));
/// assert_eq!(limit.limit(), 10.0, "400 in a second, 25 ms each");
/// // They took 20 ms: so many at a time make 500 in a second.
/// let mut sample = Sample::new(second, 500);
/// sample.latency = Duration::from_millis(20);
/// limit.adjust(&sample);
/// assert_eq!(limit.adjust(&sample), 12.5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct InFlight<C> {
    rate: C,
    latency: Duration,
}

impl<C: Controller> InFlight<C> {
    /// A limit by the rate that `rate` answers, for items that should take `latency`.
    ///
    /// # Panics
    /// When the latency is zero, or so short that not even the highest rate is one item at a time;
    /// when `rate` answers a limit of items at a time already.
    #[track_caller]
    #[must_use]
    pub fn new(rate: C, latency: Duration) -> InFlight<C> {
        let most = rate.most() * latency.as_secs_f64();
        assert!(
            most >= 1.0,
            "InFlight::new(rate, latency): the highest rate, {}, at {latency:?} each is {most} items \
             at a time, and one is the least",
            rate.most(),
        );
        assert!(
            rate.unit() != Unit::InFlight,
            "InFlight::new(rate, latency): the controller answers items at a time already",
        );
        InFlight { rate, latency }
    }

    fn of(&self, rate: f64) -> f64 {
        rate * self.latency.as_secs_f64()
    }
}

impl<C: Controller> Controller for InFlight<C> {
    fn limit(&self) -> f64 {
        self.of(self.rate.limit())
    }

    fn most(&self) -> f64 {
        self.of(self.rate.most())
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        if !sample.limited && sample.latency <= self.latency {
            return self.limit();
        }
        // One item at a time is the least that there are.
        let at_a_time = self.limit().max(1.0);
        let worked = sample.latency.as_secs_f64() * sample.processed as f64 / at_a_time;
        let mut told = *sample;
        told.busy = Duration::try_from_secs_f64(worked).unwrap_or(Duration::MAX);
        told.delay = sample.latency.saturating_sub(self.latency);
        let rate = self.rate.adjust(&told);
        self.of(rate)
    }

    fn interval(&self) -> Duration {
        self.rate.interval()
    }

    fn unit(&self) -> Unit {
        Unit::InFlight
    }
}
