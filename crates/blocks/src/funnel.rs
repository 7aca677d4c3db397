//! A bounded queue from many writers to one reader, whose writers can wait for room.
//!
//! ```text
//!  Writer ──┐ claim a ticket, fill its slot               take
//!  Writer ──┼──────▶ │ slot │ slot │ … │ ────────────────────▶ Reader: Pull ──▶ the host's emission
//!  Sending ─┘ waits at the desk, with its item                 │
//!      ▲────────────────────── moved in when a slot is free ───┘
//!
//!  tail = tickets · 4 + SHUT | GONE        a slot: EMPTY ─▶ FULL ─▶ EMPTY
//!  head = tickets · 2 + WAITING                    EMPTY ─▶ ASLEEP ─▶ FULL     any ─▶ LEFT
//! ```
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | slot of ticket `t` | the writer that claimed `t` | until it swaps `FULL` in |
//! | slot of ticket `t` | the reader | after it found `FULL`, until `head` passes `t` |
//! | tickets of `tail` | any writer, by an exchange | not `SHUT`, not `GONE`, `tail < head + capacity` |
//! | tickets of `head` | the reader | any |
//! | `WAITING` | set and cleared under the lock of the desk | set: somebody waits there, or looks whether it must |
//! | `SHUT` | whoever brings the end | once; no ticket is claimed after it |
//! | `GONE` | the reader, at its end | once; no ticket is claimed after it |
//!
//! **No wake-up of the reader is lost, and none is made that is not needed.** A reader that finds
//! its next slot not yet full marks that slot `ASLEEP`. There is one writer that fills it, by a
//! swap: it finds the mark and rings, or the mark failed and the reader looks again. The end fills
//! no slot, so a reader that has marked one touches `tail` once more, and whoever shuts looks at
//! the mark after that word: one of the two sees the other.
//!
//! **Whoever waits for room has a turn, and one wake-up.** A sender that finds the queue full
//! leaves its item at the desk. The reader takes an item out, advances `head`, finds `WAITING` in
//! the word that it advanced, and moves the first item of the desk in: that send is done, and only
//! that one is woken. It need not find the room again, so nothing is to be handed on when it was
//! dropped meanwhile. While somebody waits, others stand behind: a free slot belongs to the desk.
//! A sender that comes to the desk marks `head` before it looks for room: either the reader's
//! advance came first, and then there is room, or it finds the mark.
//!
//! **A thread that would have to sleep looks for room first** ([`Writer::push_soon`]): to be woken takes some
//! thousand times as long as an item takes to be taken out. It stands nowhere meanwhile, so others may
//! take the room; where somebody waits at the desk it stops looking, and goes there (model
//! `who_looks_for_room_overtakes_nobody_at_the_desk`).
//!
//! **Nothing is left behind.** A reader that goes swaps `LEFT` into each claimed slot: either it
//! finds an item there, which it discards, or the writer that comes to fill it finds `LEFT`, and
//! keeps its item. What waits at the desk goes back to its senders.
//!
//! **The end comes once**, behind what is queued: the first of a failure, a completion for all,
//! and the last writer that goes. A writer that goes without saying that it is [done](Writer::done)
//! makes that last one [`Fault::SourceDropped`](millstream_core::Fault::SourceDropped).
//!
//! **It can be read from outside.** Tickets are counted anyway. The most that were in it is noted
//! before the ticket that makes it more, and read after the tickets, so no ticket is more than the
//! mark ahead of the head: that bounds how old the head may be that was read.
//!
//! No foreign code runs under the lock of the desk: wakers, bells and items leave it first.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_core::{Context, Discards, Pull, Pulled};
use millstream_sync::{AtomicU64, AtomicUsize, Mutex, Ordering, UnsafeCell, lock};

use crate::alarm::snooze;
use crate::bell::Bell;
use crate::ending::{Contained, Ending, Ends, Watch, forget, poll_until};
use crate::gauge::{Levels, Queue, Site};
use crate::running::undelivered;

const GONE: u64 = 1;
const SHUT: u64 = 2;
/// One ticket of the tail.
const TAIL: u64 = 4;

const WAITING: u64 = 1;
/// One ticket of the head.
const HEAD: u64 = 2;

