//! `watch_end`: a future of how a stream ends.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_blocks::cause::current;
use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_core::{Cause, Fault, Pulled};

use crate::effect::FinallyReason;
use crate::guard::contained;
use crate::shape::stage::{Emit, NoBooks, Step};

/// A future of how the stream ends, for whoever is not part of it:
/// [`PublisherExt::watch_end`](crate::PublisherExt::watch_end).
///
/// ```text
/// up      --1--2--|
/// down    --1--2--|
/// future          Completed
/// ```
///
/// The future may be awaited anywhere, and dropped: that does not touch the stream. It is ready when
/// [`finally`](crate::PublisherExt::finally) in its place would be called: after the next stage was
/// told.
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; then the future is ready.
/// # Errors
/// As upstream; the future says whether it failed or broke, and the error itself goes downstream.
/// # Cancellation
/// As downstream; the future is ready after upstream was cancelled, and says [why](Cause). A publisher that is dropped and
/// was never subscribed to counts as cancelled.
/// # Bounds
/// Holds nothing. One allocation. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::effect::FinallyReason;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
/// use millstream::Cause;
///
/// let (numbers, end) = millstream::from_iter(1..=3).watch_end();
/// assert_eq!(numbers.take(2).collect::<Vec<_>>().block()?, [1, 2]);
/// let why = CurrentThread::new().run_until(end);
/// assert_eq!(why, FinallyReason::Cancelled(Cause::NoMoreNeeded));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub struct WatchEnd {
    /// Here until it is over.
    completer: Option<Completer<FinallyReason>>,
    /// What happened; nothing where it is just dropped.
    reason: Option<FinallyReason>,
}

/// How a watched stream ends, when it has: see [`WatchEnd`].
#[must_use = "futures do nothing unless they are polled"]
pub struct EndWatch(Outcome<FinallyReason>);

impl WatchEnd {
    pub(crate) fn new() -> (WatchEnd, EndWatch) {
        let (completer, outcome) = outcome();
        let watch = WatchEnd { completer: Some(completer), reason: None };
        (watch, EndWatch(outcome))
    }
}

impl Drop for WatchEnd {
    fn drop(&mut self) {
        if let Some(completer) = self.completer.take() {
            let reason = self.reason.take().unwrap_or_else(|| FinallyReason::Cancelled(current()));
            // It wakes whoever waits, which is foreign code.
            contained(|| completer.complete(reason));
        }
    }
}

impl fmt::Debug for WatchEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchEnd").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl fmt::Debug for EndWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndWatch")
    }
}

impl Future for EndWatch {
    type Output = FinallyReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<FinallyReason> {
        let cancelled = || FinallyReason::Cancelled(Cause::NoMoreNeeded);
        self.0.poll(context).map(|reason| reason.unwrap_or_else(cancelled))
    }
}

impl<T, E> Step<T, E> for WatchEnd
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn complete(&mut self) -> Pulled<T, E> {
        self.reason = Some(FinallyReason::Completed);
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        self.reason = Some(FinallyReason::Failed);
        Pulled::Error(error)
    }

    fn cancelled(&mut self, cause: &Cause) {
        self.reason = Some(FinallyReason::Cancelled(cause.clone()));
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.reason = Some(FinallyReason::Fault);
        fault
    }
}
