//! A door: the way of an item past the queue of its lane, to whoever asks for it just now.
//!
//! ```text
//!                 ┌─ Inlet ── ring(capacity) ── Outlet ─┐
//!   upstream ─────┤                                     ├─▶ each item: the loop of the host
//!       ▲         └──────────────── door ───────────────┘
//!       └── request(n), from inside of that loop
//! ```
//!
//! An outlet asks for more from inside of the loop that takes its items. Where upstream sends them in
//! that very call, as a synchronous source does, the host can do nothing meanwhile but wait for the
//! call to return: its loop, its turn and its credit lie idle, further down on this stack. So the
//! outlet lends them: it writes down on its thread what takes an item, and takes it out when
//! the call is over. An inlet that finds its own lane written down passes its item, by a call.
//! No atomic operation is made for it, and nothing is counted between threads.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `LENT`, of a thread | `lend`, which puts back what was there before, on a panic too | any |
//! | a frame | its thread | while it is written down |
//! | `each` of a frame | the inlet of that lane, which is called by `&mut` | while the frame is written down and open |
//!
//! | a frame is | from | what becomes of an item |
//! |---|---|---|
//! | open | the call, with an empty queue | passes |
//! | closed | an answer that the loop stops, a panic, or as many items as may be on their way | is queued |
//! | past | an item of this lane that went into its queue | is queued, behind that one |
//!
//! * **On no other thread.** A source that sends elsewhere finds nothing written down, and its items go
//!   through the queue.
//! * **Order.** An inlet passes only while it has put nothing in its queue that the outlet has not
//!   taken: the frame says how much that was. An inlet that has seen so may pass until it puts something
//!   in its queue again, by any frame of its lane: an outlet takes none back. An end always goes through
//!   the queue, behind all items.
//! * **Never without demand, nor past a cancellation.** What takes an item is what would take it from
//!   the queue, and it says after each whether it takes another: no credit, news at the host and the
//!   end of a turn close the frame, and the rest of what was asked for is queued.
//! * **Bounds.** A frame takes as many items as can be on their way. A source that sends more fills its
//!   queue, and is told that it overflows, as it would be without a door.
//! * **A panic** of what follows is caught for the one item, so that no source sees it, and goes on in
//!   the loop of the host when the call is over.
//! * **Not nested.** While an item passes, its lane has no other: its inlet is borrowed. Others may lend
//!   further up on the same stack, so a lane is looked for in all that is written down.

use std::any::Any;
use std::cell::Cell;
use std::hint::cold_path;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use millstream_sync::of_each_thread;

// The innermost frame of this thread.
of_each_thread!(LENT: Cell<*const Frame> = Cell::new(&raw const NOBODY.0));

/// The lane of a frame that is closed: nothing is there.
const CLOSED: usize = 0;

/// For an inlet that has something in its queue: no frame is of that lane.
pub(crate) const NOWHERE: usize = usize::MAX;

/// What is written down where nothing is lent: no comparison is spent on that.
static NOBODY: Nobody = Nobody(Frame {
    lane: Cell::new(CLOSED),
    queued: 0,
    room: Cell::new(0),
    stopped: Cell::new(false),
    before: ptr::null(),
});

struct Nobody(Frame);

// SAFETY: it is never written: only the frame of a lane is, and none has its address (every model
// begins with it).
unsafe impl Sync for Nobody {}

/// What is written down, whatever passes.
struct Frame {
    /// The address of what the two ends of the lane share; or [`CLOSED`].
    lane: Cell<usize>,
    /// How many items were put in the queue, all of which were taken.
    queued: u64,
    /// How many may pass.
    room: Cell<u64>,
    /// What takes them takes no other.
    stopped: Cell<bool>,
    before: *const Frame,
}

/// A frame, and what takes an item.
#[repr(C)]
struct Loan<T> {
    frame: Frame,
    /// [`take`], for the type of `each`.
    // SAFETY: what the caller owes is said there; `hand` alone calls it (model `an_item_passes_alone`).
    take: unsafe fn(&Loan<T>, T),
    each: *mut (),
    panicked: Cell<Option<Box<dyn Any + Send>>>,
}

/// Puts back what was written down before, when this is dropped.
struct Back(*const Frame);

impl Drop for Back {
    #[inline]
    fn drop(&mut self) {
        let _written = LENT.try_with(|lent| lent.set(self.0));
    }
}

/// What is written down. A thread that ends has nothing.
#[inline]
fn lent() -> *const Frame {
    LENT.try_with(Cell::get).unwrap_or(&raw const NOBODY.0)
}

