//! Tasks that are run by whoever asks for it: what [`CurrentThread`](crate::CurrentThread) and
//! [`Seeded`](crate::Seeded) share.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::contained::Contained;
use crate::{Refused, Task, executor_thread};

/// The tasks, those of them that are ready, and whether the runner waits.
pub(crate) struct RunQueue {
    state: Mutex<State>,
    news: Condvar,
    name: &'static str,
}

#[derive(Default)]
struct State {
    /// All that are not over, so that they can be dropped.
    jobs: BTreeMap<u64, Arc<Job>>,
    ready: VecDeque<Arc<Job>>,
    next: u64,
    /// The future that the runner waits for was woken.
    woken: bool,
    closed: bool,
    refuses: Refuses,
    /// How many tasks came, taken or not.
    came: usize,
}

impl State {
    /// The ready task that `pick` chooses, if there is one: the first costs the same however many
    /// there are.
    fn take_ready(&mut self, pick: &mut impl FnMut(usize) -> usize) -> Option<Arc<Job>> {
        if self.ready.is_empty() {
            return None;
        }
        let chosen = pick(self.ready.len());
        self.ready.remove(chosen)
    }
}

/// Which tasks are refused.
#[derive(Default)]
pub(crate) enum Refuses {
    #[default]
    None,
    /// Those from this one on.
    From(usize),
    /// Each one whose number is a multiple of this.
    Every(NonZeroUsize),
}

struct Job {
    number: u64,
    /// Taken while it is polled and when it is over. Only moved under its lock.
    task: Mutex<Option<Contained>>,
    /// Nothing else is locked while this is.
    queued: Mutex<bool>,
    queue: Arc<RunQueue>,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        // A wake-up that finds it queued leaves its news to the poll that follows.
        if !self.set_queued(true) {
            let queue = self.queue.clone();
            let mut state = queue.lock();
            if !state.closed {
                state.ready.push_back(self);
                queue.news.notify_all();
            }
        }
    }
}

impl Job {
    /// Says whether it is queued, and returns what was said before.
    fn set_queued(&self, queued: bool) -> bool {
        let mut place = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, queued)
    }

    fn take(&self) -> Option<Contained> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, task: Contained) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

/// Wakes the runner for the future that it waits for.
struct Runner(Arc<RunQueue>);

impl Wake for Runner {
    fn wake(self: Arc<Self>) {
        self.0.lock().woken = true;
        self.0.news.notify_all();
    }
}

impl RunQueue {
    pub(crate) fn new(name: &'static str) -> Arc<RunQueue> {
        Arc::new(RunQueue { state: Mutex::new(State::default()), news: Condvar::new(), name })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under it, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn spawn(self: &Arc<Self>, task: Task) -> Result<(), Refused> {
        let mut refused = Some(task);
        let mut state = self.lock();
        state.came += 1;
        let allowed = match state.refuses {
            Refuses::None => true,
            Refuses::From(first) => state.came < first,
            Refuses::Every(k) => state.came % k != 0,
        };
        if allowed && !state.closed {
            let job = Arc::new(Job {
                number: state.next,
                task: Mutex::new(refused.take().map(Contained::new)),
                queued: Mutex::new(true),
                queue: self.clone(),
            });
            state.next += 1;
            state.jobs.insert(job.number, job.clone());
            state.ready.push_back(job);
            self.news.notify_all();
            return Ok(());
        }
        let reason = if state.closed { "it is shut down" } else { "it was told to refuse" };
        drop(state);
        drop(refused);
        Err(Refused::new(self.name, reason))
    }

    /// Says which tasks are refused; they are counted from now on.
    pub(crate) fn refuse(&self, refuses: Refuses) {
        let mut state = self.lock();
        state.came = 0;
        state.refuses = refuses;
    }

    /// Runs the ready task that `pick` chooses; `false` where none is ready.
    pub(crate) fn step(&self, pick: &mut impl FnMut(usize) -> usize) -> bool {
        let mut state = self.lock();
        let Some(job) = state.take_ready(pick) else { return false };
        drop(state);
        job.set_queued(false);
        self.poll(&job);
        true
    }

    /// Polls one of the tasks, whether or not it is ready; `false` where there is none.
    pub(crate) fn step_any(&self, pick: &mut impl FnMut(usize) -> usize) -> bool {
        let job = {
            let state = self.lock();
            if state.jobs.is_empty() {
                return false;
            }
            state.jobs.values().nth(pick(state.jobs.len())).cloned()
        };
        if let Some(job) = job {
            // One that is ready stays so, and what wakes it now leaves its news to that poll.
            self.poll(&job);
        }
        true
    }

    /// Drops one of the tasks that are ready instead of running it; `false` where none is.
    pub(crate) fn drop_ready(&self, pick: &mut impl FnMut(usize) -> usize) -> bool {
        let mut state = self.lock();
        let Some(job) = state.take_ready(pick) else { return false };
        state.jobs.remove(&job.number);
        drop(state);
        drop(job.take());
        true
    }

    fn poll(&self, job: &Arc<Job>) {
        let Some(mut task) = job.take() else { return };
        let waker = Waker::from(job.clone());
        let _here = executor_thread::enter();
        // Ready where it panicked, which the panic hook has told.
        let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        if polled.is_pending() && state.jobs.contains_key(&job.number) {
            // Under the lock: whoever drops all tasks finds it here, or has taken the job away.
            job.put(task);
            return;
        }
        state.jobs.remove(&job.number);
        drop(state);
        drop(task);
    }

    pub(crate) fn run_until<F: Future>(
        self: &Arc<Self>,
        future: F,
        pick: &mut impl FnMut(usize) -> usize,
    ) -> F::Output {
        let mut future = std::pin::pin!(future);
        let waker = Waker::from(Arc::new(Runner(self.clone())));
        self.lock().woken = true;
        loop {
            if std::mem::take(&mut self.lock().woken) {
                let _here = executor_thread::enter();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    return output;
                }
            }
            if !self.step(pick) {
                let mut state = self.lock();
                while state.ready.is_empty() && !state.woken {
                    state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Drops all tasks, each once and whatever its destructor does; new ones are refused if `close`
    /// says so. One that is polled at this moment is dropped by whoever polls it.
    pub(crate) fn clear(&self, close: bool) {
        let mut state = self.lock();
        state.closed |= close;
        let jobs = std::mem::take(&mut state.jobs);
        let ready = std::mem::take(&mut state.ready);
        drop(state);
        drop(ready);
        for job in jobs.into_values() {
            drop(job.take());
        }
    }

    /// Tasks that are not over.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }
}
