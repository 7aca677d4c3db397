//! `interval`: a number at each tick of a clock.

use std::convert::Infallible;
use std::time::Duration;

use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::on;
use crate::shape::timed::Alarm;

/// What becomes of the ticks of an [`interval`] that nobody asked for before they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTicks {
    /// They are left out, and so are their numbers: the next item comes at a tick.
    #[default]
    Skip,
    /// Each is sent as soon as it is asked for, until all are caught up with.
    Burst,
    /// One is sent as soon as it is asked for, and the next tick is one period after that.
    Delay,
}

/// A number at each tick of a clock: [`interval`].
///
/// ```text
///          interval(time, 2 s, missed)    downstream asks at *
/// ticks   --0-1-2-3-4-5--
/// asks    *--*-----**----
/// Skip    --0-1-------5--
/// Burst   --0-1----23----
/// Delay   --0-1----2-3---
/// ```
///
/// The first tick is one period after the subscription.
///
/// # Demand
/// An item is sent at a tick that was asked for. What becomes of a tick that was not,
/// [`MissedTicks`] says; none is kept, they are numbers. A tick is asked for once the one before was
/// sent: where the executor is so late that several have come by then, the others are missed.
/// # Completion
/// Never, but after 2<sup>64</sup> ticks.
/// # Errors
/// None; a fault where the executor or the clock has gone.
/// # Cancellation
/// On the executor, when the task runs next.
/// # Bounds
/// Holds a number. One timer, which is set while an item is asked for.
/// # Panics
/// When the period is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::MissedTicks;
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let hour = Duration::from_secs(3600);
/// let ticks = millstream::interval(time.clone(), hour, MissedTicks::Skip).take(3);
/// assert_eq!(time.run_until(ticks.collect::<Vec<_>>())?, [0, 1, 2]);
/// assert_eq!(time.now(), Moment::START + 3 * hour);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Interval<X> {
    time: X,
    period: Duration,
    missed: MissedTicks,
}

/// A number at each tick, one every `period`. See [`Interval`].
#[doc(alias = "tick", alias = "timer")]
#[track_caller]
pub fn interval<X>(time: X, period: Duration, missed: MissedTicks) -> Interval<X>
where
    X: Executor + Clock,
{
    assert!(period > Duration::ZERO, "interval(time, 0): a period is at least a nanosecond");
    Interval { time, period, missed }
}

crate::opaque_debug::opaque_debug!(Interval<X>, period, missed);

impl<X: Executor + Clock> Publisher for Interval<X> {
    type Item = u64;
    type Error = Infallible;

    fn subscribe<S: Subscriber<u64, Infallible>>(self, subscriber: S) {
        let Interval { time, period, missed } = self;
        on(
            &time,
            |bell, _| {
                let alarm = Alarm::new(&time, bell);
                let next = alarm.now() + period;
                Ticks { alarm, period, missed, number: 0, next, awaited: false }
            },
            subscriber,
        );
    }
}

struct Ticks {
    alarm: Alarm,
    period: Duration,
    missed: MissedTicks,
    number: u64,
    /// When the tick with that number is.
    next: Moment,
    /// Somebody waits for it.
    awaited: bool,
}

impl Ticks {
    /// The tick has come.
    fn tick(&mut self, next: Moment) -> Pulled<u64, Infallible> {
        let number = self.number;
        // The last number is not sent: none would follow.
        let Some(following) = number.checked_add(1) else { return Pulled::Complete };
        self.awaited = false;
        self.number = following;
        self.next = next;
        Pulled::Item(number)
    }

    /// Leaves out the ticks until `now`.
    fn skip(&mut self, now: Moment) {
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        let late = now.as_nanos() - self.next.as_nanos();
        let missed = late / period + 1;
        self.number = self.number.saturating_add(missed);
        self.next =
            Moment::from_nanos(self.next.as_nanos().saturating_add(missed.saturating_mul(period)));
    }
}

impl Pull for Ticks {
    type Item = u64;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<u64, Infallible> {
        let now = self.alarm.now();
        if self.next <= now {
            match self.missed {
                _ if self.awaited => return self.tick(self.next + self.period),
                MissedTicks::Burst => return self.tick(self.next + self.period),
                MissedTicks::Delay => return self.tick(now + self.period),
                MissedTicks::Skip => self.skip(now),
            }
        }
        self.awaited = true;
        self.alarm.rest_until(self.next);
        Pulled::Pending
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<u64, Infallible> {
        self.awaited = false;
        self.alarm.rest_until(Moment::NEVER);
        Pulled::Pending
    }
}
