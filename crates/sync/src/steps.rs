//! `loom`'s types, which tell what each thread does where somebody wants to see one execution.
//!
//! Whatever is told was done just then: `loom` lets another thread go on before an access, and not
//! after it. Telling adds no schedule, so the same number is the same execution, told or not.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::sync::{LockResult, Once, TryLockResult};

use loom::sync::MutexGuard;
use loom::sync::atomic::Ordering;
use loom::thread::ThreadId;

thread_local! {
    /// The model that this thread of the system explores: those of the model are all on it.
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// One exploration.
struct Run {
    name: String,
    /// The execution that runs, counted from 1.
    execution: usize,
    /// The execution that is to be told.
    wanted: Option<usize>,
    /// What the threads of this execution were given as numbers, in their order.
    threads: Vec<ThreadId>,
    /// Whether the number of this execution was said.
    said: bool,
}

/// Held while a model is explored.
pub(crate) struct Exploration(());

impl Exploration {
    pub(crate) fn begin(name: &str, wanted: Option<usize>) -> Exploration {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                next(panic);
                say_which();
            }));
        });
        let name = name.to_owned();
        let run = Run { name, execution: 0, wanted, threads: Vec::new(), said: false };
        RUN.set(Some(run));
        Exploration(())
    }

    /// How many executions there were.
    pub(crate) fn executions(&self) -> usize {
        RUN.with_borrow(|run| run.as_ref().map_or(0, |run| run.execution))
    }
}

impl Drop for Exploration {
    fn drop(&mut self) {
        RUN.set(None);
    }
}

/// Another execution begins.
pub(crate) fn next() {
    RUN.with_borrow_mut(|run| {
        let Some(run) = run else { return };
        run.execution += 1;
        run.threads.clear();
        run.said = false;
        if run.wanted == Some(run.execution) {
            println!("model {}: execution {}, step by step", run.name, run.execution);
        }
    });
}

/// Says in which execution a thread of a model has panicked. What comes after a panic may end the
/// process, so it is said here, also where the panic is a part of the model.
fn say_which() {
    // A panic while something is told, or of a thread that is going.
    let _none = RUN.try_with(|run| {
        let Ok(mut run) = run.try_borrow_mut() else { return };
        let Some(run) = run.as_mut().filter(|run| !run.said && run.execution > 0) else { return };
        run.said = true;
        if run.wanted == Some(run.execution) {
            return;
        }
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("TEST");
        eprintln!(
            "model {}: this was execution {n}. To see its steps, run the same command with\n    \
             MILLSTREAM_EXECUTION={n}\nin the environment, and with `{test} -- --exact --nocapture` \
             at its end",
            run.name,
            n = run.execution,
        );
    });
}

/// Tells what a thread of a model has just done, if this is the execution that somebody wants to see.
#[track_caller]
pub fn tell(what: impl FnOnce() -> String) {
    let told =
        RUN.with_borrow(|run| run.as_ref().is_some_and(|run| run.wanted == Some(run.execution)));
    if told {
        // Both may be code of the model.
        let (what, at) = (what(), Location::caller());
        let thread = number();
        println!("    thread {thread}  {what:<44} {}:{}", at.file(), at.line());
    }
}

/// The number of the thread of the model that asks.
fn number() -> usize {
    let id = loom::thread::current().id();
    RUN.with_borrow_mut(|run| {
        let Some(run) = run else { return 0 };
        run.threads.iter().position(|known| *known == id).unwrap_or_else(|| {
            run.threads.push(id);
            run.threads.len() - 1
        })
    })
}

