//! Permits that many share: who has one works, and who has none waits for its turn.
//!
//! ```text
//!  Permits ──try_acquire──▶ Permit ── dropped ──▶ to the first that waits, else free
//!          ──acquire──▶ Acquire ── polled ──▶ Permit, or a place in the line
//! ```
//!
//! | a permit is | who has it | what becomes of it |
//! |---|---|---|
//! | free | nobody; nobody waits then | who comes takes it |
//! | out | the owner of a [`Permit`] | dropped, it is handed to the first that waits, or is free |
//! | granted | an [`Acquire`] that was woken | its next poll takes it; dropped before, it is handed on |
//!
//! All of it is one state under a lock, and `free + granted + out` is the number of permits at any time.
//!
//! * **First come, first served.** A permit that comes back while somebody waits is never free: it goes
//!   to the first in the line, by its number, and whoever comes at the same time stands behind. Nobody
//!   is overtaken, however fast others come back (model `nobody_overtakes_whoever_waits`).
//! * **No wake-up is lost.** To find no permit and to stand in the line is one step (model
//!   `giving_back_races_whoever_comes`).
//! * **One is woken for each that comes back**, and finds it granted: it need not win it again.
//! * **What is given up is not lost.** An `Acquire` that is dropped leaves the line; where a permit was
//!   granted to it meanwhile, that goes to the next (model `giving_up_races_giving_back`).
//! * **What was done with a permit is visible to who has it next**: the lock orders them.
//! * **No foreign code under the lock**: wakers are cloned before it, and woken and dropped after it. One
//!   that panics when it is woken by a permit that is given back reaches the hook of what is not
//!   delivered: a permit is given back in a destructor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_sync::{Mutex, lock};

use crate::running::undelivered;

/// See the [module](self). A handle: clones share the same permits.
#[derive(Clone)]
pub struct Permits(Arc<Shared>);

struct Shared {
    size: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Those that wait, in their order.
    waiting: BTreeMap<u64, Waker>,
    /// Those that waited, and have one that they do not know of yet.
    granted: BTreeSet<u64>,
    next: u64,
}

impl Permits {
    /// So many permits.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn new(size: usize) -> Permits {
        assert!(
            size > 0,
            "Permits::new(0): without a permit nothing ever runs; 1 is one at a time"
        );
        let (waiting, granted) = (BTreeMap::new(), BTreeSet::new());
        let state = Mutex::new(State { free: size, waiting, granted, next: 0 });
        Permits(Arc::new(Shared { size, state }))
    }

    /// How many there are in all.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// How many are free. While somebody waits none is.
    #[must_use]
    pub fn free(&self) -> usize {
        lock(&self.0.state).free
    }

    /// A permit, if one is free.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut state = lock(&self.0.state);
        state.free = state.free.checked_sub(1)?;
        drop(state);
        Some(Permit(self.0.clone()))
    }

    /// A permit as soon as there is one: first come, first served, from the first poll on.
    pub fn acquire(&self) -> Acquire {
        Acquire { shared: self.0.clone(), number: None }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("size", &self.0.size).field("free", &self.free()).finish()
    }
}

impl Shared {
    /// One comes back.
    fn give_back(&self) {
        let mut state = lock(&self.state);
        let Some((number, waker)) = state.waiting.pop_first() else {
            state.free += 1;
            return;
        };
        state.granted.insert(number);
        drop(state);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            undelivered(payload);
        }
    }
}

/// The right to work. It is given back when this is dropped, on whichever thread.
#[must_use = "a permit that is dropped is given back"]
pub struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// A permit that is waited for: a future, which has a place in the line from its first poll on. Dropped,
/// it gives the place up. Polled again after it was ready it waits for another.
#[must_use = "it stands in no line before it is polled"]
pub struct Acquire {
    shared: Arc<Shared>,
    /// Its place in the line.
    number: Option<u64>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let fresh = context.waker().clone();
        let mut state = lock(&self.shared.state);
        let ready = match self.number {
            None if state.free > 0 => {
                state.free -= 1;
                true
            }
            None => false,
            Some(number) => state.granted.remove(&number),
        };
        if ready {
            drop(state);
            self.number = None;
            return Poll::Ready(Permit(self.shared.clone()));
        }
        let number = self.number.unwrap_or(state.next);
        state.next = state.next.max(number + 1);
        let before = state.waiting.insert(number, fresh);
        drop(state);
        drop(before);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = lock(&self.shared.state);
        let waker = state.waiting.remove(&number);
        let granted = state.granted.remove(&number);
        drop(state);
        drop(waker);
        if granted {
            self.shared.give_back();
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("waits", &self.number.is_some()).finish_non_exhaustive()
    }
}
