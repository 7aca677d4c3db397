//! `take_until`: until another publisher says so.

use millstream_blocks::cause::gone;
use millstream_blocks::relay::{Feeder, Sequence, SourceEnd, Then, relay};
use millstream_core::{
    ActiveSubscriber, Context, Demand, End, Fault, More, Publisher, Subscriber, Subscription,
};

/// Items until another publisher sends one, or is complete:
/// [`PublisherExt::take_until`](crate::PublisherExt::take_until).
///
/// ```text
/// signal -----------x
/// up     --1--2--3-----4--|
/// down   --1--2--3--|
/// ```
///
/// # Demand
/// As downstream's. The signal is asked for one item.
/// # Completion
/// As upstream, and at once when the signal comes; upstream is cancelled then.
/// # Errors
/// As upstream; a failure of the signal is one as well, at once.
/// # Cancellation
/// As downstream's: both are cancelled.
/// # Bounds
/// Holds nothing. Three allocations per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::range(0..3).take_until(millstream::pending::<()>());
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// let none = millstream::range(0..3).take_until(millstream::just("stop"));
/// assert_eq!(none.count().block()?, 0);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TakeUntil<P, Q> {
    upstream: P,
    signal: Q,
}

impl<P, Q> TakeUntil<P, Q> {
    pub(crate) fn new(upstream: P, signal: Q) -> TakeUntil<P, Q> {
        TakeUntil { upstream, signal }
    }
}

crate::opaque_debug::opaque_debug!(TakeUntil<P, Q>);

impl<P, Q> Publisher for TakeUntil<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let TakeUntil { upstream, signal } = self;
        let sequence = Until { upstream: Some(upstream), signal: None };
        let context = subscriber.context();
        relay(sequence, subscriber, |feeder| {
            signal.subscribe(Listener { feeder: Some(feeder), context });
        });
    }
}

/// Upstream, and the subscription to the signal, which is cancelled when this is dropped.
struct Until<P> {
    upstream: Option<P>,
    signal: Option<Subscription>,
}

/// What the signal's subscriber tells.
enum Signal {
    Subscribed(Subscription),
    Stop,
}

impl<P: Publisher> Sequence for Until<P> {
    type Item = P::Item;
    type Error = P::Error;
    type Source = P;
    type Feed = Signal;

    fn start(&mut self) -> Then<P, P::Error> {
        self.upstream.take().map_or(Then::Complete, Then::Subscribe)
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<P, P::Error> {
        match end {
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(error) => Then::Fail(error),
        }
    }

    fn fed(&mut self, signal: Signal, _: bool) -> Then<P, P::Error> {
        match signal {
            Signal::Subscribed(subscription) => {
                self.signal = Some(subscription);
                Then::Wait
            }
            Signal::Stop => Then::Complete,
        }
    }
}

/// The subscriber of the signal.
struct Listener<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> {
    /// Gone when the signal came.
    feeder: Option<Feeder<Until<P>, A>>,
    context: Context,
}

impl<P, A, T> Subscriber<T, P::Error> for Listener<P, A>
where
    P: Publisher,
    A: ActiveSubscriber<P::Item, P::Error>,
    T: Send + 'static,
{
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::ONE);
        if let Some(feeder) = &self.feeder {
            feeder.feed(Signal::Subscribed(subscription));
        }
        self
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl<P, A, T> ActiveSubscriber<T, P::Error> for Listener<P, A>
where
    P: Publisher,
    A: ActiveSubscriber<P::Item, P::Error>,
    T: Send + 'static,
{
    fn on_next(&mut self, _: T) -> More {
        if let Some(feeder) = self.feeder.take() {
            feeder.feed(Signal::Stop);
        }
        More::CANCEL
    }

    fn on_complete(mut self) {
        if let Some(feeder) = self.feeder.take() {
            feeder.feed(Signal::Stop);
        }
    }

    fn on_error(mut self, error: P::Error) {
        if let Some(feeder) = self.feeder.take() {
            feeder.end(End::Failed(error));
        }
    }

    fn on_fault(mut self, fault: Fault) {
        if let Some(feeder) = self.feeder.take() {
            feeder.end(End::Fault(fault));
        }
    }
}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Drop for Listener<P, A> {
    fn drop(&mut self) {
        // Without an end: cancelled, and then nobody listens, or gone.
        if let Some(feeder) = self.feeder.take() {
            gone(move |fault| feeder.end(End::Fault(fault)));
        }
    }
}
