//! One item at a time, asked for by whoever awaits it.
//!
//! [`slot`] makes two halves. The [`Filler`] goes down into the subscriber at the end of a
//! stream; the [`Slot`] stays with whoever takes the items. Taking one asks for one; an item that
//! comes when nobody waits for it any more is parked, and the next taker gets it without asking
//! again. Dropping the slot cancels the stream.
//!
//! | field | put by | taken by |
//! |---|---|---|
//! | `upstream` | the filler, when the stream begins | the slot's drop, or the filler's end |
//! | `early` | the slot, while there is no `upstream` | the filler, as it puts `upstream` |
//! | `asked` | the slot, when it asks for an item | the filler, with that item |
//! | `item` | the filler, at most one as one is asked for | the slot |
//! | `end` | the filler, once, unless the slot has gone | the slot, after the item, or as it goes |
//! | `waker` | the slot, when there is nothing | the filler, with an item or the end |
//!
//! **Each demand is asked for once.** The slot asks itself where it finds `upstream`; else it
//! leaves the demand in `early`, and the filler, which puts `upstream` under the same lock, asks.
//! While it does, letting go of the stream is up to the filler as well: a stream that is let go
//! of before it was asked would starve.
//!
//! It is a lock and a condition variable: this is an edge where a task sleeps for each item.
//! Upstreams, wakers and items are taken out under the lock and used outside of it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_core::{Credit, Demand, End, Fault, Subscription, Upstream};
use millstream_sync::{Condvar, Mutex, MutexGuard, lock};

use crate::cause::{self, Note, current, within};

/// Makes the two halves. One allocation.
#[must_use]
pub fn slot<T, E>() -> (Filler<T, E>, Slot<T, E>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            upstream: None,
            early: Credit::NONE,
            asking: false,
            asked: false,
            item: None,
            end: None,
            over: false,
            unwanted: false,
            cause: Note::default(),
            detached: false,
            waker: None,
        }),
        news: Condvar::new(),
    });
    (Filler { shared: Some(shared.clone()) }, Slot { shared, detached: false, gone: false })
}

struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    news: Condvar,
}

struct State<T, E> {
    upstream: Option<Arc<dyn Upstream>>,
    early: Credit,
    /// The filler is asking for what was in `early`.
    asking: bool,
    asked: bool,
    item: Option<T>,
    end: Option<End<E>>,
    /// The filler is gone.
    over: bool,
    /// The slot is gone, and its stream with it.
    unwanted: bool,
    /// Why, for a subscription that comes later.
    cause: Note,
    /// The slot is gone, and its stream runs on its own.
    detached: bool,
    waker: Option<Waker>,
}

impl<T, E> State<T, E> {
    /// The item, or else the end; completion stands for an end that was taken before.
    fn take(&mut self) -> Option<Result<T, End<E>>> {
        match self.item.take() {
            Some(item) => Some(Ok(item)),
            None if self.over => Some(Err(self.end.take().unwrap_or(End::Completed))),
            None => None,
        }
    }
}

impl<T, E> Shared<T, E> {
    fn request(&self, mut state: MutexGuard<'_, State<T, E>>, demand: Demand) {
        let upstream = state.upstream.clone();
        if upstream.is_none() && !state.over {
            state.early.add(demand.into());
        }
        drop(state);
        if let Some(upstream) = upstream {
            upstream.request(demand);
        }
    }
}

/// The half that brings the items.
pub struct Filler<T, E> {
    /// Here until the end.
    shared: Option<Arc<Shared<T, E>>>,
}

impl<T, E> Filler<T, E> {
    /// Hands over the subscription, so that the [`Slot`] can ask and cancel. If the slot was
    /// dropped already, this cancels.
    pub fn attach(&self, subscription: Subscription) {
        let Some(shared) = &self.shared else { return };
        let mut state = lock(&shared.state);
        if state.unwanted {
            let cause = state.cause.get();
            drop(state);
            return within(cause, || drop(subscription));
        }
        let upstream = subscription.into_upstream();
        let mut detached = state.detached;
        let before = if detached { None } else { state.upstream.replace(upstream.clone()) };
        let early = state.early.take().demand();
        state.asking = early.is_some();
        drop(state);
        drop(before);
        if let Some(demand) = early {
            upstream.request(demand);
            let mut state = lock(&shared.state);
            state.asking = false;
            detached = state.detached;
        }
        if detached {
            upstream.detach();
        }
    }

