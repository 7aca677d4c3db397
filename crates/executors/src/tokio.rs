//! [`Tokio`] and [`TokioBlocking`]: the runtime that is there already.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

use crate::contained::Contained;
use crate::time::{Clock, Moment, Timer, real_now, wheel_timer};
use crate::{Executor, Refused, Task, executor_thread};

/// Runs tasks on a tokio runtime.
///
/// # Shutdown
/// A runtime that is dropped or shut down drops its tasks, and each pipeline ends with
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone); so does one that is handed to it
/// later. A runtime with the current thread runs its tasks only inside its `block_on`.
///
/// ```
/// use millstream_executors::{Executor, Tokio};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// runtime.block_on(async {
///     let (send, receive) = std::sync::mpsc::channel();
///     Tokio::current().spawn(Box::pin(async move { send.send("ran").unwrap() })).unwrap();
///     tokio::task::yield_now().await;
///     assert_eq!(receive.try_recv(), Ok("ran"));
/// });
/// ```
#[derive(Clone)]
pub struct Tokio(Handle);

impl Tokio {
    /// On the runtime of `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Tokio {
        Tokio(handle)
    }

    /// On the runtime that the current thread is inside of.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    #[track_caller]
    pub fn current() -> Tokio {
        Tokio(current("Tokio"))
    }
}

#[track_caller]
fn current(what: &str) -> Handle {
    match Handle::try_current() {
        Ok(handle) => handle,
        Err(error) => panic!(
            "{what}::current() outside of a tokio runtime ({error}); write \
             {what}::new(runtime.handle().clone()) there"
        ),
    }
}

impl Executor for Tokio {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        // A runtime that is shut down drops it, and that tells its pipeline.
        drop(self.0.spawn(Contained::new(task)));
        Ok(())
    }
}

/// The timers of the runtime, which must have them: `Builder::enable_time`. Without them, and when
/// the runtime is shut down, a stage that waits for a time ends with
/// [`Fault::ClockGone`](millstream_core::Fault::ClockGone). Where its time is paused, so is this.
impl Clock for Tokio {
    fn now(&self) -> Moment {
        let _inside = self.0.enter();
        real_now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        wheel_timer(self.0.clone(), waker)
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokio").field(&self.0.id()).finish()
    }
}

/// Runs tasks on the threads that a tokio runtime keeps for blocking work.
///
/// Each poll is one call of `spawn_blocking`: a task that blocks keeps no worker of the runtime
/// waiting, and one that rests takes no thread. How many may block at a time is the setting
/// `max_blocking_threads` of the runtime; more wait.
///
/// # Shutdown
/// As that of [`Tokio`], after the polls that are going on: a runtime that is dropped waits for
/// them.
///
/// ```
/// use millstream_executors::{Executor, TokioBlocking};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let (send, receive) = std::sync::mpsc::channel();
/// let blocking = TokioBlocking::new(runtime.handle().clone());
/// blocking.spawn(Box::pin(async move { send.send("ran").unwrap() })).unwrap();
/// runtime.block_on(async { while receive.try_recv().is_err() { tokio::task::yield_now().await } });
/// ```
#[derive(Clone)]
pub struct TokioBlocking(Handle);

impl TokioBlocking {
    /// On the blocking threads of the runtime of `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> TokioBlocking {
        TokioBlocking(handle)
    }

    /// On the blocking threads of the runtime that the current thread is inside of.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    #[track_caller]
    pub fn current() -> TokioBlocking {
        TokioBlocking(current("TokioBlocking"))
    }
}

impl Executor for TokioBlocking {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        drop(self.0.spawn(poll_on_blocking_threads(self.0.clone(), Contained::new(task))));
        Ok(())
    }
}

/// Polls `task` on a blocking thread at once, and whenever it was woken, until it is ready.
async fn poll_on_blocking_threads(handle: Handle, task: Contained) {
    let news = Arc::new(News::default());
    let mut task = Box::pin(task);
    loop {
        let waker = Waker::from(news.clone());
        let poll = move || {
            let _here = executor_thread::enter_blocking();
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            // What is over is dropped here, where that may block.
            polled.is_pending().then_some(task)
        };
        match handle.spawn_blocking(poll).await {
            Ok(Some(rests)) => task = rests,
            // Over; or the runtime is shut down, and has dropped the task.
            Ok(None) | Err(_) => return,
        }
        Woken(&news).await;
    }
}

/// Whether a task was woken, and whom to tell.
#[derive(Default)]
struct News(Mutex<(bool, Option<Waker>)>);

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = {
            let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            news.0 = true;
            news.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Ready when the task was woken since the last time.
struct Woken<'a>(&'a News);

impl Future for Woken<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut news = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut news.0) {
            return Poll::Ready(());
        }
        // The waker is that of a task of tokio, whose clone and drop call nothing foreign.
        news.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for TokioBlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokioBlocking").field(&self.0.id()).finish()
    }
}
