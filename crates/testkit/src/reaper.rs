//! Threads that nobody waits for are joined by one that does nothing else: a thread that is let go
//! while it ends can crash in the C library, which looks at it once more.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use crate::lock::lock;

static REAPER: OnceLock<Mutex<Sender<JoinHandle<()>>>> = OnceLock::new();

/// Runs `work` on a thread of its own.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    let reaper = REAPER.get_or_init(|| {
        let (sender, ended) = channel::<JoinHandle<()>>();
        thread::spawn(move || {
            for thread in ended {
                // Its panic was printed.
                let _ = thread.join();
            }
        });
        Mutex::new(sender)
    });
    // The reaper never ends while there is a sender.
    let _ = lock(reaper).send(thread::spawn(work));
}
