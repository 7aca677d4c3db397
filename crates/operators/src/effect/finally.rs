//! `finally`: a call when all is over, however it ends.

use std::fmt;

use millstream_blocks::cause::current;
use millstream_core::{Cause, Fault, Pulled};

use crate::guard::contained;
use crate::shape::stage::{Emit, NoBooks, Step};

/// A call when all is over, however it ends, exactly once:
/// [`PublisherExt::finally`](crate::PublisherExt::finally).
///
/// ```text
/// up    --1--2--|
/// down  --1--2--|
/// f              Completed
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; the function is called after the next stage was told.
/// # Errors
/// As upstream; the function is called after the next stage was told. A panic in it is reported
/// to the hook of [`on_undelivered`](millstream_core::on_undelivered).
/// # Cancellation
/// As downstream; the function is called on the thread that cleans up, after upstream was
/// cancelled. It is told [why](Cause): downstream needed no more, or failed.
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use millstream::effect::FinallyReason;
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).finally(move |why| sender.send(why).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [FinallyReason::Completed]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// What is above a failure is cancelled, and knows that it was one:
///
/// ```
/// use millstream::effect::FinallyReason;
/// use millstream::prelude::*;
/// use millstream::{Cause, Failure};
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let rows = millstream::from_iter(["1", "2", "x"])
///     .finally(move |why| {
///         let committed = match why {
///             FinallyReason::Completed | FinallyReason::Cancelled(Cause::NoMoreNeeded) => true,
///             _ => false, // rolled back
///         };
///         sender.send(committed).unwrap();
///     });
/// let sum = rows.try_map(|row| row.parse::<u32>()).fold(0, |sum, n| sum + n);
/// assert!(matches!(sum.block(), Err(Failure::Error(_))));
/// assert_eq!(seen.recv(), Ok(false));
/// ```
#[derive(Clone)]
pub struct Finally<F: FnOnce(FinallyReason)> {
    f: Option<F>,
    /// Somebody has subscribed.
    subscribed: bool,
    /// What happened; nothing where it is just dropped.
    reason: Option<FinallyReason>,
}

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinallyReason {
    /// It is complete.
    Completed,
    /// It failed.
    Failed,
    /// Downstream wanted no more, and why.
    Cancelled(Cause),
    /// The pipeline broke.
    Fault,
}

impl<F: FnOnce(FinallyReason)> Finally<F> {
    pub(crate) fn new(f: F) -> Finally<F> {
        Finally { f: Some(f), subscribed: false, reason: None }
    }
}

impl<F: FnOnce(FinallyReason)> fmt::Debug for Finally<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finally").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<F: FnOnce(FinallyReason)> Drop for Finally<F> {
    fn drop(&mut self) {
        if let (true, Some(f)) = (self.subscribed, self.f.take()) {
            let reason = self.reason.take().unwrap_or_else(|| FinallyReason::Cancelled(current()));
            contained(|| f(reason));
        }
    }
}

impl<T, E, F> Step<T, E> for Finally<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(FinallyReason) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;
    const PULLS: bool = false;

    fn subscribed(&mut self) {
        self.subscribed = true;
    }

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
