//! [`CurrentThread`]: no threads of its own.

use std::fmt;
use std::sync::Arc;

use crate::run_queue::RunQueue;
use crate::{Executor, Refused, Task};

/// Runs tasks on the thread that says so, in the order in which they became ready.
///
/// [`handle`](CurrentThread::handle) gives what stages are handed; it may be used from any thread.
/// When this is dropped, tasks that are not over are dropped, and further ones refused.
///
/// ```
/// use millstream_executors::{CurrentThread, Executor};
///
/// let executor = CurrentThread::new();
/// let (send, receive) = std::sync::mpsc::channel();
/// executor.handle().spawn(Box::pin(async move { send.send("ran").unwrap() }))?;
/// executor.run_until_idle();
/// assert_eq!(receive.try_recv(), Ok("ran"));
/// # Ok::<(), millstream_executors::Refused>(())
/// ```
pub struct CurrentThread(Arc<RunQueue>);

impl Default for CurrentThread {
    fn default() -> CurrentThread {
        CurrentThread::new()
    }
}

impl CurrentThread {
    /// Without tasks.
    #[must_use]
    pub fn new() -> CurrentThread {
        CurrentThread(RunQueue::new("the current thread"))
    }

    /// What stages are handed.
    #[must_use]
    pub fn handle(&self) -> CurrentThreadHandle {
        CurrentThreadHandle(self.0.clone())
    }

    /// Runs tasks until `future` is ready; waits while nothing is.
    pub fn run_until<F: Future>(&self, future: F) -> F::Output {
        self.0.run_until(future, &mut |_| 0)
    }

    /// Runs the task that has been ready for longest, once; `false` where none is ready.
    #[must_use]
    pub fn step(&self) -> bool {
        self.0.step(&mut |_| 0)
    }

    /// Runs tasks until none is ready.
    pub fn run_until_idle(&self) {
        while self.0.step(&mut |_| 0) {}
    }
}

impl Drop for CurrentThread {
    fn drop(&mut self) {
        self.0.clear(true);
    }
}

impl fmt::Debug for CurrentThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentThread").field("tasks", &self.0.len()).finish()
    }
}

/// What stages are handed to run on a [`CurrentThread`].
#[derive(Clone)]
pub struct CurrentThreadHandle(Arc<RunQueue>);

impl Executor for CurrentThreadHandle {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.0.spawn(task)
    }
}

impl fmt::Debug for CurrentThreadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentThreadHandle").field("tasks", &self.0.len()).finish()
    }
}
