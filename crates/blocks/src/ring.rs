//! A bounded queue from one writer to one reader, which tells when the reader waits.
//!
//! ```text
//!            push                         pop
//!  Writer ─────────▶ │ slot │ slot │ … │ ─────────▶ Reader
//!            tail = index · 8 + SHUT | GONE | ASLEEP
//!            head = index
//! ```
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | slot `i` | the writer | `tail ≤ i < head + capacity` |
//! | slot `i` | the reader | `head ≤ i < tail` |
//! | index of `tail` | the writer | any |
//! | `SHUT` | the writer, once, at its end | no push follows |
//! | `ASLEEP` | set by the reader, cleared by the next push | the queue was empty |
//! | `GONE` | the reader, once, at its end | no pop follows |
//! | `head` | the reader | any |
//!
//! **No wake-up is lost, and none is made that is not needed.** A reader that finds nothing
//! marks the very word that the next push replaces. Either the push came first, and then the
//! mark fails because the word has changed, or it comes after, and then it finds the mark and
//! says so: whoever pushed must ring, once. A writer that is ahead of its reader never does.
//!
//! **Nothing is left behind.** A reader that goes takes what is in the queue with it. A push
//! that comes after it finds `GONE` in the word that it replaced, and gets its item back.
//!
//! The capacity is a bound, not a hint: an item too many comes back to the writer.
//!
//! **It can be read from outside** ([`Writer::observe`]), at no price for the two ends: head and
//! tail are read, the head first, so that it is never beyond the tail. How many were in the queue
//! at most is noted by the writer, and only where somebody looks: it takes the queue for full when
//! it is as long as it ever was, and so looks for the head exactly when it may become longer. The
//! mark is written before the tail that goes with it, and read after, so no tail is more than the
//! mark ahead of the head: that bounds how old the head may be that was read.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use millstream_sync::{AtomicU64, Ordering, UnsafeCell};

use crate::gauge::{Levels, Queue};

const ASLEEP: u64 = 1;
const GONE: u64 = 2;
const SHUT: u64 = 4;
/// One index of the tail.
const STEP: u64 = 8;

/// A ring for at most `capacity` items. Two allocations.
///
/// # Panics
/// When the capacity is zero.
#[must_use]
pub fn ring<T>(capacity: usize) -> (Writer<T>, Reader<T>) {
    assert!(capacity > 0, "a ring needs room for one item");
    let slots = (0..capacity.next_power_of_two())
        .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
        .collect::<Box<[_]>>();
    let ring = Arc::new(Ring {
        apart: Apart::new(),
        tail: Line(AtomicU64::new(0), Apart::new()),
        head: Line(AtomicU64::new(0), Apart::new()),
        mask: slots.len() as u64 - 1,
        capacity: capacity as u64,
        most: AtomicU64::new(0),
        slots,
    });
    (
        Writer { ring: ring.clone(), tail: 0, head: 0, limit: capacity as u64, gone: false },
        Reader { ring, head: 0, tail: 0, since: 0, gone: false },
    )
}

/// On cache lines of its own: two, because they are fetched in pairs. By what is left free behind it
/// and before, wherever the whole lies: memory that is aligned to them takes an allocator several
/// times as long, and groups and windows have a ring each.
#[repr(C)]
struct Line(AtomicU64, Apart<120>);

/// Bytes that nobody reads or writes.
struct Apart<const N: usize>(MaybeUninit<[u8; N]>);

impl<const N: usize> Apart<N> {
    fn new() -> Apart<N> {
        Apart(MaybeUninit::uninit())
    }
}

#[repr(C)]
struct Ring<T> {
    /// Behind the two counts of an `Arc`, two lines with them.
    apart: Apart<112>,
    tail: Line,
    head: Line,
    mask: u64,
    capacity: u64,
    /// The most that were in it at a time; zero where nobody looks.
    most: AtomicU64,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is reached by the writer or by the reader, never by both (see the table; model
// `a_slot_has_one_owner`); items move between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// Puts an item into slot `index`.
    ///
    /// # Safety
    /// The caller is the writer, the slot is empty, and the reader cannot see it yet.
    #[inline]
    unsafe fn write(&self, index: u64, item: T) {
        self.slots[(index & self.mask) as usize].with_mut(|slot| {
            // SAFETY: by the contract of this function nobody else reaches the slot.
            unsafe { (*slot).write(item) };
        });
    }

    /// Takes the item out of slot `index`.
    ///
    /// # Safety
    /// The slot holds an item, and the caller owns it.
    #[inline]
    unsafe fn read(&self, index: u64) -> T {
        self.slots[(index & self.mask) as usize].with_mut(|slot| {
            // SAFETY: by the contract of this function it holds an item, and nobody else
            // reaches it.
            unsafe { (*slot).assume_init_read() }
        })
    }
}

impl<T: Send + 'static> Queue for Ring<T> {
    fn levels(&self) -> Levels {
        // ordering: acquire pairs with the release in `pop`: the tail that the reader had seen, or a
        // later one, is seen below (model `a_look_sees_what_belongs_together`).
        let head = self.head.0.load(Ordering::Acquire);
        // ordering: acquire pairs with the release in `push`: the mark of that push, or a later
        // one, is seen below (model `a_look_sees_the_mark_of_the_item`).
        let tail = self.tail.0.load(Ordering::Acquire) / STEP;
        // ordering: relaxed; see the tail.
        let most = self.most.load(Ordering::Relaxed);
        Levels { came: tail, went: head.max(tail.saturating_sub(most)), most }
    }
}

