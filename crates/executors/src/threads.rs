//! [`Threads`]: a place for blocking work.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::thread;

use millstream_blocks::alarm::Alarm;

use crate::contained::Contained;
use crate::joined::Joined;
use crate::{Executor, Refused, Task, executor_thread};

/// How often a thread whose task rests looks whether it was woken, before it goes to sleep.
const LOOKS: u32 = 256;

/// One thread for each task, and at most so many: for work that blocks.
///
/// A task that blocks keeps nobody waiting but itself, so files, locks, C libraries and the
/// blocking ends of this library have their place here. One task more than there may be threads
/// is refused.
///
/// # Shutdown
/// When this is dropped, further tasks are refused, and those that are not over are dropped, each
/// by its own thread and after the poll that is going on; pipelines end with
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone). The drop does not wait for
/// that: a thread may be blocked for long.
///
/// ```
/// use millstream_executors::{Executor, Threads};
///
/// let threads = Threads::new(1);
/// let (send, receive) = std::sync::mpsc::channel();
/// let (go, wait) = std::sync::mpsc::channel();
/// let blocking = async move {
///     wait.recv().unwrap();
///     send.send("ran").unwrap();
/// };
/// threads.handle().spawn(Box::pin(blocking))?;
/// let refused = threads.handle().spawn(Box::pin(async {})).unwrap_err();
/// assert_eq!(refused.to_string(), "`millstream-thread` takes no more tasks: all of its 1 threads \
///                                  are taken");
/// go.send(()).unwrap();
/// assert_eq!(receive.recv(), Ok("ran"));
/// # Ok::<(), millstream_executors::Refused>(())
/// ```
#[doc(alias = "boundedElastic", alias = "Schedulers.io", alias = "spawn_blocking")]
pub struct Threads(Arc<Crew>);

struct Crew {
    name: String,
    max: usize,
    taken: Mutex<Taken>,
    closed: OnceLock<()>,
    joined: Joined,
}

/// The threads that are taken, each with what wakes it.
#[derive(Default)]
struct Taken {
    alarms: BTreeMap<u64, Arc<Alarm>>,
    next: u64,
}

impl Crew {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No foreign code runs under it, so what it guards is whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }

    fn refuse(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
        Refused::new(format!("`{}`", self.name), reason)
    }
}

impl Threads {
    /// At most `max` threads at a time, named `millstream-thread-0` and so on.
    ///
    /// # Panics
    /// When `max` is zero.
    #[must_use = "dropping it ends its tasks"]
    #[track_caller]
    pub fn new(max: usize) -> Threads {
        Threads::named("millstream-thread", max)
    }

    /// At most `max` threads at a time, named `name-0` and so on.
    ///
    /// # Panics
    /// When `max` is zero.
    #[must_use = "dropping it ends its tasks"]
    #[track_caller]
    pub fn named(name: &str, max: usize) -> Threads {
        assert!(max > 0, "Threads::new(0): a task needs at least 1 thread, and 0 were allowed");
        Threads(Arc::new(Crew {
            name: name.to_owned(),
            max,
            taken: Mutex::default(),
            closed: OnceLock::new(),
            joined: Joined::default(),
        }))
    }

    /// What stages are handed.
    #[must_use]
    pub fn handle(&self) -> ThreadsHandle {
        ThreadsHandle(self.0.clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // It is set once.
        let _first = self.0.closed.set(());
        let alarms = std::mem::take(&mut self.0.taken().alarms);
        for alarm in alarms.into_values() {
            alarm.ring();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

/// What stages are handed to run on [`Threads`].
#[derive(Clone)]
pub struct ThreadsHandle(Arc<Crew>);

impl Executor for ThreadsHandle {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let crew = &self.0;
        let alarm = Arc::new(Alarm::new());
        let place = {
            let mut taken = crew.taken();
            // Under the lock: whoever closes takes the alarms under it afterwards.
            if crew.is_closed() {
                return Err(crew.refuse("it is shut down"));
            }
            if taken.alarms.len() == crew.max {
                return Err(crew.refuse(format!("all of its {} threads are taken", crew.max)));
            }
            let n = taken.next;
            taken.next += 1;
            taken.alarms.insert(n, alarm.clone());
            Place { crew: crew.clone(), n }
        };
        let task = Contained::new(task);
        let thread =
            thread::Builder::new().name(format!("{}-{}", crew.name, place.n)).spawn(move || {
                run(task, &alarm, &place);
                // The last thing it does: whoever lets go of the crew after it joins it.
                drop(place);
            });
        match thread {
            Ok(thread) => {
                crew.joined.keep(thread);
                Ok(())
            }
            Err(error) => Err(crew.refuse(format!("there is no thread for it: {error}"))),
        }
    }
}

fn run(task: Contained, alarm: &Arc<Alarm>, place: &Place) {
    let _here = executor_thread::enter_blocking();
    let waker = Waker::from(alarm.clone());
    let mut task = pin!(task);
    while !place.crew.is_closed() {
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        alarm.wait(LOOKS);
    }
}

/// A thread that is taken, until this is dropped.
struct Place {
    crew: Arc<Crew>,
    n: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.taken().alarms.remove(&self.n);
    }
}

impl fmt::Debug for ThreadsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("max", &self.0.max)
            .field("taken", &self.0.taken().alarms.len())
            .finish_non_exhaustive()
    }
}
