//! Time: where it comes from, and what wakes a stage when it has come.
//!
//! A stage that waits for a time is handed an executor with a clock, as one value. There is no
//! global clock, so a test runs a whole pipeline in virtual time, beside others that do not.
//!
//! | what | is a clock | is an executor |
//! |---|---|---|
//! | `Tokio`, of a runtime with timers | yes | yes |
//! | `SystemClock` (feature `clock`), for programs without a runtime | yes | |
//! | [`Timed`], one of each: `pool.handle().with_clock(clock.handle())` | yes | yes |
//! | `VirtualTime` of `millstream_testkit` | yes | yes |
//!
//! * **One driver for all timers** of a clock, however many there are.
//! * **A timer that is dropped or cleared is gone**, and with it its waker.
//! * **A timer only wakes.** Whoever is woken looks at the clock: it may be woken early, and late.
//! * **A clock that goes wakes all its timers**, and those that are set again are told that it has
//!   gone, so that nobody waits for ever:
//!   [`Fault::ClockGone`](millstream_core::Fault::ClockGone).
//!
//! `millstream_testkit::clock::check` checks all of this for a clock of your own.
//!
//! ```
//! use std::time::Duration;
//!
//! use millstream_executors::time::Moment;
//!
//! let then = Moment::START + Duration::from_millis(3);
//! assert_eq!(then.since(Moment::START), Duration::from_millis(3));
//! assert_eq!(then - Moment::START, Duration::from_millis(3));
//! assert_eq!(Moment::START - then, Duration::ZERO);
//! assert!(then + Duration::MAX == Moment::NEVER);
//! ```

mod moment;
mod sleep;
#[cfg(feature = "clock")]
mod system;
mod timed;
#[cfg(any(feature = "clock", feature = "tokio"))]
mod wheel;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

pub use moment::Moment;
pub use sleep::{Sleep, sleep};
#[cfg(feature = "clock")]
pub use system::{SystemClock, SystemClockHandle};
pub use timed::Timed;
#[cfg(any(feature = "clock", feature = "tokio"))]
pub(crate) use wheel::{real_now, wheel_timer};

/// Where time comes from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell the time",
    note = "an executor gets a clock by `with_clock`: \
            `pool.handle().with_clock(clock.handle())`, of a `Pool` and a `SystemClock`; `Tokio` has one"
)]
pub trait Clock: Send + Sync + 'static {
    /// The time now. It never goes back.
    fn now(&self) -> Moment;

    /// A timer that wakes `waker`, whenever it is set.
    ///
    /// The waker is called on any thread, as a rule that of the clock's driver, which waits for
    /// it to return: it has to be quick.
    fn timer(&self, waker: Waker) -> Box<dyn Timer>;
}

/// What wakes one stage at the times that it says. When it is dropped it wakes no more.
pub trait Timer: Send + 'static {
    /// Wakes when `at` has come, once, instead of when it was set for before; at once where that
    /// has come already. [`Moment::NEVER`] does not come, and clears it.
    ///
    /// # Errors
    /// [`ClockGone`] where nobody would wake: the clock was shut down.
    fn set(&mut self, at: Moment) -> Result<(), ClockGone>;

    /// Wakes no more until it is set again.
    fn clear(&mut self);

    /// Whether it is set, and has not woken since. One whose clock goes has woken.
    fn is_set(&self) -> bool;

    /// The time now, of its clock.
    fn now(&self) -> Moment;
}

/// The clock was shut down: it wakes nobody any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockGone;

impl fmt::Display for ClockGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        millstream_core::Fault::ClockGone.fmt(f)
    }
}

impl Error for ClockGone {}

impl From<ClockGone> for millstream_core::Fault {
    fn from(ClockGone: ClockGone) -> millstream_core::Fault {
        millstream_core::Fault::ClockGone
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        (**self).timer(waker)
    }
}

impl<C: Clock + ?Sized> Clock for Box<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        (**self).timer(waker)
    }
}

impl<C: Clock + ?Sized> Clock for &'static C {
    fn now(&self) -> Moment {
        (**self).now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        (**self).timer(waker)
    }
}
