//! Threads that are joined, though nobody waits for them.
//!
//! A handle that is dropped lets its thread go. In some C libraries (glibc up to 2.36 at least) that
//! is a race with a thread that is just ending: its memory may be unmapped while it is looked at
//! once more. So handles are kept until their threads have ended.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The handles of threads that end by themselves. Whoever drops it last joins them.
///
/// The threads may hold it themselves, as long as each lets go of it as the last thing that it
/// does: then the others are about to end.
#[derive(Debug, Default)]
pub(crate) struct Joined(Mutex<Vec<JoinHandle<()>>>);

impl Joined {
    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        // No foreign code runs under it, so what it guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a handle, and joins those whose threads have ended.
    pub(crate) fn keep(&self, handle: JoinHandle<()>) {
        let mut handles = self.handles();
        let ended = handles.extract_if(.., |handle| handle.is_finished()).collect::<Vec<_>>();
        handles.push(handle);
        drop(handles);
        ended.into_iter().for_each(join);
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let handles = std::mem::take(&mut *self.handles());
        handles.into_iter().for_each(join);
    }
}

fn join(handle: JoinHandle<()>) {
    // A thread cannot wait for itself; nor does it end while it lets itself go.
    if handle.thread().id() != thread::current().id() {
        // If it panicked, the panic hook has told.
        let _ended = handle.join();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn threads_that_ended_are_joined_when_another_is_kept() {
        let joined = Joined::default();
        for _ in 0..3 {
            let thread = thread::spawn(|| {});
            while !thread.is_finished() {
                thread::yield_now();
            }
            joined.keep(thread);
            assert_eq!(joined.handles().len(), 1);
        }
    }

    #[test]
    fn whoever_is_last_joins_the_others_be_it_one_of_them() {
        let (joined, all) = (Arc::new(Joined::default()), Arc::new(Barrier::new(4)));
        let (send, ended) = channel::<()>();
        for _ in 0..3 {
            let (held, all, send) = (joined.clone(), all.clone(), send.clone());
            joined.keep(thread::spawn(move || {
                all.wait();
                drop(send);
                drop(held);
            }));
        }
        drop((joined, send));
        all.wait();
        assert!(ended.recv().is_err(), "all have come to their end");
    }
}
