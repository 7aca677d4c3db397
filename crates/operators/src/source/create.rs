//! `create`: what a function emits, now or later.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::basin::basin;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Fault, Panic, Publisher, Subscriber};

use crate::shape::joined;
use crate::source::{Emitter, Overflow};

/// What a function emits by the [`Emitter`] that it is given, at once or whenever something calls
/// back.
///
/// ```text
/// f     → keeps the emitter
/// emit  ----1--2-3-----complete
/// down  ^r2-1--2----r1-3-|
/// ```
///
/// The function is called for each subscription, when the subscriber has had the time to ask. It
/// may emit from inside, and hand the emitter on. What follows runs on the thread that emits or
/// asks, one at a time. For a source that can wait, see [`channel`](crate::source::channel).
///
/// # Demand
/// As many items are taken out of the queue as are asked for; what is asked can be
/// [seen](Emitter::requested) and [waited for](Emitter::ready).
/// # Completion
/// As for an [`emitter`](crate::source::emitter): by [`complete`](Emitter::complete).
/// # Errors
/// As for an emitter: by [`fail`](Emitter::fail) and [`Overflow::error`], which need a
/// [`try_create`]; an emitter that is dropped without a word is the fault
/// [`SourceDropped`](millstream_core::Fault::SourceDropped). A panic in the function becomes a
/// fault.
/// # Cancellation
/// What is queued is discarded, later items come back, and
/// [`on_close`](Emitter::on_close) says what is to be done.
/// # Bounds
/// `capacity` items for each subscription. What does not fit goes as the [`Overflow`] says.
/// # Panics
/// When `capacity` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::source::Overflow;
///
/// let countdown = millstream::create(1, Overflow::drop_newest(), |emitter| {
///     for n in (1..=3).rev() {
///         emitter.emit(n).unwrap(); // sent at once: all are asked for
///     }
///     emitter.complete();
/// });
/// assert_eq!(countdown.clone().collect::<Vec<_>>().block()?, [3, 2, 1]);
/// assert_eq!(countdown.count().block()?, 3);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Create<F, T, E = Infallible> {
    capacity: NonZeroUsize,
    overflow: Overflow<T, E>,
    site: Site,
    f: F,
}

/// What `f` emits, at once or later. See [`Create`].
#[doc(alias = "push", alias = "fromEventPattern", alias = "unsafeCreate")]
#[track_caller]
pub fn create<T, F>(capacity: usize, overflow: Overflow<T>, f: F) -> Create<F, T>
where
    T: Send + 'static,
    F: FnOnce(Emitter<T>) + Send + 'static,
{
    let capacity = joined::bound("create(0, overflow, f)", capacity);
    Create { capacity, overflow, site: Site::here("create"), f }
}

/// As [`create`], of a stream that can fail.
///
/// ```
/// use millstream::prelude::*;
/// use millstream::source::Overflow;
///
/// let numbers = millstream::try_create(1, Overflow::drop_newest(), |emitter| {
///     emitter.emit(1).unwrap();
///     emitter.fail("no more").unwrap();
/// });
/// assert_eq!(numbers.count().block().unwrap_err().into_error(), Some("no more"));
/// ```
#[track_caller]
pub fn try_create<T, E, F>(capacity: usize, overflow: Overflow<T, E>, f: F) -> Create<F, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Emitter<T, E>) + Send + 'static,
{
    let capacity = joined::bound("try_create(0, overflow, f)", capacity);
    Create { capacity, overflow, site: Site::here("create"), f }
}

impl<F: Clone, T, E> Clone for Create<F, T, E> {
    fn clone(&self) -> Create<F, T, E> {
        let Create { capacity, overflow, site, f } = self;
        Create { capacity: *capacity, overflow: overflow.clone(), site: *site, f: f.clone() }
    }
}

impl<F, T, E> fmt::Debug for Create<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Create")
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

impl<F, T, E> Publisher for Create<F, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Emitter<T, E>) + Send + 'static,
{
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let Create { capacity, overflow, site, f } = self;
        let (inflow, outflow) = basin(capacity);
        let metered = outflow.metered(subscriber);
        join(move |bell, context| outflow.attach(bell, context, site), metered);
        if inflow.is_closed() {
            return;
        }
        // Stays until it is known how `f` ended: an emitter that a panic drops is not the last.
        let mut spare = inflow.clone();
        let emitter = Emitter::new(inflow, overflow);
        match catch_unwind(AssertUnwindSafe(|| f(emitter))) {
            Ok(()) => spare.done(),
            Err(payload) => spare.break_off(Fault::Panicked(Panic::new(payload))),
        }
    }
}
