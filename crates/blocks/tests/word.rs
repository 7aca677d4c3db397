//! Models of the demand word: no demand, signal or cancellation is lost, and one holds the turn.

use std::sync::Arc;

use millstream_blocks::word::{DemandWord, Knock};
use millstream_core::{Credit, Demand, More};
use millstream_sync::{AtomicUsize, Ordering, model, thread};

/// What holders found, added up over their turns.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    demand: Credit,
    signals: u32,
    closed: u32,
}

impl Found {
    fn and(mut self, other: Found) -> Found {
        self.demand.add(other.demand.get());
        self.signals += other.signals;
        self.closed += other.closed;
        self
    }
}

/// What whoever knocks does: with the turn, claims until it can leave.
fn work(word: &DemandWord, knock: Knock) -> Found {
    let mut found = Found::default();
    if knock != Knock::Entered {
        return found;
    }
    loop {
        let claim = word.claim();
        found.demand.add(claim.more);
        found.signals += u32::from(claim.signalled);
        if claim.closed {
            found.closed += 1;
            return found;
        }
        if word.leave() {
            return found;
        }
    }
}

/// Runs `knock` on another thread.
fn beside(
    word: &Arc<DemandWord>,
    knock: impl FnOnce(&DemandWord) -> Knock + Send + 'static,
) -> thread::JoinHandle<Found> {
    let word = word.clone();
    thread::spawn(move || {
        let knock = knock(&word);
        work(&word, knock)
    })
}

#[test]
fn request_races_request() {
    model("word: request_races_request", || {
        let word = Arc::new(DemandWord::new());
        let other = beside(&word, |word| word.request(Demand::of(2)));
        let third = beside(&word, |word| word.request(Demand::of(4)));
        let knock = word.request(Demand::ONE);
        let found = work(&word, knock).and(other.join().unwrap()).and(third.join().unwrap());
        assert_eq!(found.demand.get(), More::of(7));
        assert_eq!(word.enter(), Knock::Entered, "the word is idle again");
    });
}

/// Asks for `n`, and claims it where it enters; then works off what else comes.
fn ask(word: &DemandWord, n: u64) -> Found {
    let knock = word.request_claimed(Demand::of(n));
    let mut found = Found::default();
    if knock == Knock::Entered {
        found.demand.add(More::of(n));
        if word.leave() {
            return found;
        }
    }
    found.and(work(word, knock))
}

#[test]
fn what_is_claimed_by_asking_is_claimed_once() {
    model("word: what_is_claimed_by_asking_is_claimed_once", || {
        let word = Arc::new(DemandWord::new());
        let other = beside(&word, |word| word.request(Demand::of(2)));
        let asks = word.clone();
        let third = thread::spawn(move || ask(&asks, 4));
        let found = ask(&word, 1).and(other.join().unwrap()).and(third.join().unwrap());
        assert_eq!(found.demand.get(), More::of(7));
        assert_eq!(word.enter(), Knock::Entered, "the word is idle again");
    });
}

#[test]
fn cancel_races_what_is_claimed_by_asking() {
    model("word: cancel_races_what_is_claimed_by_asking", || {
        let word = Arc::new(DemandWord::new());
        let other = beside(&word, DemandWord::cancel);
        let found = ask(&word, 3).and(other.join().unwrap());
        assert_eq!(found.closed, 1, "one drops the state");
        assert_eq!(word.request_claimed(Demand::ONE), Knock::Closed);
    });
}

#[test]
fn request_races_leave() {
    model("word: request_races_leave", || {
        let word = Arc::new(DemandWord::new());
        let knock = word.enter();
        let other = beside(&word, |word| word.request(Demand::of(3)));
        let found = work(&word, knock).and(other.join().unwrap());
        assert_eq!(found.demand.get(), More::of(3));
        assert_eq!((found.signals, found.closed), (0, 0));
    });
}

#[test]
fn request_near_the_bound_races_request() {
    model("word: request_near_the_bound_races_request", || {
        let word = Arc::new(DemandWord::new());
        let nearly = Demand::of(Demand::UNBOUNDED.get() - 1);
        let knock = word.request(nearly);
        let other = beside(&word, move |word| word.request(nearly));
        let third = beside(&word, |word| word.request(Demand::UNBOUNDED));
        let found = work(&word, knock).and(other.join().unwrap()).and(third.join().unwrap());
        assert_eq!(found.demand.get(), More::UNBOUNDED);
        assert_eq!((found.signals, found.closed), (0, 0), "demand ran over into the flags");
    });
}

#[test]
fn request_publishes_what_came_before() {
    model("word: request_publishes_what_came_before", || {
        let word = Arc::new(DemandWord::new());
        let before = Arc::new(AtomicUsize::new(0));
        let knock = word.enter();
        let written = before.clone();
        let other = beside(&word, move |word| {
            written.store(1, Ordering::Relaxed);
            word.request(Demand::ONE)
        });
        let found = work(&word, knock);
        let seen = before.load(Ordering::Relaxed);
        let missed = other.join().unwrap();
        assert!(found.demand.is_empty() || seen == 1, "claimed, but not seen what came before");
        assert_eq!(found.and(missed).demand.get(), More::ONE);
    });
}

