//! What comes to a host from outside, for the holder of its turn to find.

use millstream_core::{Fault, Undelivered, report_undelivered};
use millstream_sync::{Mutex, lock};

#[derive(Default)]
pub(crate) struct Mail {
    /// Something broke.
    pub(crate) fault: Option<Fault>,
    /// Downstream let go of its handle.
    pub(crate) detached: bool,
}

impl Mail {
    pub(crate) fn take(&mut self) -> Mail {
        std::mem::take(self)
    }
}

/// Leaves `fault` in a mail. The first one stands: a source that goes away after it, or another
/// end of what it broke, only follows from it. The holder of the turn must be signalled after.
pub(crate) fn leave_fault(mail: &Mutex<Mail>, fault: Fault) {
    let mut mail = lock(mail);
    if mail.fault.is_none() {
        mail.fault = Some(fault);
        return;
    }
    drop(mail);
    // Outside of the lock: what a panic carries is foreign.
    if !matches!(fault, Fault::SourceDropped) {
        report_undelivered(&Undelivered::Fault(fault));
    }
}
