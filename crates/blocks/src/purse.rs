//! A purse: what downstream has asked for, seen before each item by a stage whose upstream is asked
//! for everything.
//!
//! ```text
//!  upstream ──item──▶ Hasty ─ asked for ─▶ downstream
//!      ▲                │ └─ unwanted ──▶ the function
//!      │                ▼ take
//!      └─ request(n) ─ Purse ◀─ request(n), any thread
//! ```
//!
//! Whoever runs a source looks at what was asked when its credit is used up. That of one that was
//! asked for everything never is, and a stage that drops what downstream did not ask for would not
//! learn that it did. So what downstream asks for is put into the purse first, and then told
//! upstream as well: either the stage finds it there before its next item, or upstream runs and
//! tells it of a request, and it looks then. What upstream says it is told is not looked at, so that
//! nothing counts twice: not even by what a stage below leaves to be sent after the end.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `asked` | added to by anyone, taken by the stage | any |
//! | `credit` | the stage | serially, in a signal |
//!
//! An upstream that is synchronous is asked for a bounded number, and then for what downstream asks,
//! so that it stops.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, Discards, End, Fault, More, Progress, Rest,
    Subscriber, Subscription, Upstream,
};
use millstream_sync::{AtomicU64, Ordering};

/// What becomes of an item that nobody asked for.
#[derive(Debug)]
#[must_use = "upstream goes on, or does not"]
pub enum Unwanted<E> {
    /// It was dealt with.
    Dropped,
    /// It was dealt with; upstream is cancelled, and the stream fails.
    Fails(E),
}

/// A subscriber that asks for `ahead`, hands on what `subscriber` asked for, and the rest to
/// `unwanted`. `error` makes upstream's errors into those of `subscriber`.
pub fn hasty<S, F, E, G>(
    subscriber: S,
    ahead: Demand,
    unwanted: F,
    error: fn(E) -> G,
) -> Hasty<S, F, E, G> {
    Hasty { subscriber, ahead, unwanted, error }
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Purse {
    /// What was asked for since the stage looked.
    asked: AtomicU64,
}

impl Purse {
    pub(crate) fn take(&self) -> More {
        // ordering: relaxed load; a guess that spares the exchange. Whoever puts something in tells
        // upstream after it, which runs the stage, or is seen by whoever runs it.
        if self.asked.load(Ordering::Relaxed) == 0 {
            return More::NONE;
        }
        // ordering: acquire pairs with the release in `request`: what was done before the request is
        // seen by whoever is sent its items (model `a_request_publishes`).
        More::of(self.asked.swap(0, Ordering::Acquire))
    }
}

/// What downstream asks by. The stage has the purse alone: what holds its upstream, and is held by
/// it, would keep both.
pub(crate) struct Purser {
    pub(crate) purse: Arc<Purse>,
    pub(crate) upstream: Arc<dyn Upstream>,
}

impl Upstream for Purser {
    fn request(&self, demand: Demand) {
        let asked = &self.purse.asked;
        // ordering: release pairs with the acquire in `take` (model `a_request_publishes`). Relaxed
        // on failure and for the first look: the exchange decides.
        let mut before = asked.load(Ordering::Relaxed);
        while let Err(now) = asked.compare_exchange_weak(
            before,
            Demand::new(before).map_or(demand, |before| before.plus(demand)).get(),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            before = now;
        }
        // After it: whoever is run by this finds it (model
        // `what_is_asked_is_told_downstream_once`).
        self.upstream.request(demand);
    }

    fn cancel(&self) {
        self.upstream.cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        self.upstream.cancel_because(cause);
    }

    fn detach(&self) {
        self.upstream.detach();
    }

    fn fail(&self, fault: Fault) {
        self.upstream.fail(fault);
    }
}

/// See [`hasty`].
pub struct Hasty<S, F, E, G> {
    subscriber: S,
    ahead: Demand,
    unwanted: F,
    error: fn(E) -> G,
}

impl<T, E, G, S, F> Subscriber<T, E> for Hasty<S, F, E, G>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Send + 'static,
    S: Subscriber<T, G>,
    F: FnMut(T) -> Unwanted<G> + Send + 'static,
{
    type Active = ActiveHasty<T, S::Active, F, E, G>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let Hasty { subscriber, ahead, unwanted, error } = self;
        let discards = subscriber.context().discards().clone();
        let upstream = subscription.into_upstream();
        let purse = Arc::new(Purse::default());
        let purser = Arc::new(Purser { purse: purse.clone(), upstream });
        ActiveHasty {
            downstream: subscriber.on_subscribe(Subscription::new(purser)),
            purse,
            credit: Credit::NONE,
            ahead: Some(ahead),
            keeps_up: !ahead.is_unbounded(),
            unwanted,
            error,
            failure: None,
            discards,
            marker: PhantomData,
        }
    }

    fn context(&self) -> Context {
        self.subscriber.context()
    }
}

