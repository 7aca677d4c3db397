//! Timers on the wheel of a tokio runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::time::{ClockGone, Moment, Timer};

/// The beginning that all clocks of real time have in common: some time ago, so that it is before
/// the time at which a runtime was paused.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    const DAY: u64 = 24 * 60 * 60;
    *BEGINNING.get_or_init(|| {
        let now = Instant::now();
        let ago = |n| now.checked_sub(Duration::from_secs(DAY >> n));
        (0..u64::BITS).find_map(ago).unwrap_or(now)
    })
}

/// The time now; inside of a runtime that is paused, its time.
pub(crate) fn real_now() -> Moment {
    Moment::START + Instant::now().saturating_duration_since(beginning())
}

/// A timer on the wheel of the runtime of `handle`.
pub(crate) fn wheel_timer(handle: Handle, waker: Waker) -> Box<dyn Timer> {
    Box::new(WheelTimer { handle, waker, sleep: Box::pin(None) })
}

struct WheelTimer {
    handle: Handle,
    waker: Waker,
    /// In one place for all times that it is set for. There is one while it is set.
    sleep: Pin<Box<Option<Sleep>>>,
}

impl WheelTimer {
    /// Puts it on the wheel, or moves it there. Panics where the runtime has no timers any more,
    /// or never had.
    fn enter(&mut self, at: Instant) -> Poll<()> {
        let _inside = self.handle.enter();
        match self.sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.reset(at),
            None => self.sleep.set(Some(sleep_until(at))),
        }
        let Some(mut sleep) = self.sleep.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        // Without the budget of the task that is polled here: without budget a future wakes,
        // and is not on the wheel.
        let on_wheel = std::future::poll_fn(|context| sleep.as_mut().poll(context));
        pin!(tokio::task::unconstrained(on_wheel)).poll(&mut Context::from_waker(&self.waker))
    }
}

impl Timer for WheelTimer {
    fn set(&mut self, at: Moment) -> Result<(), ClockGone> {
        if at == Moment::NEVER {
            self.clear();
            return Ok(());
        }
        let Some(deadline) = beginning().checked_add(at.since(Moment::START)) else {
            self.clear();
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(|| self.enter(deadline))) {
            Ok(Poll::Pending) => Ok(()),
            Ok(Poll::Ready(())) => {
                self.clear();
                self.waker.wake_by_ref();
                Ok(())
            }
            Err(_) => {
                self.clear();
                Err(ClockGone)
            }
        }
    }

    fn clear(&mut self) {
        self.sleep.set(None);
    }

    fn is_set(&self) -> bool {
        self.sleep.as_ref().as_pin_ref().is_some_and(|sleep| !sleep.is_elapsed())
    }

    fn now(&self) -> Moment {
        let _inside = self.handle.enter();
        real_now()
    }
}
