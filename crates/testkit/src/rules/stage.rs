//! Stages in front of a probe: what a publisher serves is as a rule a stage, which is asked what it
//! wants, may have enough, and may hold what is still to be delivered when its source is over.

use std::marker::PhantomData;
use std::num::NonZeroU64;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, End, Fault, More, Progress, Rest, Subscriber,
    Subscription,
};

/// What the stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The second of each two, as `chunks(2)` would ask for them.
    Pairs,
    /// The last, as `take_last(1)`.
    Last,
    /// The first two, as `take(2)`.
    Two,
    /// None, as `take(0)`.
    Nothing,
    /// All, and hands the thread back after each, as one that makes many items of one.
    Yields,
}

const TWO: NonZeroU64 = NonZeroU64::new(2).unwrap();

/// A stage before its subscription.
pub(super) struct Stage<S> {
    pub(super) kind: Kind,
    pub(super) downstream: S,
}

impl<T: Send + 'static, E: Send + 'static, S: Subscriber<T, E>> Subscriber<T, E> for Stage<S> {
    type Active = ActiveStage<T, S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        ActiveStage {
            kind: self.kind,
            downstream: self.downstream.on_subscribe(subscription),
            held: None,
            seen: 0,
            asked: Credit::NONE,
            owed: More::NONE,
        }
    }

    fn context(&self) -> Context {
        self.downstream.context()
    }
}

pub(super) struct ActiveStage<T, A> {
    kind: Kind,
    downstream: A,
    held: Option<T>,
    seen: u64,
    /// Of the one that gives the last.
    asked: Credit,
    /// Of the one that yields: what is asked for when it is called again.
    owed: More,
}

impl<T, A> ActiveStage<T, A> {
    fn has_enough(&self) -> bool {
        match self.kind {
            Kind::Two => self.seen >= 2,
            Kind::Nothing => true,
            Kind::Pairs | Kind::Last | Kind::Yields => false,
        }
    }
}

impl<T: Send + 'static, E: Send + 'static, A: ActiveSubscriber<T, E>> ActiveSubscriber<T, E>
    for ActiveStage<T, A>
{
    fn on_next(&mut self, item: T) -> More {
        self.seen += 1;
        match self.kind {
            Kind::Pairs if self.seen % 2 == 1 => {
                self.held = Some(item);
                More::NONE
            }
            Kind::Pairs => {
                self.held = None;
                self.downstream.on_next(item).times(TWO)
            }
            Kind::Last => {
                self.held = Some(item);
                More::NONE
            }
            Kind::Yields => {
                let answer = self.downstream.on_next(item);
                if answer.is_special() {
                    return answer;
                }
                self.owed = answer;
                More::YIELD
            }
            Kind::Two => {
                let answer = self.downstream.on_next(item);
                if self.has_enough() { More::CANCEL } else { answer }
            }
            Kind::Nothing => More::CANCEL,
        }
    }

    fn on_request(&mut self, more: More) -> More {
        let more = self.downstream.on_request(more);
        match self.kind {
            Kind::Pairs => more.times(TWO),
            Kind::Yields => more.plus(std::mem::replace(&mut self.owed, More::NONE)),
            Kind::Last if more.is_cancel() => more,
            Kind::Last => {
                self.asked.add(more);
                More::UNBOUNDED
            }
            Kind::Two => more,
            Kind::Nothing => More::CANCEL,
        }
    }

    fn cause(&self) -> Cause {
        if self.has_enough() { Cause::NoMoreNeeded } else { self.downstream.cause() }
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let enough = self.has_enough();
        match (self.kind, end, self.held) {
            (_, End::Cancelled(_), _) if enough => self.downstream.on_end(End::Completed),
            (Kind::Last, End::Completed, Some(item)) => {
                let mut left =
                    Left { downstream: self.downstream, item: Some(item), asked: self.asked };
                match left.deliver::<E>() {
                    Progress::Ended => left.downstream.on_end(End::Completed),
                    _ => Some(Box::new(Resting(left, PhantomData::<fn() -> E>))),
                }
            }
            (_, end, _) => self.downstream.on_end(end),
        }
    }

    // Whoever sends signals calls `on_end`: what is held is lost here, as it would be.
    fn on_complete(self) {
        self.downstream.on_complete();
    }

    fn on_error(self, error: E) {
        self.downstream.on_error(error);
    }

    fn on_fault(self, fault: Fault) {
        self.downstream.on_fault(fault);
    }
}

/// What the one that gives the last has left.
struct Left<T, A> {
    downstream: A,
    item: Option<T>,
    asked: Credit,
}

impl<T: Send + 'static, A> Left<T, A> {
    fn deliver<E>(&mut self) -> Progress
    where
        A: ActiveSubscriber<T, E>,
    {
        if self.asked.is_empty() {
            return Progress::Starved;
        }
        if let Some(item) = self.item.take() {
            let answer = self.downstream.on_next(item);
            if answer.is_cancel() {
                return Progress::Starved;
            }
        }
        Progress::Ended
    }
}

struct Resting<T, A, E>(Left<T, A>, PhantomData<fn() -> E>);

impl<T, A, E> Rest for Resting<T, A, E>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    fn go_on(&mut self, more: More, _: &dyn Fn() -> bool) -> Progress {
        let more = self.0.downstream.on_request(more);
        self.0.asked.add(more);
        self.0.deliver::<E>()
    }

    fn finish(self: Box<Self>) -> Option<Box<dyn Rest>> {
        self.0.downstream.on_end(End::Completed)
    }

    fn break_off(self: Box<Self>, fault: Fault) -> Option<Box<dyn Rest>> {
        self.0.downstream.on_end(End::Fault(fault))
    }
}
