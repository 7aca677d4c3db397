//! An end that comes once, awaited or waited for.
//!
//! [`outcome`] makes two halves. The [`Completer`] goes down into the subscriber at the end of a
//! stream; the [`Outcome`] stays with whoever wants the result. Dropping the outcome cancels the
//! stream; dropping the completer without a result is told apart from a result.
//!
//! | state | completer | outcome |
//! |---|---|---|
//! | `Open` | may attach the subscription, may complete | may wait |
//! | `Done` | gone | may take the result |
//! | `Lost` | gone without a result | learns so |
//! | `Unwanted` | its subscription and result are dropped | gone, for that [cause](crate::cause) |
//!
//! It is a lock and a condition variable, because it is touched a handful of times per stream
//! and never per item. Wakers, subscriptions and results are taken out under the lock and used
//! outside of it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_core::{Cause, Subscription};
use millstream_sync::{Condvar, Mutex, lock};

use crate::cause::{current, within};

/// Makes the two halves. One allocation.
#[must_use]
pub fn outcome<T>() -> (Completer<T>, Outcome<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::Open { waker: None, subscription: None }),
        done: Condvar::new(),
    });
    (Completer(Some(shared.clone())), Outcome(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

enum State<T> {
    Open { waker: Option<Waker>, subscription: Option<Subscription> },
    Done(T),
    Lost,
    Unwanted(Cause),
}

impl<T> Shared<T> {
    /// Leaves `Open` for `next`, or returns it where the outcome is not wanted any more.
    fn settle(&self, next: State<T>) {
        let mut state = lock(&self.state);
        if !matches!(*state, State::Open { .. }) {
            // A result that nobody wants goes for the cause that the outcome went for.
            let cause = match &*state {
                State::Unwanted(why) => why.clone(),
                _ => current(),
            };
            drop(state);
            within(cause, || drop(next));
            return;
        }
        let before = std::mem::replace(&mut *state, next);
        self.done.notify_all();
        drop(state);
        if let State::Open { waker: Some(waker), .. } = before {
            waker.wake();
        }
    }
}

/// The half that brings the result.
pub struct Completer<T>(Option<Arc<Shared<T>>>);

impl<T> Completer<T> {
    /// Hands over the subscription, so that dropping the [`Outcome`] cancels the stream. If it
    /// was dropped already, this cancels.
    pub fn attach(&self, subscription: Subscription) {
        let Some(shared) = &self.0 else { return };
        let mut handed = Some(subscription);
        let mut cause = Cause::NoMoreNeeded;
        match &mut *lock(&shared.state) {
            State::Open { subscription, .. } => std::mem::swap(subscription, &mut handed),
            State::Unwanted(why) => cause = why.clone(),
            State::Done(_) | State::Lost => {}
        }
        // Outside the lock, whether it is the one handed over or the one before it: dropping
        // cancels (model `a_replaced_subscription_is_dropped_outside_of_the_lock`).
        within(cause, || drop(handed));
    }

    /// Brings the result.
    pub fn complete(mut self, result: T) {
        if let Some(shared) = self.0.take() {
            shared.settle(State::Done(result));
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.settle(State::Lost);
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}

/// The half that waits for the result.
pub struct Outcome<T>(Arc<Shared<T>>);

impl<T> Outcome<T> {
    /// The result, if it is there: `None` inside where the completer was dropped without one,
    /// and after the result was taken. Wakes `context` when it comes.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // A waker is foreign code: cloned outside of the lock, and dropped after it (model
        // `wakers_are_cloned_and_dropped_outside_of_the_lock`).
        let mut fresh;
        let mut state = lock(&self.0.state);
        if let State::Open { waker, .. } = &*state {
            if waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                return Poll::Pending;
            }
            drop(state);
            fresh = Some(context.waker().clone());
            state = lock(&self.0.state);
            if let State::Open { waker, .. } = &mut *state {
                std::mem::swap(waker, &mut fresh);
                return Poll::Pending;
            }
        }
        Poll::Ready(take(state))
    }

    /// Waits for the result on this thread. `None` as in [`poll`](Outcome::poll).
    #[must_use]
    pub fn wait(self) -> Option<T> {
        let mut state = lock(&self.0.state);
        while matches!(*state, State::Open { .. }) {
            state = self.0.done.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        take(state)
    }
}

fn take<T>(mut state: millstream_sync::MutexGuard<'_, State<T>>) -> Option<T> {
    match std::mem::replace(&mut *state, State::Lost) {
        State::Done(result) => Some(result),
        _ => None,
    }
}

impl<T> Drop for Outcome<T> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *lock(&self.0.state), State::Unwanted(current()));
        // Outside the lock: cancelling runs the destructors of the whole stream.
        drop(before);
    }
}

impl<T> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outcome")
    }
}
