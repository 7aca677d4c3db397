//! The one place of Millstream that knows `std` from `loom` and `shuttle`.
//!
//! Everything that threads share goes through these names. In a normal build they are those of
//! `std`; with `--cfg millstream_loom` they are loom's, and [`model`] explores every schedule
//! instead of running once; with `--cfg millstream_shuttle` they are shuttle's, and
//! `model_by_chance` tries schedules that a seed picks. No other cfg is used: `--cfg loom` would
//! switch foreign crates of the tree as well.
//!
//! Atomics are used with acquire and release only, never with `SeqCst` and never with a
//! standalone fence: the model checker weakens the first, a race detector misreads the second.

#![forbid(unsafe_code)]

#[cfg(all(millstream_loom, millstream_shuttle))]
compile_error!("millstream_loom and millstream_shuttle are one or the other");

#[cfg(millstream_loom)]
mod imp {
    pub use loom::cell::{MutPtr, UnsafeCell};
    pub use loom::hint;
    pub use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub use loom::sync::{Condvar, Mutex, MutexGuard};

    /// `loom`'s threads, on stacks that hold frames which nobody has optimised.
    pub mod thread {
        pub use loom::thread::*;

        /// How long a stack is, in words.
        const STACK: usize = 1 << 16;

        /// Spawns a thread of the model.
        ///
        /// # Panics
        ///
        /// As `loom`, where a model has more threads than it follows.
        pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
            let thread = Builder::new().stack_size(STACK).spawn(f);
            thread.unwrap_or_else(|error| panic!("a thread of a model: {error}"))
        }
    }

    /// Declares what each thread has of its own.
    #[macro_export]
    macro_rules! of_each_thread {
        ($name:ident: $of:ty = $init:expr) => {
            $crate::model_checker::thread_local! { static $name: $of = $init; }
        };
    }

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

    /// As [`model`], on a stack for frames which nobody has optimised: the first thread's is as long as
    /// `loom` makes it, so that one waits for another. A model whose first thread does much beside two
    /// others may be explored in fewer schedules so.
    pub fn deep_model(name: &str, body: impl Fn() + Send + Sync + 'static) {
        let body = std::sync::Arc::new(body);
        model(name, move || {
            let body = body.clone();
            let ended = thread::spawn(move || body()).join();
            ended.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        });
    }
}

#[cfg(millstream_shuttle)]
mod imp {
    pub use shuttle::hint;
    pub use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub use shuttle::thread;

    /// Declares what each thread has of its own.
    #[macro_export]
    macro_rules! of_each_thread {
        ($name:ident: $of:ty = $init:expr) => {
            $crate::model_checker::thread_local! { static $name: $of = $init; }
        };
    }

    pub use super::cell::{MutPtr, UnsafeCell};

    /// Tries `schedules` schedules of `body`, picked by `seed`: by PCT, with up to `depth` points
    /// at which the thread that should go on is made to wait. The same seed picks the same
    /// schedules.
    ///
    /// # Panics
    /// When `body` panics, when all threads wait, or when a schedule has more than a million
    /// steps.
    pub fn model_by_chance(
        seed: u64,
        depth: usize,
        schedules: usize,
        body: impl Fn() + Send + Sync + 'static,
    ) {
        let mut config = shuttle::Config::default();
        config.max_steps = shuttle::MaxSteps::FailAfter(1_000_000);
        // A long pipeline that is hardly optimised: what a thread has by default is too little.
        config.stack_size = 1 << 20;
        // Orderings are for loom.
        config.silence_warnings = true;
        // The seed is enough to see it again.
        config.failure_persistence = shuttle::FailurePersistence::None;
        let scheduler = shuttle::scheduler::PctScheduler::new_from_seed(seed, depth, schedules);
        shuttle::Runner::new(scheduler, config).run(body);
    }

    /// Tries 2,000 schedules of `body`.
    pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
        const SCHEDULES: usize = 2_000;
        let started = std::time::Instant::now();
        model_by_chance(0, 3, SCHEDULES, body);
        println!("model {name}: {SCHEDULES} schedules in {:?}", started.elapsed());
    }
}

#[cfg(not(any(millstream_loom, millstream_shuttle)))]
mod imp {
    pub use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub use std::sync::{Condvar, Mutex, MutexGuard};
    pub use std::{hint, thread};

    /// Declares what each thread has of its own.
    #[macro_export]
    macro_rules! of_each_thread {
        ($name:ident: $of:ty = $init:expr) => {
            ::std::thread_local! { static $name: $of = const { $init }; }
        };
    }

    pub use super::cell::{MutPtr, UnsafeCell};

    /// Runs `body` once, on real threads.
    pub fn model(_name: &str, body: impl Fn() + Send + Sync + 'static) {
        body();
    }

    pub use model as deep_model;
}

#[cfg(not(millstream_loom))]
mod cell {
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

        /// A pointer to the value, to be used until what comes back is dropped, as in
        /// [`with_mut`](UnsafeCell::with_mut).
        #[inline]
        pub fn get_mut(&self) -> MutPtr<T> {
            MutPtr(self.0.get())
        }
    }

    /// What [`UnsafeCell::get_mut`] gives.
    #[derive(Debug)]
    pub struct MutPtr<T>(*mut T);

    impl<T> MutPtr<T> {
        /// Calls `f` with the pointer.
        #[inline]
        pub fn with<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0)
        }
    }
}

pub use imp::*;

#[cfg(millstream_loom)]
#[doc(hidden)]
pub use loom as model_checker;
#[cfg(millstream_shuttle)]
#[doc(hidden)]
pub use shuttle as model_checker;

/// Locks, whether or not a thread panicked with the lock held: no user code runs under a lock
/// of this library, so what it guards is whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether this thread is unwinding. In a model all threads are one in this.
#[must_use]
pub fn panicking() -> bool {
    std::thread::panicking()
}

/// Lets other threads go on while this one looks up `spins` times, and touches nothing that they share.
/// How long that is depends on the processor: one takes from a nanosecond to some forty. In a model,
/// which knows no time, nothing.
pub fn pause(spins: u32) {
    #[cfg(not(any(millstream_loom, millstream_shuttle)))]
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    #[cfg(any(millstream_loom, millstream_shuttle))]
    let _no_time = spins;
}