impl<S, F, E, G> fmt::Debug for Hasty<S, F, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasty").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// A hasty subscriber with its subscription.
pub struct ActiveHasty<T, A, F, E, G> {
    downstream: A,
    purse: Arc<Purse>,
    /// What downstream has asked for and was not sent.
    credit: Credit,
    /// What upstream is asked for first, until it was.
    ahead: Option<Demand>,
    /// Whether upstream is asked for what downstream asks.
    keeps_up: bool,
    unwanted: F,
    error: fn(E) -> G,
    /// How the stream fails because of an item.
    failure: Option<G>,
    discards: Discards,
    marker: PhantomData<fn(T)>,
}

impl<T, A, F, E, G> ActiveHasty<T, A, F, E, G> {
    /// Notes an answer of downstream; what upstream is asked for.
    fn note(&mut self, answer: More) -> More {
        if answer.is_special() {
            return answer;
        }
        self.credit.add(answer);
        let more = if self.keeps_up { answer } else { More::NONE };
        match self.ahead.take() {
            Some(ahead) => more.plus(ahead.into()),
            None => more,
        }
    }
}

impl<T, E, G, A, F> ActiveSubscriber<T, E> for ActiveHasty<T, A, F, E, G>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Send + 'static,
    A: ActiveSubscriber<T, G>,
    F: FnMut(T) -> Unwanted<G> + Send + 'static,
{
    fn on_next(&mut self, item: T) -> More {
        let mut more = More::NONE;
        if self.credit.is_empty() {
            let asked = self.purse.take();
            if asked != More::NONE {
                let answer = self.downstream.on_request(asked);
                more = self.note(answer);
            }
        }
        if more.is_cancel() {
            self.discards.discard(item);
        } else if self.credit.is_empty() {
            if let Unwanted::Fails(error) = (self.unwanted)(item) {
                self.failure = Some(error);
                return More::CANCEL;
            }
        } else {
            self.credit.spend();
            let answer = self.downstream.on_next(item);
            more = more.plus(self.note(answer));
        }
        more
    }

    fn on_request(&mut self, _: More) -> More {
        let answer = self.downstream.on_request(self.purse.take());
        self.note(answer)
    }

    fn cause(&self) -> Cause {
        if self.failure.is_some() { Cause::Failed } else { self.downstream.cause() }
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let end = match (self.failure, end) {
            (_, End::Fault(fault)) => End::Fault(fault),
            (Some(failure), _) => End::Failed(failure),
            (None, End::Completed) => End::Completed,
            (None, End::Failed(error)) => End::Failed((self.error)(error)),
            (None, End::Cancelled(cause)) => End::Cancelled(cause),
        };
        Left::of(self.downstream.on_end(end), self.purse)
    }
}

impl<T, A, F, E, G> fmt::Debug for ActiveHasty<T, A, F, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveHasty").field("credit", &self.credit).finish_non_exhaustive()
    }
}

/// What downstream leaves to be sent after the end, by what is in the purse.
pub(crate) struct Left {
    rest: Box<dyn Rest>,
    purse: Arc<Purse>,
}

impl Left {
    pub(crate) fn of(rest: Option<Box<dyn Rest>>, purse: Arc<Purse>) -> Option<Box<dyn Rest>> {
        rest.map(|rest| -> Box<dyn Rest> { Box::new(Left { rest, purse }) })
    }
}

impl Rest for Left {
    fn go_on(&mut self, _: More, interrupted: &dyn Fn() -> bool) -> Progress {
        self.rest.go_on(self.purse.take(), interrupted)
    }

    fn finish(self: Box<Self>) -> Option<Box<dyn Rest>> {
        let Left { rest, purse } = *self;
        Left::of(rest.finish(), purse)
    }

    fn break_off(self: Box<Self>, fault: Fault) -> Option<Box<dyn Rest>> {
        let Left { rest, purse } = *self;
        Left::of(rest.break_off(fault), purse)
    }
}