/// What a push came to.
#[derive(Debug)]
#[must_use = "a reader that waits must be woken"]
pub enum Pushed<T> {
    /// The item is in the queue, and the reader will find it.
    Noted,
    /// The item is in the queue, and the reader waits to be told.
    Wake,
    /// The reader has gone.
    Gone(T),
    /// There are as many items in the queue as it has room for.
    Full(T),
}

/// The end that items go in by.
pub struct Writer<T> {
    ring: Arc<Ring<T>>,
    tail: u64,
    /// The last `head` that was seen.
    head: u64,
    /// How long the queue may get before the writer looks for the head: the capacity, or the most
    /// that were in it so far where somebody looks.
    limit: u64,
    gone: bool,
}

impl<T> Writer<T> {
    /// Puts an item at the end of the queue.
    #[inline]
    pub fn push(&mut self, item: T) -> Pushed<T> {
        if self.tail - self.head >= self.limit && !self.has_room() {
            return Pushed::Full(item);
        }
        if self.gone {
            return Pushed::Gone(item);
        }
        // SAFETY: this is the writer; the slot is `capacity` past what the reader has taken, so
        // it is empty; the reader learns of it by the exchange below (model
        // `a_slot_has_one_owner`).
        unsafe { self.ring.write(self.tail, item) };
        // ordering: release pairs with the acquire in `pop` and `drop` of the reader: it sees
        // the item (model `a_slot_has_one_owner`). Nothing is read here that somebody else
        // wrote.
        let before = self.ring.tail.0.swap((self.tail + 1) * STEP, Ordering::Release);
        if before & GONE != 0 {
            self.gone = true;
            // SAFETY: the reader went before the exchange, so it has not seen this item and
            // never will (model `push_races_the_end_of_the_reader`).
            return Pushed::Gone(unsafe { self.ring.read(self.tail) });
        }
        self.tail += 1;
        if before & ASLEEP == 0 { Pushed::Noted } else { Pushed::Wake }
    }

    #[cold]
    fn has_room(&mut self) -> bool {
        // ordering: acquire pairs with the release in `pop`: the reader is done with the slots
        // before `head` (model `a_slot_is_used_again`).
        self.head = self.ring.head.0.load(Ordering::Acquire);
        let len = self.tail - self.head;
        if len >= self.ring.capacity {
            return false;
        }
        // Where somebody looks, the push that follows may make it longer than it ever was.
        if len >= self.limit {
            self.limit = len + 1;
            // ordering: relaxed; it is handed over by the exchange in `push`, which pairs with the
            // acquire in `levels`.
            self.ring.most.store(self.limit, Ordering::Relaxed);
        }
        true
    }

    /// From here on counts how many are in it at most, and can be read while both ends are in use.
    /// For an empty queue.
    pub fn observe(&mut self) -> Arc<dyn Queue>
    where
        T: Send + 'static,
    {
        self.limit = 0;
        self.ring.clone()
    }

    /// Says that no item follows, and tells whether the reader waits to be told. What was
    /// written before is visible to a reader that has seen it.
    #[must_use = "a reader that waits must be woken"]
    pub fn shut(self) -> bool {
        // ordering: release pairs with the acquire in `pop` (model `shut_publishes_the_end`).
        let before = self.ring.tail.0.fetch_or(SHUT, Ordering::Release);
        before & ASLEEP != 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity as usize
    }

    /// Whether the reader took all that was put in.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.ring.head.0.load(Ordering::Relaxed) == self.tail
    }

    /// Whether the reader found it empty, and waits to be woken.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // ordering: relaxed; nothing is read by it. Whoever needs to see a mark that was made just
        // now has an edge of its own.
        self.ring.tail.0.load(Ordering::Relaxed) & ASLEEP != 0
    }

    /// Whether the reader has gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.gone || self.ring.tail.0.load(Ordering::Relaxed) & GONE != 0
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("tail", &self.tail).finish_non_exhaustive()
    }
}

/// What a pop came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The item at the head of the queue.
    Item(T),
    /// The queue is empty for now.
    Empty,
    /// The queue is empty, and stays so.
    Shut,
}