const EMPTY: usize = 0;
const ASLEEP: usize = 1;
const FULL: usize = 2;
const LEFT: usize = 3;

/// A funnel for at most `capacity` items. Two allocations.
#[must_use]
pub fn funnel<T, E>(capacity: NonZeroUsize) -> (Writer<T, E>, Reader<T, E>) {
    let slots = (0..capacity.get().next_power_of_two())
        .map(|_| Slot {
            state: AtomicUsize::new(EMPTY),
            item: UnsafeCell::new(MaybeUninit::uninit()),
        })
        .collect::<Box<[_]>>();
    let shared = Arc::new(Shared {
        tail: Line(AtomicU64::new(0)),
        head: Line(AtomicU64::new(0)),
        mask: slots.len() as u64 - 1,
        capacity: capacity.get() as u64,
        most: AtomicU64::new(0),
        slots,
        desk: Mutex::new(Desk { waiting: BTreeMap::new(), next: 0, ends: Ends::new() }),
    });
    let writer = Writer { shared: shared.clone(), done: false };
    let reader =
        Reader { shared, head: 0, gone: false, discards: Discards::default(), watch: None };
    (writer, reader)
}

/// On cache lines of its own: two, because they are fetched in pairs.
#[repr(align(128))]
struct Line(AtomicU64);

