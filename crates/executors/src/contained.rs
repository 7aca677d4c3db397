//! A task whose panics go no further than itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Task;

/// Is ready when its task is, or has panicked, which the panic hook has told by then. Its
/// destructor does not panic either.
///
/// The tasks of a pipeline contain their panics themselves; this is for all others.
pub(crate) struct Contained(Option<Task>);

impl Contained {
    pub(crate) fn new(task: Task) -> Contained {
        Contained(Some(task))
    }

    fn release(&mut self) {
        let task = self.0.take();
        contained(|| drop(task));
    }
}

impl Future for Contained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(task) = &mut self.0
            && let Some(Poll::Pending) = contained(|| task.as_mut().poll(context))
        {
            return Poll::Pending;
        }
        self.release();
        Poll::Ready(())
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        self.release();
    }
}

/// What `f` returns, unless it panics.
fn contained<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(returned) => Some(returned),
        Err(payload) => {
            // What a panic carries is foreign, and may panic when it is dropped.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            None
        }
    }
}
