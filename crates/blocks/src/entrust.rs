//! A task on its way to an executor.
//!
//! An executor that refuses a task has only to drop it, and one that panics drops it as well. So
//! that its stream is told what happened, a task that is dropped before the executor has
//! answered comes back here, and ends when the answer is known.
//!
//! | state of the way | put by | the task |
//! |---|---|---|
//! | `Open` | [`entrust`], before it asks the executor | may come back, until it is polled first |
//! | `Returned` | the drop of an [`Entrusted`] task | is here, until the executor has answered |
//! | `Passed` | [`entrust`], when the executor has answered | ends by itself when it is dropped |
//!
//! The state is a lock, touched twice for each task. Nothing is dropped and no stream is told
//! under it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use millstream_core::{Fault, Panic, Refused};
use millstream_sync::{Mutex, lock};

use crate::running::undelivered;

/// A future that runs a stream, and ends it when it is dropped before that is over.
pub trait Errand: Future<Output = ()> + Unpin + Send + 'static {
    /// Ends the stream with `fault`, unless it is over or cancelled.
    fn break_off(&mut self, fault: Fault);
}

/// Hands `task` to an executor by `spawn`, and tells its stream where that does not take it: that
/// it was [refused](Fault::Refused), or that `spawn` panicked. One allocation.
///
/// A panic of `spawn` goes no further.
pub fn entrust<T: Errand>(task: T, spawn: impl FnOnce(Entrusted<T>) -> Result<(), Refused>) {
    let way = Arc::new(Mutex::new(Way::Open));
    let entrusted = Entrusted { task: Some(task), way: Some(way.clone()) };
    let answer = catch_unwind(AssertUnwindSafe(|| spawn(entrusted)));
    let returned = std::mem::replace(&mut *lock(&way), Way::Passed);
    match (returned, answer) {
        (Way::Returned(mut task), Ok(Ok(()))) => task.break_off(Fault::ExecutorGone),
        (Way::Returned(mut task), Ok(Err(refused))) => task.break_off(Fault::Refused(refused)),
        (Way::Returned(mut task), Err(payload)) => {
            task.break_off(Fault::Panicked(Panic::new(payload)));
        }
        // It took the task before.
        (_, Err(payload)) => undelivered(payload),
        (_, Ok(_)) => {}
    }
}

enum Way<T> {
    Open,
    Returned(T),
    Passed,
}

/// A task that an executor is handed. See the [module](self).
#[must_use = "a task does nothing unless an executor runs it, and ends its stream when dropped"]
pub struct Entrusted<T: Errand> {
    /// Until it is dropped.
    task: Option<T>,
    /// Until it is polled first.
    way: Option<Arc<Mutex<Way<T>>>>,
}

impl<T: Errand> Future for Entrusted<T> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.way.is_some() {
            self.way = None;
        }
        match &mut self.task {
            Some(task) => Pin::new(task).poll(context),
            None => Poll::Ready(()),
        }
    }
}

impl<T: Errand> Drop for Entrusted<T> {
    fn drop(&mut self) {
        let (Some(task), Some(way)) = (self.task.take(), self.way.take()) else { return };
        let mut state = lock(&way);
        if let Way::Open = *state {
            *state = Way::Returned(task);
        } else {
            drop(state);
            drop(task);
        }
    }
}

impl<T: Errand> fmt::Debug for Entrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrusted").field("polled", &self.way.is_none()).finish_non_exhaustive()
    }
}