struct Slot<T> {
    state: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

struct Shared<T, E> {
    tail: Line,
    head: Line,
    mask: u64,
    capacity: u64,
    /// The most that were in it at a time.
    most: AtomicU64,
    slots: Box<[Slot<T>]>,
    desk: Mutex<Desk<T, E>>,
}

// SAFETY: a slot is reached by the writer that claimed its ticket or by the reader, never by both
// (see the table; models `two_writers_race_the_reader`, `a_slot_is_used_again`); items move
// between threads, hence `T: Send`.
unsafe impl<T: Send, E: Send> Send for Shared<T, E> {}
// SAFETY: as above.
unsafe impl<T: Send, E: Send> Sync for Shared<T, E> {}

/// What is settled under a lock: whoever waits, and how it ends.
struct Desk<T, E> {
    /// Sends that wait for room, in their order.
    waiting: BTreeMap<u64, Waiting<T>>,
    next: u64,
    ends: Ends<E>,
}

struct Waiting<T> {
    item: T,
    /// Here until it is woken.
    waker: Option<Waker>,
}

impl<T, E> Desk<T, E> {
    /// The wakers of those that wait for room that will not come.
    fn dismiss(&mut self) -> Vec<Waker> {
        self.waiting.values_mut().filter_map(|waiting| waiting.waker.take()).collect()
    }
}

/// Why a ticket was not claimed.
#[derive(Debug, PartialEq, Eq)]
enum Unclaimed {
    Full,
    Closed,
    /// Somebody waits at the desk.
    Gated,
}

impl<T, E> Shared<T, E> {
    /// Claims the next ticket. Only whoever holds the lock of the desk goes `past` those that
    /// wait there.
    #[inline]
    fn claim(&self, past: bool) -> Result<u64, Unclaimed> {
        // ordering: relaxed; a guess for the exchange below.
        let mut tail = self.tail.0.load(Ordering::Relaxed);
        loop {
            if tail & (SHUT | GONE) != 0 {
                return Err(Unclaimed::Closed);
            }
            // ordering: acquire pairs with the release in `pop`: the reader is done with the
            // slots before `head` (model `a_slot_is_used_again`).
            let head = self.head.0.load(Ordering::Acquire);
            if head & WAITING != 0 && !past {
                return Err(Unclaimed::Gated);
            }
            // A tail that was read too early is behind the head; then the exchange fails.
            let len = (tail / TAIL).saturating_sub(head / HEAD);
            if len >= self.capacity {
                return Err(Unclaimed::Full);
            }
            // ordering: relaxed on both; the exchange below hands it over to `levels`.
            if len >= self.most.load(Ordering::Relaxed) {
                self.most.fetch_max(len + 1, Ordering::Relaxed);
            }
            // ordering: release pairs with the acquire in `levels`, for the mark above. The items
            // are published by their slots.
            let claimed = self.tail.0.compare_exchange_weak(
                tail,
                tail + TAIL,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match claimed {
                Ok(_) => return Ok(tail / TAIL),
                Err(now) => tail = now,
            }
        }
    }

    #[inline]
    fn slot(&self, ticket: u64) -> &Slot<T> {
        &self.slots[(ticket & self.mask) as usize]
    }

    /// Takes the item out of the slot of `ticket`.
    ///
    /// # Safety
    /// The slot holds an item, and the caller owns it.
    #[inline]
    unsafe fn read(&self, ticket: u64) -> T {
        self.slot(ticket).item.with_mut(|item| {
            // SAFETY: by the contract of this function it holds an item, and nobody else
            // reaches it.
            unsafe { (*item).assume_init_read() }
        })
    }

    /// Fills the slot of `ticket` and rings if the reader waits for it; the item comes back where
    /// the reader has gone.
    ///
    /// # Safety
    /// The caller claimed `ticket`, and this is the one call for it.
    #[inline]
    unsafe fn fill(&self, ticket: u64, item: T) -> Result<(), T> {
        let slot = self.slot(ticket);
        slot.item.with_mut(|place| {
            // SAFETY: the ticket was claimed by the caller alone, with the reader past the slot's
            // last one, and the reader looks for this one only after the swap below (models
            // `two_writers_race_the_reader`, `a_slot_is_used_again`).
            unsafe { (*place).write(item) };
        });
        // ordering: release pairs with the acquire in `pop` and `clear`: the reader sees the item
        // (model `two_writers_race_the_reader`). Acquire pairs with the release in `clear`: who
        // gets an item back finds the queue closed.
        match slot.state.swap(FULL, Ordering::AcqRel) {
            EMPTY => Ok(()),
            LEFT => {
                // SAFETY: the reader went before the swap, found no item here and never looks
                // again (model `pushes_race_the_end_of_the_reader`).
                Err(unsafe { self.read(ticket) })
            }
            _ => {
                self.ring();
                Ok(())
            }
        }
    }

    #[cold]
    fn ring(&self) {
        let bell = lock(&self.desk).ends.bell();
        if let Some(bell) = bell {
            bell.ring();
        }
    }

    /// At the desk: whether there is room after all, nobody waiting before.
    fn push_at_the_desk(&self, item: T) -> Result<(), Refused<T>> {
        let desk = lock(&self.desk);
        if desk.ends.is_closed() {
            return Err(Refused::Closed(item));
        }
        if !desk.waiting.is_empty() {
            return Err(Refused::Full(item));
        }
        let claimed = self.claim(true);
        drop(desk);
        match claimed {
            // SAFETY: claimed above.
            Ok(ticket) => unsafe { self.fill(ticket, item) }.map_err(Refused::Closed),
            Err(Unclaimed::Closed) => Err(Refused::Closed(item)),
            Err(Unclaimed::Full | Unclaimed::Gated) => Err(Refused::Full(item)),
        }
    }

    /// Leaves `item` at the desk, unless there is room: its number there.
    fn wait(&self, item: T, waker: Waker) -> Result<Option<u64>, T> {
        let mut desk = lock(&self.desk);
        if desk.ends.is_closed() {
            drop(desk);
            return Err(item);
        }
        if desk.waiting.is_empty() {
            // ordering: acquire pairs with the release in `pop`, on the word that the reader
            // advances: it has seen this mark, or this sees the room that it made (model
            // `a_sender_that_waits_has_its_turn`).
            self.head.0.fetch_or(WAITING, Ordering::Acquire);
            let claimed = self.claim(true);
            if claimed != Err(Unclaimed::Full) {
                self.open_the_gate();
                drop(desk);
                return match claimed {
                    // SAFETY: claimed above.
                    Ok(ticket) => unsafe { self.fill(ticket, item) }.map(|()| None),
                    Err(_) => Err(item),
                };
            }
        }
        let number = desk.next;
        desk.next += 1;
        desk.waiting.insert(number, Waiting { item, waker: Some(waker) });
        Ok(Some(number))
    }

    /// For whoever holds the lock of the desk, where nobody waits.
    fn open_the_gate(&self) {
        // ordering: relaxed; the lock orders it with the mark, and it hands nothing over.
        self.head.0.fetch_and(!WAITING, Ordering::Relaxed);
    }

    /// For the reader, which has made room for one: moves the first item of the desk in.
    #[cold]
    fn refill(&self) {
        let mut desk = lock(&self.desk);
        let Some(first) = desk.waiting.first_entry() else { return };
        // Shut: whoever waits is told, and takes its item back.
        let Ok(ticket) = self.claim(true) else { return };
        let Waiting { item, waker } = first.remove();
        if desk.waiting.is_empty() {
            self.open_the_gate();
        }
        drop(desk);
        // SAFETY: claimed above. The reader is the caller, so it has not gone and does not sleep.
        let filled = unsafe { self.fill(ticket, item) };
        debug_assert!(filled.is_ok(), "filled by the reader itself");
        // The reader has an item in its hand, and nothing to do with what a waker may do.
        if let Some(waker) = waker
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake()))
        {
            undelivered(payload);
        }
    }

