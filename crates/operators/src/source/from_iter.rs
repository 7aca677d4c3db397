//! `from_iter`: the items of an iterator.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use millstream_blocks::island::emit;
use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};

/// The items of an iterator, in order.
///
/// ```text
/// iter  1 2 3
/// down  ^-r2-1--2-----r1-3|
/// ```
///
/// # Demand
/// The iterator is advanced once per item asked for. When the demand is used up, and the iterator
/// does not say how long it is, it is advanced once more to see whether it is over; that item is
/// held and sent next. Nothing is taken before the first request.
/// # Completion
/// With the last item, without further demand; an iterator known to be empty completes at once.
/// # Errors
/// None. An iterator of `Result`s is a stream of `Result`s; see `try_map` to end at the first
/// error.
/// # Cancellation
/// The iterator is dropped, with the items it holds.
/// # Bounds
/// Holds the iterator and at most one item. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let squares = millstream::from_iter(1..=3).map(|n| n * n);
/// assert_eq!(squares.collect::<Vec<_>>().block()?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "fromIterable", alias = "fromArray", alias = "iter")]
pub fn from_iter<I>(iter: I) -> FromIter<I::IntoIter>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
{
    FromIter { iter: iter.into_iter() }
}

/// The publisher of [`from_iter`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromIter<I> {
    iter: I,
}

impl<I> fmt::Debug for FromIter<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromIter")
    }
}

impl<I> Publisher for FromIter<I>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
{
    type Item = I::Item;
    type Error = Infallible;
    const PULLS: bool = true;

    fn subscribe<S: Subscriber<I::Item, Infallible>>(self, subscriber: S) {
        emit(PullIter::new(self.iter), subscriber);
    }

    fn into_pull(self, _: Context) -> Result<impl Pull<Item = I::Item, Error = Infallible>, Self> {
        Ok(PullIter::new(self.iter))
    }
}

/// An iterator to pull from. It cannot fail, as any error type.
pub(crate) struct PullIter<I, E = Infallible>(I, PhantomData<fn() -> E>);

impl<I, E> PullIter<I, E> {
    pub(crate) fn new(iter: I) -> PullIter<I, E> {
        PullIter(iter, PhantomData)
    }
}

impl<I, E> Pull for PullIter<I, E>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
    E: Send + 'static,
{
    type Item = I::Item;
    type Error = E;

    const HINTS: bool = true;

    #[inline]
    fn pull(&mut self) -> Pulled<I::Item, E> {
        match self.0.next() {
            Some(item) => Pulled::Item(item),
            None => Pulled::Complete,
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<I::Item, E> {
        match self.0.size_hint() {
            (_, Some(0)) => Pulled::Complete,
            (0, _) if started => self.pull(),
            _ => Pulled::Pending,
        }
    }
}
