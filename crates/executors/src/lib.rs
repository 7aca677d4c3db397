//! What runs the stages of a Millstream pipeline.
//!
//! A pipeline crosses threads only where its author says so, and says by what: an [`Executor`] is
//! handed to `publish_on`, `subscribe_on`, `map_async`. There is no global one.

#![forbid(unsafe_code)]

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

mod current_thread;
pub mod executor_thread;
mod run_queue;
mod seeded;

pub use current_thread::{CurrentThread, CurrentThreadHandle};
pub use seeded::Seeded;

/// A stage on its own: a future that an executor polls until it is ready.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Runs tasks: polls each until it is ready, or drops it.
///
/// A task that is dropped before it is ready ends its pipeline with a clear fault, by itself: an
/// executor that refuses work, is full or shuts down has only to drop what it does not run.
///
/// A task is polled by one thread at a time, may be polled when nobody woke it, and is never
/// polled from inside [`spawn`](Executor::spawn).
pub trait Executor: Send + Sync + 'static {
    /// Takes over a task.
    ///
    /// # Errors
    /// [`Refused`] where it will not run it; the task was dropped.
    fn spawn(&self, task: Task) -> Result<(), Refused>;
}

impl<X: Executor + ?Sized> Executor for Arc<X> {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        (**self).spawn(task)
    }
}

impl<X: Executor + ?Sized> Executor for &'static X {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        (**self).spawn(task)
    }
}

/// Why a task was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    executor: &'static str,
    reason: &'static str,
}

impl Refused {
    /// `executor` says no, for `reason`.
    #[must_use]
    pub const fn new(executor: &'static str, reason: &'static str) -> Refused {
        Refused { executor, reason }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} takes no more tasks: {}", self.executor, self.reason)
    }
}

impl std::error::Error for Refused {}
