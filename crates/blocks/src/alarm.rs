//! A thread that waits for news: for a while it looks, then it sleeps.
//!
//! To sleep and be woken costs some fifty microseconds, to look once costs a few nanoseconds. So a
//! thread that expects news soon looks a bounded number of times before it goes to sleep. The
//! number is that of the thread: whoever rings does not know of it.
//!
//! | state | [`ring`](Alarm::ring) | [`wait`](Alarm::wait), by one thread at a time |
//! |---|---|---|
//! | quiet | → rung | looks; → asleep |
//! | rung | does nothing | → quiet, and returns |
//! | asleep | → rung, and wakes | sleeps |
//!
//! **No ring is lost.** The thread goes to sleep with the lock in its hand, by an exchange that
//! fails when somebody rang before; whoever rings after it takes the lock before it wakes, so
//! that the thread sleeps by then (models `a_ring_races_going_to_sleep`,
//! `two_rings_race_going_to_sleep`). A ring while the thread does not sleep takes no lock.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use millstream_sync::{AtomicU64, Condvar, Mutex, Ordering, hint, lock, thread};

const QUIET: u64 = 0;
const RUNG: u64 = 1;
const ASLEEP: u64 = 2;

/// How often a thread looks before it gives its core away between two looks.
const EAGER: u32 = 256;

/// What a thread does after it has looked for the time with this number, in vain.
pub(crate) fn snooze(look: u32) {
    if look < EAGER {
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

/// What wakes one thread. See the [module](self).
pub struct Alarm {
    state: AtomicU64,
    bed: Mutex<()>,
    news: Condvar,
}

impl Alarm {
    /// Quiet.
    #[must_use]
    pub fn new() -> Alarm {
        Alarm { state: AtomicU64::new(QUIET), bed: Mutex::new(()), news: Condvar::new() }
    }

    /// There is news.
    pub fn ring(&self) {
        // ordering: release pairs with the acquire in `wait`: what came before the ring is
        // visible to whoever waited for it (model `a_ring_publishes`). It is a
        // read-modify-write, so that a second ring does not break the release of the first
        // (model `both_rings_publish`).
        if self.state.swap(RUNG, Ordering::Release) == ASLEEP {
            drop(lock(&self.bed));
            self.news.notify_one();
        }
    }

    /// Waits until it has rung since the last time; looks `looks` times before it sleeps.
    pub fn wait(&self, looks: u32) {
        for look in 0..looks {
            // ordering: relaxed; the exchange below makes the edge.
            if self.state.load(Ordering::Relaxed) == RUNG {
                break;
            }
            snooze(look);
        }
        // ordering: relaxed; a guess that spares the lock.
        if self.state.load(Ordering::Relaxed) != RUNG {
            self.sleep();
        }
        // ordering: acquire pairs with the release in `ring` (models `a_ring_publishes`,
        // `both_rings_publish`).
        self.state.swap(QUIET, Ordering::Acquire);
    }

    #[cold]
    fn sleep(&self) {
        let mut bed = lock(&self.bed);
        // ordering: relaxed; it hands nothing over.
        let asleep =
            self.state.compare_exchange(QUIET, ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
        if asleep.is_ok() {
            // ordering: relaxed; the exchange in `wait` makes the edge.
            while self.state.load(Ordering::Relaxed) == ASLEEP {
                bed = self.news.wait(bed).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm::new()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Waits on this thread for `future`; looks `looks` times before it sleeps.
pub fn block_on<F: Future>(future: F, looks: u32) -> F::Output {
    let alarm = Arc::new(Alarm::new());
    let waker = Waker::from(alarm.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        alarm.wait(looks);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarm")
    }
}
