//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The system's allocator, counting the allocations of all threads, while somebody counts.
#[derive(Debug)]
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The allocations that are made, on any thread, while `task` runs. One at a time.
pub fn count<R>(task: impl FnOnce() -> R) -> (u64, R) {
    COUNT.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Release);
    let result = task();
    COUNTS.store(false, Ordering::Release);
    (COUNT.load(Ordering::Relaxed), result)
}

fn note() {
    if COUNTS.load(Ordering::Relaxed) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as asked of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as asked of the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as asked of the caller.
        unsafe { System.realloc(block, layout, size) }
    }
}
