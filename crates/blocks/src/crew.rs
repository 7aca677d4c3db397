//! Work for a crew: a queue, and the workers that wait for it, each at a desk of its own.
//!
//! ```text
//!            give                 take
//!  anyone ─────────▶ ready ─────────────────▶ worker that looks for work
//!            └─────▶ desk ──────────────────▶ worker that waits
//! ```
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `ready`, `waiting` | whoever [gives](Crew::give) work, and the workers | under the lock |
//! | `state` of a desk: waits | set by its worker | under the lock, and the queue is empty |
//! | asleep beside that | set by its worker | it waits, and has the lock of its bed |
//! | called | set by whoever calls its worker, by an exchange | it waits |
//! | laid | set by whoever called its worker | the work lies there; it stays until it waits again |
//! | `work` of a desk | whoever called its worker | until it is laid |
//! | `work` of a desk | its worker | otherwise |
//! | `closed` | set by whoever [closes](Crew::close), under the lock | read at any time |
//!
//! **No work waits while a worker does.** A worker begins to wait only where the queue is empty, under
//! the lock, and work gets into the queue only where nobody waits, under the same lock. So each piece
//! of work has somebody on the way to it: the worker that was called, or one that is busy and comes
//! back (models `giving_races_going_idle`, `two_gifts_race_two_workers`). One that still looks is
//! called before one that sleeps.
//!
//! **Work that a worker waits for is laid on its desk**, where it looks anyway. Who gives work to the
//! worker that had it last, as far as it waits, takes no lock, and touches the desk and nothing else:
//! by way of the queue it would fetch that from another core, and the worker after it, each of which
//! takes as long as all the rest. A desk has one owner at a time: who has called its worker may lay
//! work on it until it says so, and the worker takes nothing from it before (models
//! `what_is_laid_on_a_desk_is_taken_by_its_worker`, `one_of_two_calls_a_worker`).
//!
//! **To sleep** and be woken costs some fifty microseconds, so a worker looks a bounded number of times
//! before. It lies down with the lock of its bed in its hand, and says so in the state; whoever lays
//! something and finds it asleep takes that lock before it wakes, so the worker sleeps by then, or has
//! seen it (model `giving_races_going_idle`).
//!
//! **After the end nobody waits.** Closing calls all that wait, and what is given later comes back
//! (models `closing_races_going_idle`, `closing_races_giving`, `closing_races_a_call`). What lies on a
//! desk by then is done.

use std::collections::VecDeque;
use std::fmt;
use std::sync::PoisonError;

use millstream_sync::{AtomicU64, Condvar, Mutex, Ordering, UnsafeCell, lock};

use crate::alarm::snooze;

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
    /// How many workers went to wait and did not come back yet, whether or not they were called.
    waiting: usize,
    /// How many desks have a worker.
    seated: usize,
}

/// Where a worker waits.
struct Desk<T> {
    state: AtomicU64,
    work: UnsafeCell<Option<T>>,
    bed: Mutex<()>,
    news: Condvar,
}

/// The worker waits to be called.
const WAITS: u64 = 1;
/// The worker sleeps, or lies down with the lock of its bed in its hand.
const ASLEEP: u64 = 2;
/// The worker was called, and what it was called for is there. It stays while the worker is at work.
const LAID: u64 = 4;

// SAFETY: what lies on a desk is touched by whoever called its worker, or by the worker, never by both
// (see the table; models `what_is_laid_on_a_desk_is_taken_by_its_worker`,
// `one_of_two_calls_a_worker`); work moves between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Desk<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Desk<T> {}

impl<T> Desk<T> {
    fn new() -> Desk<T> {
        Desk {
            state: AtomicU64::new(LAID),
            work: UnsafeCell::new(None),
            bed: Mutex::new(()),
            news: Condvar::new(),
        }
    }

