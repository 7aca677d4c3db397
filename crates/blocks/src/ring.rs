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
//! | `many`, `from` | the writer, once | no item of `many` was pushed |
//! | `many` | the reader | it has seen such an item |
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
//! **It may begin small** (`Ring::small`): with room for one item, which may be there already, and so
//! in one allocation with whatever has the ring in it. All items go through that one slot as long as
//! each is taken before the next comes. The first that would have to wait behind another gets slots
//! for as many as the capacity says, and so do all that follow. From which item on this is so is
//! written before the tail that goes with that item, so a reader that has seen the item finds them.
//!
//! **It can be read from outside** ([`Writer::observe`]), at no price for the two ends: head and
//! tail are read, the head first, so that it is never beyond the tail. How many were in the queue
//! at most is noted by the writer, and only where somebody looks: it takes the queue for full when
//! it is as long as it ever was, and so looks for the head exactly when it may become longer. The
//! mark is written before the tail that goes with it, and read after, so no tail is more than the
//! mark ahead of the head: that bounds how old the head may be that was read.

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
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
    let ring = Arc::new(Ring {
        from: AtomicU64::new(0),
        many: UnsafeCell::new(Some(slots(capacity as u64))),
        ..Ring::empty(capacity as u64)
    });
    // SAFETY: the ring has just been made with its slots, so nobody else is there, and these are the
    // one writer and the one reader (every model begins with them).
    unsafe {
        let (slots, mask) = ring.many();
        let (mut writer, mut reader) = (Writer::of(ring.clone()), Reader::of(ring));
        (writer.slots, writer.mask, writer.limit) = (slots, mask, capacity as u64);
        (reader.slots, reader.mask) = (slots, mask);
        (writer.small, reader.small) = (false, false);
        (writer, reader)
    }
}

/// A ring for at most `capacity` items that begins small, with its `first` item in it, if there is
/// one. One allocation, and another when an item has to wait behind another.
#[must_use]
pub fn small_ring<T>(capacity: NonZeroUsize, first: Option<T>) -> (Writer<T>, Reader<T>) {
    let ring = Arc::new(Ring::small(capacity, first));
    // SAFETY: the ring has just been made, and these are its one writer and its one reader (every
    // model begins with them).
    unsafe { (Writer::of(ring.clone()), Reader::of(ring)) }
}

