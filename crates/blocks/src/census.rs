//! Who is here, and what they counted: for whoever waits until all have gone.
//!
//! | what | who | when |
//! |---|---|---|
//! | [`enter`](Census::enter) | anyone | any; it may be empty, and fill again |
//! | the count of a [`Member`] | its owner alone, without a lock | while it is here |
//! | what a member counted is added, and it is one less | the member, when it is dropped | once |
//! | [`poll_empty`](Census::poll_empty) | anyone | any |
//!
//! * **To count costs nothing.** A member counts for itself, and says how many when it goes.
//! * **The sums are whole when nobody is here**: a member adds its count and goes in one step, under
//!   the lock. Whoever finds it empty finds all that was counted.
//! * **Whoever waits is woken by the last that goes**, outside of the lock, each for itself: what a
//!   waker does keeps no other from being called.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use millstream_sync::{Mutex, lock};

use crate::ending::{Contained, Wakers, forget, poll_until};

/// See the [module](self). It has `N` sums. A handle: clones are the same census.
pub struct Census<const N: usize>(Arc<Mutex<State<N>>>);

struct State<const N: usize> {
    here: usize,
    sums: [u64; N],
    waiting: Wakers,
}

impl<const N: usize> Default for Census<N> {
    fn default() -> Census<N> {
        Census::new()
    }
}

impl<const N: usize> Census<N> {
    /// Nobody is here, and nothing was counted.
    #[must_use]
    pub fn new() -> Census<N> {
        let waiting = Wakers::default();
        Census(Arc::new(Mutex::new(State { here: 0, sums: [0; N], waiting })))
    }

    /// One more is here, who counts for sum number `sum`.
    ///
    /// # Panics
    /// When there is no such sum.
    #[must_use]
    pub fn enter(&self, sum: usize) -> Member<N> {
        assert!(sum < N, "there are {N} sums, and {sum} was asked for");
        lock(&self.0).here += 1;
        Member { census: self.clone(), sum, count: 0 }
    }

    /// Adds one to sum number `sum`, without being here.
    pub fn note(&self, sum: usize) {
        lock(&self.0).sums[sum] += 1;
    }

    /// The sums so far, of those who have gone.
    #[must_use]
    pub fn sums(&self) -> [u64; N] {
        lock(&self.0).sums
    }

    /// Ready when nobody is here. `number` is where its waker is, and `None` at first; see
    /// [`forget`](Census::forget).
    pub fn poll_empty(&self, number: &mut Option<u64>, context: &Context<'_>) -> Poll<()> {
        poll_until(&self.0, number, context, |state| state.here == 0, |state| &mut state.waiting)
    }

    /// Whoever has polled does not wait any more.
    pub fn forget(&self, number: Option<u64>) {
        forget(&self.0, number, |state| &mut state.waiting);
    }
}

impl<const N: usize> Clone for Census<N> {
    fn clone(&self) -> Census<N> {
        Census(self.0.clone())
    }
}

impl<const N: usize> fmt::Debug for Census<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (here, sums) = {
            let state = lock(&self.0);
            (state.here, state.sums)
        };
        f.debug_struct("Census").field("here", &here).field("sums", &sums).finish()
    }
}

/// One who is here, and counts.
pub struct Member<const N: usize> {
    census: Census<N>,
    sum: usize,
    count: u64,
}

impl<const N: usize> Member<N> {
    /// One more.
    #[inline]
    pub fn count(&mut self) {
        self.count += 1;
    }
}

impl<const N: usize> Drop for Member<N> {
    fn drop(&mut self) {
        let mut state = lock(&self.census.0);
        state.sums[self.sum] += self.count;
        state.here -= 1;
        let wakers = if state.here == 0 { state.waiting.take() } else { Vec::new() };
        drop(state);
        let mut contained = Contained::default();
        contained.wake(wakers);
        contained.done();
    }
}

impl<const N: usize> fmt::Debug for Member<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("count", &self.count).finish_non_exhaustive()
    }
}