    /// Calls the worker, if it waits and does not sleep: whoever did must lay something on its desk, or
    /// nothing.
    fn call(&self) -> bool {
        // ordering: acquire pairs with the release in `open`: the worker is done with its desk (model
        // `one_of_two_calls_a_worker`). A failure needs no edge. At once, without a look before it: that
        // would fetch the line from the worker, and the exchange would fetch it again.
        self.state.compare_exchange(WAITS, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Calls the worker, if it sleeps; as [`call`](Desk::call), for those who have had the lock of the
    /// crew since it began to wait.
    fn call_asleep(&self) -> bool {
        // ordering: relaxed; the worker was done with its desk when it let that lock go.
        let asleep = WAITS | ASLEEP;
        self.state.compare_exchange(asleep, ASLEEP, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// For whoever called the worker: lays work on its desk, or nothing at the end, and wakes it.
    fn lay(&self, work: Option<T>) {
        // SAFETY: this called the worker, so nobody else lays work on its desk, and it does not touch
        // it before it sees that it lies there (models `what_is_laid_on_a_desk_is_taken_by_its_worker`,
        // `one_of_two_calls_a_worker`). Nothing is dropped: the worker took what was there.
        self.work.with_mut(|place| unsafe { *place = work });
        // ordering: release pairs with the acquire in `wait`: the work is visible (model
        // `what_is_laid_on_a_desk_is_taken_by_its_worker`).
        if self.state.swap(LAID, Ordering::Release) & ASLEEP != 0 {
            drop(lock(&self.bed));
            self.news.notify_one();
        }
    }

    /// For the worker, under the lock of the crew: it waits from here on.
    fn open(&self) {
        // ordering: release pairs with the acquire in `call` (model `one_of_two_calls_a_worker`).
        self.state.store(WAITS, Ordering::Release);
    }

    /// For the worker, when it is open: waits until something was laid, and takes it. It looks `looks`
    /// times before it sleeps.
    fn wait(&self, looks: u32) -> Option<T> {
        for look in 0..looks {
            // ordering: relaxed; the load below makes the edge.
            if self.state.load(Ordering::Relaxed) == LAID {
                break;
            }
            snooze(look);
        }
        // ordering: acquire pairs with the release in `lay` (model
        // `what_is_laid_on_a_desk_is_taken_by_its_worker`).
        if self.state.load(Ordering::Acquire) != LAID {
            self.sleep();
        }
        // SAFETY: whoever called this worker has laid what it called it for, and touches its desk no
        // more; nobody else does before it waits again (model
        // `what_is_laid_on_a_desk_is_taken_by_its_worker`).
        self.work.with_mut(|place| unsafe { (*place).take() })
    }

    /// Whoever lays something after this takes the lock before it wakes, so that the worker sleeps by then
    /// (model `giving_races_going_idle`).
    #[cold]
    fn sleep(&self) {
        let mut bed = lock(&self.bed);
        // ordering: acquire as in `wait`; it hands nothing over.
        if self.state.fetch_or(ASLEEP, Ordering::Acquire) == LAID {
            // Nobody lays anything before it waits again, so nobody looks at what this adds.
            return;
        }
        // ordering: acquire as in `wait`.
        while self.state.load(Ordering::Acquire) != LAID {
            bed = self.news.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Who takes a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A worker that waits, if there is one.
    Idle,
    /// The worker with this number, if it waits and did not go to sleep yet; or else as above.
    Rather(usize),
    /// The worker that gives it, which takes the next piece before it does anything else.
    Giver,
}

impl<T> Crew<T> {
    /// Without work, and with desks for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Crew<T> {
        let state = State { ready: VecDeque::new(), waiting: 0, seated: 0 };
        Crew {
            state: Line(Mutex::new(state)),
            closed: AtomicU64::new(0),
            desks: (0..workers).map(|_| Line(Desk::new())).collect(),
        }
    }

    /// Puts work at the end of the queue, or on the desk of a worker that waits for it.
    ///
    /// # Errors
    /// After the end the work comes back.
    pub fn give(&self, work: T, taker: Taker) -> Result<(), T> {
        if let Taker::Rather(number) = taker
            && let Some(Line(desk)) = self.desks.get(number)
            && desk.call()
        {
            desk.lay(Some(work));
            return Ok(());
        }
        let mut state = lock(&self.state.0);
        if self.is_closed() {
            drop(state);
            return Err(work);
        }
        let called = if taker == Taker::Giver || state.waiting == 0 { None } else { self.any() };
        if let Some(desk) = called {
            drop(state);
            desk.lay(Some(work));
        } else {
            state.ready.push_back(work);
        }
        Ok(())
    }

    /// Calls a worker, rather one that looks than one that sleeps. Under the lock: where there is none,
    /// none begins to wait before the work is in the queue.
    fn any(&self) -> Option<&Desk<T>> {
        let desks = || self.desks.iter().map(|Line(desk)| desk);
        let looks = desks().find(|desk| desk.call());
        looks.or_else(|| desks().find(|desk| desk.call_asleep()))
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
            Some(Line(desk)) => Seat { crew: self, number, desk, waited: false },
            None => panic!("a crew of {number} has one worker more"),
        }
    }

    /// The end: what is left is handed out, and no more is taken.
    pub fn close(&self) -> VecDeque<T> {
        let ready = {
            let mut state = lock(&self.state.0);
            // ordering: release pairs with the acquire in `is_closed`.
            self.closed.store(1, Ordering::Release);
            std::mem::take(&mut state.ready)
        };
        // After that nobody begins to wait.
        for Line(desk) in &self.desks {
            if desk.call() || desk.call_asleep() {
                desk.lay(None);
            }
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
    number: usize,
    desk: &'a Desk<T>,
    /// Whether it went to wait, and is counted.
    waited: bool,
}

impl<T> Seat<'_, T> {
    /// The next piece of work, waited for; `None` at the end. The worker looks `looks` times before
    /// it sleeps.
    pub fn take(&mut self, looks: u32) -> Option<T> {
        loop {
            {
                let mut state = lock(&self.crew.state.0);
                state.waiting -= usize::from(std::mem::take(&mut self.waited));
                if self.crew.is_closed() {
                    return None;
                }
                if let Some(work) = state.ready.pop_front() {
                    return Some(work);
                }
                state.waiting += 1;
                self.waited = true;
                self.desk.open();
            }
            let work = self.desk.wait(looks);
            // Where there is none the end has rung.
            if work.is_some() {
                return work;
            }
        }
    }

    /// The number of the worker.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

impl<T> fmt::Debug for Seat<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Which worker had a piece of work last: whoever gives it again [asks](Home::taker) for that one.
#[derive(Debug)]
pub struct Home(AtomicU64);

const NOBODY: u64 = u64::MAX;

impl Home {
    /// None had it.
    #[must_use]
    pub fn new() -> Home {
        Home(AtomicU64::new(NOBODY))
    }

    /// A worker has it.
    pub fn is<T>(&self, seat: &Seat<'_, T>) {
        // ordering: relaxed; a hint.
        self.0.store(seat.number as u64, Ordering::Relaxed);
    }

    /// Who takes it next.
    #[must_use]
    pub fn taker(&self) -> Taker {
        // ordering: relaxed; a hint.
        match self.0.load(Ordering::Relaxed) {
            NOBODY => Taker::Idle,
            number => Taker::Rather(number as usize),
        }
    }
}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}
