//! Two kinds of publisher under one type, for sequences whose sources differ.

use millstream_core::{Publisher, Subscriber};

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
pub(crate) enum Same<A, B> {
    First(A),
    Second(B),
}

impl<A, B> Publisher for Same<A, B>
where
    A: Publisher,
    B: Publisher<Item = A::Item, Error = A::Error>,
{
    type Item = A::Item;
    type Error = A::Error;

    fn subscribe<S: Subscriber<Self::Item, Self::Error>>(self, subscriber: S) {
        match self {
            Same::First(first) => first.subscribe(subscriber),
            Same::Second(second) => second.subscribe(subscriber),
        }
    }
}
