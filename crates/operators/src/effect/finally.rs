//! `finally`: a call when all is over, however it ends.

use std::fmt;

use millstream_core::{Fault, Pulled};

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
/// cancelled.
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
#[derive(Clone)]
pub struct Finally<F: FnOnce(FinallyReason)> {
    f: Option<F>,
    /// What it is for as long as nothing else happens; none before somebody subscribes.
    reason: Option<FinallyReason>,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinallyReason {
    /// It is complete.
    Completed,
    /// It failed.
    Failed,
    /// Downstream wanted no more.
    Cancelled,
    /// The pipeline broke.
    Fault,
}

impl<F: FnOnce(FinallyReason)> Finally<F> {
    pub(crate) fn new(f: F) -> Finally<F> {
        Finally { f: Some(f), reason: None }
    }
}

impl<F: FnOnce(FinallyReason)> fmt::Debug for Finally<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finally").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<F: FnOnce(FinallyReason)> Drop for Finally<F> {
    fn drop(&mut self) {
        if let (Some(reason), Some(f)) = (self.reason, self.f.take()) {
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
        self.reason = Some(FinallyReason::Cancelled);
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

    fn fault(&mut self, fault: Fault) -> Fault {
        self.reason = Some(FinallyReason::Fault);
        fault
    }
}
