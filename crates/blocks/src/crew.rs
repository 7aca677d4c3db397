//! Work for a crew: a queue, and the workers that wait for it, each at a desk of its own.
//!
//! ```text
//!            give                 take
//!  anyone ─────────▶ ready ─────────────────▶ worker that looks for work
//!            └─────▶ desk ── alarm ─────────▶ worker that waits
//! ```
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `ready`, `idle` | whoever [gives](Crew::give) work, and the workers | under the lock |
//! | `next` of a desk | whoever puts the desk among the idle, or takes it out | under the lock |
//! | `work` of a desk | whoever took the desk out of the idle | before the alarm rings |
//! | `work` of a desk | its worker | otherwise |
//! | `closed` | set by whoever [closes](Crew::close), under the lock | read at any time |
//!
//! **No work waits while a worker is idle.** A worker puts its desk among the idle only where the
//! queue is empty, under the same lock, and whoever gives work takes a desk out in the same step in
//! which it would put the work into the queue. So each piece of work has somebody on the way to it:
//! the worker that was rung, or one that is busy and comes back (models `giving_races_going_idle`,
//! `two_gifts_race_two_workers`). The worker that went idle last is rung first: it still looks, and
//! does not sleep yet.
//!
//! **Work that a worker waits for is laid on its desk**, where it looks anyway. By way of the queue it
//! would take the lock once more, and fetch two lines more from whoever gave it: that is a third of
//! the way from one thread to another. A desk has one owner at a time: who has taken it out of the
//! idle may lay work on it until it rings, and the worker takes nothing from it before that (model
//! `what_is_laid_on_a_desk_is_taken_by_its_worker`).
//!
//! **After the end nobody waits.** Closing takes all desks out and rings them, and what is given
//! later comes back (models `closing_races_going_idle`, `closing_races_giving`). What lies on a desk
//! by then is done.

use std::collections::VecDeque;
use std::fmt;

use millstream_sync::{AtomicU64, Mutex, Ordering, UnsafeCell, lock};

use crate::alarm::Alarm;

/// On cache lines of its own: two, because they are fetched in pairs.
#[repr(align(128))]
struct Line<T>(T);

/// The queue, and the desks. See the [module](self).
pub struct Crew<T> {
    state: Line<Mutex<State<T>>>,
    /// Read after each piece of work, so not beside what is written with each.
    closed: AtomicU64,
    desks: Box<[Line<Desk<T>>]>,
}

struct State<T> {
    ready: VecDeque<T>,
    /// The desk of the worker that went idle last; each knows the one before.
    idle: u64,
    /// How many desks have a worker.
    seated: usize,
}

/// No desk.
const NONE: u64 = u64::MAX;

/// Where a worker waits.
struct Desk<T> {
    alarm: Alarm,
    /// The desk that went idle before this one.
    next: AtomicU64,
    work: UnsafeCell<Option<T>>,
}

// SAFETY: what lies on a desk is touched by whoever took the desk out of the idle, or by its worker,
// never by both (see the table; model `what_is_laid_on_a_desk_is_taken_by_its_worker`); work moves
// between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Desk<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Desk<T> {}

/// Who takes a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// An idle worker, if there is one.
    Idle,
    /// The worker that gives it, which takes the next piece before it does anything else.
    Giver,
}

impl<T> Crew<T> {
    /// Without work, and with desks for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Crew<T> {
        let desk = |_| {
            Line(Desk {
                alarm: Alarm::new(),
                next: AtomicU64::new(NONE),
                work: UnsafeCell::new(None),
            })
        };
        let state = State { ready: VecDeque::new(), idle: NONE, seated: 0 };
        Crew {
            state: Line(Mutex::new(state)),
            closed: AtomicU64::new(0),
            desks: (0..workers).map(desk).collect(),
        }
    }

    /// Puts work at the end of the queue, or on the desk of a worker that waits for it.
    ///
    /// # Errors
    /// After the end the work comes back.
    pub fn give(&self, work: T, taker: Taker) -> Result<(), T> {
        let mut state = lock(&self.state.0);
        if self.is_closed() {
            drop(state);
            return Err(work);
        }
        let idle = match taker {
            Taker::Idle => self.call(&mut state),
            Taker::Giver => None,
        };
        let Some(desk) = idle else {
            state.ready.push_back(work);
            return Ok(());
        };
        drop(state);
        // SAFETY: this took the desk out of the idle, so nobody else lays work on it, and its worker
        // does not touch it before the alarm rings (model
        // `what_is_laid_on_a_desk_is_taken_by_its_worker`). Nothing is dropped: the worker took
        // what was there.
        desk.work.with_mut(|place| unsafe { *place = Some(work) });
        desk.alarm.ring();
        Ok(())
    }

    /// Takes the desk of the worker that went idle last out of the idle.
    fn call(&self, state: &mut State<T>) -> Option<&Desk<T>> {
        let Line(desk) = self.desks.get(state.idle as usize)?;
        // ordering: relaxed, as in `take`; it is written and read under the lock.
        state.idle = desk.next.load(Ordering::Relaxed);
        Some(desk)
    }

    /// A desk for a worker.
    ///
    /// # Panics
    /// When each has one.
    pub fn sit(&self) -> Seat<'_, T> {
        let number = {
            let mut state = lock(&self.state.0);
            state.seated += 1;
            state.seated - 1
        };
        match self.desks.get(number) {
            Some(Line(desk)) => Seat { crew: self, number: number as u64, desk },
            None => panic!("a crew of {number} has one worker more"),
        }
    }

    /// The end: what is left is handed out, and no more is taken.
    pub fn close(&self) -> VecDeque<T> {
        let (ready, mut idle) = {
            let mut state = lock(&self.state.0);
            // ordering: release pairs with the acquire in `is_closed`.
            self.closed.store(1, Ordering::Release);
            (std::mem::take(&mut state.ready), std::mem::replace(&mut state.idle, NONE))
        };
        while let Some(Line(desk)) = self.desks.get(idle as usize) {
            // ordering: relaxed; it was written under the lock, and after the end nobody goes idle.
            idle = desk.next.load(Ordering::Relaxed);
            desk.alarm.ring();
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

impl<T> fmt::Debug for Crew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// A worker, at its desk.
pub struct Seat<'a, T> {
    crew: &'a Crew<T>,
    number: u64,
    desk: &'a Desk<T>,
}

impl<T> Seat<'_, T> {
    /// The next piece of work, waited for; `None` at the end. The worker looks `looks` times before
    /// it sleeps.
    pub fn take(&mut self, looks: u32) -> Option<T> {
        let Seat { crew, number, desk } = self;
        loop {
            {
                let mut state = lock(&crew.state.0);
                if crew.is_closed() {
                    return None;
                }
                if let Some(work) = state.ready.pop_front() {
                    return Some(work);
                }
                // ordering: relaxed; it is written and read under the lock.
                desk.next.store(state.idle, Ordering::Relaxed);
                // Whoever takes it out rings.
                state.idle = *number;
            }
            desk.alarm.wait(looks);
            // SAFETY: whoever took the desk out of the idle has rung, and touches it no more; nobody
            // else does before it is idle again (model
            // `what_is_laid_on_a_desk_is_taken_by_its_worker`).
            let work = desk.work.with_mut(|place| unsafe { (*place).take() });
            // Where there is none the end has rung.
            if work.is_some() {
                return work;
            }
        }
    }
}

impl<T> fmt::Debug for Seat<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("number", &self.number).finish_non_exhaustive()
    }
}