    /// Brings the end, unless it came before or nobody is there to be told.
    fn shut(&self, ending: Ending<E>) -> Result<(), Ending<E>> {
        let mut desk = lock(&self.desk);
        let told = desk.ends.shut(ending)?;
        let dismissed = desk.dismiss();
        drop(desk);
        // ordering: acquire pairs with the release in `sleep`: if that came first, its mark is
        // seen below (model `the_end_races_sleep`). The end itself is handed over by the lock.
        let tail = self.tail.0.fetch_or(SHUT, Ordering::Acquire);
        // ordering: relaxed; see above for what orders it, and ringing makes the edge.
        let slept = self.slot(tail / TAIL).state.compare_exchange(
            ASLEEP,
            EMPTY,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if slept.is_ok() {
            self.ring();
        }
        let mut contained = Contained::default();
        contained.wake(dismissed);
        contained.wake(told);
        contained.done();
        Ok(())
    }
}

impl<T: Send + 'static, E: Send + 'static> Queue for Shared<T, E> {
    fn levels(&self) -> Levels {
        // ordering: acquire pairs with the release in `pop`: the ticket of what was taken, or a
        // later one, is seen below (model `a_look_sees_no_more_than_there_was`).
        let head = self.head.0.load(Ordering::Acquire) / HEAD;
        // ordering: acquire pairs with the release in `claim`: its mark, or a later one, is seen
        // below (model `a_look_sees_no_more_than_there_was`).
        let tail = self.tail.0.load(Ordering::Acquire) / TAIL;
        // ordering: relaxed; see the tail.
        let most = self.most.load(Ordering::Relaxed);
        Levels { came: tail, went: head.max(tail.saturating_sub(most)), most }
    }
}

/// Why an item was not taken in. It comes back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// There are as many items in the queue as it has room for, or others wait for room.
    Full(T),
    /// The reader has gone, or the end was brought.
    Closed(T),
}

impl<T> Refused<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            Refused::Full(item) | Refused::Closed(item) => item,
        }
    }
}

/// One of the ends that items go in by. A clone is another.
pub struct Writer<T, E> {
    shared: Arc<Shared<T, E>>,
    done: bool,
}

