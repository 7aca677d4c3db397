//! The one place of Millstream that knows `std` from `loom` and `shuttle`.
//!
//! Everything that threads share goes through these names. In a normal build they are those of
//! `std`; with `--cfg millstream_loom` they are loom's, and [`model`] explores every schedule
//! instead of running once; with `--cfg millstream_shuttle` they are shuttle's, and
//! `model_by_chance` tries schedules that a seed picks. No other cfg is used: `--cfg loom` would
//! switch foreign crates of the tree as well.
//!
//! A stage of your own that is written with these names can be verified as ours are: the guide is
//! `docs/models.md`, what it takes is `millstream_testkit::model`.
//!
//! Atomics are used with acquire and release only, never with `SeqCst` and never with a
//! standalone fence: the model checker weakens the first, a race detector misreads the second.

#![forbid(unsafe_code)]

#[cfg(all(millstream_loom, millstream_shuttle))]
compile_error!("millstream_loom and millstream_shuttle are one or the other");

#[cfg(millstream_loom)]
mod steps;

#[cfg(millstream_loom)]
mod imp {
    pub use loom::cell::{MutPtr, UnsafeCell};
    pub use loom::hint;
    pub use loom::sync::MutexGuard;
    pub use loom::sync::atomic::Ordering;

    use crate::steps::{self, Exploration};
    pub use crate::steps::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Condvar, Mutex, tell};

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
    ///
    /// A schedule that fails is told by its number, and `MILLSTREAM_EXECUTION` in the environment
    /// says which one is to be told step by step: what each thread does, in its order, and where
    /// that is written. The model ends there.
    ///
    /// # Panics
    /// As `body`, and where all threads wait, where a cell is used without an edge between its
    /// threads, or where an execution takes more than 10,000 steps.
    pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
        let wanted = std::env::var("MILLSTREAM_EXECUTION").ok().map(|number| {
            let number = number.parse().ok().filter(|number| *number > 0);
            number.unwrap_or_else(|| panic!("MILLSTREAM_EXECUTION is the number of an execution"))
        });
        let mut builder = loom::model::Builder::new();
        let bound = *builder.preemption_bound.get_or_insert(2);
        builder.max_branches = 10_000;
        if let Some(wanted) = wanted {
            // It looks at the number where it would note how far it is: after each.
            builder.checkpoint_interval = 1;
            builder.max_permutations = Some(wanted + 1);
        }
        let exploration = Exploration::begin(name, wanted);
        let started = std::time::Instant::now();
        builder.check(move || {
            steps::next();
            body();
        });
        let (executions, took) = (exploration.executions(), started.elapsed());
        match wanted {
            Some(wanted) if executions < wanted => {
                println!("model {name}: there are {executions} executions, all passed");
            }
            Some(wanted) => println!("model {name}: execution {wanted} passed"),
            None => println!("model {name}: {executions} executions at bound {bound} in {took:?}"),
        }
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
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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

    pub use model as deep_model;
}

#[cfg(not(any(millstream_loom, millstream_shuttle)))]
mod imp {
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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

/// Tells what a thread of a model has just done, if this is the execution that somebody wants to see:
/// under loom, see `model`. Elsewhere nothing.
#[cfg(not(millstream_loom))]
pub fn tell(_what: impl FnOnce() -> String) {}

/// Locks, whether or not a thread panicked with the lock held: no user code runs under a lock
/// of this library, so what it guards is whole.
#[cfg_attr(millstream_loom, track_caller)]
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
