//! [`sleep`]: a future that is ready when a time has come.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::time::{Clock, ClockGone, Moment, Timer};

/// Ready `duration` from now, by `clock`; its time begins here, not with the first poll.
///
/// It fails when the clock is shut down before.
///
/// ```
/// use std::time::Duration;
///
/// use millstream_executors::time::{Clock, Moment, sleep};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let hour = Duration::from_secs(60 * 60);
/// assert_eq!(time.run_until(sleep(time.clone(), hour)), Ok(()));
/// assert_eq!(time.now(), Moment::START + hour);
/// ```
pub fn sleep<C: Clock>(clock: C, duration: Duration) -> Sleep<C> {
    let until = clock.now() + duration;
    Sleep { clock, until, timer: None }
}

/// See [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep<C> {
    clock: C,
    until: Moment,
    /// What wakes whoever polled last.
    timer: Option<(Waker, Box<dyn Timer>)>,
}

// A timer is moved, never pinned.
impl<C> Unpin for Sleep<C> {}

impl<C: Clock> Future for Sleep<C> {
    type Output = Result<(), ClockGone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.clock.now() >= this.until {
            this.timer = None;
            return Poll::Ready(Ok(()));
        }
        if this.timer.as_ref().is_none_or(|(waker, _)| !waker.will_wake(context.waker())) {
            let waker = context.waker().clone();
            this.timer = Some((waker.clone(), this.clock.timer(waker)));
        }
        match &mut this.timer {
            Some((_, timer)) if !timer.is_set() => match timer.set(this.until) {
                Ok(()) => Poll::Pending,
                Err(gone) => Poll::Ready(Err(gone)),
            },
            _ => Poll::Pending,
        }
    }
}

impl<C> fmt::Debug for Sleep<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("until", &self.until).finish_non_exhaustive()
    }
}
