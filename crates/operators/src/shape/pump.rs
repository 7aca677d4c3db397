//! The pump: many items out for one item in.
//!
//! A pump asks upstream for one item, and for the next when that one has given all it has. It
//! emits from inside `on_next` and from inside `on_request`, while downstream has demand; what
//! an item still has when upstream ends is delivered as it is asked for.
//!
//! It hands the thread back after a number of items ([`More::YIELD`]), so that a cancellation is
//! seen even where one item gives a million, or an endless number.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::emission::Emission;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, End, Fault, More, Publisher, Pull, Pulled, Rest,
    Subscriber, Subscription,
};

use crate::shape::stage::panicked;

/// Items between two looks at whether the stream was cancelled.
const STRETCH: u32 = 1024;

/// An operator with many items out for one in.
pub trait Expand<T, E>: Send + 'static {
    /// What goes downstream.
    type Item: Send + 'static;
    /// How downstream is told of a failure.
    type Error: Send + 'static;

    /// Takes the next item of upstream. Called only after [`produce`](Expand::produce) said
    /// [`Pulled::Pending`].
    fn accept(&mut self, item: T);

    /// The next item for downstream; [`Pulled::Pending`] where another item of upstream is
    /// needed for it, [`Pulled::Complete`] to cancel upstream and complete.
    fn produce(&mut self) -> Pulled<Self::Item, Self::Error>;

    /// Sends what is left of the items taken, without counting: [`None`] to `send` where an item
    /// was skipped. [`Pulled::Skipped`] where `send` said to stop, else why there is none.
    fn send_each(
        &mut self,
        mut send: impl FnMut(Option<Self::Item>) -> bool,
    ) -> Pulled<Infallible, Self::Error> {
        loop {
            let goes_on = match self.produce() {
                Pulled::Item(item) => send(Some(item)),
                Pulled::Skipped => send(None),
                Pulled::Pending => return Pulled::Pending,
                Pulled::Complete => return Pulled::Complete,
                Pulled::Error(error) => return Pulled::Error(error),
            };
            if !goes_on {
                return Pulled::Skipped;
            }
        }
    }

    /// [`accept`](Expand::accept) and [`send_each`](Expand::send_each) in one: what an item gives
    /// at once need not be kept.
    #[inline]
    fn send_all(
        &mut self,
        item: T,
        send: impl FnMut(Option<Self::Item>) -> bool,
    ) -> Pulled<Infallible, Self::Error> {
        self.accept(item);
        self.send_each(send)
    }

    /// Upstream is complete: called once, before what is left is asked for.
    fn complete(&mut self) {}

    /// Called without demand after the end of upstream: [`Pulled::Complete`] where nothing is
    /// left, [`Pulled::Pending`] where that cannot be told without demand.
    fn look_ahead(&mut self) -> Pulled<Self::Item, Self::Error>;

    /// Upstream failed: how downstream is told, at once. What is left is discarded.
    fn error(&mut self, error: E) -> Self::Error;
}

/// A publisher with an [`Expand`] after it.
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Pump<P, O> {
    upstream: P,
    expand: O,
}

impl<P, O> Pump<P, O> {
    /// `expand` after `upstream`.
    pub fn new(upstream: P, expand: O) -> Pump<P, O> {
        Pump { upstream, expand }
    }
}

impl<P, O> fmt::Debug for Pump<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pump")
    }
}

impl<P, O> Publisher for Pump<P, O>
where
    P: Publisher,
    O: Expand<P::Item, P::Error>,
{
    type Item = O::Item;
    type Error = O::Error;

    fn subscribe<S: Subscriber<O::Item, O::Error>>(self, downstream: S) {
        self.upstream.subscribe(PumpSubscriber { expand: self.expand, downstream });
    }
}

struct PumpSubscriber<O, S> {
    expand: O,
    downstream: S,
}

impl<T, E, O, S> Subscriber<T, E> for PumpSubscriber<O, S>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Expand<T, E>,
    S: Subscriber<O::Item, O::Error>,
{
    type Active = ActivePump<O, S::Active, O::Error>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        ActivePump {
            expand: self.expand,
            downstream: self.downstream.on_subscribe(subscription),
            owed: Credit::NONE,
            asked: false,
            pending: None,
        }
    }

    fn context(&self) -> Context {
        self.downstream.context()
    }
}

struct ActivePump<O, A, F> {
    expand: O,
    downstream: A,
    owed: Credit,
    /// Upstream owes an item.
    asked: bool,
    pending: Option<End<F>>,
}

