//! A bare push chain with demand, as small as one can be written: the one that the promises were
//! measured against.
//!
//! It is no library: no errors, no early end, no panic that is caught, no second thread that
//! could take the turn, and whoever drives it borrows the sink. What is left is what the protocol
//! asks of anybody: one allocation for what both sides share, a look at it for a cancellation
//! before each item, and a count where the demand has a bound.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::add_up;

/// Demand without bound.
pub const UNBOUNDED: u64 = u64::MAX;

/// What both sides share: what was asked for and has not come yet, and whether it is cancelled.
#[derive(Debug, Clone, Default)]
pub struct Handle(Arc<(AtomicU64, AtomicBool)>);

impl Handle {
    /// Asks for `n` more.
    #[inline]
    pub fn request(&self, n: u64) {
        let demand = &self.0.0;
        let mut seen = demand.load(Ordering::Relaxed);
        while seen != UNBOUNDED {
            let sum = seen.saturating_add(n);
            match demand.compare_exchange_weak(seen, sum, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes off what was sent: what is left.
    #[inline]
    fn spend(&self, n: u64) -> u64 {
        self.0.0.fetch_sub(n, Ordering::AcqRel) - n
    }

    #[inline]
    fn demand(&self) -> u64 {
        self.0.0.load(Ordering::Acquire)
    }

    #[inline]
    fn cancelled(&self) -> bool {
        self.0.1.load(Ordering::Relaxed)
    }
}

/// Receives items, and says whether one was used up: a filter that drops it gives its demand back.
pub trait Receiver<T> {
    /// Receives an item.
    fn next(&mut self, item: T) -> bool;
}

impl<T> Receiver<T> for Box<dyn Receiver<T>> {
    #[inline]
    fn next(&mut self, item: T) -> bool {
        (**self).next(item)
    }
}

/// Each item through a function.
#[derive(Debug)]
pub struct Map<F, R>(pub F, pub R);

impl<T, U, F: FnMut(T) -> U, R: Receiver<U>> Receiver<T> for Map<F, R> {
    #[inline]
    fn next(&mut self, item: T) -> bool {
        let item = (self.0)(item);
        self.1.next(item)
    }
}

/// Only the items that pass a test.
#[derive(Debug)]
pub struct Filter<F, R>(pub F, pub R);

impl<T, F: FnMut(&T) -> bool, R: Receiver<T>> Receiver<T> for Filter<F, R> {
    #[inline]
    fn next(&mut self, item: T) -> bool {
        (self.0)(&item) && self.1.next(item)
    }
}

/// Adds up, and asks for `batch` more when it has had as many.
#[derive(Debug)]
pub struct Sum<'a> {
    total: &'a Cell<u64>,
    handle: Handle,
    batch: u64,
    got: u64,
}

impl<'a> Sum<'a> {
    /// A sink that has asked for its first batch.
    #[inline]
    #[must_use]
    pub fn new(total: &'a Cell<u64>, handle: &Handle, batch: u64) -> Sum<'a> {
        handle.request(batch);
        Sum { total, handle: handle.clone(), batch, got: 0 }
    }
}

impl Receiver<u64> for Sum<'_> {
    #[inline]
    fn next(&mut self, item: u64) -> bool {
        self.total.set(add_up(self.total.get(), item));
        if self.batch != UNBOUNDED {
            self.got += 1;
            if self.got == self.batch {
                self.got = 0;
                self.handle.request(self.batch);
            }
        }
        true
    }
}

/// As [`Sum`] without bound, with its total on the heap: what is boxed cannot borrow.
#[derive(Debug)]
pub struct OwnSum {
    total: Rc<Cell<u64>>,
    _handle: Handle,
}

impl OwnSum {
    /// A sink that has asked for everything.
    #[must_use]
    pub fn new(total: &Rc<Cell<u64>>, handle: &Handle) -> OwnSum {
        handle.request(UNBOUNDED);
        OwnSum { total: total.clone(), _handle: handle.clone() }
    }
}

impl Receiver<u64> for OwnSum {
    #[inline]
    fn next(&mut self, item: u64) -> bool {
        self.total.set(add_up(self.total.get(), item));
        true
    }
}

/// Sends the numbers below `end` into `down`, as far as there is demand.
#[inline]
pub fn drive(end: u64, handle: &Handle, down: &mut impl Receiver<u64>) {
    let mut next = 0;
    let mut most = handle.demand();
    if most == UNBOUNDED {
        while next < end && !handle.cancelled() {
            down.next(next);
            next += 1;
        }
        return;
    }
    let mut sent = 0;
    while next < end {
        if sent == most {
            most = handle.demand();
            if sent == most {
                most = handle.spend(sent);
                sent = 0;
                if most == 0 {
                    return;
                }
            }
        }
        if handle.cancelled() {
            return;
        }
        sent += u64::from(down.next(next));
        next += 1;
    }
}