#[test]
fn signal_publishes_what_came_before() {
    model("word: signal_publishes_what_came_before", || {
        let word = Arc::new(DemandWord::new());
        let before = Arc::new(AtomicUsize::new(0));
        let knock = word.enter();
        let written = before.clone();
        let other = beside(&word, move |word| {
            written.store(1, Ordering::Relaxed);
            word.signal()
        });
        let found = work(&word, knock);
        let seen = before.load(Ordering::Relaxed);
        let missed = other.join().unwrap();
        assert!(found.signals == 0 || seen == 1, "told, but not seen what came before");
        assert_eq!(found.and(missed).signals, 1);
    });
}

#[test]
fn leave_publishes_to_whoever_enters() {
    model("word: leave_publishes_to_whoever_enters", || {
        for knock in [DemandWord::enter, DemandWord::signal, DemandWord::cancel] {
            let word = Arc::new(DemandWord::new());
            let state = Arc::new(AtomicUsize::new(0));
            let holder = word.enter();
            let (guarded, seen) = (state.clone(), word.clone());
            let other = thread::spawn(move || {
                let entered = knock(&seen) == Knock::Entered;
                entered.then(|| guarded.load(Ordering::Relaxed))
            });
            assert_eq!(holder, Knock::Entered);
            state.store(1, Ordering::Relaxed);
            let _ = word.claim();
            let _ = word.leave();
            assert_ne!(other.join().unwrap(), Some(0), "entered, but the state is an old one");
        }
    });
}

#[test]
fn signal_races_leave() {
    model("word: signal_races_leave", || {
        let word = Arc::new(DemandWord::new());
        let knock = word.request(Demand::ONE);
        let other = beside(&word, DemandWord::signal);
        let found = work(&word, knock).and(other.join().unwrap());
        assert_eq!(found.signals, 1, "a signal was lost, or seen twice");
        assert_eq!(found.demand.get(), More::ONE);
        assert_eq!(word.enter(), Knock::Entered);
    });
}

#[test]
fn cancel_races_leave() {
    model("word: cancel_races_leave", || {
        let word = Arc::new(DemandWord::new());
        let knock = word.request(Demand::ONE);
        let other = beside(&word, DemandWord::cancel);
        let found = work(&word, knock).and(other.join().unwrap());
        assert_eq!(found.closed, 1, "exactly one drops the state");
        assert_eq!(word.enter(), Knock::Closed);
        assert!(word.is_closed());
    });
}

#[test]
fn cancel_races_request() {
    model("word: cancel_races_request", || {
        let word = Arc::new(DemandWord::new());
        let other = beside(&word, DemandWord::cancel);
        let knock = word.request(Demand::ONE);
        let found = work(&word, knock).and(other.join().unwrap());
        assert_eq!(found.closed, 1, "exactly one drops the state");
        assert_eq!(word.request(Demand::ONE), Knock::Closed);
        assert!(word.claim().more.demand().is_none(), "demand was added after the end");
    });
}

#[test]
fn cancel_races_cancel() {
    model("word: cancel_races_cancel", || {
        let word = Arc::new(DemandWord::new());
        let other = beside(&word, DemandWord::cancel);
        let knock = word.cancel();
        let found = work(&word, knock).and(other.join().unwrap());
        assert_eq!(found.closed, 1, "exactly one drops the state");
    });
}

/// A holder that looks before each item looks up for a cancellation, as for a signal, and finds it.
#[test]
fn who_closes_interrupts() {
    model("word: who_closes_interrupts", || {
        let word = Arc::new(DemandWord::new());
        assert_eq!(word.request(Demand::ONE), Knock::Entered);
        let theirs = word.clone();
        let other = thread::spawn(move || theirs.cancel());
        let before = word.interrupted();
        let claim = word.claim();
        assert!(!before || claim.closed, "interrupted for nothing");
        assert_eq!(other.join().unwrap(), Knock::Noted);
        assert!(claim.closed || word.interrupted(), "nobody looks");
        assert!(word.claim().closed);
    });
}

#[test]
fn enter_races_enter() {
    model("word: enter_races_enter", || {
        let word = Arc::new(DemandWord::new());
        let theirs = word.clone();
        let other = thread::spawn(move || theirs.enter());
        let mine = word.enter();
        let both = [mine, other.join().unwrap()];
        assert_eq!(both.iter().filter(|knock| **knock == Knock::Entered).count(), 1, "{both:?}");
        assert!(both.contains(&Knock::Noted), "{both:?}");
    });
}

#[test]
fn close_races_request() {
    model("word: close_races_request", || {
        let word = Arc::new(DemandWord::new());
        let knock = word.enter();
        let theirs = word.clone();
        let other = thread::spawn(move || theirs.request(Demand::ONE));
        assert_eq!(knock, Knock::Entered);
        word.close();
        assert_ne!(other.join().unwrap(), Knock::Entered, "entered a closed word");
        assert_eq!(word.signal(), Knock::Closed);
        assert!(!word.leave());
    });
}