impl<T, E> Writer<T, E> {
    /// Puts an item at the end of the queue, and rings if the reader waits.
    ///
    /// # Errors
    /// The item, and why it was not taken in.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), Refused<T>> {
        match self.shared.claim(false) {
            // SAFETY: claimed above.
            Ok(ticket) => unsafe { self.shared.fill(ticket, item) }.map_err(Refused::Closed),
            Err(Unclaimed::Full) => Err(Refused::Full(item)),
            Err(Unclaimed::Closed) => Err(Refused::Closed(item)),
            Err(Unclaimed::Gated) => self.shared.push_at_the_desk(item),
        }
    }

    /// Puts an item at the end of the queue, if there is room or soon will be: looks for it up to
    /// `looks` times, for a thread that would have to sleep. Where somebody waits for room it does not
    /// look: it would have to stand behind.
    ///
    /// # Errors
    /// As [`push`](Writer::push).
    pub fn push_soon(&self, item: T, looks: u32) -> Result<(), Refused<T>> {
        for look in 0..=looks {
            match self.shared.claim(false) {
                Ok(ticket) => {
                    // SAFETY: claimed above.
                    return unsafe { self.shared.fill(ticket, item) }.map_err(Refused::Closed);
                }
                Err(Unclaimed::Closed) => return Err(Refused::Closed(item)),
                Err(Unclaimed::Full) if look < looks => snooze(look),
                Err(Unclaimed::Full | Unclaimed::Gated) => break,
            }
        }
        Err(Refused::Full(item))
    }

    /// Puts an item at the end of the queue as soon as there is room.
    pub fn send(&self, item: T) -> Sending<'_, T, E> {
        Sending { shared: &self.shared, state: State::Fresh(item) }
    }

    /// Waits until nothing more is taken in.
    #[must_use = "futures do nothing unless they are polled"]
    pub fn closed(&self) -> Closed<'_, T, E> {
        Closed { shared: &self.shared, number: None }
    }

    /// Whether nothing more is taken in: the end was brought, or the reader has gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.shared.tail.0.load(Ordering::Relaxed) & (SHUT | GONE) != 0
    }

    /// How many items are in the queue; others may be adding and taking.
    #[must_use]
    pub fn len(&self) -> usize {
        // ordering: relaxed, both; a figure for whoever wants to know.
        let head = self.shared.head.0.load(Ordering::Relaxed) / HEAD;
        let tail = self.shared.tail.0.load(Ordering::Relaxed) / TAIL;
        tail.saturating_sub(head).min(self.shared.capacity) as usize
    }

    /// Whether it is empty; others may be adding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// Says that this writer has written all it had to.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// Completes now, whatever other writers still have to write; `false` where it was over
    /// already.
    pub fn complete(&self) -> bool {
        self.shared.shut(Ending::Complete).is_ok()
    }

    /// Fails now, behind what is queued.
    ///
    /// # Errors
    /// The error, where it was over already.
    pub fn fail(&self, error: E) -> Result<(), E> {
        match self.shared.shut(Ending::Error(error)) {
            Err(Ending::Error(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

impl<T, E> Clone for Writer<T, E> {
    fn clone(&self) -> Writer<T, E> {
        lock(&self.shared.desk).ends.enter();
        Writer { shared: self.shared.clone(), done: false }
    }
}

impl<T, E> Drop for Writer<T, E> {
    fn drop(&mut self) {
        let end = lock(&self.shared.desk).ends.leave(self.done);
        if let Some(end) = end {
            // One that came before stands.
            let _ = self.shared.shut(end);
        }
    }
}

impl<T, E> fmt::Debug for Writer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// An item on its way into the queue. Ready with the item where it is closed.
///
/// Dropping it takes the item back, unless it is in the queue by then.
#[must_use = "futures do nothing unless they are polled"]
pub struct Sending<'a, T, E> {
    shared: &'a Arc<Shared<T, E>>,
    state: State<T>,
}

enum State<T> {
    Fresh(T),
    /// At the desk, under this number.
    Waiting(u64),
    Over,
}

// The item is moved, never pinned.
impl<T, E> Unpin for Sending<'_, T, E> {}

impl<T, E> Sending<'_, T, E> {
    fn poll_waiting(&mut self, number: u64, context: &task::Context<'_>) -> Poll<Result<(), T>> {
        // A waker is foreign code: cloned outside of the lock, and dropped after it.
        let mut fresh = None;
        loop {
            let mut desk = lock(&self.shared.desk);
            let closed = desk.ends.is_closed();
            let Some(waiting) = desk.waiting.get_mut(&number) else {
                // The reader moved it in.
                return Poll::Ready(Ok(()));
            };
            if closed {
                let waiting = desk.waiting.remove(&number);
                drop(desk);
                return match waiting {
                    Some(Waiting { item, .. }) => Poll::Ready(Err(item)),
                    None => Poll::Ready(Ok(())),
                };
            }
            if waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                return Poll::Pending;
            }
            if let Some(fresh) = fresh.take() {
                let before = waiting.waker.replace(fresh);
                drop(desk);
                drop(before);
                return Poll::Pending;
            }
            drop(desk);
            fresh = Some(context.waker().clone());
        }
    }
}

impl<T, E> Future for Sending<'_, T, E> {
    /// The item comes back where nothing more is taken in.
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Result<(), T>> {
        let item = match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(item) => item,
            State::Waiting(number) => {
                let polled = self.poll_waiting(number, context);
                if polled.is_pending() {
                    self.state = State::Waiting(number);
                }
                return polled;
            }
            State::Over => panic!("a send was polled after it was over"),
        };
        let item = match self.shared.claim(false) {
            // SAFETY: claimed above.
            Ok(ticket) => return Poll::Ready(unsafe { self.shared.fill(ticket, item) }),
            Err(Unclaimed::Closed) => return Poll::Ready(Err(item)),
            Err(Unclaimed::Full | Unclaimed::Gated) => item,
        };
        match self.shared.wait(item, context.waker().clone()) {
            Ok(None) => Poll::Ready(Ok(())),
            Ok(Some(number)) => {
                self.state = State::Waiting(number);
                Poll::Pending
            }
            Err(item) => Poll::Ready(Err(item)),
        }
    }
}