fn slots<T>(capacity: u64) -> Box<[Slot<T>]> {
    (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect()
}

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

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

/// What both ends share.
#[repr(C)]
pub struct Ring<T> {
    /// Behind the two counts of an `Arc`, two lines with them.
    apart: Apart<112>,
    tail: AtomicU64,
    /// Beside the tail, by which the reader learns of what is in it.
    one: Slot<T>,
    behind: Apart<120>,
    head: Line,
    capacity: u64,
    /// The most that were in it at a time; zero where nobody looks.
    most: AtomicU64,
    /// The number of the first item that is in `many`; those before go through `one`.
    from: AtomicU64,
    many: UnsafeCell<Option<Box<[Slot<T>]>>>,
}

// SAFETY: a slot is reached by the writer or by the reader, never by both (see the table; model
// `a_slot_has_one_owner`), and so is `many` (model `a_ring_grows_while_it_is_read`); items move
// between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// Without slots but the one.
    #[inline]
    fn empty(capacity: u64) -> Ring<T> {
        Ring {
            apart: Apart::new(),
            tail: AtomicU64::new(0),
            one: UnsafeCell::new(MaybeUninit::uninit()),
            behind: Apart::new(),
            head: Line(AtomicU64::new(0), Apart::new()),
            capacity,
            most: AtomicU64::new(0),
            from: AtomicU64::new(u64::MAX),
            many: UnsafeCell::new(None),
        }
    }

    /// One that begins small, with its first item in it, if there is one. No allocation; an item that
    /// is in it leaks where there never is a [reader](Reader::of).
    #[inline]
    pub(crate) fn small(capacity: NonZeroUsize, first: Option<T>) -> Ring<T> {
        let ring = Ring::empty(capacity.get() as u64);
        match first {
            None => ring,
            Some(first) => Ring {
                tail: AtomicU64::new(STEP),
                one: UnsafeCell::new(MaybeUninit::new(first)),
                ..ring
            },
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// The slots for as many as the capacity says, and the mask for an index.
    ///
    /// # Safety
    /// The caller is the writer, and no item of these was pushed; or it is the reader, and has seen
    /// one.
    unsafe fn many(&self) -> (NonNull<Slot<T>>, u64) {
        self.many.with_mut(|many| {
            // SAFETY: the writer put them there before it pushed such an item, and does not come
            // here any more (model `a_ring_grows_while_it_is_read`).
            match unsafe { &*many } {
                Some(slots) => (NonNull::from(&**slots).cast(), slots.len() as u64 - 1),
                None => unreachable!("they were put there"),
            }
        })
    }

    /// Takes the oldest item out of one that has no reader.
    ///
    /// # Safety
    /// There is no [reader](Reader::of) yet, and nobody else is here: whoever makes one later has an
    /// edge from this.
    pub(crate) unsafe fn take_oldest(&self) -> Option<T> {
        // SAFETY: by the contract of this function it is the one reader. It is not dropped, which
        // would be its end.
        let mut reader = ManuallyDrop::new(unsafe { Reader::of(self) });
        match reader.pop() {
            Popped::Item(item) => Some(item),
            Popped::Empty | Popped::Shut => None,
        }
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// What an end has its ring by.
///
/// # Safety
/// It gives the same ring as long as it is there, wherever it is moved.
pub unsafe trait Holds<T> {
    /// That ring.
    fn ring(&self) -> &Ring<T>;
}

// SAFETY: an `Arc` keeps what it points to, in its place.
unsafe impl<T> Holds<T> for Arc<Ring<T>> {
    #[inline]
    fn ring(&self) -> &Ring<T> {
        self
    }
}

// SAFETY: what is borrowed stays in its place.
unsafe impl<T> Holds<T> for &Ring<T> {
    #[inline]
    fn ring(&self) -> &Ring<T> {
        self
    }
}

/// Puts an item into slot `index`.
///
/// # Safety
/// The slots are those that the item is to be in, the caller is the writer, the slot is empty, and the
/// reader cannot see it yet.
#[inline]
unsafe fn write<T>((slots, mask): (NonNull<Slot<T>>, u64), index: u64, item: T) {
    // SAFETY: there are `mask + 1` slots, and by the contract of this function nobody else reaches
    // this one.
    unsafe { slots.add((index & mask) as usize).as_ref().with_mut(|slot| (*slot).write(item)) };
}

/// Takes the item out of slot `index`.
///
/// # Safety
/// The slots are those that the item is in, the slot holds an item, and the caller owns it.
#[inline]
unsafe fn read<T>((slots, mask): (NonNull<Slot<T>>, u64), index: u64) -> T {
    // SAFETY: there are `mask + 1` slots; by the contract of this function this one holds an item, and
    // nobody else reaches it.
    unsafe {
        slots.add((index & mask) as usize).as_ref().with_mut(|slot| (*slot).assume_init_read())
    }
}

impl<T: Send + 'static> Queue for Ring<T> {
    fn levels(&self) -> Levels {
        // ordering: acquire pairs with the release in `pop`: the tail that the reader had seen, or a
        // later one, is seen below (model `a_look_sees_what_belongs_together`).
        let head = self.head.0.load(Ordering::Acquire);
        // ordering: acquire pairs with the release in `push`: the mark of that push, or a later
        // one, is seen below (model `a_look_sees_the_mark_of_the_item`).
        let tail = self.tail.load(Ordering::Acquire) / STEP;
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
pub struct Writer<T, H: Holds<T> = Arc<Ring<T>>> {
    holds: H,
    /// Where the next item goes: the one slot while the ring is small.
    slots: NonNull<Slot<T>>,
    mask: u64,
    tail: u64,
    /// The last `head` that was seen.
    head: u64,
    /// How long the queue may get before the writer looks for the head: what there is room for, or the
    /// most that were in it so far where somebody looks.
    limit: u64,
    /// Whether the one slot is all there is.
    small: bool,
    /// Whether somebody looks.
    observed: bool,
    gone: bool,
}

// SAFETY: it is an end of a ring, and the pointer is to slots of that, which moves between threads
// (as `Ring` does; model `a_ring_grows_while_it_is_read`).
unsafe impl<T: Send, H: Holds<T> + Send> Send for Writer<T, H> {}
// SAFETY: a shared reference reaches atomics alone.
unsafe impl<T: Send, H: Holds<T> + Sync> Sync for Writer<T, H> {}

impl<T, H: Holds<T>> Writer<T, H> {
    /// The writer of a ring that began small.
    ///
    /// # Safety
    /// The ring is as it was [made](Ring::small), and has no other writer, now or later.
    #[inline]
    pub(crate) unsafe fn of(holds: H) -> Writer<T, H> {
        let ring = holds.ring();
        // ordering: relaxed; whoever made it has an edge to whoever has its ends.
        let tail = ring.tail.load(Ordering::Relaxed) / STEP;
        Writer {
            slots: NonNull::from(&ring.one),
            mask: 0,
            tail,
            head: 0,
            limit: 1,
            small: true,
            observed: false,
            gone: false,
            holds,
        }
    }

    /// What the ring is had by.
    #[inline]
    pub(crate) fn holds(&self) -> &H {
        &self.holds
    }

    /// Puts an item at the end of the queue.
    #[inline]
    pub fn push(&mut self, item: T) -> Pushed<T> {
        if self.tail - self.head >= self.limit && !self.has_room() {
            return Pushed::Full(item);
        }
        if self.gone {
            return Pushed::Gone(item);
        }
        // SAFETY: this is the writer; the slot is `capacity` past what the reader has taken, or the one
        // of a small ring of which the reader has taken all, so it is empty; the reader learns of it by
        // the exchange below (models `a_slot_has_one_owner`, `the_one_slot_is_used_again`).
        unsafe { write((self.slots, self.mask), self.tail, item) };
        // ordering: release pairs with the acquire in `look` and `leave` of the reader: it sees
        // the item, and the slots (models `a_slot_has_one_owner`, `a_ring_grows_while_it_is_read`).
        // Nothing is read here that somebody else wrote.
        let before = self.holds.ring().tail.swap((self.tail + 1) * STEP, Ordering::Release);
        if before & GONE != 0 {
            self.gone = true;
            // SAFETY: the reader went before the exchange, so it has not seen this item and
            // never will (model `push_races_the_end_of_the_reader`).
            return Pushed::Gone(unsafe { read((self.slots, self.mask), self.tail) });
        }
        self.tail += 1;
        if before & ASLEEP == 0 { Pushed::Noted } else { Pushed::Wake }
    }

    #[cold]
    fn has_room(&mut self) -> bool {
        let ring = self.holds.ring();
        // ordering: acquire pairs with the release in `pop`: the reader is done with the slots
        // before `head` (models `a_slot_is_used_again`, `the_one_slot_is_used_again`).
        self.head = ring.head.0.load(Ordering::Acquire);
        let len = self.tail - self.head;
        if len >= ring.capacity {
            return false;
        }
        if self.small && len > 0 {
            self.grow();
        }
        // Where somebody looks, the push that follows may make it longer than it ever was.
        if self.observed && len >= self.limit {
            self.limit = len + 1;
            // ordering: relaxed; it is handed over by the exchange in `push`, which pairs with the
            // acquire in `levels`.
            self.holds.ring().most.store(self.limit, Ordering::Relaxed);
        }
        true
    }

    /// An item would have to wait behind the one of a small ring.
    #[cold]
    fn grow(&mut self) {
        let ring = self.holds.ring();
        let slots = slots(ring.capacity);
        // SAFETY: this is the writer, and the reader comes here only when it has seen an item that is
        // in there; none was pushed (model `a_ring_grows_while_it_is_read`).
        (self.slots, self.mask) = unsafe {
            ring.many.with_mut(|many| *many = Some(slots));
            ring.many()
        };
        // ordering: relaxed; it is handed over by the exchange in `push`, which pairs with the acquire
        // in `look` (model `a_ring_grows_while_it_is_read`).
        ring.from.store(self.tail, Ordering::Relaxed);
        self.small = false;
        if !self.observed {
            self.limit = ring.capacity;
        }
    }

    /// From here on counts how many are in it at most. For an empty queue.
    pub(crate) fn count(&mut self) {
        self.observed = true;
        self.limit = 0;
    }

    /// How many items were put in.
    #[inline]
    #[must_use]
    pub fn came(&self) -> u64 {
        self.tail
    }

    /// Says that no item follows, and tells whether the reader waits to be told. What was
    /// written before is visible to a reader that has seen it.
    #[must_use = "a reader that waits must be woken"]
    pub fn shut(mut self) -> bool {
        self.shut_in_place()
    }

    /// As [`shut`](Writer::shut); an item that is pushed later comes back.
    #[must_use = "a reader that waits must be woken"]
    pub(crate) fn shut_in_place(&mut self) -> bool {
        self.gone = true;
        // ordering: release pairs with the acquire in `look` (model `shut_publishes_the_end`).
        let before = self.holds.ring().tail.fetch_or(SHUT, Ordering::Release);
        before & ASLEEP != 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.holds.ring().capacity()
    }

    /// Whether the reader took all that was put in.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.holds.ring().head.0.load(Ordering::Relaxed) == self.tail
    }

    /// Whether the reader found it empty, and waits to be woken.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // ordering: relaxed; nothing is read by it. Whoever needs to see a mark that was made just
        // now has an edge of its own.
        self.holds.ring().tail.load(Ordering::Relaxed) & ASLEEP != 0
    }

    /// Whether the reader has gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.gone || self.holds.ring().tail.load(Ordering::Relaxed) & GONE != 0
    }
}

impl<T> Writer<T> {
    /// From here on counts how many are in it at most, and can be read while both ends are in use.
    /// For an empty queue.
    pub fn observe(&mut self) -> Arc<dyn Queue>
    where
        T: Send + 'static,
    {
        self.count();
        self.holds.clone()
    }
}

impl<T, H: Holds<T>> fmt::Debug for Writer<T, H> {
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
pub struct Reader<T, H: Holds<T> = Arc<Ring<T>>> {
    holds: H,
    /// Where the next item is: in the one slot while the ring is small, as far as was seen.
    slots: NonNull<Slot<T>>,
    mask: u64,
    head: u64,
    /// The last `tail` that was seen, with its flags.
    tail: u64,
    /// `head` at that time.
    since: u64,
    /// Whether the one slot is all that it has come to.
    small: bool,
    gone: bool,
}

// SAFETY: as for the writer.
unsafe impl<T: Send, H: Holds<T> + Send> Send for Reader<T, H> {}
// SAFETY: as for the writer.
unsafe impl<T: Send, H: Holds<T> + Sync> Sync for Reader<T, H> {}

impl<T, H: Holds<T>> Reader<T, H> {
    /// The reader of a ring that began small.
    ///
    /// # Safety
    /// The ring has no other reader, now or later, and whoever [took](Ring::take_oldest) items out of
    /// it has an edge to this.
    #[inline]
    pub(crate) unsafe fn of(holds: H) -> Reader<T, H> {
        let ring = holds.ring();
        // ordering: relaxed; written by whoever took items out before, if anybody did.
        let head = ring.head.0.load(Ordering::Relaxed);
        Reader {
            slots: NonNull::from(&ring.one),
            mask: 0,
            head,
            tail: head * STEP,
            since: head,
            small: true,
            gone: false,
            holds,
        }
    }

    /// What the ring is had by.
    #[inline]
    pub(crate) fn holds(&self) -> &H {
        &self.holds
    }

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
        let item = unsafe { read((self.slots, self.mask), self.head) };
        self.head += 1;
        // ordering: release pairs with the acquire in `has_room` (models `a_slot_is_used_again`,
        // `the_one_slot_is_used_again`).
        self.holds.ring().head.0.store(self.head, Ordering::Release);
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
            self.tail = self.holds.ring().tail.load(Ordering::Acquire);
            self.since = self.head;
            if self.small && self.head != self.tail / STEP {
                self.find(self.tail / STEP);
            }
        }
        if self.head != self.tail / STEP {
            Look::Items
        } else if self.tail & SHUT == 0 {
            Look::Nothing
        } else {
            Look::Over
        }
    }

    /// Where the next item is, of those before `tail`. What it sees ends where other slots begin.
    fn find(&mut self, tail: u64) {
        // ordering: relaxed; the acquire that saw an item in there saw this as well.
        let from = self.holds.ring().from.load(Ordering::Relaxed);
        if from <= self.head {
            // SAFETY: this is the reader, and has seen an item that is in there (model
            // `a_ring_grows_while_it_is_read`).
            (self.slots, self.mask) = unsafe { self.holds.ring().many() };
            self.small = false;
        } else if from < tail {
            self.tail = from * STEP;
        }
    }

    /// How many items it took.
    #[inline]
    #[must_use]
    pub fn went(&self) -> u64 {
        self.head
    }

    /// Asks to be woken by the next push, or by the shutting, after the queue was found empty.
    /// `false` where something came meanwhile: look again.
    #[must_use = "false: there is news, and nobody will wake this reader"]
    pub fn sleep(&mut self) -> bool {
        // ordering: relaxed on both sides; the mark hands nothing over. Whoever finds it rings,
        // and ringing makes the edge (model `no_wake_up_is_lost`).
        let tail = &self.holds.ring().tail;
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

    /// How many items are in the queue; another thread may be adding.
    #[must_use]
    pub fn len(&self) -> usize {
        // ordering: relaxed; a figure for whoever wants to know.
        (self.holds.ring().tail.load(Ordering::Relaxed) / STEP - self.head) as usize
    }

    /// Whether it is empty; another thread may be adding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.holds.ring().capacity()
    }

    /// Goes, and hands what is in the queue to `discard`, each item once. A panic of `discard`
    /// is raised again after the last item.
    pub fn close(mut self, mut discard: impl FnMut(T)) {
        self.clear(&mut discard);
    }

    /// Goes, and tells how the queue stands: what comes from here on is the writer's. What is in
    /// the queue is discarded when the reader is [closed](Reader::close), or dropped.
    pub fn leave(&mut self) -> Levels {
        // Once: a writer that finds `GONE` leaves an index behind that has no item. One that has shut
        // the queue does not look any more.
        let over = self.head == self.tail / STEP && self.tail & SHUT != 0;
        if !std::mem::replace(&mut self.gone, true) && !over {
            // ordering: acquire pairs with the release in `push`: the items are visible. The writer
            // learns of `GONE` by its next exchange, and owns what it writes from there on (model
            // `push_races_the_end_of_the_reader`).
            self.tail = self.holds.ring().tail.fetch_or(GONE, Ordering::Acquire);
        }
        Levels { came: self.tail / STEP, went: self.head, most: 0 }
    }

    fn clear(&mut self, discard: &mut dyn FnMut(T)) {
        let tail = self.leave().came;
        let mut panicked = None;
        while self.head < tail {
            if self.small {
                self.find(tail);
            }
            // SAFETY: as in `pop`.
            let item = unsafe { read((self.slots, self.mask), self.head) };
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

impl<T, H: Holds<T>> Drop for Reader<T, H> {
    fn drop(&mut self) {
        self.clear(&mut drop);
    }
}

impl<T, H: Holds<T>> fmt::Debug for Reader<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}
