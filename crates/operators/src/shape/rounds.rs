//! Turns among sources that are held in place: `merge` and `flat_map_unordered` of synchronous
//! ones.
//!
//! They have their items at hand, so there is nobody to wait for: no bell, no mark, no place. One
//! has the turn, the others stand in line.

use std::collections::VecDeque;

use millstream_core::{Pull, Pulled};

/// How many items a source gives before the next has its turn. More than where sources fill
/// queues: these cost so little that the change of turns is what is felt.
pub(crate) const TURN: u32 = 1024;

/// A source, and how many items it may give.
pub(crate) type Turn<Q> = (Q, u32);

/// What a turn came to.
pub(crate) enum Played<E> {
    /// The source is over, and gave items.
    Over,
    /// The source is over, and gave none.
    Empty,
    /// The turn is over, or was broken off, or the source skipped an item.
    Stopped,
    /// The source failed.
    Failed(E),
}

/// The sources, and whose turn it is.
pub(crate) struct Rounds<Q> {
    /// One whose turn was broken off, and how much of it is left.
    current: Option<Turn<Q>>,
    line: VecDeque<Q>,
    /// Whether anything was pulled.
    started: bool,
}

impl<Q: Pull> Rounds<Q> {
    /// Nobody's turn; `line` is waiting.
    pub(crate) fn new(line: VecDeque<Q>) -> Rounds<Q> {
        Rounds { current: None, line, started: false }
    }

    /// The source whose turn goes on, and how much of it is left.
    #[inline]
    pub(crate) fn resume(&mut self) -> Option<Turn<Q>> {
        self.current.take()
    }

    /// The first in line.
    #[inline]
    pub(crate) fn first(&mut self) -> Option<Turn<Q>> {
        self.line.pop_front().map(|source| (source, TURN))
    }

    /// Hands out items of `source`, as [`Pull::pull_while`]. The source is an argument, not a
    /// field: it stays in registers.
    #[inline]
    pub(crate) fn play(
        &mut self,
        (mut source, turn): Turn<Q>,
        each: &mut impl FnMut(Q::Item) -> bool,
    ) -> Played<Q::Error> {
        self.started = true;
        let mut left = turn;
        let pulled = source.pull_while(|item| {
            left -= 1;
            each(item) && left > 0
        });
        match pulled {
            // Whoever pulls looks for a cancellation at each item, and where there is none.
            Pulled::Complete if left == turn => return Played::Empty,
            Pulled::Complete => return Played::Over,
            Pulled::Error(error) => return Played::Failed(error),
            // There is nobody to say when there is an item.
            Pulled::Pending => unreachable!("what is pulled in place has its items at hand"),
            Pulled::Skipped | Pulled::Item(_) => {}
        }
        if left == 0 {
            self.line.push_back(source);
        } else {
            self.current = Some((source, left));
        }
        Played::Stopped
    }

    /// Looks at `source` without demand: an end, or an item that had to be taken to find out.
    pub(crate) fn look_ahead(&mut self, (mut source, turn): Turn<Q>) -> Pulled<Q::Item, Q::Error> {
        let seen = source.look_ahead(self.started);
        if !matches!(seen, Pulled::Complete) {
            self.current = Some((source, turn));
        }
        seen
    }

    /// Whether there is no source.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.line.is_empty()
    }

    /// How many sources stand in line.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }
}

/// One item of a source that is written by its [`pull_while`](Pull::pull_while).
pub(crate) fn one<P: Pull>(source: &mut P) -> Pulled<P::Item, P::Error> {
    let mut taken = None;
    let pulled = source.pull_while(|item| {
        taken = Some(item);
        false
    });
    taken.map_or(pulled, Pulled::Item)
}
