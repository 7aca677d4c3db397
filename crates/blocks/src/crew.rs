//! Work for a crew: a queue, and the workers that wait for it.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `ready` | whoever [gives](Crew::give) work, and the workers | under the lock |
//! | `idle` | a worker puts its alarm in, whoever gives work takes it out and rings | under the lock |
//! | `closed` | set by whoever [closes](Crew::close), under the lock | read at any time |
//!
//! **No work waits while a worker is idle.** A worker puts its alarm in only where the queue is
//! empty, under the same lock, and whoever gives work takes one out in the same step in which it
//! puts the work in. So each piece of work has somebody on the way to it: the worker that was
//! rung, or one that is busy and comes back (models `giving_races_going_idle`,
//! `two_gifts_race_two_workers`). The worker that went idle last is rung first: it still looks,
//! and does not sleep yet.
//!
//! **After the end nobody waits.** Closing takes all alarms out and rings them, and what is given
//! later comes back (models `closing_races_going_idle`, `closing_races_giving`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

use crate::alarm::Alarm;

/// The queue. See the [module](self).
pub struct Crew<T> {
    state: Mutex<State<T>>,
    closed: AtomicU64,
}

struct State<T> {
    ready: VecDeque<T>,
    idle: Vec<Arc<Alarm>>,
}

/// Who takes a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// An idle worker, if there is one.
    Idle,
    /// The worker that gives it, which takes the next piece before it does anything else.
    Giver,
}

impl<T> Crew<T> {
    /// Without work and workers.
    #[must_use]
    pub fn new() -> Crew<T> {
        Crew {
            state: Mutex::new(State { ready: VecDeque::new(), idle: Vec::new() }),
            closed: AtomicU64::new(0),
        }
    }

    /// Puts work at the end of the queue.
    ///
    /// # Errors
    /// After the end the work comes back.
    pub fn give(&self, work: T, taker: Taker) -> Result<(), T> {
        let mut state = lock(&self.state);
        if self.is_closed() {
            drop(state);
            return Err(work);
        }
        state.ready.push_back(work);
        let idle = match taker {
            Taker::Idle => state.idle.pop(),
            Taker::Giver => None,
        };
        drop(state);
        if let Some(alarm) = idle {
            alarm.ring();
        }
        Ok(())
    }

    /// For a worker with its alarm: the next piece of work, waited for; `None` at the end. The
    /// worker looks `looks` times before it sleeps.
    pub fn take(&self, alarm: &Arc<Alarm>, looks: u32) -> Option<T> {
        loop {
            let mut state = lock(&self.state);
            if self.is_closed() {
                return None;
            }
            if let Some(work) = state.ready.pop_front() {
                return Some(work);
            }
            // Whoever takes it out rings.
            state.idle.push(alarm.clone());
            drop(state);
            alarm.wait(looks);
        }
    }

    /// The end: what is left is handed out, and no more is taken.
    pub fn close(&self) -> VecDeque<T> {
        let (ready, idle) = {
            let mut state = lock(&self.state);
            // ordering: release pairs with the acquire in `is_closed`.
            self.closed.store(1, Ordering::Release);
            (std::mem::take(&mut state.ready), std::mem::take(&mut state.idle))
        };
        for alarm in idle {
            alarm.ring();
        }
        ready
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ordering: acquire pairs with the release in `close`.
        self.closed.load(Ordering::Acquire) != 0
    }
}

impl<T> Default for Crew<T> {
    fn default() -> Crew<T> {
        Crew::new()
    }
}

impl<T> fmt::Debug for Crew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
