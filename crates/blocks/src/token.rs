//! The token that schedules a task, once: a [word](crate::word), and the waker of who has its turn.
//!
//! ```text
//!  anyone ── request, signal, cancel ──▶ word │ waker ── wake, by who takes the turn ──▶ the task
//! ```
//!
//! | turn | the task | who may do what |
//! |---|---|---|
//! | held | runs, or is about to | a knock only adds |
//! | free | rests | the first knock takes the turn and wakes |
//! | closed | is over | nothing |
//!
//! * **The executor may poll when nobody woke it.** A poll that finds the turn free only leaves its
//!   waker, and looks once more; one that finds it held runs, whether or not the wake-up that goes
//!   with it has arrived ([`TaskToken::is_due`]).
//! * **The waker is left before the turn is given up**, since only who takes the turn wakes
//!   ([`TaskToken::rest`]).
//! * **On a line of the cache of its own.** Who knocks has to fetch the word from the core of the task,
//!   and so finds the waker there too; what the task alone touches stays with it.

use std::fmt;
use std::task::Waker;

use millstream_core::Demand;

use crate::waker::WakerSlot;
use crate::word::{Claim, DemandWord, Knock};

/// See the [module](self).
#[repr(align(64))]
pub struct TaskToken {
    word: DemandWord,
    waker: WakerSlot,
}

impl TaskToken {
    /// Held: the first turn is that of the first poll.
    #[must_use]
    pub fn held() -> TaskToken {
        TaskToken { word: DemandWord::held(), waker: WakerSlot::new() }
    }

    /// The word, for whoever does more than to knock.
    #[must_use]
    pub fn word(&self) -> &DemandWord {
        &self.word
    }

    /// Adds demand; wakes the task, if it rests.
    pub fn request(&self, demand: Demand) {
        self.knocked(self.word.request(demand));
    }

    /// There is news elsewhere; wakes the task, if it rests.
    pub fn signal(&self) {
        self.knocked(self.word.signal());
    }

    /// Closes the word from outside; wakes the task, if it rests, which drops its state.
    pub fn cancel(&self) {
        self.knocked(self.word.cancel());
    }

    /// Wakes the task where a knock at the word has taken its turn.
    pub fn knocked(&self, knock: Knock) {
        if knock == Knock::Entered {
            self.waker.wake();
        }
    }

    /// For the task, when it is polled: whether there is a turn to run. Where there is none its waker is
    /// left.
    #[must_use]
    pub fn is_due(&self, waker: &Waker) -> bool {
        if !self.word.is_held() {
            self.waker.register(waker);
            return self.word.is_held();
        }
        true
    }

    /// For the task, in its turn: takes what came.
    pub fn claim(&self) -> Claim {
        self.word.claim()
    }

    /// For the task, in its turn: leaves its waker and gives up the turn, unless something came since
    /// the last claim.
    #[must_use = "false: the caller still holds the turn, and must claim again"]
    pub fn rest(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.word.leave()
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskToken").field("word", &self.word).finish_non_exhaustive()
    }
}
