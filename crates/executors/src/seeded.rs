//! [`Seeded`]: the order of ready work permuted, and the same for the same seed.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use crate::run_queue::{Refuses, RunQueue};
use crate::{Executor, Refused, Task};

/// Runs tasks on the thread that says so, in an order that its seed decides: for tests.
///
/// Each step runs one of the tasks that are ready. A pipeline that works in every order works on
/// every executor; one that fails does so again with the same seed. It can also
/// [refuse](Seeded::refuse_after) and [drop](Seeded::drop_all) tasks, as an executor that shuts
/// down does, and poll [those that nobody woke](Seeded::step_spuriously).
///
/// ```
/// use millstream_executors::{Executor, Seeded};
///
/// let order = |seed| {
///     let executor = Seeded::new(seed);
///     let (send, receive) = std::sync::mpsc::channel();
///     for n in 0..5 {
///         let send = send.clone();
///         executor.spawn(Box::pin(async move { send.send(n).unwrap() })).unwrap();
///     }
///     executor.run_until_idle();
///     receive.try_iter().collect::<Vec<_>>()
/// };
/// assert_eq!(order(1), order(1));
/// assert_ne!(order(1), order(2));
/// ```
#[derive(Clone)]
pub struct Seeded {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<RunQueue>,
    seed: u64,
    state: Mutex<u64>,
}

impl Seeded {
    /// Without tasks.
    #[must_use]
    pub fn new(seed: u64) -> Seeded {
        let queue = RunQueue::new("the seeded executor");
        Seeded { shared: Arc::new(Shared { queue, seed, state: Mutex::new(seed) }) }
    }

    /// The seed, to be printed when a test fails.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Runs one of the ready tasks, once; `false` where none is ready.
    #[must_use]
    pub fn step(&self) -> bool {
        self.shared.queue.step(&mut |n| self.shared.below(n))
    }

    /// Runs tasks until none is ready.
    pub fn run_until_idle(&self) {
        while self.step() {}
    }

    /// Runs tasks until `future` is ready; waits while nothing is.
    pub fn run_until<F: Future>(&self, future: F) -> F::Output {
        self.shared.queue.run_until(future, &mut |n| self.shared.below(n))
    }

    /// Polls one of the tasks, whether or not anybody woke it; `false` where there is none.
    ///
    /// An executor may do that at any time, and a task has to bear it.
    #[must_use]
    pub fn step_spuriously(&self) -> bool {
        self.shared.queue.step_any(&mut |n| self.shared.below(n))
    }

    /// From now on takes `tasks` more, and then refuses all.
    pub fn refuse_after(&self, tasks: usize) {
        self.shared.queue.refuse(Refuses::From(tasks.saturating_add(1)));
    }

    /// From now on refuses each `k`-th task.
    ///
    /// # Panics
    /// When `k` is zero.
    #[track_caller]
    pub fn refuse_every(&self, k: usize) {
        let Some(k) = NonZeroUsize::new(k) else {
            panic!(
                "refuse_every(0): each task is refused by refuse_every(1), none by not calling it"
            );
        };
        self.shared.queue.refuse(Refuses::Every(k));
    }

    /// Drops one of the tasks that are ready, instead of running it; `false` where none is.
    pub fn drop_ready(&self) -> bool {
        self.shared.queue.drop_ready(&mut |n| self.shared.below(n))
    }

    /// Drops all tasks, as an executor does that shuts down; later ones are taken again.
    pub fn drop_all(&self) {
        self.shared.queue.clear(false);
    }

    /// Tasks that are not over.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.shared.queue.len()
    }
}

impl Shared {
    /// A number below `n`, by splitmix64 (Steele, Lea and Flood, 2014).
    fn below(&self, n: usize) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.clear(true);
    }
}

impl Executor for Seeded {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.shared.queue.spawn(task)
    }
}

impl fmt::Debug for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seeded")
            .field("seed", &self.shared.seed)
            .field("tasks", &self.tasks())
            .finish()
    }
}
