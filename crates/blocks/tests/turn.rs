//! Models of the turn: one holder at a time, and a holder that goes away closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_blocks::turn::{Holder, Turn};
use millstream_core::Demand;
use millstream_sync::{model, thread};

/// Counts its turns in the state, until it can leave; the last count.
fn count(turn: &Turn<u32>, holder: Option<Holder<'_>>) -> Option<u32> {
    let mut holder = holder?;
    loop {
        let closed = holder.claim().closed;
        let counted = turn.with(&mut holder, |state| {
            *state += 1;
            *state
        });
        if closed || holder.leave() {
            return Some(counted);
        }
    }
}

/// The name that the SAFETY comments of the block refer to: loom tells of every access to the
/// state that is not ordered with the one before.
#[test]
fn turn_excludes() {
    model("turn: turn_excludes", || {
        let turn = Arc::new(Turn::new(0));
        let (second, third) = (turn.clone(), turn.clone());
        let second = thread::spawn(move || count(&second, second.request(Demand::ONE)));
        let third = thread::spawn(move || count(&third, third.signal()));
        let first = count(&turn, turn.enter());
        let counts = [first, second.join().unwrap(), third.join().unwrap()];
        let last = counts.into_iter().flatten().max();
        // Whoever comes last finds it idle, and the count of all turns before.
        assert_eq!(count(&turn, turn.signal()), last.map(|last| last + 1), "{counts:?}");
    });
}

#[test]
fn first_turn_excludes() {
    model("turn: first_turn_excludes", || {
        let turn = Arc::new(Turn::held(0));
        // SAFETY: made by `held` above, and this is its one call.
        let first = unsafe { turn.first() };
        let (second, third) = (turn.clone(), turn.clone());
        let second = thread::spawn(move || count(&second, second.request(Demand::ONE)));
        let third = thread::spawn(move || count(&third, third.signal()));
        let first = count(&turn, Some(first));
        let counts = [first, second.join().unwrap(), third.join().unwrap()];
        let last = counts.into_iter().flatten().max();
        assert_eq!(count(&turn, turn.signal()), last.map(|last| last + 1), "{counts:?}");
    });
}

#[test]
fn cancel_races_turn() {
    model("turn: cancel_races_turn", || {
        let turn = Arc::new(Turn::new(0));
        let theirs = turn.clone();
        let other = thread::spawn(move || count(&theirs, theirs.cancel()));
        let mine = count(&turn, turn.request(Demand::ONE));
        let _ = (mine, other.join().unwrap());
        assert!(turn.is_closed());
        assert!(turn.enter().is_none() && turn.signal().is_none() && turn.cancel().is_none());
    });
}

/// Takes the state, as a holder does that finds the word closed.
fn take_when_closed(turn: &Turn<Option<u32>>, holder: Option<Holder<'_>>) -> Option<u32> {
    let mut holder = holder?;
    loop {
        if holder.claim().closed {
            return turn.with(&mut holder, Option::take);
        }
        if holder.leave() {
            return None;
        }
    }
}

#[test]
fn cancel_races_cancel_and_request() {
    model("turn: cancel_races_cancel_and_request", || {
        let turn = Arc::new(Turn::new(Some(7)));
        let (second, third) = (turn.clone(), turn.clone());
        let second = thread::spawn(move || take_when_closed(&second, second.cancel()));
        let third = thread::spawn(move || take_when_closed(&third, third.request(Demand::ONE)));
        let first = take_when_closed(&turn, turn.cancel());
        let taken = [first, second.join().unwrap(), third.join().unwrap()];
        assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [7], "taken exactly once");
    });
}

#[test]
fn signal_races_leave() {
    model("turn: signal_races_leave", || {
        let turn = Arc::new(Turn::new(0));
        let theirs = turn.clone();
        let seen = |turn: &Turn<u32>, holder: Option<Holder<'_>>| {
            let Some(mut holder) = holder else { return 0 };
            let mut seen = 0;
            loop {
                seen += u32::from(holder.claim().signalled);
                turn.with(&mut holder, |state| *state += 1);
                if holder.leave() {
                    return seen;
                }
            }
        };
        let other = thread::spawn(move || seen(&theirs, theirs.signal()));
        let mine = seen(&turn, turn.enter());
        assert_eq!(mine + other.join().unwrap(), 1, "the signal is seen once");
        assert!(!turn.is_closed(), "who leaves does not close");
    });
}

#[test]
fn panic_of_the_holder_races_request() {
    model("turn: panic_of_the_holder_races_request", || {
        let turn = Arc::new(Turn::new(0));
        let holder = turn.enter();
        let theirs = turn.clone();
        let other = thread::spawn(move || theirs.request(Demand::ONE).is_some());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let mut holder = holder;
            // Not a panic of its own: it would print in every schedule.
            if let Some(holder) = &mut holder {
                turn.with(holder, |_| std::panic::resume_unwind(Box::new(())));
            }
        }));
        assert!(unwound.is_err());
        assert!(!other.join().unwrap(), "nobody gets a state that a panic has left");
        assert!(turn.is_closed(), "nobody waits for a turn that never ends");
        assert!(turn.cancel().is_none());
    });
}
