//! `emitter`: what is called out from elsewhere, by somebody who cannot wait.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::basin::{Inflow, Outflow, basin};
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Demand, Fault, Panic, Publisher, Subscriber};

use crate::overflow::{Overflow, Put};
use crate::shape::joined;
use crate::source::SendError;

/// The items of [`Emitter`]s, which never wait: where there is no room, an [`Overflow`] says what
/// goes.
///
/// ```text
/// emitter(2, Overflow::drop_oldest())
/// emit  --1-2-3-4--complete
/// down  ^---------r3-3-4-|
/// ```
///
/// For callbacks, ticks and sensors, whose source cannot be slowed down; a source that can wait is
/// better off with a [`channel`](crate::source::channel). The demand is
/// [there to see](Emitter::requested), and to [wait for](Emitter::ready). What follows runs on the
/// thread that emits or asks, one at a time. An item that is emitted from inside a signal of the
/// same stream is queued, and follows when that signal has returned.
///
/// # Demand
/// As many items are taken out of the queue as are asked for.
/// # Completion
/// Behind what is queued, without demand of its own: when all emitters are gone and each has said
/// that it is [done](Emitter::complete), or by [`close`](Emitter::close).
/// # Errors
/// Behind what is queued: by [`fail`](Emitter::fail), or by [`Overflow::error`], and both need a
/// [`try_emitter`]. When an emitter was dropped that did not say that it was done, the end is the
/// fault [`SourceDropped`](millstream_core::Fault::SourceDropped), once the last has gone.
/// # Cancellation
/// What is queued is discarded, and later items come back. To drop the publisher without
/// subscribing to it is the same.
/// # Bounds
/// `capacity` items. One allocation, one per subscription, and what the queue grows to.
/// # Panics
/// When `capacity` is zero. A panic in a function of the overflow, or in one that is told of
/// demand, becomes a fault.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::source::Overflow;
///
/// let (sensor, readings) = millstream::emitter(2, Overflow::drop_oldest());
/// for reading in 1..=5 {
///     sensor.emit(reading)?;
/// }
/// assert_eq!(sensor.dropped(), 3);
/// sensor.complete();
/// assert_eq!(readings.collect::<Vec<_>>().block().unwrap(), [4, 5]);
/// # Ok::<(), millstream::source::SendError<i32>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Emissions<T: 'static, E = Infallible> {
    outflow: Outflow<T, E>,
    site: Site,
}

/// What is called out from elsewhere, by somebody who cannot wait: an emitter, which can be
/// cloned, and the publisher of what they emit. See [`Emissions`].
#[doc(alias = "tryEmitNext", alias = "Source.actorRef", alias = "PublishProcessor")]
#[doc(alias = "onBackpressureDrop", alias = "onBackpressureLatest")]
#[track_caller]
pub fn emitter<T: Send + 'static>(
    capacity: usize,
    overflow: Overflow<T>,
) -> (Emitter<T>, Emissions<T>) {
    made("emitter(0, overflow)", capacity, overflow, Site::here("emitter"))
}

/// As [`emitter`], of a stream that can fail.
///
/// ```
/// use millstream::prelude::*;
/// use millstream::source::Overflow;
///
/// let overflow = Overflow::error(|n: u32| format!("no room for {n}"));
/// let (emitter, numbers) = millstream::try_emitter(1, overflow);
/// emitter.emit(1)?;
/// emitter.emit(2)?;
/// let failure = numbers.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(failure.into_error().as_deref(), Some("no room for 2"));
/// # Ok::<(), millstream::source::SendError<u32>>(())
/// ```
#[track_caller]
pub fn try_emitter<T, E>(
    capacity: usize,
    overflow: Overflow<T, E>,
) -> (Emitter<T, E>, Emissions<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    made("try_emitter(0, overflow)", capacity, overflow, Site::here("emitter"))
}

#[track_caller]
fn made<T, E>(
    what: &str,
    capacity: usize,
    overflow: Overflow<T, E>,
    site: Site,
) -> (Emitter<T, E>, Emissions<T, E>) {
    let (inflow, outflow) = basin(joined::bound(what, capacity));
    (Emitter::new(inflow, overflow), Emissions { outflow, site })
}

impl<T: 'static, E> Emissions<T, E> {
    pub(crate) fn new(outflow: Outflow<T, E>, site: Site) -> Emissions<T, E> {
        Emissions { outflow, site }
    }
}

impl<T: 'static, E> fmt::Debug for Emissions<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emissions").finish_non_exhaustive()
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Emissions<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let Emissions { outflow, site } = self;
        let metered = outflow.metered(subscriber);
        join(move |bell, context| outflow.attach(bell, context, site), metered);
    }
}

/// What became of an item that was emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emitted {
    /// It is queued, or was sent.
    Taken,
    /// There was no room: what the overflow says was done.
    Overflowed,
}

/// Emits the items of [`Emissions`] or of a [`create`](crate::source::create). Clones emit to the
/// same stream.
///
/// An emitter ends by [`complete`](Emitter::complete); dropping it says that something went wrong,
/// unless it [completes on drop](Emitter::complete_on_drop).
pub struct Emitter<T, E = Infallible> {
    inflow: Inflow<T, E>,
    overflow: Overflow<T, E>,
    completes_on_drop: bool,
}

impl<T, E> Emitter<T, E> {
    pub(crate) fn new(inflow: Inflow<T, E>, overflow: Overflow<T, E>) -> Emitter<T, E> {
        Emitter { inflow, overflow, completes_on_drop: false }
    }

    /// Breaks the stream off by `fault`, at once.
    pub(crate) fn break_off(&self, fault: Fault) {
        self.inflow.break_off(fault);
    }

