//! A bounded queue from one writer to one reader, in which a new item takes the place of the
//! oldest: what the reader has not taken in time, it will not see.
//!
//! | state | who may do what |
//! |---|---|
//! | items | both sides, under the lock; items that are displaced are dropped outside of it |
//! | `asleep` | set by the reader when it finds nothing, cleared by the next push, which rings |
//! | `shut` | set by the writer, once; what is in the queue is still taken |
//! | `gone` | set by the reader, once; a push that comes after it gets its item back |
//!
//! It is a lock, and the two sides meet at it: the [ring](crate::ring) is for those who do not take
//! from the reader what is the reader's.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use millstream_sync::{Mutex, lock};

use crate::gauge::{Levels, Queue};
use crate::ring::{Look, Popped};

/// A window of at most `capacity` items.
pub(crate) fn window<T>(capacity: usize) -> (Writer<T>, Reader<T>) {
    let shared = Arc::new(Mutex::new(State {
        items: VecDeque::with_capacity(capacity),
        first: 0,
        displaced: 0,
        most: 0,
        asleep: false,
        shut: false,
        gone: false,
    }));
    (Writer { shared: shared.clone(), capacity }, Reader { shared })
}

struct State<T> {
    items: VecDeque<T>,
    /// The number of the oldest, counted from the first that was ever pushed.
    first: u64,
    /// How many had to make room.
    displaced: u64,
    /// The most that were in it at a time.
    most: usize,
    asleep: bool,
    shut: bool,
    gone: bool,
}

impl<T> State<T> {
    /// Without what had to make room.
    fn levels(&self) -> Levels {
        let went = self.first - self.displaced;
        Levels { came: went + self.items.len() as u64, went, most: self.most as u64 }
    }
}

impl<T: Send + 'static> Queue for Mutex<State<T>> {
    fn levels(&self) -> Levels {
        lock(self).levels()
    }
}

/// What a push came to.
pub(crate) enum Slid<T> {
    Noted,
    /// The reader waits to be told.
    Wake,
    /// This one had to make room.
    Displaced(T),
    /// The reader has gone.
    Gone(T),
}

pub(crate) struct Writer<T> {
    shared: Arc<Mutex<State<T>>>,
    capacity: usize,
}

impl<T> Writer<T> {
    pub(crate) fn push(&mut self, item: T) -> Slid<T> {
        let mut state = lock(&self.shared);
        if state.gone {
            return Slid::Gone(item);
        }
        let oldest =
            if state.items.len() == self.capacity { state.items.pop_front() } else { None };
        state.items.push_back(item);
        state.most = state.most.max(state.items.len());
        match oldest {
            Some(oldest) => {
                state.first += 1;
                state.displaced += 1;
                Slid::Displaced(oldest)
            }
            None if std::mem::take(&mut state.asleep) => Slid::Wake,
            None => Slid::Noted,
        }
    }

    pub(crate) fn observe(&self) -> Arc<dyn Queue>
    where
        T: Send + 'static,
    {
        self.shared.clone()
    }

    /// Says that no item follows, and tells whether the reader waits to be told.
    pub(crate) fn shut(self) -> bool {
        let mut state = lock(&self.shared);
        state.shut = true;
        std::mem::take(&mut state.asleep)
    }
}

pub(crate) struct Reader<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> Reader<T> {
    /// The item at the head of the queue, and how many were before it.
    pub(crate) fn pop(&mut self) -> Popped<(u64, T)> {
        let mut state = lock(&self.shared);
        match state.items.pop_front() {
            Some(item) => {
                state.first += 1;
                Popped::Item((state.first - 1, item))
            }
            None if state.shut => Popped::Shut,
            None => Popped::Empty,
        }
    }

    pub(crate) fn look(&mut self) -> Look {
        let state = lock(&self.shared);
        match (state.items.is_empty(), state.shut) {
            (false, _) => Look::Items,
            (true, false) => Look::Nothing,
            (true, true) => Look::Over,
        }
    }

    /// Asks to be woken by the next push, or by the shutting. `false` where there is news.
    #[must_use = "false: there is news, and nobody will wake this reader"]
    pub(crate) fn sleep(&mut self) -> bool {
        let mut state = lock(&self.shared);
        state.asleep = state.items.is_empty() && !state.shut;
        state.asleep
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.shared).items.len()
    }

    /// Goes, and tells how the queue stands.
    pub(crate) fn leave(&mut self) -> Levels {
        let mut state = lock(&self.shared);
        state.gone = true;
        state.levels()
    }

    /// Goes. What is in the queue, and the number of the first.
    pub(crate) fn close(self) -> (u64, VecDeque<T>) {
        self.go()
    }

    fn go(&self) -> (u64, VecDeque<T>) {
        let mut state = lock(&self.shared);
        state.gone = true;
        (state.first, std::mem::take(&mut state.items))
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let left = self.go();
        drop(left);
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}
