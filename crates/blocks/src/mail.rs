//! What comes to a host from outside, for the holder of its turn to find.

use millstream_core::{Cause, Fault, Undelivered, report_undelivered};
use millstream_sync::{Mutex, lock};

use crate::cause::Note;

#[derive(Default)]
pub(crate) struct Mail {
    /// Something broke.
    pub(crate) fault: Option<Fault>,
    /// Downstream let go of its handle.
    pub(crate) detached: bool,
    /// Why it is cancelled.
    cause: Note,
}

impl Mail {
    pub(crate) fn take(&mut self) -> Mail {
        // The cause stays: it is left before the word is closed, and is for who finds it closed.
        let cause = Note::default();
        Mail { fault: self.fault.take(), detached: std::mem::take(&mut self.detached), cause }
    }
}

/// Leaves the cause of a cancellation in a mail, where there is one. The word must be closed after.
pub(crate) fn leave_cause(mail: &Mutex<Mail>) {
    Note::leave(mail, |mail| &mut mail.cause);
}

/// Why it was cancelled, for whoever finds the word closed.
pub(crate) fn cause(mail: &Mutex<Mail>) -> Cause {
    lock(mail).cause.get()
}

/// Leaves `fault` in a mail. The first one stands: a source that goes away after it, or another
/// end of what it broke, only follows from it. The holder of the turn must be signalled after.
pub(crate) fn leave_fault(mail: &Mutex<Mail>, fault: Fault) {
    let mut mail = lock(mail);
    if mail.fault.is_none() {
        mail.fault = Some(fault);
        return;
    }
    // An echo says the same: of a fault of many, of which this host has several.
    let is_echo = mail.fault.as_ref().is_some_and(|first| first.to_string() == fault.to_string());
    drop(mail);
    // Outside of the lock: what a panic carries is foreign.
    if !is_echo && !matches!(fault, Fault::SourceDropped) {
        report_undelivered(&Undelivered::Fault(fault));
    }
}