    /// Emits an item. Returns when it is queued, and sent if nobody else is sending; or when what the
    /// overflow says was done.
    ///
    /// # Errors
    /// The item, where nothing more is taken in: the stream has ended, or nobody receives it.
    pub fn emit(&self, item: T) -> Result<Emitted, SendError<T>>
    where
        T: 'static,
    {
        // A panic in a function of the user breaks the stream, not whoever emits.
        match catch_unwind(AssertUnwindSafe(|| self.overflow.put(item, &self.inflow))) {
            Ok(Ok(Put::Taken)) => Ok(Emitted::Taken),
            Ok(Ok(Put::Overflowed | Put::Failed)) => Ok(Emitted::Overflowed),
            Ok(Err(item)) => Err(SendError(item)),
            Err(payload) => {
                self.inflow.break_off(Fault::Panicked(Panic::new(payload)));
                Ok(Emitted::Overflowed)
            }
        }
    }

    /// How many items are asked for and not queued yet, as far as there is room: so many can be
    /// emitted now, from inside a signal too, and none overflows.
    #[doc(alias = "requestedFromDownstream")]
    #[must_use]
    pub fn requested(&self) -> u64 {
        self.inflow.wanted()
    }

    /// Waits until an item is asked for; `false` where nothing more is taken in. Of several
    /// emitters that wait all are told of the same demand.
    ///
    /// ```
    /// use millstream::executor::{CurrentThread, Executor};
    /// use millstream::prelude::*;
    /// use millstream::source::Overflow;
    ///
    /// let executor = CurrentThread::new();
    /// let (emitter, numbers) = millstream::emitter(1, Overflow::drop_newest());
    /// executor.handle().spawn(Box::pin(async move {
    ///     let mut n = 0;
    ///     while emitter.ready().await {
    ///         emitter.emit(n).unwrap();
    ///         n += 1;
    ///     }
    ///     assert_eq!(emitter.dropped(), 0);
    /// }))?;
    /// assert_eq!(executor.run_until(numbers.take(3).collect::<Vec<_>>())?, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn ready(&self) -> bool {
        self.inflow.ready().await;
        !self.inflow.is_closed()
    }

    /// Tells `f` of demand, serially: of what is [asked for](Emitter::requested) now, and then of
    /// what comes, each time that nothing is queued. It is never told of more than there is room
    /// for, so who emits as much as it was told, there or later, never overflows. It takes the
    /// place of the one before.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::source::Overflow;
    ///
    /// // Made when it is asked for.
    /// let numbers = millstream::create(16, Overflow::drop_newest(), |emitter| {
    ///     let (emits, mut n) = (emitter.clone().complete_on_drop(), 0);
    ///     emitter.on_request(move |demand| {
    ///         for _ in 0..demand.get() {
    ///             let _closed = emits.emit(n);
    ///             n += 1;
    ///         }
    ///     });
    ///     emitter.complete();
    /// });
    /// let sum = numbers.take(1_000).fold(0, |sum, n| sum + n).block()?;
    /// assert_eq!(sum, 499_500);
    /// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
    /// ```
    pub fn on_request(&self, f: impl FnMut(Demand) + Send + 'static) {
        self.inflow.on_request(f);
    }

    /// Calls `f` once, when nothing more is taken in; now, if that is so. For what has to be
    /// unregistered. A panic of it is [reported](millstream_core::on_undelivered).
    #[doc(alias = "onDispose", alias = "onCancel", alias = "setCancellable")]
    pub fn on_close(&self, f: impl FnOnce() + Send + 'static) {
        self.inflow.on_close(f);
    }

    /// Waits until nothing more is taken in.
    pub async fn closed(&self) {
        self.inflow.closed().await;
    }

    /// Whether nothing more is taken in: the stream has ended, or nobody receives it.
    #[doc(alias = "isCancelled", alias = "isDisposed")]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inflow.is_closed()
    }

    /// This emitter is done. The stream completes when all are, behind what is queued.
    pub fn complete(mut self) {
        self.inflow.done();
    }

    /// Completes the stream now, behind what is queued, whatever other emitters still have to
    /// emit; `false` where it was over already.
    pub fn close(&self) -> bool {
        self.inflow.complete()
    }

    /// Fails the stream, behind what is queued.
    ///
    /// # Errors
    /// The error, where the stream was over already and nobody is to be told.
    pub fn fail(self, error: E) -> Result<(), E> {
        self.inflow.fail(error)
    }

    /// From here on dropping this emitter, or a clone made of it, is as good as
    /// [`complete`](Emitter::complete), but while its thread unwinds.
    #[must_use = "it is the emitter that is given back which completes on drop"]
    pub fn complete_on_drop(mut self) -> Emitter<T, E> {
        self.completes_on_drop = true;
        self
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inflow.capacity()
    }

    /// How many items are queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inflow.len()
    }

    /// Whether no item is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inflow.is_empty()
    }

    /// How many items all emitters of this stream have emitted, those that were dropped at once
    /// apart.
    #[must_use]
    pub fn emitted(&self) -> u64 {
        self.inflow.counts().taken
    }

    /// How many items were dropped, or failed the stream, because there was no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inflow.counts().spilled
    }
}

impl<T, E> Clone for Emitter<T, E> {
    fn clone(&self) -> Emitter<T, E> {
        Emitter {
            inflow: self.inflow.clone(),
            overflow: self.overflow.clone(),
            completes_on_drop: self.completes_on_drop,
        }
    }
}

impl<T, E> Drop for Emitter<T, E> {
    fn drop(&mut self) {
        if self.completes_on_drop && !std::thread::panicking() {
            self.inflow.done();
        }
    }
}

impl<T, E> fmt::Debug for Emitter<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("overflow", &self.overflow)
            .field("capacity", &self.capacity())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
