//! The queue of an outlet of a [hub](crate::hub): a [ring](crate::ring), or a
//! [window](crate::window) where the oldest item makes room. Either numbers its items.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::gauge::{self, Levels};
use crate::ring::{self, Look, Popped, Pushed, ring};
use crate::window::{self, Slid, window};

/// A queue whose first item has number `from`.
pub(crate) fn queue<T>(capacity: usize, from: u64, slides: bool) -> (Writer<T>, Reader<T>) {
    if slides {
        let (writer, reader) = window(capacity);
        (Writer::Window(writer), Reader { kind: Kind::Window(reader), from, position: from })
    } else {
        let (writer, reader) = ring(capacity);
        (Writer::Ring(writer), Reader { kind: Kind::Ring(reader), from, position: from })
    }
}

pub(crate) enum Writer<T> {
    Ring(ring::Writer<T>),
    Window(window::Writer<T>),
}

/// What a push came to.
pub(crate) enum Put<T> {
    Noted,
    /// The reader waits to be told.
    Wake,
    /// This one had to make room.
    Displaced(T),
    /// The reader has gone.
    Gone(T),
    /// There is no room.
    Full(T),
}

impl<T> Writer<T> {
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Put<T> {
        match self {
            Writer::Ring(writer) => match writer.push(item) {
                Pushed::Noted => Put::Noted,
                Pushed::Wake => Put::Wake,
                Pushed::Gone(item) => Put::Gone(item),
                Pushed::Full(item) => Put::Full(item),
            },
            Writer::Window(writer) => match writer.push(item) {
                Slid::Noted => Put::Noted,
                Slid::Wake => Put::Wake,
                Slid::Displaced(item) => Put::Displaced(item),
                Slid::Gone(item) => Put::Gone(item),
            },
        }
    }

    /// From here on it can be read from outside. For an empty queue.
    pub(crate) fn observe(&mut self) -> Arc<dyn gauge::Queue>
    where
        T: Send + 'static,
    {
        match self {
            Writer::Ring(writer) => writer.observe(),
            Writer::Window(writer) => writer.observe(),
        }
    }

    /// Says that no item follows, and tells whether the reader waits to be told.
    #[must_use = "a reader that waits must be woken"]
    pub(crate) fn shut(self) -> bool {
        match self {
            Writer::Ring(writer) => writer.shut(),
            Writer::Window(writer) => writer.shut(),
        }
    }
}

pub(crate) struct Reader<T> {
    kind: Kind<T>,
    from: u64,
    position: u64,
}

enum Kind<T> {
    Ring(ring::Reader<T>),
    Window(window::Reader<T>),
}

impl<T> Reader<T> {
    #[inline]
    pub(crate) fn pop(&mut self) -> Popped<T> {
        match &mut self.kind {
            Kind::Ring(reader) => {
                let popped = reader.pop();
                self.position += u64::from(matches!(popped, Popped::Item(_)));
                popped
            }
            Kind::Window(reader) => match reader.pop() {
                Popped::Item((before, item)) => {
                    self.position = self.from + before + 1;
                    Popped::Item(item)
                }
                Popped::Empty => Popped::Empty,
                Popped::Shut => Popped::Shut,
            },
        }
    }

    /// The number of the item after the last that was taken, as far as is known.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn look(&mut self) -> Look {
        match &mut self.kind {
            Kind::Ring(reader) => reader.look(),
            Kind::Window(reader) => reader.look(),
        }
    }

    #[must_use = "false: there is news, and nobody will wake this reader"]
    pub(crate) fn sleep(&mut self) -> bool {
        match &mut self.kind {
            Kind::Ring(reader) => reader.sleep(),
            Kind::Window(reader) => reader.sleep(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.kind {
            Kind::Ring(reader) => reader.len(),
            Kind::Window(reader) => reader.len(),
        }
    }

    /// Goes, and tells how the queue stands.
    pub(crate) fn leave(&mut self) -> Levels {
        match &mut self.kind {
            Kind::Ring(reader) => reader.leave(),
            Kind::Window(reader) => reader.leave(),
        }
    }

    /// Goes: what is in the queue, and the number of the first, or else of the next.
    pub(crate) fn close(self) -> (u64, VecDeque<T>) {
        match self.kind {
            Kind::Ring(reader) => {
                let mut left = VecDeque::new();
                reader.close(|item| left.push_back(item));
                (self.position, left)
            }
            Kind::Window(reader) => {
                let (before, left) = reader.close();
                (self.from + before, left)
            }
        }
    }

    /// Goes, and hands what is in the queue to `discard`, each item once. A panic of `discard` is
    /// raised again after the last item.
    pub(crate) fn discard(self, mut discard: impl FnMut(T)) {
        match self.kind {
            Kind::Ring(reader) => reader.close(discard),
            Kind::Window(reader) => {
                let mut panicked = None;
                for item in reader.close().1 {
                    let discarded = catch_unwind(AssertUnwindSafe(|| discard(item)));
                    panicked = panicked.or(discarded.err());
                }
                if let Some(payload) = panicked {
                    resume_unwind(payload);
                }
            }
        }
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}
