//! `log`: all signals as events.

use std::borrow::Cow;
use std::fmt;

use millstream_blocks::cause::current;
use millstream_core::{Cause, Fault, More, Pulled};
use tracing::{debug, trace};

use crate::shape::stage::{Emit, NoBooks, Step};

/// All signals as events of `tracing`, with a name; needs the feature `tracing`:
/// [`PublisherExt::log`](crate::PublisherExt::log).
///
/// ```text
/// up    --1--2--|
/// log   subscribed, next 1, next 2, complete
/// down  --1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream; the event has the cause.
/// # Bounds
/// Holds the name. Items and demand are events of the level `TRACE`, the others of `DEBUG`. Its
/// publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2).log("numbers");
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Log {
    name: Cow<'static, str>,
    /// Subscribed, and neither ended nor failed.
    running: bool,
    /// Why it was cancelled, where a stage below did.
    cause: Option<Cause>,
}

impl Log {
    pub(crate) fn new(name: Cow<'static, str>) -> Log {
        Log { name, running: false, cause: None }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.running {
            let cause = self.cause.take().unwrap_or_else(current);
            debug!(stream = %self.name, %cause, "cancelled");
        }
    }
}

impl<T, E> Step<T, E> for Log
where
    T: fmt::Debug + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;
    const PULLS: bool = false;

    fn subscribed(&mut self) {
        self.running = true;
        debug!(stream = %self.name, "subscribed");
    }

    fn next(&mut self, item: T) -> Emit<T, T, E> {
        trace!(stream = %self.name, ?item, "next");
        Emit::Item(item)
    }

    fn demand(&mut self, more: More) -> More {
        if let Some(demand) = more.demand() {
            trace!(stream = %self.name, %demand, "request");
        }
        more
    }

    fn complete(&mut self) -> Pulled<T, E> {
        self.running = false;
        debug!(stream = %self.name, "complete");
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        self.running = false;
        debug!(stream = %self.name, ?error, "error");
        Pulled::Error(error)
    }

    fn cancelled(&mut self, cause: &Cause) {
        self.cause = Some(cause.clone());
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.running = false;
        debug!(stream = %self.name, %fault, "fault");
        fault
    }
}