impl<O, A, F> ActivePump<O, A, F> {
    /// As [`pump`](Self::pump) where nobody counts; `item` is what upstream has just sent. It was asked
    /// for, and counts as owed until it has given all: then the next one is.
    #[inline]
    fn gush<T, E>(&mut self, item: Option<T>) -> More
    where
        O: Expand<T, E, Error = F>,
        A: ActiveSubscriber<O::Item, F>,
    {
        let came = item.is_some();
        let ActivePump { expand, downstream, .. } = self;
        let mut left = STRETCH;
        let mut stop = More::YIELD;
        let send = |item| {
            if let Some(item) = item {
                let answer = downstream.on_next(item);
                if answer.is_special() {
                    stop = answer;
                    return false;
                }
            }
            left -= 1;
            left > 0
        };
        let stopped = match item {
            Some(item) => expand.send_all(item, send),
            None => expand.send_each(send),
        };
        match stopped {
            Pulled::Item(never) => match never {},
            Pulled::Skipped => {
                self.asked &= !came;
                stop
            }
            Pulled::Pending if came => More::ONE,
            Pulled::Pending => self.ask(),
            Pulled::Complete => self.stop(End::Completed),
            Pulled::Error(error) => self.stop(End::Failed(error)),
        }
    }

    #[inline]
    fn ask(&mut self) -> More {
        if std::mem::replace(&mut self.asked, true) { More::NONE } else { More::ONE }
    }

    #[cold]
    fn stop(&mut self, end: End<F>) -> More {
        self.pending = Some(end);
        More::CANCEL
    }

    fn pump<T, E>(&mut self) -> More
    where
        O: Expand<T, E, Error = F>,
        A: ActiveSubscriber<O::Item, F>,
    {
        if self.owed.is_unbounded() {
            return self.gush(None);
        }
        for _ in 0..STRETCH {
            if self.owed.is_empty() {
                return More::NONE;
            }
            match self.expand.produce() {
                Pulled::Item(item) => {
                    self.owed.spend();
                    let answer = self.downstream.on_next(item);
                    if answer.is_special() {
                        return answer;
                    }
                    self.owed.add(answer);
                }
                Pulled::Skipped => {}
                Pulled::Pending => return self.ask(),
                Pulled::Complete => return self.stop(End::Completed),
                Pulled::Error(error) => return self.stop(End::Failed(error)),
            }
        }
        More::YIELD
    }
}

impl<T, E, O, A> ActiveSubscriber<T, E> for ActivePump<O, A, O::Error>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Expand<T, E>,
    A: ActiveSubscriber<O::Item, O::Error>,
{
    #[inline(always)]
    fn on_next(&mut self, item: T) -> More {
        if self.owed.is_unbounded() {
            return self.gush(Some(item));
        }
        self.asked = false;
        self.expand.accept(item);
        self.pump()
    }

    fn on_request(&mut self, more: More) -> More {
        let answer = self.downstream.on_request(more);
        if answer.is_special() {
            return answer;
        }
        self.owed.add(answer);
        self.pump()
    }

    fn cause(&self) -> Cause {
        self.pending.as_ref().map_or_else(|| self.downstream.cause(), End::cause)
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let ActivePump { mut expand, downstream, owed, pending, .. } = self;
        let end = match (pending, end) {
            (Some(end), _) => end,
            (None, End::Completed) => match catch_unwind(AssertUnwindSafe(|| expand.complete())) {
                Ok(()) => {
                    let tail = Tail { expand, marker: std::marker::PhantomData };
                    return Emission::resumed(tail, downstream, owed, None).run_within(64);
                }
                Err(payload) => panicked(payload),
            },
            (None, End::Failed(error)) => {
                match catch_unwind(AssertUnwindSafe(|| expand.error(error))) {
                    Ok(error) => End::Failed(error),
                    Err(payload) => panicked(payload),
                }
            }
            (None, End::Cancelled(cause)) => End::Cancelled(cause),
            (None, End::Fault(fault)) => End::Fault(fault),
        };
        drop(expand);
        downstream.on_end(end)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(ActiveSubscriber::<T, E>::on_end(self, End::Fault(fault)));
    }
}

/// What is left after the end of upstream: where another item would be needed, that is all.
struct Tail<T, E, O> {
    expand: O,
    marker: std::marker::PhantomData<fn(T, E)>,
}

impl<T: 'static, E: 'static, O: Expand<T, E>> Pull for Tail<T, E, O> {
    type Item = O::Item;
    type Error = O::Error;

    fn pull(&mut self) -> Pulled<O::Item, O::Error> {
        match self.expand.produce() {
            Pulled::Pending => Pulled::Complete,
            other => other,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<O::Item, O::Error> {
        self.expand.look_ahead()
    }
}
