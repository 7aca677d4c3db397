//! Threads that run an executor must not block; this is how they are told apart.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Marks the current thread as one that runs an executor, until the guard is dropped.
///
/// An executor calls it around the futures it polls. The ends of this library do it around
/// their own poll, so that a closure of a pipeline that is awaited cannot block, whatever the
/// executor.
pub fn enter() -> ExecutorThread {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    ExecutorThread { not_send: std::marker::PhantomData }
}

/// Whether the current thread runs an executor: between [`enter`] and the drop of its guard,
/// and, with the feature `tokio`, inside a tokio runtime.
#[must_use]
pub fn is_current() -> bool {
    #[cfg(feature = "tokio")]
    if tokio::runtime::Handle::try_current().is_ok() {
        return true;
    }
    DEPTH.with(Cell::get) > 0
}

/// See [`enter`].
#[derive(Debug)]
#[must_use = "the mark is gone when this is dropped"]
pub struct ExecutorThread {
    not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for ExecutorThread {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}
