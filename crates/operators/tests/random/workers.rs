//! Executors of the cases: one that a seed drives, and one of threads, which are those of the
//! shim. Both know when there is nothing to do: that is how a stall is told from a delay, without
//! a clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use millstream::executor::{Executor, Refused, Seeded, Task};
use millstream_sync::{Condvar, Mutex, lock, thread};

/// What a case runs on.
#[derive(Clone)]
pub(crate) enum Runs {
    /// The thread of the case runs the tasks, in an order of the seed.
    Seeded(Seeded),
    /// Threads run them meanwhile.
    Workers(Arc<Workers>),
}

impl Runs {
    /// Goes on until there is nothing to do.
    pub(crate) fn settle(&self) {
        match self {
            Runs::Seeded(seeded) => seeded.run_until_idle(),
            Runs::Workers(workers) => workers.wait_until_idle(),
        }
    }

    /// Goes on for so many steps, where steps are counted.
    pub(crate) fn go_on(&self, steps: u64) {
        if let Runs::Seeded(seeded) = self {
            for _ in 0..steps {
                if !seeded.step() {
                    break;
                }
            }
        }
    }

    /// Tasks that are not over.
    pub(crate) fn tasks(&self) -> usize {
        match self {
            Runs::Seeded(seeded) => seeded.tasks(),
            Runs::Workers(workers) => lock(&workers.state).jobs.len(),
        }
    }

    /// How a task panicked, if one did: its own panics a task catches.
    pub(crate) fn panicked(&self) -> bool {
        match self {
            Runs::Seeded(_) => false,
            Runs::Workers(workers) => lock(&workers.state).panicked,
        }
    }
}

impl Executor for Runs {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        match self {
            Runs::Seeded(seeded) => seeded.spawn(task),
            Runs::Workers(workers) => {
                workers.spawn(task);
                Ok(())
            }
        }
    }
}

/// Tasks that threads run as they become ready.
pub(crate) struct Workers {
    state: Mutex<State>,
    /// A task is ready, or it is over.
    news: Condvar,
    /// Nothing is ready, and nothing runs.
    idle: Condvar,
    /// A fault, to test the test: a wake-up that comes while the task is polled is lost.
    forgetful: bool,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<u64, Arc<Job>>,
    ready: VecDeque<Arc<Job>>,
    /// Those in `ready`.
    queued: BTreeSet<u64>,
    polled: BTreeSet<u64>,
    next: u64,
    running: usize,
    panicked: bool,
    closed: bool,
}

struct Job {
    number: u64,
    /// Locked while it is polled.
    task: Mutex<Option<Task>>,
    workers: Arc<Workers>,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let workers = self.workers.clone();
        let mut state = lock(&workers.state);
        let lost = workers.forgetful && state.polled.contains(&self.number);
        if !state.closed && !lost && state.queued.insert(self.number) {
            state.ready.push_back(self);
            workers.news.notify_one();
        }
    }
}

impl Workers {
    /// Calls `f` while `n` threads run the tasks; some wake-ups are lost, where it says so.
    pub(crate) fn with<R>(n: usize, forgetful: bool, f: impl FnOnce(&Arc<Workers>) -> R) -> R {
        let workers = Arc::new(Workers {
            state: Mutex::new(State::default()),
            news: Condvar::new(),
            idle: Condvar::new(),
            forgetful,
        });
        let threads: Vec<_> = (0..n)
            .map(|_| {
                let workers = workers.clone();
                thread::spawn(move || workers.work())
            })
            .collect();
        let result = f(&workers);
        workers.close();
        for thread in threads {
            thread.join().expect("a worker catches panics");
        }
        result
    }

    fn spawn(self: &Arc<Self>, task: Task) {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let job = Arc::new(Job { number, task: Mutex::new(Some(task)), workers: self.clone() });
        state.jobs.insert(number, job.clone());
        state.queued.insert(number);
        state.ready.push_back(job);
        self.news.notify_one();
    }

    fn work(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.ready.pop_front() {
                state.queued.remove(&job.number);
                state.polled.insert(job.number);
                state.running += 1;
                drop(state);
                let over = job.run();
                state = lock(&self.state);
                state.polled.remove(&job.number);
                let held = match over {
                    Ok(false) => None,
                    Ok(true) => state.jobs.remove(&job.number),
                    Err(()) => {
                        state.panicked = true;
                        state.jobs.remove(&job.number)
                    }
                };
                drop(state);
                drop((job, held));
                state = lock(&self.state);
                state.running -= 1;
                if state.running == 0 && state.ready.is_empty() {
                    self.idle.notify_all();
                }
            } else if state.closed {
                return;
            } else {
                state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn wait_until_idle(&self) {
        let mut state = lock(&self.state);
        while state.running > 0 || !state.ready.is_empty() {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no wake-ups any more, and drops what is not over.
    fn close(&self) {
        let (jobs, ready) = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.news.notify_all();
            (std::mem::take(&mut state.jobs), std::mem::take(&mut state.ready))
        };
        for job in jobs.values() {
            let task = lock(&job.task).take();
            drop(task);
        }
        drop((jobs, ready));
    }
}

impl Job {
    /// Polls the task; whether it is over, or how it panicked.
    fn run(self: &Arc<Self>) -> Result<bool, ()> {
        let mut slot = lock(&self.task);
        let Some(task) = &mut *slot else { return Ok(true) };
        let waker = Waker::from(self.clone());
        let polled =
            catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker))));
        if let Ok(Poll::Pending) = polled {
            return Ok(false);
        }
        let over = slot.take();
        drop(slot);
        drop(over);
        polled.map(|_| true).map_err(|_| ())
    }
}