    /// Brings an item that was asked for.
    pub fn put(&self, item: T) {
        let Some(shared) = &self.shared else { return };
        let mut state = lock(&shared.state);
        if state.unwanted {
            drop(state);
            return drop(item);
        }
        debug_assert!(state.item.is_none(), "rule 1.1: an item without demand");
        let before = state.item.replace(item);
        state.asked = false;
        let waker = state.waker.take();
        shared.news.notify_all();
        drop(state);
        drop(before);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Brings the end; gives it back where the slot has gone.
    pub fn end(mut self, end: End<E>) -> Option<End<E>> {
        self.settle(end)
    }

    fn settle(&mut self, end: End<E>) -> Option<End<E>> {
        let Some(shared) = self.shared.take() else { return Some(end) };
        let mut end = Some(end);
        let mut state = lock(&shared.state);
        state.over = true;
        if !state.unwanted && !state.detached {
            state.end = end.take();
        }
        let upstream = state.upstream.take();
        let waker = state.waker.take();
        shared.news.notify_all();
        drop(state);
        drop(upstream);
        if let Some(waker) = waker {
            waker.wake();
        }
        end
    }
}

impl<T, E> Drop for Filler<T, E> {
    fn drop(&mut self) {
        drop(self.settle(End::Fault(Fault::SourceDropped)));
    }
}

impl<T, E> fmt::Debug for Filler<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filler")
    }
}

/// The half that takes the items.
pub struct Slot<T, E> {
    shared: Arc<Shared<T, E>>,
    detached: bool,
    gone: bool,
}

impl<T, E> Slot<T, E> {
    /// The next item, or the end, which is [`End::Completed`] from the second time on. Asks for
    /// an item unless one is on its way, and wakes `context` when it is there. To stop polling
    /// loses nothing.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, End<E>>> {
        if let Some(taken) = self.take_or_ask() {
            return Poll::Ready(taken);
        }
        self.poll_unasked(context)
    }

    /// As [`poll`](Slot::poll), but asks for nothing: for a subscriber that does not
    /// [`put`](Filler::put) its items here, only its end.
    pub fn poll_unasked(&mut self, context: &mut Context<'_>) -> Poll<Result<T, End<E>>> {
        let mut state = lock(&self.shared.state);
        if let Some(taken) = state.take() {
            return Poll::Ready(taken);
        }
        if state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // A waker is foreign code: cloned outside of the lock, and dropped after it (model
        // `wakers_are_cloned_and_dropped_outside_of_the_lock`).
        let fresh = context.waker().clone();
        let mut state = lock(&self.shared.state);
        if let Some(taken) = state.take() {
            return Poll::Ready(taken);
        }
        let replaced = state.waker.replace(fresh);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Waits on this thread for what [`poll`](Slot::poll) gives.
    ///
    /// # Errors
    /// The end.
    pub fn wait(&mut self) -> Result<T, End<E>> {
        if let Some(taken) = self.take_or_ask() {
            return taken;
        }
        self.wait_unasked()
    }

    /// Waits on this thread for what [`poll_unasked`](Slot::poll_unasked) gives.
    ///
    /// # Errors
    /// The end.
    pub fn wait_unasked(&mut self) -> Result<T, End<E>> {
        let mut state = lock(&self.shared.state);
        loop {
            if let Some(taken) = state.take() {
                return taken;
            }
            state = self.shared.news.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn take_or_ask(&self) -> Option<Result<T, End<E>>> {
        let mut state = lock(&self.shared.state);
        let taken = state.take();
        if taken.is_none() && !std::mem::replace(&mut state.asked, true) {
            self.shared.request(state, Demand::ONE);
        }
        taken
    }

    /// Asks for more, for a subscriber that does not [`put`](Filler::put) its items here.
    pub fn request(&self, demand: Demand) {
        self.shared.request(lock(&self.shared.state), demand);
    }

    /// Lets the stream run on its own: dropping the slot does not cancel it. Gives the end, if it
    /// came and was not taken; one that comes later goes back to the filler.
    pub fn detach(mut self) -> Option<End<E>> {
        self.detached = true;
        self.go()
    }

    /// Cancels the stream, as dropping the slot does, and gives the end as
    /// [`detach`](Slot::detach) does.
    pub fn close(mut self) -> Option<End<E>> {
        self.go()
    }

    fn go(&mut self) -> Option<End<E>> {
        if std::mem::replace(&mut self.gone, true) {
            return None;
        }
        let cause = current();
        let mut state = lock(&self.shared.state);
        state.cause.put(cause);
        state.unwanted = !self.detached;
        state.detached = self.detached;
        let asking = state.asking;
        let upstream = state.upstream.take();
        let end = state.end.take();
        let left = (state.item.take(), state.waker.take());
        drop(state);
        // Outside the lock: cancelling runs the destructors of the whole stream.
        match upstream {
            Some(upstream) if !self.detached => cause::cancel(&*upstream, current()),
            Some(upstream) if !asking => upstream.detach(),
            _ => {}
        }
        drop(left);
        end
    }
}

impl<T, E> Drop for Slot<T, E> {
    fn drop(&mut self) {
        drop(self.go());
    }
}

impl<T, E> fmt::Debug for Slot<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
