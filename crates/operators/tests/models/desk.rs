//! The executor of the models.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use millstream_executors::{Executor, Refused, Task};

/// Takes tasks, for threads of the model to run; `std`'s lock adds no schedule.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<VecDeque<Task>>>);

impl Desk {
    /// The task that was spawned first and not taken.
    pub(crate) fn task(&self) -> Task {
        self.next().expect("a task was spawned")
    }

    /// The task that was spawned first and not taken, if there is one.
    pub(crate) fn next(&self) -> Option<Task> {
        self.0.lock().unwrap().pop_front()
    }
}

impl Executor for Desk {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.0.lock().unwrap().push_back(task);
        Ok(())
    }
}

/// Refuses every task.
pub(crate) struct Closed;

impl Executor for Closed {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        drop(task);
        Err(Closed::refused())
    }
}

impl Closed {
    pub(crate) fn refused() -> Refused {
        Refused::new("the closed executor", "it is closed")
    }
}
