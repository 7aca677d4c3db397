//! An executor of one task on one thread, which sleeps until it is woken.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use millstream_sync::{Condvar, Mutex, lock};

/// Whether a task was woken, and who waits for that.
#[derive(Debug, Default)]
pub struct Alarm {
    woken: Mutex<bool>,
    news: Condvar,
}

impl Alarm {
    fn sleep(&self) {
        let mut woken = lock(&self.woken);
        while !std::mem::take(&mut *woken) {
            woken = self.news.wait(woken).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) = true;
        self.news.notify_one();
    }
}

/// A task, and the alarm that wakes it. Dropped, it drops the task.
pub struct Runner<F> {
    task: Pin<Box<F>>,
    alarm: Arc<Alarm>,
}

impl<F: Future<Output = ()>> Runner<F> {
    /// One that has not polled `task`.
    pub fn new(task: F) -> Runner<F> {
        Runner { task: Box::pin(task), alarm: Arc::new(Alarm::default()) }
    }

    /// Polls it, whether or not it was woken; whether it is ready.
    pub fn poll(&mut self) -> bool {
        let waker = Waker::from(self.alarm.clone());
        self.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }

    /// Whether it was woken since it was asked last, or slept.
    #[must_use]
    pub fn was_woken(&self) -> bool {
        std::mem::take(&mut *lock(&self.alarm.woken))
    }

    /// On another executor: who woke it before wakes nobody now.
    #[must_use]
    pub fn moved(self) -> Runner<F> {
        Runner { alarm: Arc::default(), ..self }
    }

    /// Polls it at once, and whenever it is woken, until it is ready.
    pub fn run(mut self) {
        if !self.poll() {
            self.run_when_woken();
        }
    }

    /// Polls it whenever it is woken, until it is ready.
    pub fn run_when_woken(mut self) {
        loop {
            self.alarm.sleep();
            if self.poll() {
                return;
            }
        }
    }
}

impl<F> fmt::Debug for Runner<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("alarm", &self.alarm).finish_non_exhaustive()
    }
}

/// Runs `task` until it is ready. A task that is not woken waits for ever: in a model that is a
/// deadlock, which is told.
pub fn run(task: Option<impl Future<Output = ()>>) {
    if let Some(task) = task {
        Runner::new(task).run();
    }
}

/// Polls `task` so many times, woken or not, and drops it.
pub fn run_and_drop(task: Option<impl Future<Output = ()>>, polls: usize) {
    if let Some(task) = task {
        let mut runner = Runner::new(task);
        let _ready = (0..polls).any(|_| runner.poll());
    }
}
