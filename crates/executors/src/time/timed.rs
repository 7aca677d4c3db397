//! [`Timed`]: an executor with a clock.

use std::task::Waker;

use crate::time::{Clock, Moment, Timer};
use crate::{Executor, Refused, Task};

/// An executor with a clock, as stages take it that wait for a time. Made by
/// [`Executor::with_clock`].
#[derive(Debug, Clone)]
pub struct Timed<X, C> {
    executor: X,
    clock: C,
}

impl<X, C> Timed<X, C> {
    /// `executor`, with `clock`.
    #[must_use]
    pub fn new(executor: X, clock: C) -> Timed<X, C> {
        Timed { executor, clock }
    }
}

impl<X: Executor, C: Send + Sync + 'static> Executor for Timed<X, C> {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.executor.spawn(task)
    }
}

impl<X: Send + Sync + 'static, C: Clock> Clock for Timed<X, C> {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        self.clock.timer(waker)
    }
}
