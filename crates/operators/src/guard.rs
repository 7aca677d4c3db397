//! A resource that is released exactly once, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::cause::afresh;
use millstream_core::{Fault, Panic, Undelivered, report_undelivered};

/// A resource and how it is released: by [`release`](Guard::release), or else by being dropped.
pub(crate) struct Guard<R, O, F: FnOnce(R) -> O> {
    held: Option<(R, F)>,
}

impl<R, O, F: FnOnce(R) -> O> Guard<R, O, F> {
    pub(crate) fn new(resource: R, release: F) -> Guard<R, O, F> {
        Guard { held: Some((resource, release)) }
    }

    /// The resource, until it is released.
    pub(crate) fn get(&mut self) -> Option<&mut R> {
        self.held.as_mut().map(|(resource, _)| resource)
    }

    /// Releases it, unless that was done. A panic in the function goes to the caller.
    pub(crate) fn release(&mut self) -> Option<O> {
        self.held.take().map(|(resource, release)| release(resource))
    }
}

impl<R, O, F: FnOnce(R) -> O> Drop for Guard<R, O, F> {
    fn drop(&mut self) {
        // Caught: it may be dropped by a panic, and a second one would abort the process.
        contained(|| drop(self.release()));
    }
}

/// Calls `f` where a panic can be delivered to nobody: in a destructor. What it drops or cancels is
/// its own affair, whatever the destructor was called for.
pub(crate) fn contained(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| afresh(f))) {
        report_undelivered(&Undelivered::Fault(Fault::Panicked(Panic::new(payload))));
    }
}
