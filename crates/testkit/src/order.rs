//! What came first, of what a probe and its upstream note.

use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number above all that were given before.
pub(crate) fn tick() -> u64 {
    NEXT.fetch_add(1, Ordering::SeqCst)
}
