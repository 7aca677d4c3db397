//! Controllers: how much at a time, or how fast, decided from how the work goes.
//!
//! A [`Controller`] is told by a [`Sample`] how some work went, and answers a limit. It is plain
//! data: it reads no clock, runs no code of others, and can be tried out against a simulated
//! service. `adaptive_concurrency` uses one of items at a time, `throttle_adaptive` one of items per
//! second.
//!
//! | controller | answers | raises | cuts |
//! |---|---|---|---|
//! | [`Aimd`] | either | by a step, while its limit is reached and all is well | by a factor, when there is too much |
//! | [`Pid`] | items per second | to the speed of the last sample | to that speed, and below while items wait |
//! | [`InFlight`], made of a `Pid` | items at a time | while items take less time than they may | while they take longer |
//!
//! **Which one.** [`Aimd`] is the one to begin with: wherever it is put it comes to rest around what
//! the service can do, and it needs to be told one thing, what too slow is. [`Pid`] is faster, and
//! is right where the speed of the work does not depend on how much of it there is; its page says
//! where it never comes to rest.
//!
//! # How they do
//!
//! Measured against the simulated services of `crates/operators/tests/control.rs`, whose tests hold
//! each figure. *Settled* is when the limit stays in its band for good; *overshoot* is by how much it
//! is ever above the best limit after a step up.
//!
//! A service works on 20 items at a time, 10 ms each, then on 40, then on 10; with more they wait for
//! each other. Limits from 1 to 100, a sample per round. For `Aimd` up to 15 ms are well, and it is
//! settled between what the service can do and 1.7 times as much, around the 1.5 times at which items
//! take 15 ms. The `Pid` is [`InFlight`] for 12 ms, and settled within 8 % of the 1.2 times at which
//! they take that.
//!
//! | | `Aimd` | `Pid` |
//! |---|--:|--:|
//! | from 1, for 20: settled after | 18 rounds | 17 rounds |
//! | 20 to 40: settled after | 13 rounds | 3 rounds |
//! | 40 to 10: settled after | 9 rounds | 7 rounds |
//! | overshoot, each item takes as long | 7 % | 2 % |
//! | overshoot, latencies vary by 20 % | 9 % | 31 % |
//! | overshoot, each sample is 5 rounds late | 23 %, with a [`pause`](Aimd::pause) of 100 ms | 153 %, and never settled |
//!
//! As a rate: a service with a queue can do 1000 items in a second, then 2000, then 500, and is sent
//! them at the rate; a sample per second. To `Aimd` it is too much when more than a second's work
//! waits; it adds 20, looks away for an interval after a cut, and is settled between 0.6 and 1.3 times
//! what the service can do, whose queue is 1.3 seconds long at most then. The `Pid` is told how fast it
//! went and how long items waited, and is settled within 5 %.
//!
//! | | `Aimd` | `Pid` |
//! |---|--:|--:|
//! | from 100, for 1000: settled after | 24 s | 1 s |
//! | 1000 to 2000: settled after | 11 s | at once |
//! | 2000 to 500: settled after | 29 s | 11 s, in which the queue is emptied |
//! | overshoot, the speed is what it is | 21 % | none |
//! | overshoot, the speed varies by 20 % | 24 % | 20 % |
//! | overshoot, each sample is 5 s late | 31 %, with a [`pause`](Aimd::pause) of 6 s | none: it cuts too far |

mod aimd;
mod in_flight;
mod pid;

use std::ops::RangeInclusive;
use std::time::Duration;

pub use aimd::Aimd;
pub use in_flight::InFlight;
pub use millstream_blocks::gauge::{Decisions, Sample};
pub use pid::Pid;

/// What decides a limit from how the work goes.
///
/// ```
/// use std::time::Duration;
/// use millstream::control::{Controller, Sample};
///
/// /// Half of the limit whenever there is too much, and one more in a quiet minute.
/// struct Careful {
///     limit: f64,
///     quiet: Duration,
/// }
///
/// impl Controller for Careful {
///     fn limit(&self) -> f64 {
///         self.limit
///     }
///     fn most(&self) -> f64 {
///         16.0
///     }
///     fn adjust(&mut self, sample: &Sample) -> f64 {
///         self.quiet += sample.elapsed;
///         if sample.overloaded {
///             self.limit = (self.limit / 2.0).max(1.0);
///             self.quiet = Duration::ZERO;
///         } else if self.quiet > Duration::from_secs(60) {
///             self.limit = (self.limit + 1.0).min(self.most());
///             self.quiet = Duration::ZERO;
///         }
///         self.limit
///     }
/// }
///
/// let mut careful = Careful { limit: 8.0, quiet: Duration::ZERO };
/// let mut sample = Sample::new(Duration::from_secs(1), 10);
/// sample.overloaded = true;
/// assert_eq!(careful.adjust(&sample), 4.0);
/// ```
pub trait Controller: Send + 'static {
    /// The limit now; before the first sample, the one to begin with.
    fn limit(&self) -> f64;

    /// The highest limit that it ever answers. Whoever asks makes room for it at the beginning,
    /// and takes a higher one for this one.
    fn most(&self) -> f64;

    /// The limit after a sample. One that is no number, or below what makes sense, is taken for the
    /// least that does.
    fn adjust(&mut self, sample: &Sample) -> f64;

    /// The least time that a sample should be about.
    fn interval(&self) -> Duration {
        Duration::ZERO
    }

    /// What the limit counts.
    fn unit(&self) -> Unit {
        Unit::Any
    }
}

/// What the limit of a [`Controller`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Whatever it is used for.
    Any,
    /// Items at a time.
    InFlight,
    /// Items per second.
    PerSecond,
}

impl<C: Controller + ?Sized> Controller for Box<C> {
    fn limit(&self) -> f64 {
        (**self).limit()
    }

    fn most(&self) -> f64 {
        (**self).most()
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        (**self).adjust(sample)
    }

    fn interval(&self) -> Duration {
        (**self).interval()
    }

    fn unit(&self) -> Unit {
        (**self).unit()
    }
}

/// The ends of a range of limits.
///
/// # Panics
/// When one of them is no finite number above zero, or they are the wrong way round.
#[track_caller]
fn bounds(what: &str, limits: &RangeInclusive<f64>) -> (f64, f64) {
    let (least, most) = (*limits.start(), *limits.end());
    assert!(
        least > 0.0 && least.is_finite() && most.is_finite(),
        "{what}: a limit is a number above 0, and {least}..={most} was given",
    );
    assert!(least <= most, "{what}: the least limit comes first, and {least}..={most} was given");
    (least, most)
}
