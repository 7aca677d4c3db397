//! Attempts, and what stands between them: a pause, or a publisher that says when to go on.

use std::convert::Infallible;
use std::marker::PhantomData;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{More, Publisher, Pulled, Subscriber};

use crate::either::Either;
use crate::shape::stage::{Books, Emit, Stage, Step};

/// What decides whether there is another attempt.
pub(crate) trait Again<P: Publisher>: Send + 'static {
    /// What stands between two attempts. It sends nothing; the next attempt is made when it is
    /// complete.
    type Between: Publisher<Item = P::Item>;

    /// An attempt begins.
    fn begins(&mut self) {}

    /// An attempt has ended. What comes before the next; none where its end stands.
    fn again(&mut self, end: &SourceEnd<P::Error>, sent_an_item: bool) -> Option<Self::Between>;

    /// What stood between has failed: the end of the stream.
    fn broken(&mut self, error: <Self::Between as Publisher>::Error) -> Result<(), P::Error>;
}

/// Subscribes `subscriber` to what `attempt` makes, again and again.
pub(crate) fn attempts<P, A, S>(
    attempt: impl FnMut() -> P + Send + 'static,
    again: A,
    subscriber: S,
) where
    P: Publisher,
    A: Again<P>,
    S: Subscriber<P::Item, P::Error>,
{
    relay(Attempts { attempt, again, between: false }, subscriber, |_| {});
}

struct Attempts<M, A> {
    attempt: M,
    again: A,
    /// Whether what runs stands between two attempts.
    between: bool,
}

impl<P, M, A> Sequence for Attempts<M, A>
where
    P: Publisher,
    M: FnMut() -> P + Send + 'static,
    A: Again<P>,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = Either<P, A::Between>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Self::Source, P::Error> {
        self.between = false;
        let attempt = (self.attempt)();
        self.again.begins();
        Then::Subscribe(Either::First(attempt))
    }

    fn after(
        &mut self,
        end: SourceEnd<<Self::Source as Publisher>::Error>,
        sent_an_item: bool,
    ) -> Then<Self::Source, P::Error> {
        let end = match end {
            SourceEnd::Completed if self.between => return self.start(),
            SourceEnd::Failed(Either::Second(error)) => {
                return match self.again.broken(error) {
                    Ok(()) => Then::Complete,
                    Err(error) => Then::Fail(error),
                };
            }
            SourceEnd::Completed => SourceEnd::Completed,
            SourceEnd::Failed(Either::First(error)) => SourceEnd::Failed(error),
        };
        match (self.again.again(&end, sent_an_item), end) {
            (Some(between), _) => {
                self.between = true;
                Then::Subscribe(Either::Second(between))
            }
            (None, SourceEnd::Completed) => Then::Complete,
            (None, SourceEnd::Failed(error)) => Then::Fail(error),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Self::Source, P::Error> {
        match feed {}
    }
}

/// A publisher that says when to go on, as a source that sends nothing: complete at its first item.
pub(crate) type Signal<C, T> = Stage<C, UntilItem<T>>;

/// How a [`Signal`] fails.
pub(crate) enum NoSignal<E> {
    /// It was complete without an item.
    Empty,
    Failed(E),
}

impl<E> NoSignal<E> {
    /// The end of the stream that waited for it.
    pub(crate) fn end(self) -> Result<(), E> {
        match self {
            NoSignal::Empty => Ok(()),
            NoSignal::Failed(error) => Err(error),
        }
    }
}

/// `publisher` as a signal.
pub(crate) fn signal<C: Publisher, T: Send + 'static>(publisher: C) -> Signal<C, T> {
    Stage::new(publisher, UntilItem { asked: false, like: PhantomData })
}

pub(crate) struct UntilItem<T> {
    asked: bool,
    like: PhantomData<fn() -> T>,
}

impl<U: Send + 'static, T: Send + 'static, E: Send + 'static> Step<U, E> for UntilItem<T> {
    type Item = T;
    type Error = NoSignal<E>;
    type Books = Books<NoSignal<E>>;
    // It is asked for its one item whatever downstream asks for.
    const PULLS: bool = false;

    fn next(&mut self, _: U) -> Emit<T, U, NoSignal<E>> {
        Emit::Complete
    }

    fn demand(&mut self, _: More) -> More {
        if std::mem::replace(&mut self.asked, true) { More::NONE } else { More::ONE }
    }

    fn complete(&mut self) -> Pulled<T, NoSignal<E>> {
        Pulled::Error(NoSignal::Empty)
    }

    fn error(&mut self, error: E) -> Pulled<T, NoSignal<E>> {
        Pulled::Error(NoSignal::Failed(error))
    }
}
