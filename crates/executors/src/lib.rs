//! What runs the stages of a Millstream pipeline.
//!
//! A pipeline crosses threads only where its author says so, and says by what: an [`Executor`] is
//! handed to `publish_on`, `subscribe_on`, `map_async`. There is no global one. A stage that waits
//! for a time is handed an executor with a [`Clock`]: see [`time`].
//!
//! | executor | runs tasks on | blocking work |
//! |---|---|---|
//! | `Pool` (feature `pool`) | its worker threads | no |
//! | `Tokio` (feature `tokio`) | a tokio runtime | no |
//! | [`Threads`] | a thread for each task | yes |
//! | `TokioBlocking` (feature `tokio`) | the blocking threads of a tokio runtime | yes |
//! | [`CurrentThread`] | the thread that says so | no |
//! | [`Seeded`] | the thread that says so, in an order that a seed decides: for tests | no |
//!
//! When one is dropped or shut down, it drops the tasks that are not over, and each pipeline that
//! ran there ends with [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone). Nothing
//! waits for work that nobody will do. One that takes no more work ends the pipeline with
//! [`Fault::Refused`](millstream_core::Fault::Refused), which says who refused and why.

#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::Arc;

use crate::time::{Clock, Timed};

mod contained;
mod current_thread;
pub mod executor_thread;
mod joined;
#[cfg(feature = "pool")]
mod pool;
mod run_queue;
mod seeded;
mod threads;
pub mod time;
#[cfg(feature = "tokio")]
mod tokio;

pub use current_thread::{CurrentThread, CurrentThreadHandle};
pub use millstream_core::Refused;
#[cfg(feature = "pool")]
pub use pool::{Pool, PoolHandle};
pub use seeded::Seeded;
pub use threads::{Threads, ThreadsHandle};
#[cfg(feature = "tokio")]
pub use tokio::{Tokio, TokioBlocking};

/// A stage on its own: a future that an executor polls until it is ready.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Runs tasks: polls each until it is ready, or drops it.
///
/// A task that is dropped before it is ready ends its pipeline with a clear fault, by itself: an
/// executor that refuses work, is full or shuts down has only to drop what it does not run.
///
/// * A task is polled by one thread at a time, at least once, and again after it was woken, also
///   where that was inside its own poll. It may be polled when nobody woke it.
/// * It is never polled from inside [`spawn`](Executor::spawn), nor from inside a waker.
/// * It is dropped when it is ready, and when the executor ends.
/// * It is polled while others are ready that are polled again and again.
/// * A thread that polls tasks is [marked](executor_thread::enter), and one where they may block
///   [as such](executor_thread::enter_blocking).
///
/// `millstream_testkit::executor` checks all of this for an executor of your own.
#[doc(alias = "Scheduler", alias = "Dispatcher", alias = "Materializer")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an executor",
    note = "of a `Pool`, `Threads` or `CurrentThread` its `handle()` is one; of a tokio runtime, \
            `Tokio::current()` or `Tokio::new(handle)`"
)]
pub trait Executor: Send + Sync + 'static {
    /// Takes over a task.
    ///
    /// # Errors
    /// [`Refused`] where it will not run it; the task was dropped, on this thread. The pipeline is
    /// told the reason.
    fn spawn(&self, task: Task) -> Result<(), Refused>;

    /// This executor with a clock, as stages take it that wait for a time:
    /// `pool.handle().with_clock(clock.handle())`.
    fn with_clock<C: Clock>(self, clock: C) -> Timed<Self, C>
    where
        Self: Sized,
    {
        Timed::new(self, clock)
    }
}

impl<X: Executor + ?Sized> Executor for Arc<X> {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        (**self).spawn(task)
    }
}

impl<X: Executor + ?Sized> Executor for Box<X> {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        (**self).spawn(task)
    }
}

impl<X: Executor + ?Sized> Executor for &'static X {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        (**self).spawn(task)
    }
}
