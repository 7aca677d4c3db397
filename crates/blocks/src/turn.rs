//! State that only the holder of the turn can touch.
//!
//! A [`Turn`] is a [`DemandWord`] and a cell. Whoever enters the word
//! gets a [`Holder`], and only a holder reaches the cell; since the word lets one in at a time,
//! there is one holder at a time.
//!
//! | field | who may touch it | in which state |
//! |---|---|---|
//! | `word` | anyone | any |
//! | `state` | the holder | word has `TURN`, and the holder set it |
//! | `state` | the owner of the `Turn` | dropping it: nobody else has it |
//!
//! A holder that goes away without [leaving](Holder::leave) (user code panicked) closes the
//! word: nobody waits for a turn that never ends.

use std::fmt;

use millstream_core::Demand;
use millstream_sync::UnsafeCell;

use crate::word::{Claim, DemandWord, Knock};

/// A word and the state it guards. See the [module](self).
pub struct Turn<T> {
    word: DemandWord,
    state: UnsafeCell<T>,
}

// SAFETY: `state` is reached only through a `Holder`, and the word admits one at a time (model
// `turn_excludes` in `tests/turn.rs`); its value moves between threads with the turn, hence `T: Send`.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    /// Idle, with `state`.
    pub fn new(state: T) -> Turn<T> {
        Turn { word: DemandWord::new(), state: UnsafeCell::new(state) }
    }

    /// Held from the beginning, with `state`, until the holder of the [first](Turn::first) turn
    /// leaves.
    pub fn held(state: T) -> Turn<T> {
        Turn { word: DemandWord::held(), state: UnsafeCell::new(state) }
    }

    /// The first turn, which nobody need enter.
    ///
    /// # Safety
    /// The turn was made by [`held`](Turn::held), and this is called once.
    pub unsafe fn first(&self) -> Holder<'_, T> {
        Holder { turn: self, gone: false }
    }

    /// Takes up a turn that was [kept](Holder::keep).
    ///
    /// # Safety
    /// A holder of this turn kept it, and nobody has taken it up since.
    pub unsafe fn resume(&self) -> Holder<'_, T> {
        Holder { turn: self, gone: false }
    }

    /// Enters if idle.
    pub fn enter(&self) -> Option<Holder<'_, T>> {
        self.admit(self.word.enter())
    }

    /// Adds demand. The caller that enters must emit.
    pub fn request(&self, demand: Demand) -> Option<Holder<'_, T>> {
        self.admit(self.word.request(demand))
    }

    /// As [`request`](Turn::request), where the caller that enters has [claimed](Holder::claim) what it
    /// asks for, and nothing else came.
    #[inline]
    pub fn request_claimed(&self, demand: Demand) -> Option<Holder<'_, T>> {
        self.admit(self.word.request_claimed(demand))
    }

    /// Tells of news. The caller that enters must look at them.
    pub fn signal(&self) -> Option<Holder<'_, T>> {
        self.admit(self.word.signal())
    }

    /// Closes. The caller that enters must drop the state.
    pub fn cancel(&self) -> Option<Holder<'_, T>> {
        self.admit(self.word.cancel())
    }

    /// Whether the holder should [claim](Holder::claim) before it sends another item.
    #[inline]
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.word.interrupted()
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.is_closed()
    }

    /// What came, where nobody is left who could add to it.
    pub(crate) fn last_claim(&self) -> Claim {
        self.word.last_claim()
    }

    fn admit(&self, knock: Knock) -> Option<Holder<'_, T>> {
        match knock {
            Knock::Entered => Some(Holder { turn: self, gone: false }),
            Knock::Noted | Knock::Closed => None,
        }
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("word", &self.word).finish_non_exhaustive()
    }
}

/// The one that holds the turn.
pub struct Holder<'a, T> {
    turn: &'a Turn<T>,
    gone: bool,
}

impl<T> Holder<'_, T> {
    /// Takes the demand and the signal that came.
    pub fn claim(&mut self) -> Claim {
        self.turn.word.claim()
    }

    /// The state, for the time of `f`.
    #[inline]
    pub fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // Not only in debug builds: what follows is sound by it.
        assert!(!self.gone, "the turn was given up");
        self.turn.state.with_mut(|state| {
            // SAFETY: this holder entered the word, has held it from the beginning, or took up a
            // turn that was kept, and has not left (beside `leave`, only `keep` and `abandon` set
            // `gone`, and they consume); the word admits no other until it leaves (models
            // `turn_excludes`, `first_turn_excludes`, `the_kept_turn_excludes`); `&mut self` keeps this holder from lending the state twice.
            f(unsafe { &mut *state })
        })
    }

    /// Gives up the turn, unless something came since the last claim; then the holder must
    /// claim again.
    #[must_use = "false: the caller still holds the turn"]
    pub fn leave(&mut self) -> bool {
        self.gone = self.turn.word.leave();
        self.gone
    }

    /// Goes away and keeps the turn, for whoever [takes it up](Turn::resume).
    pub fn keep(mut self) {
        self.gone = true;
    }

    /// Goes away without a word, where nobody is left who could ever knock. Somebody who is
    /// finds it held for ever.
    pub fn abandon(mut self) {
        self.gone = true;
    }
}

impl<T> Drop for Holder<'_, T> {
    fn drop(&mut self) {
        if !self.gone {
            self.turn.word.close();
        }
    }
}

impl<T> fmt::Debug for Holder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").finish_non_exhaustive()
    }
}