impl<T, E> Drop for Sending<'_, T, E> {
    fn drop(&mut self) {
        if let State::Waiting(number) = self.state {
            let mut desk = lock(&self.shared.desk);
            let waiting = desk.waiting.remove(&number);
            if waiting.is_some() && desk.waiting.is_empty() {
                self.shared.open_the_gate();
            }
            drop(desk);
            drop(waiting);
        }
    }
}

impl<T, E> fmt::Debug for Sending<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Fresh(_) => "Sending(not started)",
            State::Waiting(_) => "Sending(waiting)",
            State::Over => "Sending(over)",
        })
    }
}

/// Ready when nothing more is taken in.
#[must_use = "futures do nothing unless they are polled"]
pub struct Closed<'a, T, E> {
    shared: &'a Arc<Shared<T, E>>,
    number: Option<u64>,
}

impl<T, E> Future for Closed<'_, T, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<()> {
        let Closed { shared, number } = &mut *self;
        poll_until(
            &shared.desk,
            number,
            context,
            |desk| desk.ends.is_closed(),
            |desk| &mut desk.ends.watching,
        )
    }
}

impl<T, E> Drop for Closed<'_, T, E> {
    fn drop(&mut self) {
        forget(&self.shared.desk, self.number, |desk| &mut desk.ends.watching);
    }
}

impl<T, E> fmt::Debug for Closed<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

/// What a pop came to.
#[derive(Debug, PartialEq, Eq)]
enum Popped<T> {
    Item(T),
    /// There is none for now.
    Empty,
    /// There is none, and none follows.
    Over,
}

/// The end that items come out by. Whoever pulls it must be the host of the bell that it was
/// [given](Reader::attach), and must pull again after the bell has rung.
pub struct Reader<T: 'static, E> {
    shared: Arc<Shared<T, E>>,
    head: u64,
    gone: bool,
    discards: Discards,
    watch: Option<Box<Watch>>,
}

