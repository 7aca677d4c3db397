//! State that only the holder of the turn can touch.
//!
//! A [`Turn`] is a [`DemandWord`] and a cell. Whoever enters the word by its [`Gate`]
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
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use millstream_core::Demand;
use millstream_sync::{MutPtr, UnsafeCell};

use crate::word::{Claim, DemandWord, Knock};

/// A word and the state it guards. See the [module](self).
pub struct Turn<T> {
    gate: Gate,
    state: UnsafeCell<T>,
}

// SAFETY: `state` is reached only through a `Holder`, and the word admits one at a time (model
// `turn_excludes` in `tests/turn.rs`); its value moves between threads with the turn, hence `T: Send`.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    /// Idle, with `state`.
    pub fn new(state: T) -> Turn<T> {
        Turn { gate: Gate { word: DemandWord::new() }, state: UnsafeCell::new(state) }
    }

    /// Held from the beginning, with `state`, until the holder of the [first](Gate::first) turn
    /// leaves.
    pub fn held(state: T) -> Turn<T> {
        Turn { gate: Gate { word: DemandWord::held() }, state: UnsafeCell::new(state) }
    }

    /// The state, lent to the holder of this turn.
    ///
    /// # Panics
    /// Where it has left, or holds another turn.
    ///
    /// ```should_panic
    /// use millstream_blocks::turn::Turn;
    ///
    /// let (mine, theirs) = (Turn::new(1), Turn::new(2));
    /// let mut holder = mine.enter().expect("nobody else is there");
    /// assert_eq!(*mine.state(&mut holder), 1);
    /// theirs.state(&mut holder);
    /// ```
    #[inline]
    pub fn state<'a>(&'a self, holder: &'a mut Holder<'_>) -> State<'a, T> {
        // Not only in debug builds: `State` is sound by it.
        assert!(holder.holds(&self.gate), "the turn is not held");
        State { access: self.state.get_mut(), holder: PhantomData }
    }

    /// The state, for the time of `f`.
    #[inline]
    pub fn with<R>(&self, holder: &mut Holder<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.state(holder))
    }
}

impl<T> Deref for Turn<T> {
    type Target = Gate;

    #[inline]
    fn deref(&self) -> &Gate {
        &self.gate
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The word of a [`Turn`], and who enters it. Compiled once, whatever the state is.
#[derive(Debug)]
pub struct Gate {
    word: DemandWord,
}

impl Gate {
    /// The first turn, which nobody need enter.
    ///
    /// # Safety
    /// The turn was made by [`held`](Turn::held), and this is called once.
    pub unsafe fn first(&self) -> Holder<'_> {
        Holder { gate: self, held: Some(self) }
    }

    /// Takes up a turn that was [kept](Holder::keep).
    ///
    /// # Safety
    /// A holder of this turn kept it, and nobody has taken it up since.
    pub unsafe fn resume(&self) -> Holder<'_> {
        Holder { gate: self, held: Some(self) }
    }

    /// Enters if idle.
    pub fn enter(&self) -> Option<Holder<'_>> {
        self.admit(self.word.enter())
    }

    /// Adds demand. The caller that enters must emit.
    pub fn request(&self, demand: Demand) -> Option<Holder<'_>> {
        self.admit(self.word.request(demand))
    }

    /// As [`request`](Gate::request), where the caller that enters has [claimed](Holder::claim) what it
    /// asks for, and nothing else came.
    #[inline]
    pub fn request_claimed(&self, demand: Demand) -> Option<Holder<'_>> {
        self.admit(self.word.request_claimed(demand))
    }

    /// Tells of news. The caller that enters must look at them.
    pub fn signal(&self) -> Option<Holder<'_>> {
        self.admit(self.word.signal())
    }

    /// Closes. The caller that enters must drop the state.
    pub fn cancel(&self) -> Option<Holder<'_>> {
        self.admit(self.word.cancel())
    }

    /// Whether the holder should [claim](Holder::claim) before it sends another item.
    #[inline]
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.word.interrupted()
    }

    /// [`interrupted`](Gate::interrupted), as a function. Its type does not depend on the state, so
    /// that neither does what is compiled for it.
    #[inline]
    pub(crate) fn watch(&self) -> impl Fn() -> bool + Copy {
        move || self.interrupted()
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

    fn admit(&self, knock: Knock) -> Option<Holder<'_>> {
        match knock {
            Knock::Entered => Some(Holder { gate: self, held: Some(self) }),
            Knock::Noted | Knock::Closed => None,
        }
    }
}

/// The one that holds the turn.
pub struct Holder<'a> {
    gate: &'a Gate,
    /// The same, until it goes away.
    held: Option<&'a Gate>,
}

impl Holder<'_> {
    /// Whether it holds the turn of `gate`, and has not gone away.
    #[inline]
    fn holds(&self, gate: &Gate) -> bool {
        match self.held {
            Some(held) => std::ptr::eq(held, gate),
            None => false,
        }
    }

    /// Takes the demand and the signal that came.
    pub fn claim(&mut self) -> Claim {
        self.gate.word.claim()
    }

    /// Gives up the turn, unless something came since the last claim; then the holder must
    /// claim again.
    #[must_use = "false: the caller still holds the turn"]
    pub fn leave(&mut self) -> bool {
        let left = self.gate.word.leave();
        if left {
            self.held = None;
        }
        left
    }

    /// Goes away and keeps the turn, for whoever [takes it up](Gate::resume).
    pub fn keep(mut self) {
        self.held = None;
    }

    /// Goes away without a word, where nobody is left who could ever knock. Somebody who is
    /// finds it held for ever.
    pub fn abandon(mut self) {
        self.held = None;
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.gate.word.close();
        }
    }
}

impl fmt::Debug for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").finish_non_exhaustive()
    }
}

/// The state, lent to the [`Holder`] of its turn, who has it alone.
///
/// The holder entered the word, has held it from the beginning, or took up a turn that was kept, and
/// has not left: beside `leave`, only `keep` and `abandon` end what it holds, and they consume it. The
/// word admits no other until it leaves. It is borrowed as long as this lives, so it neither leaves nor
/// is lent the state twice. Models `turn_excludes`, `first_turn_excludes`, `the_kept_turn_excludes`.
pub struct State<'a, T> {
    access: MutPtr<T>,
    holder: PhantomData<&'a mut T>,
}

impl<T> Deref for State<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the holder of the turn has it alone, see `State` (model `turn_excludes`).
        self.access.with(|state| unsafe { &*state })
    }
}

impl<T> DerefMut for State<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the holder of the turn has it alone, see `State` (model `turn_excludes`).
        self.access.with(|state| unsafe { &mut *state })
    }
}

impl<T> fmt::Debug for State<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}