/// `loom`'s atomics.
macro_rules! atomics {
    ($($name:ident of $of:ty, and $($also:ident)*;)*) => {$(
        /// As `std`'s.
        pub struct $name(loom::sync::atomic::$name);

        impl $name {
            #[doc = "One that holds `value`."]
            #[must_use]
            #[track_caller]
            pub fn new(value: $of) -> $name {
                $name(loom::sync::atomic::$name::new(value))
            }

            /// As `std`'s.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $of {
                let value = self.0.load(order);
                tell(|| format!("load: {value:?} ({order:?})"));
                value
            }

            /// As `std`'s.
            #[track_caller]
            pub fn store(&self, value: $of, order: Ordering) {
                self.0.store(value, order);
                tell(|| format!("store {value:?} ({order:?})"));
            }

            /// As `std`'s.
            ///
            /// # Errors
            /// The value that is there, where it is another.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $of,
                new: $of,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$of, $of> {
                let was = self.0.compare_exchange(current, new, success, failure);
                tell(|| exchange(&current, &new, &was, success, failure));
                was
            }

            /// As `std`'s.
            ///
            /// # Errors
            /// The value that is there, where it is another. In a model it does not fail otherwise.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $of,
                new: $of,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$of, $of> {
                let was = self.0.compare_exchange_weak(current, new, success, failure);
                tell(|| exchange(&current, &new, &was, success, failure));
                was
            }

            $(
                /// As `std`'s.
                #[track_caller]
                pub fn $also(&self, value: $of, order: Ordering) -> $of {
                    let was = self.0.$also(value, order);
                    tell(|| format!("{} {value:?}: was {was:?} ({order:?})", stringify!($also)));
                    was
                }
            )*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Default for $name {
            #[track_caller]
            fn default() -> $name {
                $name::new(<$of>::default())
            }
        }
    )*};
}

atomics! {
    AtomicBool of bool, and swap fetch_and fetch_or fetch_xor;
    AtomicU32 of u32, and swap fetch_add fetch_sub fetch_and fetch_or fetch_xor fetch_max fetch_min;
    AtomicU64 of u64, and swap fetch_add fetch_sub fetch_and fetch_or fetch_xor fetch_max fetch_min;
    AtomicUsize of usize,
        and swap fetch_add fetch_sub fetch_and fetch_or fetch_xor fetch_max fetch_min;
}

fn exchange<T: fmt::Debug>(
    current: &T,
    new: &T,
    was: &Result<T, T>,
    success: Ordering,
    failure: Ordering,
) -> String {
    match was {
        Ok(_) => format!("compare_exchange {current:?} to {new:?} ({success:?})"),
        Err(was) => format!("compare_exchange {current:?}: is {was:?} ({failure:?})"),
    }
}

/// As `std`'s.
#[derive(Debug, Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// One that guards `value`.
    #[track_caller]
    pub fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    /// As `std`'s.
    ///
    /// # Errors
    /// None: whoever asks for one that is poisoned panics.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = self.0.lock();
        tell(|| "lock".to_owned());
        guard
    }

    /// As `std`'s.
    ///
    /// # Errors
    /// Where another has it.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let guard = self.0.try_lock();
        tell(|| format!("try_lock: {}", if guard.is_ok() { "locked" } else { "another has it" }));
        guard
    }

    /// As `std`'s.
    ///
    /// # Errors
    /// Where it is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.0.get_mut()
    }

    /// As `std`'s.
    ///
    /// # Errors
    /// Where it is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

/// As `std`'s.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub fn new() -> Condvar {
        Condvar::default()
    }

    /// As `std`'s. In a model nobody is woken for nothing.
    ///
    /// # Errors
    /// Where the lock is poisoned.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        tell(|| "unlock, and wait".to_owned());
        let guard = self.0.wait(guard);
        tell(|| "woken, and lock".to_owned());
        guard
    }

    /// As `std`'s.
    #[track_caller]
    pub fn notify_one(&self) {
        self.0.notify_one();
        tell(|| "notify_one".to_owned());
    }

    /// As `std`'s.
    #[track_caller]
    pub fn notify_all(&self) {
        self.0.notify_all();
        tell(|| "notify_all".to_owned());
    }
}
