//! [`Overflow`]: what becomes of an item for which there is no room.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use millstream_blocks::basin::{Inflow, Restored, Spill, Spilled};
use millstream_blocks::intake::Filled;

/// What becomes of an item for which there is no room, where its source does not wait: in an
/// [`emitter`](crate::source::emitter) and a [`create`](crate::source::create), and in a
/// [`buffered_queue`](crate::PublisherExt::buffered_queue).
///
/// | policy | what is queued | the item that comes | told to [`on_drop`](Overflow::on_drop) |
/// |---|---|---|---|
/// | [`drop_newest`](Overflow::drop_newest) | stays | is dropped | the item, [`Newest`](DropReason::Newest) |
/// | [`drop_oldest`](Overflow::drop_oldest) | the oldest is dropped | is queued | the oldest, [`Oldest`](DropReason::Oldest) |
/// | [`drop_all`](Overflow::drop_all), [`latest`](Overflow::latest) | all are dropped | is queued | each of them, [`Superseded`](DropReason::Superseded) |
/// | [`reduce`](Overflow::reduce) | the newest is merged | with the item | nothing |
/// | [`error`](Overflow::error) | stays, and is delivered first | is made into the error | nothing |
///
/// What is dropped goes to the function that was given to [`on_drop`](Overflow::on_drop), and
/// without one to the hook of [`on_discard`](crate::PublisherExt::on_discard) downstream. How many
/// were dropped, and the most that were queued at a time, is in the row of the stage on a
/// [board](crate::PublisherExt::observed), and for an emitter also in
/// [`dropped`](crate::source::Emitter::dropped).
///
/// The functions run on the thread that sends, with nothing locked. A panic in one of them breaks
/// the stream, by a fault.
pub struct Overflow<T, E = Infallible> {
    policy: Policy<T, E>,
    on_drop: Option<Arc<OnDrop<T>>>,
}

enum Policy<T, E> {
    Spill(Spill),
    Error(Arc<dyn Fn(T) -> E + Send + Sync>),
    Reduce(Arc<dyn Fn(T, T) -> T + Send + Sync>),
}

type OnDrop<T> = dyn Fn(T, DropReason) + Send + Sync;

/// Why an item was dropped.
#[doc(alias = "Dropped")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// It came when there was no room.
    Newest,
    /// It was the oldest when there was no room for another.
    Oldest,
    /// A later one takes the place of all that were queued.
    Superseded,
}

/// What was done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is queued, or in an item that is.
    Taken,
    /// There was no room: something was dropped.
    Overflowed,
    /// There was no room, and the stream fails for it.
    Failed,
}

impl<T, E> Overflow<T, E> {
    /// What is queued stays; the item that comes is dropped.
    #[doc(alias = "onBackpressureDrop", alias = "dropNew", alias = "DROP_LATEST")]
    #[must_use]
    pub fn drop_newest() -> Overflow<T, E> {
        Overflow::of(Policy::Spill(Spill::Newest))
    }

    /// The oldest item is dropped, and the one that comes is queued.
    #[doc(alias = "dropHead", alias = "DROP_OLDEST")]
    #[must_use]
    pub fn drop_oldest() -> Overflow<T, E> {
        Overflow::of(Policy::Spill(Spill::Oldest))
    }

    /// All that is queued is dropped, and the one that comes is queued.
    #[doc(alias = "dropBuffer")]
    #[must_use]
    pub fn drop_all() -> Overflow<T, E> {
        Overflow::of(Policy::Spill(Spill::All))
    }

    /// As [`drop_all`](Overflow::drop_all), by the name that it has with a capacity of one: the
    /// latest is what is kept.
    #[doc(alias = "onBackpressureLatest", alias = "conflate")]
    #[must_use]
    pub fn latest() -> Overflow<T, E> {
        Overflow::drop_all()
    }

    /// The stream fails, behind what is queued, with what `error` makes of the item that comes.
    /// Nothing more is taken in, and an upstream is cancelled at once.
    ///
    /// The error is of the stream's own type: a stage adds it to those of its upstream. Where that
    /// never fails, [`map_err`](crate::PublisherExt::map_err) before the stage gives it a type of
    /// error.
    #[doc(alias = "onBackpressureError", alias = "fail")]
    #[must_use]
    pub fn error(error: impl Fn(T) -> E + Send + Sync + 'static) -> Overflow<T, E> {
        Overflow::of(Policy::Error(Arc::new(error)))
    }

    /// The newest item that is queued and the one that comes become one, by `reduce`, which is
    /// queued in their place. Nothing is dropped.
    ///
    /// Where several emit at a time, and one of them finds that others have filled the place in the
    /// meantime, what it has is merged with the newest of those as well: then items that were
    /// emitted one after another on different threads may be merged in another order.
    #[doc(alias = "onBackpressureReduce", alias = "conflate")]
    #[must_use]
    pub fn reduce(reduce: impl Fn(T, T) -> T + Send + Sync + 'static) -> Overflow<T, E> {
        Overflow::of(Policy::Reduce(Arc::new(reduce)))
    }

    /// Hands each item that is dropped to `f`, and says why. On the thread that sends.
    #[must_use]
    pub fn on_drop(mut self, f: impl Fn(T, DropReason) + Send + Sync + 'static) -> Overflow<T, E> {
        self.on_drop = Some(Arc::new(f));
        self
    }

