//! [`Moment`]: a point in time of one clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in time, in nanoseconds since a beginning that is the clock's.
///
/// Clocks of real time have their beginning in common. Arithmetic saturates: what is too late to
/// be counted is [`NEVER`](Moment::NEVER), which is some 584 years after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The beginning.
    pub const START: Moment = Moment(0);
    /// Later than any other.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// So many nanoseconds after the beginning.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// Nanoseconds since the beginning.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; nothing where it is not.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds of a duration, at most `u64::MAX`.
#[inline]
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Moment {
    type Output = Moment;

    #[inline]
    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Moment {
    #[inline]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    /// Not before the beginning; [`NEVER`](Moment::NEVER) stays.
    #[inline]
    fn sub(self, duration: Duration) -> Moment {
        if self == Moment::NEVER { self } else { Moment(self.0.saturating_sub(nanos(duration))) }
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// As [`since`](Moment::since): nothing where `earlier` is later.
    #[inline]
    fn sub(self, earlier: Moment) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Moment::NEVER {
            f.write_str("never")
        } else {
            write!(f, "{:?}", Duration::from_nanos(self.0))
        }
    }
}
