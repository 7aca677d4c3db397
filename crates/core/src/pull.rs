//! [`Pull`]: a synchronous source, asked for one item at a time.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

/// What one [`Pull::pull`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled<T, E> {
    /// An item.
    Item(T),
    /// No item this time, but ask again: an item was skipped. It lets the caller look for a
    /// cancellation between two skipped items.
    Skipped,
    /// No item for now. From [`look_ahead`](Pull::look_ahead): "can't tell". From
    /// [`pull`](Pull::pull) it is for sources that somebody else fills and that tell whoever runs
    /// them; a synchronous source does not say so, since nobody would ask it again before the
    /// next request, and a stage that holds it in place ends with a fault.
    Pending,
    /// There are no more items.
    Complete,
    /// The source failed; there are no more items.
    Error(E),
}

/// A synchronous source of items.
///
/// It knows nothing of demand, threads or cancellation: it is pulled once for each item that
/// may be sent, and dropped when nobody wants more. It is not pulled again after
/// [`Pulled::Complete`] or [`Pulled::Error`].
pub trait Pull: Send + Sized + 'static {
    /// What it gives.
    type Item: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// Whether [`size_hint`](Pull::size_hint) ever knows anything: only then is it asked.
    const HINTS: bool = false;

    /// Takes the next item. Called once per unit of demand.
    fn pull(&mut self) -> Pulled<Self::Item, Self::Error>;

    /// Takes items one after another and hands each to `each`, until that answers `false` or there
    /// is something else than an item. That is returned; after `false` [`Pulled::Skipped`].
    ///
    /// The same as a loop around [`pull`](Pull::pull). Written where a loop inside is faster than
    /// one outside, as `try_fold` is of an iterator.
    #[inline]
    fn pull_while(
        &mut self,
        mut each: impl FnMut(Self::Item) -> bool,
    ) -> Pulled<Self::Item, Self::Error> {
        loop {
            match self.pull() {
                Pulled::Item(item) => {
                    if !each(item) {
                        return Pulled::Skipped;
                    }
                }
                other => return other,
            }
        }
    }

    /// Hands what comes of items that are handed past the queue of a source to `each`, until that
    /// answers `false`. [`Pending`](Pulled::Pending) where none was taken, or where there is nothing
    /// else to tell until another comes, whatever `each` answered; [`Skipped`](Pulled::Skipped) where
    /// it is to be asked, as there is something now: more items, or an end. What else is returned is
    /// as of [`pull`](Pull::pull): after an item it is to be asked as well.
    ///
    /// Only the source of that number takes them from the [supply](Supply), and only where nothing
    /// comes before them; a stage asks what is above it. For stages of the library: one that does not
    /// know of it is given its items through the queue.
    #[doc(hidden)]
    #[inline]
    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        each: impl FnMut(Self::Item) -> bool,
    ) -> Pulled<Self::Item, Self::Error> {
        let _ = (to, supply, each);
        Pulled::Pending
    }

    /// Lets a publisher that [`HANDS`](crate::Publisher::HANDS) hand items to the publishers that it
    /// gave before, as long as `hands` takes them. `false` where it has nothing for now: it tells its
    /// host when it has.
    #[doc(hidden)]
    #[inline]
    fn hand_out(&mut self, hands: &mut impl Hands) -> bool {
        let _ = hands;
        false
    }

    /// How many items are to come, at least and at most, as of an iterator.
    ///
    /// Where as many are sure to come as there is demand for, they are [pulled](Pull::pull) one
    /// after another, and counted in no branch. A source that is sure of too many is found out by
    /// `pull`; one that has at most none is complete.
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }

    /// Called without demand, to find out whether the stream is over: completion needs no
    /// demand (rule 2.9). [`Pulled::Pending`] says "can't tell without taking an item"; an item
    /// given here is kept by the caller and delivered next. `started` tells whether an item was
    /// taken before: a source that has to do work to find out does none before the first demand.
    fn look_ahead(&mut self, started: bool) -> Pulled<Self::Item, Self::Error> {
        let _ = started;
        Pulled::Pending
    }
}

/// Items on their way to one source among many that a host holds in place, past its queue: see
/// [`Pull::pull_handed`].
#[doc(hidden)]
pub trait Supply {
    /// What they are.
    type Item: Send + 'static;

    /// Gives items, one after another, until `each` answers `false` or it has no more.
    fn give(&mut self, each: impl FnMut(Self::Item) -> bool);
}

/// All that `supply` gives, to the source for which it is: their items are of the same type, and a
/// number that tells sources apart has told so.
#[doc(hidden)]
#[inline]
pub fn give<T: 'static>(supply: &mut impl Supply, mut each: impl FnMut(T) -> bool) {
    supply.give(|item| {
        let mut item = Some(item);
        let item: &mut dyn Any = &mut item;
        // Both are known when this is compiled.
        match item.downcast_mut::<Option<T>>().and_then(Option::take) {
            Some(item) => each(item),
            None => unreachable!("a source is handed items of its own type"),
        }
    });
}

/// A [`Supply`] of one item.
#[doc(hidden)]
#[derive(Debug)]
pub struct Handed<T>(Option<T>);

impl<T> Handed<T> {
    /// This one.
    #[inline]
    pub fn new(item: T) -> Handed<T> {
        Handed(Some(item))
    }

    /// The item, if nobody took it.
    #[inline]
    pub fn into_item(self) -> Option<T> {
        self.0
    }
}

impl<T: Send + 'static> Supply for Handed<T> {
    type Item = T;

    #[inline]
    fn give(&mut self, mut each: impl FnMut(T) -> bool) {
        if let Some(item) = self.0.take() {
            each(item);
        }
    }
}

/// A host that is handed items for the sources that it holds in place: see [`Pull::hand_out`].
#[doc(hidden)]
pub trait Hands {
    /// How many more publishers it would hold; `None` where it takes no items now, and only wants to
    /// know what is over.
    fn room(&self) -> Option<usize>;

    /// Lets the source of number `to` in that `place` have what `supply` gives; nothing is taken from
    /// that where it is not there, as none is in place `usize::MAX`. No other has the number as long as
    /// it is there. Whether more may follow.
    fn hand(&mut self, place: usize, to: usize, supply: &mut impl Supply) -> bool;
}

/// The [`Pull`] of a publisher that can only push: there is none.
pub struct NeverPull<T, E>(Infallible, PhantomData<fn() -> (T, E)>);

impl<T: Send + 'static, E: Send + 'static> Pull for NeverPull<T, E> {
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        match self.0 {}
    }
}

impl<T, E> fmt::Debug for NeverPull<T, E> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}
