//! The demand word: how much may be sent, who sends it, and whether it is over.
//!
//! ```text
//!  bit 63     62      61     60 ................ 0
//!   CLOSED   SIGNAL   TURN   demand not yet claimed (saturating, all ones = unbounded)
//! ```
//!
//! Many may knock, one holds the turn. Whoever takes the word from idle to `TURN` is the
//! emitter; everybody else only adds and goes away, so that `request` never recurses (rule 3.3)
//! and signals never overlap (rule 1.3).
//!
//! | transition | from → to | who | told |
//! |---|---|---|---|
//! | [`request`](DemandWord::request) | demand += n, TURN | anyone | [`Knock`] |
//! | [`request_claimed`](DemandWord::request_claimed) | TURN, if idle; else as `request` | anyone | [`Knock`] |
//! | [`enter`](DemandWord::enter) | TURN, if idle | anyone | [`Knock`] |
//! | [`signal`](DemandWord::signal) | SIGNAL, TURN | anyone | [`Knock`] |
//! | [`cancel`](DemandWord::cancel) | CLOSED, TURN | anyone | [`Knock`] |
//! | [`claim`](DemandWord::claim) | demand = 0, no SIGNAL | holder | [`Claim`] |
//! | [`last_claim`](DemandWord::last_claim) | as it is | holder, when nobody knocks any more | [`Claim`] |
//! | [`leave`](DemandWord::leave) | TURN → idle, only if nothing came since the claim | holder | whether it left |
//! | [`close`](DemandWord::close) | CLOSED, TURN stays | holder | |
//!
//! A closed word keeps `TURN` for ever, so nobody can enter again: after the end a subscription
//! counts as cancelled (rule 1.6), and late requests and cancellations do nothing (rules 3.6,
//! 3.7).
//!
//! **No wake-up is lost.** `leave` succeeds only on the exact value `TURN`. A request is either
//! before it in the word's modification order, and then `leave` fails and the holder claims
//! again, or after it, and then it finds the word idle and enters itself.

use millstream_core::{Demand, More};
use millstream_sync::{AtomicU64, Ordering};

const CLOSED: u64 = 1 << 63;
const SIGNAL: u64 = 1 << 62;
const TURN: u64 = 1 << 61;
const DEMAND: u64 = TURN - 1;

/// What a knock at the word came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "whoever enters holds the turn, and must emit or leave"]
pub enum Knock {
    /// The word was idle: the caller holds the turn now.
    Entered,
    /// Somebody holds the turn, and will see what was added before leaving.
    Noted,
    /// It is over; nothing was added.
    Closed,
}

/// What the holder found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "claimed demand is in no other place"]
pub struct Claim {
    /// The demand that came since the last claim.
    pub more: More,
    /// Whether somebody signalled.
    pub signalled: bool,
    /// Whether the word was closed: the holder drops its state and never leaves.
    pub closed: bool,
}

impl Claim {
    /// Of what was [claimed by asking](DemandWord::request_claimed).
    #[inline]
    pub fn of(demand: Demand) -> Claim {
        Claim { more: More::from(demand), signalled: false, closed: false }
    }
}

/// The word. See the [module](self).
#[derive(Debug)]
pub struct DemandWord(AtomicU64);

impl Default for DemandWord {
    fn default() -> DemandWord {
        DemandWord::new()
    }
}

impl DemandWord {
    /// Idle, without demand.
    #[must_use]
    pub fn new() -> DemandWord {
        DemandWord(AtomicU64::new(0))
    }

    /// Held, by whoever made it.
    #[must_use]
    pub fn held() -> DemandWord {
        DemandWord(AtomicU64::new(TURN))
    }

    /// Adds demand, saturating; enters if idle.
    #[inline]
    pub fn request(&self, demand: Demand) -> Knock {
        self.add(demand, false)
    }

    /// As [`request`](DemandWord::request), which claims what it adds where it enters: an idle word has
    /// nothing else to be claimed.
    #[inline]
    pub fn request_claimed(&self, demand: Demand) -> Knock {
        self.add(demand, true)
    }

