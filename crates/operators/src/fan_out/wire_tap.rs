//! `wire_tap`: a stream on the side that sees each item, and is never waited for.

use std::fmt;
use std::num::NonZeroUsize;

use millstream_blocks::basin::basin;
use millstream_blocks::cause::current;
use millstream_blocks::gauge::Site;
use millstream_core::{Cause, Fault, Pulled};

use crate::guard::contained;
use crate::overflow::Overflow;
use crate::shape::stage::{Emit, NoBooks, Step};
use crate::source::{Emissions, Emitter};

/// A stream on the side that sees each item, and is never waited for:
/// [`PublisherExt::wire_tap`](crate::PublisherExt::wire_tap).
///
/// ```text
///           wire_tap(|side| ..)
/// up    --1--2--3--4--|
/// down  --1--2--3--4--|
/// side  ^-1--------r1-4--|     2 and 3 are discarded: it did not ask for them in time
/// ```
///
/// The function is given the side as a publisher, and does with it what is to be done: a pipeline
/// that ends in a handle which is [detached](crate::end::Handle::detach), or a subscriber of one's
/// own, by `side.subscribe(subscriber)`. It is called once, when somebody subscribes to this stage,
/// and must not wait.
///
/// The side can neither slow, cancel nor break the main stream. What it does, it does on the thread
/// that sends, before the next stage has the item: what takes its time there goes elsewhere by
/// [`publish_on`](crate::PublisherExt::publish_on). A side that is to see every item, and to be
/// waited for, is one of [`also_to`](crate::PublisherExt::also_to).
///
/// An item is cloned for the side as long as there is one.
///
/// # Demand
/// As downstream's. To the side goes what it asks for; while it asks for nothing the newest item is
/// kept for it.
/// # Completion
/// As upstream. The side completes as well, behind the item that is kept for it.
/// # Errors
/// As upstream; to the side goes a clone, and an echo of a fault. A panic in the function, or in the
/// `Clone` of an item, becomes a fault.
/// # Cancellation
/// As downstream. The side completes then, as there is nothing left to see; where what is downstream
/// failed it is told [`Fault::SourceDropped`]. A side that is cancelled, or dropped without being
/// subscribed to, sees nothing more, and the main stream goes on.
/// # Bounds
/// One item, for the side. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let sum = millstream::from_iter(1..=5)
///     .wire_tap(move |side| {
///         let even = side.filter(|n| n % 2 == 0);
///         even.subscribe_with(move |n| sender.send(n).unwrap(), |never| match never {}, || {})
///             .unbounded()
///             .detach();
///     })
///     .fold(0, |sum, n| sum + n);
/// assert_eq!(sum.block()?, 15);
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [2, 4]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct WireTap<T: 'static, E, F> {
    /// Until somebody subscribes.
    side: Option<F>,
    /// From then on, until either is over.
    tap: Option<Emitter<T, E>>,
    /// Why it was cancelled, where a stage below did.
    cause: Option<Cause>,
    site: Site,
}

impl<T: 'static, E, F> WireTap<T, E, F> {
    #[track_caller]
    pub(crate) fn new(side: F) -> WireTap<T, E, F> {
        WireTap { side: Some(side), tap: None, cause: None, site: Site::here("wire_tap") }
    }
}

impl<T: 'static, E, F> fmt::Debug for WireTap<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireTap").field("tap", &self.tap).finish_non_exhaustive()
    }
}

impl<T: 'static, E, F> Drop for WireTap<T, E, F> {
    fn drop(&mut self) {
        if let Some(tap) = self.tap.take() {
            let failed = self.cause.take().unwrap_or_else(current).is_failure();
            contained(|| if failed { drop(tap) } else { tap.complete() });
        }
    }
}

impl<T, E, F> Step<T, E> for WireTap<T, E, F>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
    F: FnOnce(Emissions<T, E>) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;
    const PULLS: bool = false;

    fn subscribed(&mut self) {
        if let Some(side) = self.side.take() {
            let (inflow, outflow) = basin(NonZeroUsize::MIN);
            self.tap = Some(Emitter::new(inflow, Overflow::latest()));
            side(Emissions::new(outflow, self.site));
        }
    }

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        if let Some(tap) = &self.tap {
            // One that nobody takes any more comes back.
            if tap.is_closed() || tap.emit(item.clone()).is_err() {
                self.tap = None;
            }
        }
        Emit::Item(item)
    }

    fn complete(&mut self) -> Pulled<T, E> {
        if let Some(tap) = self.tap.take() {
            tap.complete();
        }
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        if let Some(tap) = self.tap.take() {
            // Of a side that is over nobody is to be told.
            let _over = tap.fail(error.clone());
        }
        Pulled::Error(error)
    }

    fn cancelled(&mut self, cause: &Cause) {
        self.cause = Some(cause.clone());
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        // Where nobody reads it there is nobody to tell.
        if let Some(tap) = self.tap.take().filter(|tap| !tap.is_closed()) {
            tap.break_off(fault.echo());
        }
        fault
    }
}
