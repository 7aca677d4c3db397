//! How a queue that others fill from outside comes to its end: a part of [`funnel`](crate::funnel)
//! and `basin`, which keep it under their lock.
//!
//! It ends once: by the first of a completion for all, a failure, the last writer that goes, and
//! the reader's going. Whoever brings it gives back what does not count any more.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_core::{Fault, Pulled};
use millstream_sync::{Mutex, lock};

use crate::bell::Bell;
use crate::gauge::{Gauge, Levels, Queue, Reading, Site, State};

/// How the items end.
#[derive(Debug)]
pub(crate) enum Ending<E> {
    Complete,
    Error(E),
    /// The last writer has gone, and one of them did not say that it was done.
    Dropped,
}

/// See the [module](self).
pub(crate) struct Ends<E> {
    writers: usize,
    /// A writer went away without saying that it was done.
    lost: bool,
    /// Nothing more is taken in: the end is known, or the reader has gone.
    closed: bool,
    end: Option<Ending<E>>,
    bell: Option<Bell>,
    /// Those that wait for the queue to be closed.
    pub(crate) watching: Wakers,
}

impl<E> Ends<E> {
    /// Of one writer.
    pub(crate) fn new() -> Ends<E> {
        let watching = Wakers::default();
        Ends { writers: 1, lost: false, closed: false, end: None, bell: None, watching }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Another writer.
    pub(crate) fn enter(&mut self) {
        self.writers += 1;
    }

    /// A writer goes; the end, if it was the last.
    pub(crate) fn leave(&mut self, done: bool) -> Option<Ending<E>> {
        self.writers -= 1;
        self.lost |= !done;
        let end = if self.lost { Ending::Dropped } else { Ending::Complete };
        (self.writers == 0).then_some(end)
    }

    /// Brings the end: those that waited for it, or the end where it does not count any more.
    pub(crate) fn shut(&mut self, ending: Ending<E>) -> Result<Vec<Waker>, Ending<E>> {
        if self.closed {
            return Err(ending);
        }
        self.closed = true;
        self.end = Some(ending);
        Ok(self.watching.take())
    }

    /// The reader goes: those that waited for it, and what is to be dropped outside of the lock.
    pub(crate) fn abandon(&mut self) -> (Vec<Waker>, impl Sized + use<E>) {
        self.closed = true;
        (self.watching.take(), (self.end.take(), self.bell.take()))
    }

    /// Whom to tell; the bell before is to be dropped outside of the lock.
    pub(crate) fn attach(&mut self, bell: Bell) -> Option<Bell> {
        self.bell.replace(bell)
    }

    pub(crate) fn bell(&self) -> Option<Bell> {
        self.bell.clone()
    }

    /// For the reader, behind the last item.
    pub(crate) fn take(&mut self) -> Taken<E> {
        Taken { end: self.end.take(), bell: self.bell() }
    }
}

/// The end, out of the lock.
pub(crate) struct Taken<E> {
    end: Option<Ending<E>>,
    bell: Option<Bell>,
}

impl<E> Taken<E> {
    /// How far that is, for whoever looks; a lost writer breaks the stream.
    pub(crate) fn state(&self) -> Option<State> {
        self.end.as_ref().map(|end| match end {
            Ending::Complete => State::Completed,
            Ending::Error(_) => State::Failed,
            Ending::Dropped => State::Broken,
        })
    }

    /// What a pull comes to. A lost writer is a fault, which no pull can tell: the host is the one
    /// that pulls, takes note, and ends when this returns.
    pub(crate) fn pulled<T>(self) -> Pulled<T, E> {
        match (self.end, self.bell) {
            (Some(Ending::Error(error)), _) => Pulled::Error(error),
            (Some(Ending::Dropped), Some(bell)) => {
                bell.fail(Fault::SourceDropped);
                Pulled::Pending
            }
            _ => Pulled::Complete,
        }
    }
}

/// What whoever looks is told of a queue, where somebody looks: for its reader.
pub(crate) struct Watch {
    reading: Reading,
    end: Option<State>,
    /// The line has not ended before.
    _gauge: Gauge,
}

impl Watch {
    /// Of a queue that the host of `bell` runs.
    pub(crate) fn of(
        bell: &Bell,
        context: &millstream_core::Context,
        site: Site,
        capacity: usize,
        queue: impl FnOnce() -> Arc<dyn Queue>,
    ) -> Option<Box<Watch>> {
        let gauge = bell.gauge(context, site, capacity)?;
        Some(Box::new(Watch { reading: gauge.read(queue()), end: None, _gauge: gauge }))
    }

    /// For whoever puts items in.
    pub(crate) fn reading(&self) -> Reading {
        self.reading.clone()
    }

    pub(crate) fn ended(&mut self, end: Option<State>) {
        if end == Some(State::Broken) {
            self.reading.broke();
        }
        self.end = end;
    }

    /// The reader goes: how the queue stood then. What is still in it is discarded.
    pub(crate) fn close(&self, last: Levels) {
        self.reading.close(last, self.end);
    }
}

/// Wakers under numbers.
#[derive(Default)]
pub(crate) struct Wakers {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Wakers {
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers).into_values().collect()
    }
}

/// Polls for what `ready` says, or leaves a waker in the list that `list` finds under `number`.
/// Wakers are foreign code: cloned outside of the lock, and dropped after it.
pub(crate) fn poll_until<S>(
    mutex: &Mutex<S>,
    number: &mut Option<u64>,
    context: &Context<'_>,
    ready: impl FnOnce(&S) -> bool,
    list: impl FnOnce(&mut S) -> &mut Wakers,
) -> Poll<()> {
    let fresh = context.waker().clone();
    let mut state = lock(mutex);
    if ready(&state) {
        drop(state);
        return Poll::Ready(());
    }
    let wakers = list(&mut state);
    let place = *number.get_or_insert(wakers.next);
    wakers.next = wakers.next.max(place + 1);
    let before = wakers.wakers.insert(place, fresh);
    drop(state);
    drop(before);
    Poll::Pending
}

/// Takes the waker under `number` out of the list, for whoever does not wait any more.
pub(crate) fn forget<S>(
    mutex: &Mutex<S>,
    number: Option<u64>,
    list: impl FnOnce(&mut S) -> &mut Wakers,
) {
    if let Some(number) = number {
        let waker = list(&mut lock(mutex)).wakers.remove(&number);
        drop(waker);
    }
}

/// Runs one thing after another, whatever one of them does, and raises the first panic again when
/// it is [done](Contained::done).
#[derive(Default)]
pub(crate) struct Contained(Option<Box<dyn Any + Send>>);

impl Contained {
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.0.get_or_insert(payload);
        }
    }

    pub(crate) fn wake(&mut self, wakers: Vec<Waker>) {
        for waker in wakers {
            self.run(|| waker.wake());
        }
    }

    pub(crate) fn done(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}
