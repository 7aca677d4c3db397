//! An executor that runs a task at once, on the thread that wakes it: so an asynchronous stage
//! has done all it can when a request returns, and the tests of synchronous ones fit.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use millstream::executor::{Executor, Refused, Task};
use millstream::time::Timed;
use millstream_testkit::VirtualClock;

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(crate) struct Eager(Arc<Mutex<Ready>>);

#[derive(Debug, Default)]
struct Ready {
    jobs: VecDeque<Arc<Job>>,
    /// Somebody runs them, and will see what is added.
    running: bool,
}

struct Job {
    task: Mutex<Option<Task>>,
    executor: Eager,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// With a clock that goes on to whatever moment a stage waits for.
pub(crate) fn in_haste() -> Timed<Eager, VirtualClock> {
    Eager::default().with_clock(VirtualClock::hasty())
}

/// With a clock that stands still.
pub(crate) fn timeless() -> Timed<Eager, VirtualClock> {
    Eager::default().with_clock(VirtualClock::new())
}

impl Eager {
    fn run(&self, job: Arc<Job>) {
        {
            let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ready.jobs.push_back(job);
            if std::mem::replace(&mut ready.running, true) {
                return;
            }
        }
        loop {
            let job = {
                let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(job) = ready.jobs.pop_front() else {
                    ready.running = false;
                    return;
                };
                job
            };
            let taken = job.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut task) = taken else { continue };
            let waker = Waker::from(job.clone());
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                *job.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
            }
        }
    }
}

impl Executor for Eager {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.run(Arc::new(Job { task: Mutex::new(Some(task)), executor: self.clone() }));
        Ok(())
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let executor = self.executor.clone();
        executor.run(self);
    }
}
