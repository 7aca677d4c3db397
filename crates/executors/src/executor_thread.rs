//! Threads that run an executor must not block, except where that is what they are for; this is
//! how they are told apart.
//!
//! | the current thread | is | marked by |
//! |---|---|---|
//! | runs an executor | no place to block | [`enter`], and a tokio runtime |
//! | runs an executor for blocking work | a place to block | [`enter_blocking`] |
//! | polls a task, and nothing is known of its executor | no place to block | [`polls`] |
//! | is any other | a place to block | |

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unmarked,
    Executor,
    Blocking,
}

thread_local! {
    static MARK: Cell<Mark> = const { Cell::new(Mark::Unmarked) };
}

/// Marks the current thread as one that runs an executor, until the guard is dropped.
///
/// An executor calls it around what it polls.
pub fn enter() -> ExecutorThread {
    mark(Mark::Executor)
}

/// Marks the current thread as one that runs an executor for blocking work, until the guard is
/// dropped: what it polls may block, since nothing else waits for this thread.
///
/// An executor calls it around what it polls, and tasks that say [`polls`] leave it as it is.
pub fn enter_blocking() -> ExecutorThread {
    mark(Mark::Blocking)
}

/// Marks the current thread as one that polls a task, until the guard is dropped.
///
/// The stages and ends of this library do it around their own poll, so that a closure of a
/// pipeline cannot block whatever the executor, unless that says that it
/// [may](enter_blocking).
pub fn polls() -> ExecutorThread {
    match MARK.get() {
        Mark::Blocking => mark(Mark::Blocking),
        Mark::Unmarked | Mark::Executor => mark(Mark::Executor),
    }
}

/// Whether the current thread runs an executor, and none for blocking work: then a blocking end
/// is refused. With the feature `tokio`, also inside a tokio runtime.
#[must_use]
pub fn is_current() -> bool {
    match MARK.get() {
        Mark::Executor => true,
        Mark::Blocking => false,
        #[cfg(feature = "tokio")]
        Mark::Unmarked => tokio::runtime::Handle::try_current().is_ok(),
        #[cfg(not(feature = "tokio"))]
        Mark::Unmarked => false,
    }
}

fn mark(mark: Mark) -> ExecutorThread {
    ExecutorThread { before: MARK.replace(mark), not_send: std::marker::PhantomData }
}

/// See [`enter`].
#[derive(Debug)]
#[must_use = "the mark is gone when this is dropped"]
pub struct ExecutorThread {
    before: Mark,
    not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for ExecutorThread {
    fn drop(&mut self) {
        MARK.set(self.before);
    }
}