/// For the outlet of `lane`, whose queue is empty after `queued` items: calls `ask`, and hands up to
/// `room` items that upstream sends in that call to `each`, until that answers `false`. How many passed,
/// and whether it takes another. A panic of `each` is raised here.
#[inline]
pub(crate) fn lend<T, F: FnMut(T) -> bool>(
    lane: usize,
    queued: u64,
    room: u64,
    each: &mut F,
    ask: impl FnOnce(),
) -> (u64, bool) {
    let before = lent();
    let loan = Loan {
        frame: Frame {
            lane: Cell::new(lane),
            queued,
            room: Cell::new(room),
            stopped: Cell::new(false),
            before,
        },
        take: take::<T, F>,
        each: ptr::from_mut(each).cast(),
        panicked: Cell::new(None),
    };
    let back = Back(before);
    let _written = LENT.try_with(|lent| lent.set((&raw const loan).cast()));
    ask();
    drop(back);
    if let Some(payload) = loan.panicked.take() {
        resume_unwind(payload);
    }
    (room - loan.frame.room.get(), !loan.frame.stopped.get())
}

/// Hands an item to what `loan` was made of, which closes where that takes no other, or it is the last.
///
/// # Safety
/// `F` is what it was made of, nobody else calls it, and what it is lent for has not returned.
unsafe fn take<T, F: FnMut(T) -> bool>(loan: &Loan<T>, item: T) {
    // Counted here, where the frame is at hand; and before the item passes: who sends it is borrowed, so
    // nobody looks meanwhile.
    let room = loan.frame.room.get() - 1;
    loan.frame.room.set(room);
    if room == 0 {
        // At most once in a turn: no item is to jump past it.
        cold_path();
        loan.frame.lane.set(CLOSED);
    }
    // SAFETY: by the contract of this function: `lend` has borrowed it, and does not touch it meanwhile.
    let each = unsafe { &mut *loan.each.cast::<F>() };
    match catch_unwind(AssertUnwindSafe(|| each(item))) {
        Ok(true) => return,
        Ok(false) => cold_path(),
        Err(payload) => loan.panicked.set(Some(payload)),
    }
    loan.frame.stopped.set(true);
    loan.frame.lane.set(CLOSED);
}

/// For the inlet of `lane`, which has nothing in its queue: hands `item` to the innermost that is lent on
/// this thread, if that is for this lane. It comes back where it is not.
///
/// # Safety
/// `lane` is [`NOWHERE`]; or it is the address of what the inlet shares with its outlet, and `T` is what
/// both are for. The inlet is called by `&mut`.
#[inline]
pub(crate) unsafe fn pass<T>(lane: usize, item: T) -> Result<(), T> {
    let frame = lent();
    // SAFETY: what is written down is on the stack of this thread, and is taken out before it goes
    // (`Back`, model `what_was_lent_is_taken_back`); or it is `NOBODY`.
    if unsafe { &*frame }.lane.get() != lane {
        // Beside an exchange a jump is nothing, and beside what passes it is much.
        cold_path();
        return Err(item);
    }
    // SAFETY: it is the frame of this lane; the rest is the contract of this function.
    unsafe { hand(frame, item) };
    Ok(())
}

/// As [`pass`], for an inlet that has put `queued` items in its queue, by any frame of its lane: where all
/// of those were taken.
///
/// # Safety
/// As that of [`pass`].
#[cold]
pub(crate) unsafe fn pass_below<T>(lane: usize, queued: u64, item: T) -> Result<(), T> {
    let mut frame = lent();
    // SAFETY: as in `pass`; `NOBODY` is the last.
    while let Some(here) = unsafe { frame.as_ref() } {
        if here.lane.get() == lane {
            if here.queued != queued {
                break;
            }
            // SAFETY: as in `pass`.
            unsafe { hand(frame, item) };
            return Ok(());
        }
        frame = here.before;
    }
    Err(item)
}

/// Hands an item to what `frame` is of.
///
/// # Safety
/// It is written down for the lane of an inlet that is called by `&mut`, and that is for items of type
/// `T`.
#[inline]
unsafe fn hand<T>(frame: *const Frame, item: T) {
    // SAFETY: by the contract of this function `T` is what it was made for: both ends hold what they
    // share, so no other lane has its address. `lend` waits for its `ask`, which is what has called
    // this; nobody else has the frame, and the inlet is borrowed, so the closure does not run already
    // (model `an_item_passes_alone`).
    let loan = unsafe { &*frame.cast::<Loan<T>>() };
    // SAFETY: as above.
    unsafe { (loan.take)(loan, item) };
}
