//! Chunks that are cut by a rule: `chunk_until`, `chunks_weighted`, and what cuts windows.
//!
//! An operator is a [`Cut`]: where each item belongs. What is kept, sent and asked for is here,
//! once. A chunk that is complete is sent at once if it was asked for, and waits otherwise; there
//! is at most one that waits, since upstream owes no more items than there are chunks asked for.
//!
//! ```text
//!              place     the open chunk    before it
//!  item ─▶ Cut ─▶ Within   [a b +item         ·
//!              ├▶ Last     [a b +item]        ·          complete
//!              ├▶ First    [item              [a b]      the one before is complete
//!              ├▶ Alone    [item]             [a b]      both are
//!              └▶ Between  ·                  [a b]      the item is discarded
//! ```

use millstream_core::{Credit, More, Pulled};

use crate::shape::stage::{Books, Emit, ItemStep};

/// Where an item belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the chunk that is open; if none is, it begins one.
    Within,
    /// As [`Within`](Place::Within), and it completes the chunk.
    Last,
    /// Into a new chunk. The open one is complete.
    First,
    /// As [`First`](Place::First), and it completes the new chunk too.
    Alone,
    /// Nowhere: the open chunk is complete, and the item is discarded.
    Between,
}

/// A rule that cuts a stream into chunks.
pub trait Cut<T>: Send + 'static {
    /// Where the next item belongs. `begun` tells whether a chunk is open; one may have been
    /// completed since the last item, by the limit of its length.
    fn place(&mut self, item: &T, begun: bool) -> Place;
}

/// The most that is reserved for a chunk before there are items for it.
const RESERVED: usize = 1024;

/// The chunk that is open, and the rule that says where it ends.
#[derive(Debug, Clone)]
pub(crate) struct Open<T, C> {
    cut: C,
    max: usize,
    items: Vec<T>,
    /// Nothing is added to it any more.
    complete: bool,
    /// How long the last one became.
    usual: usize,
}

/// What became of an item that was put into a chunk, or into something else, `W`.
pub(crate) enum Put<T, W = Vec<T>> {
    /// The chunk is open.
    Kept,
    /// This chunk is complete.
    Chunk(W),
    /// This chunk is, and so is the one that is open.
    Two(W),
    /// The item is to be discarded. The open chunk, if there is one, is complete.
    Between(T),
}

impl<T, C> Open<T, C> {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is a chunk that waits to be taken.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes out all items, to discard them.
    pub(crate) fn take_items(&mut self) -> Vec<T> {
        std::mem::take(&mut self.items)
    }

    /// Takes out an item, to discard it.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }
}

impl<T, C: Cut<T>> Open<T, C> {
    /// None yet. None gets longer than `max`, which is at least 1.
    pub(crate) fn new(max: usize, cut: C) -> Open<T, C> {
        Open { cut, max, items: Vec::new(), complete: false, usual: 0 }
    }

    #[inline]
    pub(crate) fn put(&mut self, item: T) -> Put<T> {
        debug_assert!(!self.complete, "an item came that nobody asked for");
        let begun = !self.items.is_empty();
        let last = match self.cut.place(&item, begun) {
            Place::Within => false,
            Place::Last => true,
            Place::First if begun => return self.begin(item, self.max == 1),
            Place::Alone if begun => return self.begin(item, true),
            Place::First => false,
            Place::Alone => true,
            Place::Between => {
                self.complete = begun;
                return Put::Between(item);
            }
        };
        self.push(item);
        if last || self.items.len() == self.max {
            return Put::Chunk(self.take());
        }
        Put::Kept
    }

    fn begin(&mut self, item: T, complete: bool) -> Put<T> {
        let before = self.take();
        self.push(item);
        self.complete = complete;
        if complete { Put::Two(before) } else { Put::Chunk(before) }
    }

    #[inline]
    fn push(&mut self, item: T) {
        // The same question as `push` asks, so that it is asked once.
        if self.items.len() == self.items.capacity() {
            self.make_room();
        }
        self.items.push(item);
    }