impl<T: 'static, E> Reader<T, E> {
    /// From here on writers ring `bell` when this reader waits, what is never delivered is told to
    /// whom `context` says, and whoever looks sees it as what was put at `site`.
    #[must_use]
    pub fn attach(mut self, bell: &Bell, context: &Context, site: Site) -> Reader<T, E>
    where
        T: Send,
        E: Send + 'static,
    {
        let before = lock(&self.shared.desk).ends.attach(bell.clone());
        drop(before);
        self.discards = context.discards().clone();
        self.watch = Watch::of(bell, context, site, self.capacity(), || self.observe());
        self
    }

    /// The queue, to be read while all ends are in use.
    #[must_use]
    pub fn observe(&self) -> Arc<dyn Queue>
    where
        T: Send,
        E: Send + 'static,
    {
        self.shared.clone()
    }

    fn pop(&mut self) -> Popped<T> {
        let slot = self.shared.slot(self.head);
        // ordering: acquire pairs with the release in `fill` (model
        // `two_writers_race_the_reader`).
        if slot.state.load(Ordering::Acquire) != FULL {
            return self.look();
        }
        // SAFETY: the slot is full, so its writer has given it up, and this is the one reader
        // (model `two_writers_race_the_reader`).
        let item = unsafe { self.shared.read(self.head) };
        // ordering: relaxed; the next writer of the slot sees it by the word below.
        slot.state.store(EMPTY, Ordering::Relaxed);
        self.head += 1;
        // ordering: release pairs with the acquire in `claim` and `wait` (models
        // `a_slot_is_used_again`, `a_sender_that_waits_has_its_turn`).
        let before = self.shared.head.0.fetch_add(HEAD, Ordering::Release);
        if before & WAITING != 0 {
            self.shared.refill();
        }
        Popped::Item(item)
    }

    /// Whether the queue is empty for now or for good, where no item is ready.
    fn look(&self) -> Popped<T> {
        // ordering: relaxed; whoever sees the end finds it under the lock, and whoever does not
        // looks again in `sleep`.
        self.over(self.shared.tail.0.load(Ordering::Relaxed))
    }

    fn over(&self, tail: u64) -> Popped<T> {
        if tail & SHUT != 0 && tail / TAIL == self.head { Popped::Over } else { Popped::Empty }
    }

    /// Asks to be rung for when the next slot is filled, or at the end; `false` where something
    /// came meanwhile: look again.
    fn sleep(&self) -> bool {
        // ordering: relaxed; the mark hands nothing over, and whoever finds it rings, which makes
        // the edge (model `no_wake_up_of_the_reader_is_lost`).
        let marked = self.shared.slot(self.head).state.compare_exchange(
            EMPTY,
            ASLEEP,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if marked == Err(FULL) {
            return false;
        }
        // ordering: release pairs with the acquire in `shut`, which then finds the mark. It changes
        // nothing, but takes its place in the order of the word: if the shutting came first, it is
        // seen here (model `the_end_races_sleep`).
        let tail = self.shared.tail.0.fetch_or(0, Ordering::Release);
        !matches!(self.over(tail), Popped::Over)
    }

    /// How many items are in the queue; others may be adding.
    #[must_use]
    pub fn len(&self) -> usize {
        // ordering: relaxed; a figure for whoever wants to know.
        (self.shared.tail.0.load(Ordering::Relaxed) / TAIL - self.head) as usize
    }

    /// Whether it is empty; others may be adding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    #[cold]
    fn end<I>(&mut self) -> Pulled<I, E> {
        let taken = lock(&self.shared.desk).ends.take();
        if let Some(watch) = &mut self.watch {
            watch.ended(taken.state());
        }
        taken.pulled()
    }

    fn clear(&mut self) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        // ordering: relaxed; it stops the tickets. What is in the slots is settled by each of
        // them.
        let tail = self.shared.tail.0.fetch_or(GONE, Ordering::Relaxed) / TAIL;
        let mut desk = lock(&self.shared.desk);
        let dismissed = desk.dismiss();
        let (told, left) = desk.ends.abandon();
        drop(desk);
        let mut contained = Contained::default();
        contained.wake(dismissed);
        contained.wake(told);
        contained.run(|| drop(left));
        let went = self.head;
        let mut back = 0;
        while self.head < tail {
            // ordering: acquire pairs with the release in `fill`: the item is visible. Where it is
            // not there yet, its writer finds `LEFT`, and by the release all that was done here
            // (model `pushes_race_the_end_of_the_reader`).
            if self.shared.slot(self.head).state.swap(LEFT, Ordering::AcqRel) == FULL {
                // SAFETY: as in `pop`.
                let item = unsafe { self.shared.read(self.head) };
                contained.run(|| self.discards.discard(item));
            } else {
                back += 1;
            }
            self.head += 1;
        }
        if let Some(watch) = &self.watch {
            watch.close(Levels { came: tail - back, went, most: 0 });
        }
        contained.done();
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Reader<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        loop {
            match self.pop() {
                Popped::Item(item) => return Pulled::Item(item),
                Popped::Empty => {
                    if self.sleep() {
                        return Pulled::Pending;
                    }
                }
                Popped::Over => return self.end(),
            }
        }
    }

    fn look_ahead(&mut self, _started: bool) -> Pulled<T, E> {
        loop {
            // To be told of the end, for which no demand is needed.
            match self.look() {
                Popped::Over => return self.end(),
                _ if self.is_ready() || self.sleep() => return Pulled::Pending,
                _ => {}
            }
        }
    }
}

impl<T: 'static, E> Reader<T, E> {
    /// Whether the next item is here.
    fn is_ready(&self) -> bool {
        // ordering: relaxed; nothing is read by it.
        self.shared.slot(self.head).state.load(Ordering::Relaxed) == FULL
    }
}

impl<T: 'static, E> Drop for Reader<T, E> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T: 'static, E> fmt::Debug for Reader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}
