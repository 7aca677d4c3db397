//! Two kinds of publisher under one type, for sequences whose sources differ.

use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};

use crate::fault::MapErr;
use crate::shape::stage::Stage;

/// One of two values: of publishers, and of their errors.
#[derive(Debug, Clone)]
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

impl<A, B> Publisher for Either<A, B>
where
    A: Publisher,
    B: Publisher<Item = A::Item>,
{
    type Item = A::Item;
    type Error = Either<A::Error, B::Error>;

    fn subscribe<S: Subscriber<Self::Item, Self::Error>>(self, subscriber: S) {
        match self {
            Either::First(first) => {
                Stage::new(first, MapErr::new(Either::First)).subscribe(subscriber);
            }
            Either::Second(second) => {
                Stage::new(second, MapErr::new(Either::Second)).subscribe(subscriber);
            }
        }
    }
}

/// One of two publishers that fail alike.
#[derive(Debug, Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub enum Same<A, B> {
    /// The one.
    First(A),
    /// The other.
    Second(B),
}

impl<A, B> Publisher for Same<A, B>
where
    A: Publisher,
    B: Publisher<Item = A::Item, Error = A::Error>,
{
    type Item = A::Item;
    type Error = A::Error;
    const PULLS: bool = A::PULLS && B::PULLS;
    const MAY_PULL: bool = A::MAY_PULL || B::MAY_PULL;

    #[inline]
    fn pulls(&self) -> bool {
        match self {
            Same::First(first) => first.pulls(),
            Same::Second(second) => second.pulls(),
        }
    }

    fn subscribe<S: Subscriber<Self::Item, Self::Error>>(self, subscriber: S) {
        match self {
            Same::First(first) => first.subscribe(subscriber),
            Same::Second(second) => second.subscribe(subscriber),
        }
    }
    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = A::Item, Error = A::Error>, Self> {
        match self {
            Same::First(first) => first.into_pull(context).map(Same::First).map_err(Same::First),
            Same::Second(second) => {
                second.into_pull(context).map(Same::Second).map_err(Same::Second)
            }
        }
    }
}

impl<A, B> Pull for Same<A, B>
where
    A: Pull,
    B: Pull<Item = A::Item, Error = A::Error>,
{
    type Item = A::Item;
    type Error = A::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<A::Item, A::Error> {
        match self {
            Same::First(first) => first.pull(),
            Same::Second(second) => second.pull(),
        }
    }

    #[inline]
    fn look_ahead(&mut self, started: bool) -> Pulled<A::Item, A::Error> {
        match self {
            Same::First(first) => first.look_ahead(started),
            Same::Second(second) => second.look_ahead(started),
        }
    }
}