    #[inline]
    fn add(&self, demand: Demand, claims: bool) -> Knock {
        // ordering: relaxed; the value is only a guess for the exchange below.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if seen & CLOSED != 0 {
                return Knock::Closed;
            }
            let next = if claims && seen == 0 {
                TURN
            } else {
                (seen | TURN) + demand.get().min(DEMAND - (seen & DEMAND))
            };
            // ordering: acquire pairs with the release in `leave`: whoever enters sees the
            // state as the last holder left it (model `turn_excludes`). Release pairs with the
            // acquire in `claim`: what the requester did before is visible to the emitter (rule
            // 2.11; model `request_publishes_what_came_before`).
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return knock(seen),
                Err(now) => seen = now,
            }
        }
    }

    /// Enters if idle, adding nothing.
    pub fn enter(&self) -> Knock {
        // ordering: acquire pairs with the release in `leave` (model
        // `leave_publishes_to_whoever_enters`); nothing is handed over.
        match self.0.compare_exchange(0, TURN, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Knock::Entered,
            Err(seen) => knock(seen | TURN),
        }
    }

    /// Tells the holder that there is news elsewhere (a mailbox, a queue); enters if idle.
    pub fn signal(&self) -> Knock {
        // ordering: as in `request` (models `leave_publishes_to_whoever_enters`,
        // `signal_publishes_what_came_before`). The release pairs with `close` as well.
        knock(self.0.fetch_or(SIGNAL | TURN, Ordering::AcqRel))
    }

    /// Closes from outside. Whoever enters by it drops the state; if somebody holds the turn,
    /// the holder does.
    pub fn cancel(&self) -> Knock {
        // ordering: acquire as in `request` (model `leave_publishes_to_whoever_enters`): who
        // enters drops the state. Release pairs with `is_closed`.
        knock(self.0.fetch_or(CLOSED | TURN, Ordering::AcqRel))
    }

    /// For the holder: takes the demand that came, and the signal.
    pub fn claim(&self) -> Claim {
        // ordering: acquire pairs with the release of `request` and `signal` (models
        // `request_publishes_what_came_before`, `signal_publishes_what_came_before`) and of
        // `cancel`. It hands nothing over: the holder goes on, and as a read-modify-write it
        // does not break the release sequence of whoever knocked before.
        let seen = self.0.fetch_and(!(DEMAND | SIGNAL), Ordering::Acquire);
        debug_assert!(seen & TURN != 0, "claim without the turn");
        claim(seen)
    }

    /// For the holder, where all who could knock are known to have gone: what they left. The word
    /// stays as it is, so the turn must be kept for ever.
    pub fn last_claim(&self) -> Claim {
        // ordering: relaxed; whoever knows that they have gone has the edge from them (model
        // `asking_and_letting_go_race_on_subscribe` in `tests/island.rs`).
        claim(self.0.load(Ordering::Relaxed))
    }

    /// For the holder: gives up the turn, unless something came since the last claim.
    #[must_use = "false: the caller still holds the turn, and must claim again"]
    pub fn leave(&self) -> bool {
        // ordering: release pairs with the acquire of the next `request`, `enter`, `signal` or
        // `cancel` that enters: it sees the state as it is left here (models
        // `leave_publishes_to_whoever_enters`, `turn_excludes`). A failure needs no edge, since
        // `claim` follows.
        self.0.compare_exchange(TURN, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// For the holder: the end. Nobody enters again.
    pub fn close(&self) {
        // ordering: acquire pairs with the release in `signal`: whoever closes and then looks at
        // a mailbox finds what was noted before. Release pairs with `is_closed`.
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Whether the holder should claim before it sends another item: closed, or signalled.
    #[inline]
    #[must_use]
    pub fn interrupted(&self) -> bool {
        // ordering: relaxed; it is a hint, and the `claim` that follows makes the edge. The two
        // bits are on top, so that this is one comparison: it is made before each item.
        self.0.load(Ordering::Relaxed) >= SIGNAL
    }

    /// Whether somebody holds the turn.
    #[must_use]
    pub fn is_held(&self) -> bool {
        // ordering: relaxed; whoever may go on because of it claims next, which makes the edge.
        self.0.load(Ordering::Relaxed) & TURN != 0
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ordering: acquire pairs with the release in `cancel` and `close`.
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }
}

fn claim(seen: u64) -> Claim {
    Claim {
        more: More::of(seen & DEMAND),
        signalled: seen & SIGNAL != 0,
        closed: seen & CLOSED != 0,
    }
}

fn knock(before: u64) -> Knock {
    if before & CLOSED != 0 {
        Knock::Closed
    } else if before & TURN != 0 {
        Knock::Noted
    } else {
        Knock::Entered
    }
}

#[cfg(all(test, not(millstream_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_finds_it_idle_enters_and_the_others_only_add() {
        let word = DemandWord::new();
        assert_eq!(word.request(Demand::of(2)), Knock::Entered);
        assert_eq!(word.request(Demand::of(3)), Knock::Noted);
        let claim = word.claim();
        assert_eq!((claim.more, claim.signalled, claim.closed), (More::of(5), false, false));
        assert!(word.leave());
        assert_eq!(word.signal(), Knock::Entered);
    }

    #[test]
    fn leaving_fails_while_there_is_news() {
        let word = DemandWord::new();
        assert_eq!(word.signal(), Knock::Entered);
        assert!(word.interrupted());
        assert!(!word.leave());
        assert!(word.claim().signalled);
        assert_eq!(word.request(Demand::ONE), Knock::Noted);
        assert!(!word.leave());
        assert_eq!(word.claim().more, More::ONE);
        assert!(word.leave());
    }

    #[test]
    fn demand_saturates_and_does_not_touch_the_flags() {
        let word = DemandWord::new();
        let nearly = Demand::of(Demand::UNBOUNDED.get() - 1);
        assert_eq!(word.request(nearly), Knock::Entered);
        assert_eq!(word.request(nearly), Knock::Noted);
        assert_eq!(word.request(Demand::UNBOUNDED), Knock::Noted);
        let claim = word.claim();
        assert_eq!((claim.more, claim.signalled, claim.closed), (More::UNBOUNDED, false, false));
    }

    #[test]
    fn after_the_end_nobody_enters_and_nothing_is_added() {
        let word = DemandWord::new();
        assert_eq!(word.cancel(), Knock::Entered);
        assert_eq!(word.cancel(), Knock::Closed);
        assert_eq!(word.request(Demand::ONE), Knock::Closed);
        assert_eq!(word.signal(), Knock::Closed);
        assert!(word.claim().closed);
        assert!(!word.leave());
    }
}