    fn of(policy: Policy<T, E>) -> Overflow<T, E> {
        Overflow { policy, on_drop: None }
    }
}

impl<T: 'static, E> Overflow<T, E> {
    /// Puts `item` into a queue. It comes back where nothing more is taken in.
    pub(crate) fn put(&self, item: T, inflow: &Inflow<T, E>) -> Result<Put, T> {
        let spill = match &self.policy {
            Policy::Spill(spill) => *spill,
            Policy::Reduce(reduce) => match inflow.withdraw() {
                Some((newest, mut place)) => {
                    let mut merged = reduce(newest, item);
                    loop {
                        match place.restore(merged) {
                            Restored::Queued => return Ok(Put::Taken),
                            Restored::Gone(item) => return Err(item),
                            Restored::Filled(item, newer, again) => {
                                merged = reduce(item, newer);
                                place = again;
                            }
                        }
                    }
                }
                None => Spill::Newest,
            },
            Policy::Error(_) => Spill::Newest,
        };
        match inflow.put(item, spill)? {
            Spilled::Nothing => Ok(Put::Taken),
            spilled => self.overflowed(spilled, inflow),
        }
    }

    #[cold]
    fn overflowed(&self, spilled: Spilled<T>, inflow: &Inflow<T, E>) -> Result<Put, T> {
        let reason = match spilled {
            Spilled::All(_) => DropReason::Superseded,
            _ if matches!(self.policy, Policy::Spill(Spill::Oldest)) => DropReason::Oldest,
            _ => DropReason::Newest,
        };
        let told = |item| match &self.on_drop {
            Some(on_drop) => on_drop(item, reason),
            None => inflow.discard(item),
        };
        match (spilled, &self.policy) {
            (Spilled::Nothing, _) => {}
            (Spilled::One(item), Policy::Error(error)) => {
                // One that came before stands.
                let _second = inflow.fail(error(item));
                return Ok(Put::Failed);
            }
            // Others have filled the place since it was seen to be free.
            (Spilled::One(item), Policy::Reduce(_)) => return self.put(item, inflow),
            (Spilled::One(item), _) => told(item),
            (Spilled::All(items), _) => items.into_iter().for_each(told),
        }
        Ok(Put::Overflowed)
    }

    /// As [`put`](Overflow::put), for an intake.
    pub(crate) fn fill(&self, item: T, inflow: &Inflow<T, E>) -> Filled<T> {
        match self.put(item, inflow) {
            Ok(Put::Taken | Put::Overflowed) => Filled::On,
            Ok(Put::Failed) => Filled::Failed,
            Err(item) => Filled::Refused(item),
        }
    }
}

impl<T, E> Clone for Overflow<T, E> {
    fn clone(&self) -> Overflow<T, E> {
        let policy = match &self.policy {
            Policy::Spill(spill) => Policy::Spill(*spill),
            Policy::Error(error) => Policy::Error(error.clone()),
            Policy::Reduce(reduce) => Policy::Reduce(reduce.clone()),
        };
        Overflow { policy, on_drop: self.on_drop.clone() }
    }
}

impl<T, E> fmt::Debug for Overflow<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.policy {
            Policy::Spill(Spill::Newest) => "Overflow(drops the newest)",
            Policy::Spill(Spill::Oldest) => "Overflow(drops the oldest)",
            Policy::Spill(Spill::All) => "Overflow(keeps the latest)",
            Policy::Error(_) => "Overflow(fails)",
            Policy::Reduce(_) => "Overflow(merges)",
        })
    }
}

/// Upstream waits while there is no room: for a
/// [`buffered_queue`](crate::PublisherExt::buffered_queue). Nothing is dropped, and nothing fails.
///
/// An emitter cannot wait, and takes an [`Overflow`]; what waits is a
/// [`channel`](crate::source::channel).
#[doc(alias = "backpressure")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backpressure;

/// What a [`buffered_queue`](crate::PublisherExt::buffered_queue) does when it is full:
/// [`Backpressure`], or an [`Overflow`], which become one by `into`.
#[doc(alias = "OverflowStrategy", alias = "BackpressureOverflowStrategy")]
pub enum WhenFull<T, E = Infallible> {
    /// Upstream waits.
    Waits(Backpressure),
    /// Upstream does not wait.
    Overflows(Overflow<T, E>),
}

impl<T, E> From<Backpressure> for WhenFull<T, E> {
    fn from(waits: Backpressure) -> WhenFull<T, E> {
        WhenFull::Waits(waits)
    }
}

impl<T, E> From<Overflow<T, E>> for WhenFull<T, E> {
    fn from(overflow: Overflow<T, E>) -> WhenFull<T, E> {
        WhenFull::Overflows(overflow)
    }
}

impl<T, E> Clone for WhenFull<T, E> {
    fn clone(&self) -> WhenFull<T, E> {
        match self {
            WhenFull::Waits(waits) => WhenFull::Waits(*waits),
            WhenFull::Overflows(overflow) => WhenFull::Overflows(overflow.clone()),
        }
    }
}

impl<T, E> fmt::Debug for WhenFull<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhenFull::Waits(waits) => waits.fmt(f),
            WhenFull::Overflows(overflow) => overflow.fmt(f),
        }
    }
}
