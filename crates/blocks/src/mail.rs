//! What comes to a host from outside, for the holder of its turn to find.

use millstream_core::Fault;

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
