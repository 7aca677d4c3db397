//! [`Pool`]: worker threads, for programs without a runtime.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use async_task::{Builder, Runnable, ScheduleInfo, WithInfo};
use millstream_blocks::crew::{Crew, Home, Taker};

use crate::contained::Contained;
use crate::joined::Joined;
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
/// on a thread that runs an executor: a worker of this pool cannot wait for itself, and one of
/// another pool could wait for one that waits for it. There, tasks that are polled at that moment
/// are dropped by their workers, after the poll.
///
/// What waits is the thread that drops the pool, so a poll must return: a synchronous source
/// without end above `subscribe_on`, asked for everything, is one poll that does not.
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
#[doc(alias = "Schedulers.parallel", alias = "computation", alias = "fork-join-executor")]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// A task that is ready to be polled.
type Ready = Runnable<Belongs>;

/// What comes with a task: the pool that polls it, and the worker that did last.
struct Belongs {
    shared: Arc<Shared>,
    home: Home,
}

struct Shared {
    name: String,
    crew: Crew<Ready>,
    jobs: Mutex<Jobs>,
    /// Workers that nobody waited for.
    joined: Joined,
}

/// What keeps a task while nobody holds a waker of it.
type Held = async_task::Task<(), Belongs>;

/// All tasks that are not over, so that they can be dropped wherever they are.
#[derive(Default)]
struct Jobs {
    next: u64,
    /// The handle is kept because a task that nobody holds a waker of would be forgotten instead
    /// of dropped.
    all: BTreeMap<u64, (Arc<Job>, Held)>,
}

/// A task, except while it is polled.
struct Job(Mutex<Option<Contained>>);

impl Job {
    fn place(&self) -> MutexGuard<'_, Option<Contained>> {
        // No foreign code runs under it, so what it guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // No foreign code runs under it, so what it guards is whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all: nothing is taken or polled any more, and tasks that are not polled now are
    /// dropped. Those that are, are dropped after their poll.
    fn close(&self) {
        drop(self.crew.close());
        // After that: a job that was put in before it was closed is found here.
        let jobs = std::mem::take(&mut self.jobs().all);
        for (job, handle) in jobs.into_values() {
            let task = job.place().take();
            drop(task);
            drop(handle);
        }
    }
}

/// A task is ready to be polled.
///
/// What it needs comes with the task. A closure that held it would be a part of the task, so that
/// whoever wakes a task would keep it until the closure has returned, by counting up and down in the
/// line that the worker needs by then.
fn schedule(ready: Ready, info: ScheduleInfo) {
    let Belongs { shared, home } = ready.metadata();
    let shared = shared.clone();
    // A task that was woken while it ran is put back by its worker, which looks for the next.
    let taker = if info.woken_while_running { Taker::Giver } else { home.taker() };
    // One that comes back belongs to a job that whoever closed the pool empties.
    drop(shared.crew.give(ready, taker));
}

/// What `async-task` polls: the task in its place.
///
/// Aligned, so that the head of the whole, which whoever wakes it and the worker fetch from each other, is
/// one line of the cache.
#[repr(align(64))]
struct InPlace {
    job: Arc<Job>,
    number: u64,
    shared: Arc<Shared>,
}

impl Future for InPlace {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let taken = self.job.place().take();
        let Some(mut task) = taken else { return Poll::Ready(()) };
        if Pin::new(&mut task).poll(context).is_ready() {
            return Poll::Ready(());
        }
        *self.job.place() = Some(task);
        // Whoever closed the pool before it looked into the place dropped what was there; if it
        // looked before, the lock of the place tells that it is closed.
        if self.shared.crew.is_closed() {
            let late = self.job.place().take();
            drop(late);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        if self.shared.crew.is_closed() {
            // This may be inside a waker; whoever closed the pool drops the task.
            return;
        }
        let over = self.shared.jobs().all.remove(&self.number);
        if let Some((_, handle)) = over {
            handle.detach();
        }
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
        let shared = Arc::new(Shared {
            name: format!("the pool `{name}`"),
            crew: Crew::new(threads.get()),
            jobs: Mutex::default(),
            joined: Joined::default(),
        });
        // On a single core whoever looks keeps the others from bringing work.
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let looks = if cores > 1 { LOOKS } else { 0 };
        // Dropped by a panic below, it ends the workers that are there.
        let mut pool = Pool { shared, workers: Vec::with_capacity(threads.get()) };
        for n in 0..threads.get() {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new()
                .name(format!("{name}-{n}"))
                .spawn(move || work(&shared, looks));
            match thread {
                Ok(thread) => pool.workers.push(thread),
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

fn work(shared: &Shared, looks: u32) {
    let _here = executor_thread::enter();
    let mut seat = shared.crew.sit();
    while let Some(ready) = seat.take(looks) {
        ready.metadata().home.is(&seat);
        ready.run();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.close();
        let here = executor_thread::is_current();
        for worker in self.workers.drain(..) {
            if here {
                // They let go of it when they leave; whoever does it last joins the others.
                self.shared.joined.keep(worker);
                continue;
            }
            // A worker does not panic; if one did, the panic hook has told.
            let _left = worker.join();
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
        let shared = &self.0;
        let job = Arc::new(Job(Mutex::new(Some(Contained::new(task)))));
        let number = {
            let mut jobs = shared.jobs();
            jobs.next += 1;
            jobs.next
        };
        let in_place = InPlace { job: job.clone(), number, shared: shared.clone() };
        let belongs = Belongs { shared: shared.clone(), home: Home::new() };
        let (ready, handle) =
            Builder::new().metadata(belongs).spawn(|_| in_place, WithInfo(schedule));
        {
            let mut jobs = shared.jobs();
            if !shared.crew.is_closed() {
                jobs.all.insert(number, (job, handle));
                drop(jobs);
                ready.schedule();
                return Ok(());
            }
        }
        // The task is dropped with `job`.
        Err(Refused::new(shared.name.clone(), "it is shut down"))
    }
}

impl fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolHandle")
            .field("closed", &self.0.crew.is_closed())
            .finish_non_exhaustive()
    }
}
