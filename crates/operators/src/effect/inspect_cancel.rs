//! `inspect_cancel`: a call when downstream cancels.

use std::fmt;

use millstream_core::{Fault, Pulled};

use crate::guard::contained;
use crate::shape::stage::{Emit, NoBooks, Step};

/// A call when downstream cancels:
/// [`PublisherExt::inspect_cancel`](crate::PublisherExt::inspect_cancel).
///
/// ```text
/// up    --1--2--!
/// f             f()
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
/// cancelled.
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).inspect_cancel(move || sender.send(()).unwrap()).take(2);
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().count(), 1);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectCancel<F: FnMut()> {
    f: F,
    /// Subscribed, and neither ended nor failed.
    running: bool,
}

impl<F: FnMut()> InspectCancel<F> {
    pub(crate) fn new(f: F) -> InspectCancel<F> {
        InspectCancel { f, running: false }
    }
}

impl<F: FnMut()> fmt::Debug for InspectCancel<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectCancel").field("running", &self.running).finish_non_exhaustive()
    }
}

impl<F: FnMut()> Drop for InspectCancel<F> {
    fn drop(&mut self) {
        if self.running {
            contained(&mut self.f);
        }
    }
}

impl<T, E, F> Step<T, E> for InspectCancel<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut() + Send + 'static,
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

    fn fault(&mut self, fault: Fault) -> Fault {
        self.running = false;
        fault
    }
}
