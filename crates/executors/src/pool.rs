//! [`Pool`]: worker threads, for programs without a runtime.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::thread::{self, JoinHandle};

use millstream_blocks::alarm::Alarm;

use crate::contained::Contained;
use crate::{Executor, Refused, Task, executor_thread};

/// How often a worker without work looks for some before it goes to sleep.
///
/// To be woken costs a worker some fifty microseconds, and a stage whose queue runs dry for a
/// moment needs its worker again sooner than that. So a worker looks for about as long as being
/// woken would take.
const LOOKS: u32 = 400;

/// Worker threads that run tasks, whichever is ready next.
///
/// [`handle`](Pool::handle) gives what stages are handed; it may be used from any thread. A worker
/// that has nothing to do looks for work for some microseconds before it goes to sleep, so that a
/// stage that is woken soon again runs at once. A task that panics takes no worker with it.
///
/// # Shutdown
/// Dropping the pool ends it: further tasks are refused, the workers leave after the polls that
/// are going on, and all tasks that are not over are dropped, so that each pipeline ends with
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone). The drop waits for that, except
/// on one of the pool's own threads, which cannot wait for itself: there it returns at once, and
/// the last worker to leave drops the tasks.
///
/// # Blocking
/// As many workers as there are cores are enough, if no task blocks. Work that blocks belongs to
/// [`Threads`](crate::Threads); blocking ends of this library refuse to run on a worker.
///
/// ```
/// use millstream_executors::{Executor, Pool};
///
/// let pool = Pool::new(2);
/// let (send, receive) = std::sync::mpsc::channel();
/// pool.handle().spawn(Box::pin(async move { send.send("ran").unwrap() }))?;
/// assert_eq!(receive.recv(), Ok("ran"));
/// # Ok::<(), millstream_executors::Refused>(())
/// ```
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Worker {
    alarm: Arc<Alarm>,
    thread: JoinHandle<()>,
}

type Tasks = async_executor::Executor<'static>;

struct Shared {
    name: String,
    /// Until the pool is dropped. Whoever has the last clone drops the tasks.
    tasks: Mutex<Option<Arc<Tasks>>>,
    closed: OnceLock<()>,
}

impl Shared {
    fn tasks(&self) -> MutexGuard<'_, Option<Arc<Tasks>>> {
        // No foreign code runs under it, so what it guards is whole.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }
}

impl Pool {
    /// With so many worker threads, named `millstream-pool-0` and so on.
    ///
    /// # Panics
    /// When `threads` is zero, and when the operating system gives no thread.
    #[must_use = "dropping a pool ends it"]
    #[track_caller]
    pub fn new(threads: usize) -> Pool {
        Pool::named("millstream-pool", threads)
    }

    /// With so many worker threads, named `name-0` and so on.
    ///
    /// # Panics
    /// When `threads` is zero, and when the operating system gives no thread.
    #[must_use = "dropping a pool ends it"]
    #[track_caller]
    pub fn named(name: &str, threads: usize) -> Pool {
        let Some(threads) = NonZeroUsize::new(threads) else {
            panic!("Pool::new(0): a pool has at least 1 thread, and 0 were asked for");
        };
        let tasks = Arc::new(Tasks::new());
        let shared = Arc::new(Shared {
            name: format!("the pool `{name}`"),
            tasks: Mutex::new(Some(tasks.clone())),
            closed: OnceLock::new(),
        });
        // On a single core whoever looks keeps the others from bringing work.
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let looks = if cores > 1 { LOOKS } else { 0 };
        // Dropped by a panic below, it ends the workers that are there.
        let mut pool = Pool { shared, workers: Vec::with_capacity(threads.get()) };
        for n in 0..threads.get() {
            let alarm = Arc::new(Alarm::new());
            let worker = (pool.shared.clone(), tasks.clone(), alarm.clone());
            let thread = thread::Builder::new()
                .name(format!("{name}-{n}"))
                .spawn(move || work(&worker.0, &worker.1, worker.2, looks));
            match thread {
                Ok(thread) => pool.workers.push(Worker { alarm, thread }),
                Err(error) => panic!("no thread for worker {n} of {}: {error}", pool.shared.name),
            }
        }
        pool
    }

    /// What stages are handed.
    #[must_use]
    pub fn handle(&self) -> PoolHandle {
        PoolHandle(self.shared.clone())
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len()
    }
}

fn work(shared: &Shared, tasks: &Tasks, alarm: Arc<Alarm>, looks: u32) {
    let _here = executor_thread::enter();
    let waker = Waker::from(alarm.clone());
    let mut context = Context::from_waker(&waker);
    while !shared.is_closed() {
        let mut tick = pin!(tasks.tick());
        while tick.as_mut().poll(&mut context).is_pending() {
            alarm.wait(looks);
            if shared.is_closed() {
                return;
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let tasks = self.shared.tasks().take();
        // It is set once.
        let _first = self.shared.closed.set(());
        for worker in &self.workers {
            worker.alarm.ring();
        }
        drop(tasks);
        let here = thread::current().id();
        if self.workers.iter().all(|worker| worker.thread.thread().id() != here) {
            for worker in self.workers.drain(..) {
                // A worker does not panic; if one did, the panic hook has told.
                let _left = worker.thread.join();
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

/// What stages are handed to run on a [`Pool`].
#[derive(Clone)]
pub struct PoolHandle(Arc<Shared>);

impl Executor for PoolHandle {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let tasks = self.0.tasks().clone();
        match tasks {
            Some(tasks) => {
                tasks.spawn(Contained::new(task)).detach();
                Ok(())
            }
            None => Err(Refused::new(self.0.name.clone(), "it is shut down")),
        }
    }
}

impl fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolHandle").field("closed", &self.0.is_closed()).finish_non_exhaustive()
    }
}