    /// Once per chunk, where they are of a size.
    #[cold]
    fn make_room(&mut self) {
        let held = self.items.len();
        let room = held.max(self.usual.min(RESERVED)).max(4);
        self.items.reserve_exact(room.min(self.max - held));
    }

    fn take(&mut self) -> Vec<T> {
        self.complete = false;
        self.usual = self.items.len();
        std::mem::take(&mut self.items)
    }

    /// The chunk that is open, if it is complete.
    pub(crate) fn take_complete(&mut self) -> Option<Vec<T>> {
        self.complete.then(|| self.take())
    }

    /// The chunk that is open, if there is one: it is complete now.
    pub(crate) fn close(&mut self) -> Option<Vec<T>> {
        (!self.items.is_empty()).then(|| self.take())
    }
}

/// The stage of a [`Cut`]: chunks of items, none of them empty, and none longer than a limit.
#[derive(Clone)]
pub struct Chunked<T, C> {
    open: Open<T, C>,
    /// A chunk that is complete, and goes before the open one.
    before: Option<Vec<T>>,
    /// How many more items upstream owes than downstream wants chunks: an item that completes two
    /// chunks uses up the demand for one item and for two chunks. Negative only inside of `next`.
    ahead: i64,
}

impl<T, C: Cut<T>> Chunked<T, C> {
    /// Chunks of at most `max` items.
    ///
    /// # Panics
    /// When `max` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(max: usize, cut: C) -> Chunked<T, C> {
        Chunked::of("Chunked::new(0, cut)", max, cut)
    }

    /// As [`new`](Chunked::new); `what` is the call with a zero.
    #[track_caller]
    pub(crate) fn of(what: &str, max: usize, cut: C) -> Chunked<T, C> {
        assert!(max > 0, "{what}: a chunk holds at least 1 item");
        Chunked { open: Open::new(max, cut), before: None, ahead: 0 }
    }

    fn next_complete(&mut self) -> Option<Vec<T>> {
        self.before.take().or_else(|| self.open.take_complete())
    }

    /// An item used up what upstream owed, and there are chunks, as far as downstream wants them.
    #[cold]
    fn ready<O, E>(&mut self, before: Option<Vec<T>>, between: Option<T>) -> Emit<O, T, E> {
        self.ahead -= 1;
        self.before = before;
        Emit::Ready(between)
    }
}

impl<T, C: std::fmt::Debug> std::fmt::Debug for Chunked<T, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunked")
            .field("max", &self.open.max)
            .field("cut", &self.open.cut)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static, C: Cut<T>> ItemStep<T> for Chunked<T, C> {
    type Item = Vec<T>;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<Vec<T>, T, E> {
        match self.open.put(item) {
            Put::Kept if self.ahead <= 0 => Emit::KeepAsking,
            Put::Kept => {
                self.ahead -= 1;
                Emit::Keep
            }
            // Upstream owed the item for a chunk that downstream wants.
            Put::Chunk(chunk) if self.ahead <= 0 => Emit::Item(chunk),
            Put::Chunk(chunk) => self.ready(Some(chunk), None),
            Put::Two(before) => self.ready(Some(before), None),
            Put::Between(item) if self.open.complete => self.ready(None, Some(item)),
            Put::Between(item) if self.ahead <= 0 => Emit::Skip(item),
            Put::Between(item) => {
                self.ahead -= 1;
                Emit::Discard(item)
            }
        }
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if self.ahead <= 0 || more == More::NONE {
            return more;
        }
        let mut credit = Credit::NONE;
        credit.add(more);
        self.ahead -= credit.spend_up_to(self.ahead.unsigned_abs()) as i64;
        credit.get()
    }

    fn first(&mut self) -> Option<Vec<T>> {
        let chunk = self.next_complete()?;
        self.ahead += 1;
        Some(chunk)
    }

    fn complete<E>(&mut self) -> Pulled<Vec<T>, E> {
        match self.before.take().or_else(|| self.open.close()) {
            Some(chunk) => Pulled::Item(chunk),
            None => Pulled::Complete,
        }
    }

    fn held(&mut self) -> Option<T> {
        self.before.as_mut().and_then(Vec::pop).or_else(|| self.open.pop())
    }
}