/// The end that items come out by.
pub struct Reader<T> {
    ring: Arc<Ring<T>>,
    head: u64,
    /// The last `tail` that was seen, with its flags.
    tail: u64,
    /// `head` at that time.
    since: u64,
    gone: bool,
}

impl<T> Reader<T> {
    /// Takes the item at the head of the queue.
    #[inline]
    pub fn pop(&mut self) -> Popped<T> {
        if self.head == self.tail / STEP {
            match self.look() {
                Look::Items => {}
                Look::Nothing => return Popped::Empty,
                Look::Over => return Popped::Shut,
            }
        }
        // SAFETY: `head < tail`: the writer has given the slot up, and this is the one reader
        // (model `a_slot_has_one_owner`).
        let item = unsafe { self.ring.read(self.head) };
        self.head += 1;
        // ordering: release pairs with the acquire in `has_room` (model `a_slot_is_used_again`).
        self.ring.head.0.store(self.head, Ordering::Release);
        Popped::Item(item)
    }

    /// How many items it took since it last looked, where these were all that it saw: the next pop
    /// looks again, at the word that the writer is writing.
    #[inline]
    #[must_use]
    pub fn run(&self) -> Option<u64> {
        (self.head == self.tail / STEP).then(|| self.head - self.since)
    }

    /// How many of the items that it saw when it looked last are left.
    #[inline]
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.tail / STEP - self.head
    }

    /// Whether the queue is empty, and whether it stays so: looks again if need be.
    #[inline]
    pub fn look(&mut self) -> Look {
        if self.head == self.tail / STEP {
            // ordering: acquire pairs with the release in `push` and `shut` (models
            // `a_slot_has_one_owner`, `shut_publishes_the_end`).
            self.tail = self.ring.tail.0.load(Ordering::Acquire);
            self.since = self.head;
        }
        if self.head != self.tail / STEP {
            Look::Items
        } else if self.tail & SHUT == 0 {
            Look::Nothing
        } else {
            Look::Over
        }
    }

    /// Asks to be woken by the next push, or by the shutting, after the queue was found empty.
    /// `false` where something came meanwhile: look again.
    #[must_use = "false: there is news, and nobody will wake this reader"]
    pub fn sleep(&mut self) -> bool {
        // ordering: relaxed on both sides; the mark hands nothing over. Whoever finds it rings,
        // and ringing makes the edge (model `no_wake_up_is_lost`).
        let tail = &self.ring.tail.0;
        let slept = tail.compare_exchange(
            self.tail,
            self.tail | ASLEEP,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        match slept {
            Ok(_) => {
                self.tail |= ASLEEP;
                true
            }
            Err(_) => false,
        }
    }

    /// What can be read while both ends are in use. The most that were in it is counted from when
    /// the writer is told to [observe](Writer::observe).
    #[must_use]
    pub fn queue(&self) -> Arc<dyn Queue>
    where
        T: Send + 'static,
    {
        self.ring.clone()
    }

    /// How many items are in the queue; another thread may be adding.
    #[must_use]
    pub fn len(&self) -> usize {
        // ordering: relaxed; a figure for whoever wants to know.
        (self.ring.tail.0.load(Ordering::Relaxed) / STEP - self.head) as usize
    }

    /// Whether it is empty; another thread may be adding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity as usize
    }

    /// Goes, and hands what is in the queue to `discard`, each item once. A panic of `discard`
    /// is raised again after the last item.
    pub fn close(mut self, mut discard: impl FnMut(T)) {
        self.clear(&mut discard);
    }

    /// Goes, and tells how the queue stands: what comes from here on is the writer's. What is in
    /// the queue is discarded when the reader is [closed](Reader::close), or dropped.
    pub fn leave(&mut self) -> Levels {
        // Once: a writer that finds `GONE` leaves an index behind that has no item.
        if !std::mem::replace(&mut self.gone, true) {
            // ordering: acquire pairs with the release in `push`: the items are visible. The writer
            // learns of `GONE` by its next exchange, and owns what it writes from there on (model
            // `push_races_the_end_of_the_reader`).
            self.tail = self.ring.tail.0.fetch_or(GONE, Ordering::Acquire);
        }
        Levels { came: self.tail / STEP, went: self.head, most: 0 }
    }

    fn clear(&mut self, discard: &mut dyn FnMut(T)) {
        let tail = self.leave().came;
        let mut panicked = None;
        while self.head < tail {
            // SAFETY: as in `pop`.
            let item = unsafe { self.ring.read(self.head) };
            self.head += 1;
            let discarded = catch_unwind(AssertUnwindSafe(|| discard(item)));
            panicked = panicked.or(discarded.err());
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }
}

/// What a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// There is an item.
    Items,
    /// There is none for now.
    Nothing,
    /// There is none, and none follows.
    Over,
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.clear(&mut drop);
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}
