//! `inspect_cancel`: a call when downstream cancels.

use std::fmt;

use millstream_blocks::cause::current;
use millstream_core::{Cause, Fault, Pulled};

use crate::guard::contained;
use crate::shape::stage::{Emit, NoBooks, Step};

/// A call when downstream cancels:
/// [`PublisherExt::inspect_cancel`](crate::PublisherExt::inspect_cancel).
///
/// ```text
/// up    --1--2--!
/// f             cause
/// down  --1--2--!
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream; then it is not called.
/// # Errors
/// As upstream; then it is not called. A panic in the function is reported to the hook of
/// [`on_undelivered`](millstream_core::on_undelivered).
/// # Cancellation
/// As downstream; the function is called once, on the thread that cleans up, after upstream was
/// cancelled, and told why: downstream needed no more, or failed, or whatever whoever cancelled
/// [said](millstream_core::Subscription::cancel_because).
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use millstream::Cause;
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).inspect_cancel(move |why| sender.send(why).unwrap());
/// numbers.take(2).collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [Cause::NoMoreNeeded]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectCancel<F: FnMut(Cause)> {
    f: F,
    /// Subscribed, and neither ended nor failed.
    running: bool,
    /// Why it was cancelled, where a stage below did.
    cause: Option<Cause>,
}

impl<F: FnMut(Cause)> InspectCancel<F> {
    pub(crate) fn new(f: F) -> InspectCancel<F> {
        InspectCancel { f, running: false, cause: None }
    }
}

impl<F: FnMut(Cause)> fmt::Debug for InspectCancel<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectCancel").field("running", &self.running).finish_non_exhaustive()
    }
}

impl<F: FnMut(Cause)> Drop for InspectCancel<F> {
    fn drop(&mut self) {
        if self.running {
            let cause = self.cause.take().unwrap_or_else(current);
            contained(|| (self.f)(cause));
        }
    }
}

impl<T, E, F> Step<T, E> for InspectCancel<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(Cause) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;
    const PULLS: bool = false;

    fn subscribed(&mut self) {
        self.running = true;
    }

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn complete(&mut self) -> Pulled<T, E> {
        self.running = false;
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        self.running = false;
        Pulled::Error(error)
    }

    fn cancelled(&mut self, cause: &Cause) {
        self.cause = Some(cause.clone());
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.running = false;
        fault
    }
}
