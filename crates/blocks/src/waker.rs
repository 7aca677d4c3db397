//! A place for the waker of one task, which whoever has work for the task takes and calls.
//!
//! | state | who may do what |
//! |---|---|
//! | empty | the task may register; whoever wakes does nothing: the task runs, or was woken |
//! | full | the task may replace it; whoever wakes takes it |
//!
//! A waker is foreign code: it is cloned, called and dropped outside of the lock (models
//! `a_waker_is_called_outside_of_the_lock`, `a_waker_is_dropped_outside_of_the_lock`). The task registers first and looks for work second;
//! whoever has work notes it first and wakes second: one of the two sees the other (model
//! `register_races_wake`).

use std::fmt;
use std::task::Waker;

use millstream_sync::{Mutex, lock};

/// See the [module](self).
#[derive(Default)]
pub struct WakerSlot(Mutex<Option<Waker>>);

impl WakerSlot {
    /// Empty.
    #[must_use]
    pub fn new() -> WakerSlot {
        WakerSlot(Mutex::new(None))
    }

    /// Puts a clone of `waker` in, unless one that wakes the same task is there.
    pub fn register(&self, waker: &Waker) {
        if lock(&self.0).as_ref().is_some_and(|there| there.will_wake(waker)) {
            return;
        }
        let fresh = waker.clone();
        let before = lock(&self.0).replace(fresh);
        drop(before);
    }

    /// Takes the waker out and wakes its task.
    pub fn wake(&self) {
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for WakerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakerSlot")
    }
}
