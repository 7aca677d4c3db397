//! Models of your own concurrent stages: every schedule of a few threads, judged by an oracle.
//!
//! The guide is `docs/models.md`: from nothing to a race that is caught.
//!
//! | to | use |
//! |---|---|
//! | explore the schedules of a few threads | [`model()`], [`thread`] |
//! | see what comes, ask, cancel, and judge at the end | [`Oracle`], [`Probe`], [`Signal`] |
//! | have items whose lives are counted | [`Token`], [`Oracle::items`] |
//! | let a source begin on another thread | [`late`], [`Start`] |
//! | take the tasks that a stage spawns | [`Desk`]; one that refuses them, [`Closed`] |
//! | be the executor of one task | [`Runner`], [`run`], [`run_and_drop`] |
//! | see that a mistake is caught | [`fails`] |
//! | say which step this is, in an execution that is told | [`tell`] |
//! | write code that can be modelled | the types of `millstream-sync`, which is [`sync`] |
//!
//! Ours are made of it as well: `crates/blocks/tests`, `crates/operators/tests/models`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use millstream_executors::{Executor, Refused, Task};
pub use millstream_model::*;

use crate::lock::lock;

/// An executor whose tasks lie there until a thread of the model takes one, to run it, to
/// drop it or to leave it: so a model says exactly when an executor does what. It adds no schedule.
///
/// ```
/// use millstream::prelude::*;
/// use millstream::More;
/// use millstream_testkit::model::{Desk, Oracle, all, model, run, thread};
///
/// model("the executor races a request", || {
///     let (oracle, desk) = (Oracle::new(), Desk::default());
///     let source = millstream::from_pull(oracle.items(0..2));
///     source.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
///     let task = desk.task();
///     let executor = thread::spawn(move || run(Some(task)));
///     oracle.request(2);
///     executor.join().unwrap();
///     assert_eq!(oracle.finish(), all(0..2));
/// });
/// ```
#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<VecDeque<Task>>>);

impl Desk {
    /// The task that was spawned first and not taken.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn task(&self) -> Task {
        self.next().expect("a task was spawned")
    }

    /// The task that was spawned first and not taken, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Task> {
        lock(&self.0).pop_front()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("tasks", &lock(&self.0).len()).finish()
    }
}

impl Executor for Desk {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        lock(&self.0).push_back(task);
        Ok(())
    }
}

/// An executor that refuses every task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closed;

impl Closed {
    /// How it refuses.
    #[must_use]
    pub fn refused() -> Refused {
        Refused::new("the closed executor", "it is closed")
    }
}

impl Executor for Closed {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        drop(task);
        Err(Closed::refused())
    }
}
