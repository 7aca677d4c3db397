//! The clock of the models: it stands still until a thread of the model lets time pass.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use millstream_core::{More, Publisher};
use millstream_executors::time::{Clock, ClockGone, Moment, Timed, Timer};
use millstream_executors::{Executor, Task};
use millstream_sync::{Mutex, lock, thread};
use millstream_testkit::model::{Desk, run};

use crate::late;
use crate::oracle::{Error, Oracle, Source, Start, Token};

/// What stages that wait for a time are given.
pub(crate) type Time = Timed<Desk, ManualClock>;

/// Subscribes to a stream with a stage that waits on a clock: what asks, the clock, and the task of the
/// stage.
pub(crate) fn on_time<P: Publisher<Item = Token, Error = Error>>(
    stream: impl FnOnce(&Oracle, Time) -> P,
) -> (Oracle, ManualClock, Task) {
    let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
    let stream = stream(&oracle, desk.clone().with_clock(clock.clone()));
    stream.subscribe(oracle.probe(|_| More::NONE));
    (oracle, clock, desk.task())
}

/// The same over items that another thread starts, and what starts them.
pub(crate) fn late_on_time<P: Publisher<Item = Token, Error = Error>>(
    numbers: Range<u32>,
    stream: impl FnOnce(&Oracle, Source, Time) -> P,
) -> (Oracle, ManualClock, Start, Task) {
    let mut starts = Start::default();
    let (oracle, clock, task) = on_time(|oracle, time| {
        let (source, start) = late(oracle, numbers);
        starts = start;
        stream(oracle, source, time)
    });
    (oracle, clock, starts, task)
}

/// Stands at its beginning; from [`pass`](ManualClock::pass) on, whatever a timer is set for has
/// come.
#[derive(Clone, Default)]
pub(crate) struct ManualClock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Moment,
    passes: bool,
    gone: bool,
    timers: BTreeMap<u64, (Moment, Waker)>,
    next: u64,
}

impl ManualClock {
    /// It passes while one thread runs the task and another starts the items; no timer is left then.
    pub(crate) fn passes_while_items_come(&self, task: Task, start: Start) {
        self.passes_while(task, move || start.go());
    }

    /// It passes while one thread runs the task and another asks for an item; no timer is left then.
    pub(crate) fn passes_while_one_is_asked_for(&self, task: Task, oracle: &Oracle) {
        let oracle = oracle.clone();
        self.passes_while(task, move || oracle.request(1));
    }

    fn passes_while(&self, task: Task, happens: impl FnOnce() + Send + 'static) {
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(happens);
        self.pass();
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(self.timers(), 0);
    }

    /// Lets time pass: all timers wake, and each that is set from now on.
    pub(crate) fn pass(&self) {
        let due = {
            let mut state = lock(&self.0);
            state.passes = true;
            let due = std::mem::take(&mut state.timers);
            state.now = due.values().map(|(at, _)| *at).max().unwrap_or(state.now).max(state.now);
            due
        };
        due.into_values().for_each(|(_, waker)| waker.wake());
    }

    /// Shuts it down.
    pub(crate) fn shut_down(&self) {
        let timers = {
            let mut state = lock(&self.0);
            state.gone = true;
            std::mem::take(&mut state.timers)
        };
        timers.into_values().for_each(|(_, waker)| waker.wake());
    }

    /// How many timers are set.
    pub(crate) fn timers(&self) -> usize {
        lock(&self.0).timers.len()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        lock(&self.0).now
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        Box::new(ManualTimer { clock: self.clone(), waker, set: None })
    }
}

struct ManualTimer {
    clock: ManualClock,
    waker: Waker,
    set: Option<u64>,
}

impl Timer for ManualTimer {
    fn set(&mut self, at: Moment) -> Result<(), ClockGone> {
        self.clear();
        let waker = self.waker.clone();
        {
            let mut state = lock(&self.clock.0);
            if state.gone {
                return Err(ClockGone);
            }
            if at == Moment::NEVER {
                return Ok(());
            }
            if !state.passes && at > state.now {
                let number = state.next;
                state.next += 1;
                state.timers.insert(number, (at, waker));
                self.set = Some(number);
                return Ok(());
            }
            state.now = state.now.max(at);
        }
        waker.wake();
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(number) = self.set.take() {
            let timer = lock(&self.clock.0).timers.remove(&number);
            drop(timer);
        }
    }

    fn is_set(&self) -> bool {
        self.set.is_some_and(|number| lock(&self.clock.0).timers.contains_key(&number))
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

impl Drop for ManualTimer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Goes on by a nanosecond each time that it is looked at, which adds no schedule; its timers never
/// wake.
#[derive(Clone, Default)]
pub(crate) struct TickingClock(Arc<AtomicU64>);

impl Clock for TickingClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.fetch_add(1, Relaxed))
    }

    fn timer(&self, _: Waker) -> Box<dyn Timer> {
        Box::new(self.clone())
    }
}

impl Timer for TickingClock {
    fn set(&mut self, _: Moment) -> Result<(), ClockGone> {
        Ok(())
    }

    fn clear(&mut self) {}

    fn is_set(&self) -> bool {
        false
    }

    fn now(&self) -> Moment {
        Clock::now(self)
    }
}
