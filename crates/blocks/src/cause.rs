//! Why something is dropped, for the destructors that run: a cancellation with a cause.
//!
//! To cancel is to drop, and a destructor takes no argument. So the cause stands beside it, on the
//! thread, while what is cancelled is dropped ([`within`]); whoever is above the place is dropped or
//! cancelled in that time, and looks ([`current`]).
//!
//! ```text
//!   a stage fails ─▶ More::CANCEL ─▶ emission: cause()? ─▶ within(Failed) { drop the source }
//!                                                            │ the outlet of a boundary is dropped
//!   thread of the consumer                                   ▼ cancels: notes the cause, closes the word
//!  ──────────────────────────────────────────────────────────┼──────────────────────────────────────
//!   thread of the producer                                   ▼ finds the word closed, reads the note
//!                                          within(Failed) { drop source and stages }
//! ```
//!
//! | who | does |
//! |---|---|
//! | [`emission`](crate::emission), at its end | drops its source within the cause of that end |
//! | a host that is cancelled: [`island`](crate::island), [`task`](crate::task), [`relay`](crate::relay), [`courier`](crate::courier) | the canceller notes the cause before it closes the word; the holder drops within it |
//! | a queue whose reader goes: [`lane`](crate::lane), [`intake`](crate::intake), [`hub`](crate::hub) | leaves the cause before it is closed, for a writer that finds nobody; then cancels upstream |
//! | a destructor that tells somebody else: a leg that goes home, a hub that asks for more | does so [`afresh`] |
//!
//! * **Only destructors run in it**, and what they cancel. Who is told an end by a signal, and
//!   whatever that begins, is outside.
//! * **The first cause stands**: a stream that was cancelled is not cancelled again.
//! * **A panic is a failure**: what is dropped by one that unwinds is dropped for [`Cause::Failed`].
//! * **A source that panics while it is subscribed to** drops its subscriber, which tells that its source
//!   has gone: a destructor does not see the panic. Whoever catches it does. So the destructor leaves
//!   word on the thread ([`gone`]), and whoever [subscribes](subscribing) answers it with the fault.
//! * **It costs nothing per item**, and where no cause is given nothing is locked or allocated. A
//!   cancellation without a cause looks at one variable of its thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use millstream_core::{Cause, Fault, Panic, Upstream};
use millstream_sync::{Mutex, lock, of_each_thread, panicking};

use crate::running::undelivered;

of_each_thread!(CAUSE: RefCell<Cause> = RefCell::new(Cause::NoMoreNeeded));
// Whether there is anything else in it: each stream that ends looks, and that is all it does then.
of_each_thread!(GIVEN: Cell<bool> = Cell::new(false));

fn is_given() -> bool {
    GIVEN.try_with(Cell::get).unwrap_or(false)
}

/// Why what is dropped now is dropped.
#[must_use]
pub fn current() -> Cause {
    if is_given() {
        // A thread that ends has none.
        return CAUSE.try_with(|cause| cause.borrow().clone()).unwrap_or_default();
    }
    if panicking() { Cause::Failed } else { Cause::NoMoreNeeded }
}

/// Calls `f`, which drops or cancels something, for `cause`.
pub fn within<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    let _outer = enter(cause);
    f()
}

/// Until what comes back is dropped, `cause` is the current one. `None` where it was before.
#[inline]
#[must_use = "the cause is gone with it"]
pub(crate) fn enter(cause: Cause) -> Option<Outer> {
    if cause.is_failure() || is_given() { Some(Outer(replace(cause))) } else { None }
}

/// Calls `f`, which is not what the destructor that runs was called for.
pub fn afresh<R>(f: impl FnOnce() -> R) -> R {
    within(Cause::NoMoreNeeded, f)
}

/// Cancels `upstream` for `cause`: it is told, and so is whatever it drops or cancels in its turn.
pub fn cancel(upstream: &dyn Upstream, cause: Cause) {
    within(cause.clone(), || upstream.cancel_because(cause));
}

/// The one before. Neither is dropped here, since a cause is foreign code.
fn replace(cause: Cause) -> Cause {
    let _gone = GIVEN.try_with(|given| given.set(cause.is_failure()));
    CAUSE.try_with(|place| place.replace(cause)).unwrap_or_default()
}

/// Comes back when this is dropped, by a panic too.
pub(crate) struct Outer(Cause);

impl Drop for Outer {
    fn drop(&mut self) {
        drop(replace(std::mem::take(&mut self.0)));
    }
}

type Tell = Box<dyn FnOnce(Fault)>;

// What those leave who are dropped by a panic, while somebody on this thread subscribes.
of_each_thread!(WORDS: RefCell<Option<Vec<Tell>>> = RefCell::new(None));

fn swap_words(words: Option<Vec<Tell>>) -> Option<Vec<Tell>> {
    WORDS.try_with(|place| place.replace(words)).unwrap_or_default()
}

/// Calls `f`, which subscribes to something foreign. Where that panics, whoever it dropped without an
/// end is told so: see [`gone`].
///
/// # Panics
/// As `f`, where nobody was there to be told.
pub fn subscribing(f: impl FnOnce()) {
    let outer = swap_words(Some(Vec::new()));
    let subscribed = catch_unwind(AssertUnwindSafe(f));
    let words = swap_words(outer).unwrap_or_default();
    let fault = match subscribed {
        // Another panic dropped them, which was caught on the way.
        Ok(()) => Fault::SourceDropped,
        Err(payload) if words.is_empty() => resume_unwind(payload),
        Err(payload) => Fault::Panicked(Panic::new(payload)),
    };
    for tell in words {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| tell(fault.echo()))) {
            undelivered(payload);
        }
    }
}

/// For the destructor of a subscriber that is dropped without an end: calls `tell` with
/// [`Fault::SourceDropped`]; or, where a panic in [`subscribing`] drops it, when that is caught, with the
/// panic.
pub fn gone(tell: impl FnOnce(Fault) + 'static) {
    if let Some(tell) = left(tell) {
        afresh(|| tell(Fault::SourceDropped));
    }
}

/// Leaves word for whoever [subscribes](subscribing) on this thread, where a panic unwinds. Else `tell`
/// comes back.
pub(crate) fn left<F: FnOnce(Fault) + 'static>(tell: F) -> Option<F> {
    let mut tell = Some(tell);
    if panicking() {
        let _left = WORDS.try_with(|words| {
            if let Some(words) = &mut *words.borrow_mut() {
                words.extend(tell.take().map(|tell| Box::new(tell) as Tell));
            }
        });
    }
    tell
}

/// A place for the cause of a cancellation that somebody else carries out.
#[derive(Default)]
pub(crate) struct Note(Cause);

impl Note {
    /// Leaves the current cause under the lock of `place`, if there is one. To be done before the
    /// word is closed, or the queue: whoever finds it closed finds the note.
    pub(crate) fn leave<T>(place: &Mutex<T>, note: impl FnOnce(&mut T) -> &mut Note) {
        let cause = current();
        if cause.is_failure() {
            note(&mut lock(place)).put(cause);
        }
    }

    /// The first stands.
    pub(crate) fn put(&mut self, cause: Cause) {
        if !self.0.is_failure() {
            self.0 = cause;
        }
    }

    pub(crate) fn get(&self) -> Cause {
        self.0.clone()
    }
}
