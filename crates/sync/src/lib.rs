//! The one place of Millstream that knows `std` from `loom`.
//!
//! Everything that threads share goes through these names. In a normal build they are those of
//! `std`; with `--cfg millstream_loom` they are loom's, and [`model`] explores every schedule
//! instead of running once. No other cfg is used: `--cfg loom` would switch foreign crates of
//! the tree as well.
//!
//! Atomics are used with acquire and release only, never with `SeqCst` and never with a
//! standalone fence: the model checker weakens the first, a race detector misreads the second.

#![forbid(unsafe_code)]

#[cfg(millstream_loom)]
mod imp {
    pub use loom::cell::UnsafeCell;
    pub use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub use loom::sync::{Condvar, Mutex, MutexGuard};
    pub use loom::{hint, thread};

    /// Explores the schedules of `body` with at most two preemptions (`LOOM_MAX_PREEMPTIONS`
    /// overrides the bound) and prints how many there were.
    pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
        let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(2));
        builder.max_branches = 10_000;
        let counter = executions.clone();
        let started = std::time::Instant::now();
        builder.check(move || {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            body();
        });
        let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
        println!("model {name}: {executions} executions in {:?}", started.elapsed());
    }
}

#[cfg(not(millstream_loom))]
mod imp {
    pub use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub use std::sync::{Condvar, Mutex, MutexGuard};
    pub use std::{hint, thread};

    /// `std`'s cell in loom's shape.
    #[derive(Debug)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A cell that holds `value`.
        pub const fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        /// Calls `f` with a pointer to the value. To use the pointer, the caller must see to it
        /// that nobody else does.
        #[inline]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// Runs `body` once, on real threads.
    pub fn model(_name: &str, body: impl Fn() + Send + Sync + 'static) {
        body();
    }
}

pub use imp::*;

/// Locks, whether or not a thread panicked with the lock held: no user code runs under a lock
/// of this library, so what it guards is whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
