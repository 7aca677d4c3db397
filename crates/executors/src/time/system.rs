//! [`SystemClock`]: real time, for programs without a runtime.

use std::fmt;
use std::io;
use std::task::Waker;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::time::{Clock, Moment, Timer, real_now, wheel_timer};

/// Real time, and a thread that wakes stages when theirs has come.
///
/// [`handle`](SystemClock::handle) gives what an executor is [given](crate::Executor::with_clock);
/// it may be used from any thread. One thread drives all timers; it sleeps until the next is due.
/// Timers are kept to the millisecond, and wake up to two of them late.
///
/// # Shutdown
/// When this is dropped its thread ends, and a pipeline that waits for a time then or later ends
/// with [`Fault::ClockGone`](millstream_core::Fault::ClockGone).
///
/// ```
/// use std::time::Duration;
///
/// use millstream_executors::time::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let (now, here) = (clock.handle().now(), std::thread::current());
/// # struct Unpark(std::thread::Thread);
/// # impl std::task::Wake for Unpark { fn wake(self: std::sync::Arc<Self>) { self.0.unpark() } }
/// let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(here)));
/// let mut timer = clock.handle().timer(waker);
/// timer.set(now + Duration::from_millis(5))?;
/// while timer.is_set() {
///     std::thread::park();
/// }
/// assert!(clock.handle().now().since(now) >= Duration::from_millis(5));
/// # Ok::<(), millstream_executors::time::ClockGone>(())
/// ```
pub struct SystemClock {
    handle: SystemClockHandle,
    stop: AbortHandle,
    thread: Option<JoinHandle<()>>,
}

impl SystemClock {
    /// With a thread named `millstream-clock`.
    ///
    /// # Panics
    /// When the operating system will not give a thread.
    #[must_use]
    #[track_caller]
    pub fn new() -> SystemClock {
        match SystemClock::start() {
            Ok(clock) => clock,
            Err(error) => panic!("SystemClock::new(): no thread for the timers: {error}"),
        }
    }

    fn start() -> io::Result<SystemClock> {
        // Of a runtime it is the wheel alone: nothing else runs there.
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = SystemClockHandle(runtime.handle().clone());
        let stopped = runtime.spawn(std::future::pending::<()>());
        let stop = stopped.abort_handle();
        let drive = move || {
            let _aborted = runtime.block_on(stopped);
        };
        let thread = thread::Builder::new().name("millstream-clock".to_owned()).spawn(drive)?;
        Ok(SystemClock { handle, stop, thread: Some(thread) })
    }

    /// What an executor is given.
    #[must_use]
    pub fn handle(&self) -> SystemClockHandle {
        self.handle.clone()
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Drop for SystemClock {
    fn drop(&mut self) {
        self.stop.abort();
        if let Some(thread) = self.thread.take()
            // A waker may drop the last of a pipeline, and that this.
            && thread.thread().id() != thread::current().id()
        {
            // A waker that panicked has ended it before; the panic hook has told.
            let _ended = thread.join();
        }
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemClock").finish_non_exhaustive()
    }
}

/// A handle on a [`SystemClock`].
#[derive(Clone)]
pub struct SystemClockHandle(Handle);

impl Clock for SystemClockHandle {
    fn now(&self) -> Moment {
        real_now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        wheel_timer(self.0.clone(), waker)
    }
}

impl fmt::Debug for SystemClockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClockHandle")
    }
}
