//! `after`: one tick, some time from now.

use std::convert::Infallible;
use std::time::Duration;

use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::on;
use crate::shape::timed::Alarm;

/// One tick, some time after the subscription: [`after`].
///
/// ```text
///         after(time, 5 s)
/// down  -----x|
/// ```
///
/// # Demand
/// The tick is sent when its time has come and it is asked for.
/// # Completion
/// After the tick.
/// # Errors
/// None; a fault where the executor or the clock has gone.
/// # Cancellation
/// On the executor, when the task runs next.
/// # Bounds
/// Holds a time. One timer, which is set while the tick is asked for.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let tick = millstream::after(time.clone(), Duration::from_secs(5));
/// assert_eq!(time.run_until(tick.count())?, 1);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(5));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct After<X> {
    time: X,
    wait: Duration,
}

/// One tick, when `wait` has passed. See [`After`].
#[doc(alias = "timer", alias = "delay", alias = "sleep")]
pub fn after<X>(time: X, wait: Duration) -> After<X>
where
    X: Executor + Clock,
{
    After { time, wait }
}

crate::opaque_debug::opaque_debug!(After<X>, wait);

impl<X: Executor + Clock> Publisher for After<X> {
    type Item = ();
    type Error = Infallible;

    fn subscribe<S: Subscriber<(), Infallible>>(self, subscriber: S) {
        let After { time, wait } = self;
        on(
            &time,
            |bell, _| {
                let alarm = Alarm::new(&time, bell);
                let at = alarm.now() + wait;
                Tick { alarm, at: Some(at) }
            },
            subscriber,
        );
    }
}

struct Tick {
    alarm: Alarm,
    /// Until it was sent.
    at: Option<Moment>,
}

impl Pull for Tick {
    type Item = ();
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<(), Infallible> {
        let Some(at) = self.at else { return Pulled::Complete };
        if self.alarm.now() < at {
            self.alarm.rest_until(at);
            return Pulled::Pending;
        }
        self.at = None;
        Pulled::Item(())
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<(), Infallible> {
        self.alarm.rest_until(Moment::NEVER);
        if self.at.is_none() { Pulled::Complete } else { Pulled::Pending }
    }
}
