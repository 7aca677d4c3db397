//! Time that is told: [`VirtualClock`], and [`VirtualTime`], which is an executor as well.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use millstream_executors::time::{Clock, ClockGone, Moment, Timer};
use millstream_executors::{Executor, Refused, Seeded, Task, executor_thread};

use crate::lock::lock;

/// A clock that stands still until it is told to go on.
///
/// ```
/// use std::time::Duration;
///
/// use millstream_executors::time::{Clock, Moment};
/// use millstream_testkit::VirtualClock;
///
/// let clock = VirtualClock::new();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), Moment::START + Duration::from_secs(60));
/// ```
#[derive(Clone, Default)]
pub struct VirtualClock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Moment,
    timers: BTreeMap<Due, Waker>,
    /// The number of the next timer that is set.
    next: u64,
    hasty: bool,
    gone: bool,
}

/// When a timer is due, and which: of those at the same time the one that was set first.
type Due = (Moment, u64);

impl VirtualClock {
    /// At the beginning.
    #[must_use]
    pub fn new() -> VirtualClock {
        VirtualClock::default()
    }

    /// One that goes on by itself, to whatever moment a timer is set for: nobody waits.
    #[must_use]
    pub fn hasty() -> VirtualClock {
        let clock = VirtualClock::new();
        lock(&clock.0).hasty = true;
        clock
    }

    /// Goes on for `duration`, and wakes on the way, in order, each at its time.
    pub fn advance(&self, duration: Duration) {
        let until = self.now() + duration;
        while self.advance_to_next(until) {}
        let mut state = lock(&self.0);
        state.now = state.now.max(until);
    }

    /// Goes on to the moment at which the next timer is due, and wakes it; `false` where none is
    /// due until `latest`.
    pub fn advance_to_next(&self, latest: Moment) -> bool {
        let waker = {
            let mut state = lock(&self.0);
            let Some(entry) = state.timers.first_entry() else { return false };
            let (at, _) = *entry.key();
            if at > latest {
                return false;
            }
            let waker = entry.remove();
            state.now = state.now.max(at);
            waker
        };
        waker.wake();
        true
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        lock(&self.0).timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many timers are set.
    #[must_use]
    pub fn timers(&self) -> usize {
        lock(&self.0).timers.len()
    }

    /// Shuts it down: all timers are woken, and none can be set again.
    pub fn shut_down(&self) {
        let timers = {
            let mut state = lock(&self.0);
            state.gone = true;
            std::mem::take(&mut state.timers)
        };
        timers.into_values().for_each(Waker::wake);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        lock(&self.0).now
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        Box::new(VirtualTimer { clock: self.clone(), waker, set: None })
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.now())
            .field("timers", &self.timers())
            .finish()
    }
}

struct VirtualTimer {
    clock: VirtualClock,
    waker: Waker,
    set: Option<Due>,
}

impl Timer for VirtualTimer {
    fn set(&mut self, at: Moment) -> Result<(), ClockGone> {
        self.clear();
        // Cloned outside of the lock: it is foreign.
        let waker = self.waker.clone();
        {
            let mut state = lock(&self.clock.0);
            if state.gone {
                return Err(ClockGone);
            }
            if at == Moment::NEVER {
                return Ok(());
            }
            if state.hasty {
                state.now = state.now.max(at);
            }
            if at > state.now {
                let due = (at, state.next);
                state.next += 1;
                state.timers.insert(due, waker);
                self.set = Some(due);
                return Ok(());
            }
        }
        waker.wake();
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(due) = self.set.take() {
            let waker = lock(&self.clock.0).timers.remove(&due);
            drop(waker);
        }
    }

    fn is_set(&self) -> bool {
        self.set.is_some_and(|due| lock(&self.clock.0).timers.contains_key(&due))
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// An executor with a clock that goes on by itself when all is idle: an hour of a pipeline passes
/// in a moment, the same each time.
///
/// It runs on the thread that says so. Tasks that are ready run in an order that the seed decides,
/// as those of [`Seeded`]; when none is ready, the clock goes on to the next timer.
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
/// assert_eq!(time.clock().timers(), 0);
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "VirtualTimeScheduler", alias = "TestScheduler", alias = "ManualTime")]
pub struct VirtualTime {
    executor: Seeded,
    clock: VirtualClock,
}

impl VirtualTime {
    /// Without tasks, at the beginning.
    #[must_use]
    pub fn new(seed: u64) -> VirtualTime {
        VirtualTime { executor: Seeded::new(seed), clock: VirtualClock::new() }
    }

    /// What runs the tasks.
    #[must_use]
    pub fn executor(&self) -> &Seeded {
        &self.executor
    }

    /// What tells the time.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// Runs tasks until none is ready. No time passes.
    pub fn run_until_idle(&self) {
        self.executor.run_until_idle();
    }

    /// Lets `duration` pass: runs what is ready, and goes on from timer to timer.
    pub fn advance(&self, duration: Duration) {
        let until = self.clock.now() + duration;
        self.run_until_idle();
        while self.clock.advance_to_next(until) {
            self.run_until_idle();
        }
        self.clock.advance(until.since(self.clock.now()));
    }

    /// Runs until nothing is ready and no timer is set. A pipeline that sets one again and again
    /// never comes to rest.
    pub fn run_until_rest(&self) {
        self.run_until_idle();
        while self.clock.advance_to_next(Moment::NEVER) {
            self.run_until_idle();
        }
    }

    /// Runs until `future` is ready.
    ///
    /// # Panics
    /// When neither a task nor a timer could ever wake it: it would wait for ever.
    #[track_caller]
    pub fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(Mutex::new(true)));
        let waker = Waker::from(woken.clone());
        loop {
            if std::mem::take(&mut *lock(&woken.0)) {
                let _here = executor_thread::enter();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    return output;
                }
            }
            if self.executor.step() || *lock(&woken.0) {
                continue;
            }
            assert!(
                self.clock.advance_to_next(Moment::NEVER),
                "at {} no task is ready and no timer is set: the future would wait for ever",
                self.clock.now(),
            );
        }
    }
}

/// Whether the future that is run was woken.
struct Woken(Mutex<bool>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        *lock(&self.0) = true;
    }
}

impl Executor for VirtualTime {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.executor.spawn(task)
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        self.clock.timer(waker)
    }
}
