//! A bare push chain with demand, as small as one can be written.
//!
//! It is no library: no errors, no early end, no panic that is caught, no second thread that
//! could take the turn. What is left is what the protocol asks of anybody: one allocation for the
//! word that both sides share, a look at it for a cancellation before each item, and a count
//! where the demand has a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::add_up;

/// Demand without bound.
pub const UNBOUNDED: u64 = u64::MAX >> 1;
const CANCELLED: u64 = 1 << 63;

/// What both sides share: demand not yet taken, and whether it is cancelled.
#[derive(Debug, Clone, Default)]
pub struct Handle(Arc<AtomicU64>);

impl Handle {
    /// Asks for `n` more. Nothing in the model asks twice, so it need not saturate.
    #[inline]
    pub fn request(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Release);
    }

    #[inline]
    fn take(&self) -> u64 {
        self.0.fetch_and(CANCELLED, Ordering::Acquire) & !CANCELLED
    }

    #[inline]
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }
}

/// Receives items, and answers how many more it wants.
pub trait Receiver<T> {
    /// Receives an item.
    fn next(&mut self, item: T) -> u64;
    /// The end, with what the sink has.
    fn end(&mut self) -> u64;
}

impl<T> Receiver<T> for Box<dyn Receiver<T>> {
    #[inline]
    fn next(&mut self, item: T) -> u64 {
        (**self).next(item)
    }

    fn end(&mut self) -> u64 {
        (**self).end()
    }
}

/// Each item through a function.
#[derive(Debug)]
pub struct Map<F, R>(pub F, pub R);

impl<T, U, F: FnMut(T) -> U, R: Receiver<U>> Receiver<T> for Map<F, R> {
    #[inline]
    fn next(&mut self, item: T) -> u64 {
        self.1.next((self.0)(item))
    }

    #[inline]
    fn end(&mut self) -> u64 {
        self.1.end()
    }
}

/// Only the items that pass a test; for the others it asks itself.
#[derive(Debug)]
pub struct Filter<F, R>(pub F, pub R);

impl<T, F: FnMut(&T) -> bool, R: Receiver<T>> Receiver<T> for Filter<F, R> {
    #[inline]
    fn next(&mut self, item: T) -> u64 {
        if (self.0)(&item) { self.1.next(item) } else { 1 }
    }

    #[inline]
    fn end(&mut self) -> u64 {
        self.1.end()
    }
}

/// Adds up, and asks for `BATCH` more when it has had as many.
#[derive(Debug)]
pub struct Sum<const BATCH: u64> {
    total: u64,
    got: u64,
    /// To cancel by, as a subscriber could.
    _handle: Handle,
}

impl<const BATCH: u64> Sum<BATCH> {
    /// A sink that has asked for its first batch.
    #[must_use]
    pub fn new(handle: &Handle) -> Sum<BATCH> {
        handle.request(BATCH);
        Sum { total: 0, got: 0, _handle: handle.clone() }
    }
}

impl<const BATCH: u64> Receiver<u64> for Sum<BATCH> {
    #[inline]
    fn next(&mut self, item: u64) -> u64 {
        self.total = add_up(self.total, item);
        if BATCH == UNBOUNDED {
            return 0;
        }
        self.got += 1;
        if self.got < BATCH {
            return 0;
        }
        self.got = 0;
        BATCH
    }

    fn end(&mut self) -> u64 {
        self.total
    }
}

/// Sends `items` into `down` as far as there is demand, and gives what its sink has.
#[inline]
pub fn drive<T>(
    handle: &Handle,
    mut items: impl Iterator<Item = T>,
    mut down: impl Receiver<T>,
) -> u64 {
    let mut credit = handle.take();
    if credit == UNBOUNDED {
        while !handle.cancelled()
            && let Some(item) = items.next()
        {
            down.next(item);
        }
        return down.end();
    }
    while !handle.cancelled()
        && let Some(item) = items.next()
    {
        credit = credit - 1 + down.next(item);
        if credit == 0 {
            credit = handle.take();
            if credit == 0 {
                break;
            }
        }
    }
    down.end()
}
