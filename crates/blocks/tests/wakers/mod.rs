//! Wakers of the models: one that counts, and one that does what a foreign one may do.

#![allow(dead_code, reason = "each file of models uses a part of it")]
#![allow(unreachable_pub, reason = "a module of several test crates")]

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

use millstream_sync::{AtomicUsize, Ordering};

/// Counts how often it was woken.
pub struct Woken(AtomicUsize);

impl Woken {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn waker() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    (woken.clone(), Waker::from(woken))
}

/// A waker that does `act` whenever it is cloned or dropped.
pub fn foreign(act: impl Fn() + Send + Sync + 'static) -> Waker {
    let foreign = Arc::new(Foreign(Box::new(act)));
    // SAFETY: `raw` takes over the count of the `Arc` it is given, and the functions of `TABLE`
    // keep a waker's contract on it: `clone` adds one for the new waker, `drop` and `wake` give
    // it back, `wake_by_ref` touches nothing. `Foreign` is `Send` and `Sync`.
    unsafe { Waker::from_raw(raw(foreign)) }
}

struct Foreign(Box<dyn Fn() + Send + Sync>);

fn raw(foreign: Arc<Foreign>) -> RawWaker {
    RawWaker::new(Arc::into_raw(foreign).cast(), &TABLE)
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: `data` is from `raw`, and the waker that is cloned keeps its count.
        let foreign = ManuallyDrop::new(unsafe { Arc::<Foreign>::from_raw(data.cast()) });
        (foreign.0)();
        raw(Arc::clone(&foreign))
    },
    give_back,
    |_| {},
    give_back,
);

fn give_back(data: *const ()) {
    // SAFETY: `data` is from `raw`, and its waker is gone: the count is ours.
    let foreign = unsafe { Arc::<Foreign>::from_raw(data.cast()) };
    (foreign.0)();
}
