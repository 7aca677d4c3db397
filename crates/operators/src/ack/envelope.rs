//! `Acked`: an item, and the duty to say what became of it.

use std::error::Error;
use std::fmt;

use millstream_blocks::receipt::Ack;

/// An item, and the duty to say what became of it.
///
/// Its source holds a place for it until then. The item is acknowledged by [`ack`](Acked::ack) and
/// refused by [`nack`](Acked::nack); an envelope that is dropped is refused too, as
/// [`Nack::Dropped`](crate::ack::Nack::Dropped): what is discarded, cancelled or lost in a panic is
/// never taken for done. The source is told once, whatever happens.
///
/// No allocation, where a window of this library made it: a pointer and a number beside the item.
///
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::ack::{Ack, Acked};
///
/// let (told, hears) = channel();
/// let envelope = |n: u32| {
///     let told = told.clone();
///     Acked::new(n, Ack::with(move |verdict| told.send((n, verdict.is_ok())).unwrap()))
/// };
/// assert_eq!(envelope(1).map(|n| n + 1).ack(), 2);
/// drop(envelope(2));
/// envelope(3).nack("not today");
/// assert_eq!(hears.try_iter().collect::<Vec<_>>(), [(1, true), (2, false), (3, false)]);
/// ```
#[must_use = "dropping it is a nack"]
pub struct Acked<T> {
    item: T,
    ack: Ack,
}

impl<T> Acked<T> {
    /// `item`, with `ack` to be settled for it.
    #[inline]
    pub fn new(item: T, ack: Ack) -> Acked<T> {
        Acked { item, ack }
    }

    /// The item.
    #[inline]
    pub fn get(&self) -> &T {
        &self.item
    }

    /// The item and its acknowledgement, apart.
    #[inline]
    pub fn split(self) -> (T, Ack) {
        (self.item, self.ack)
    }

    /// Another item with the same acknowledgement. A panic in the function drops the envelope.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Acked<U> {
        let Acked { item, ack } = self;
        Acked { item: f(item), ack }
    }

    /// The item, acknowledged.
    #[inline]
    pub fn ack(self) -> T {
        self.ack.ack();
        self.item
    }

    /// The item, refused for `reason`.
    pub fn nack(self, reason: impl Into<Box<dyn Error + Send + Sync>>) -> T {
        self.ack.nack(reason);
        self.item
    }
}

impl<T> Acked<Vec<T>> {
    /// Several in one: acknowledged and refused together. One allocation for the items and one for
    /// their acknowledgements.
    pub fn all(envelopes: Vec<Acked<T>>) -> Acked<Vec<T>> {
        let (items, acks) = envelopes.into_iter().map(Acked::split).unzip();
        Acked { item: items, ack: Ack::of_all(acks) }
    }
}

impl<I: Iterator> Acked<I> {
    /// The items of an iterator, each in an envelope of its own: the whole is acknowledged when all
    /// of them are and the iterator is used up, and refused when one of them is.
    pub(crate) fn each(self) -> Each<I> {
        let Acked { item, ack } = self;
        let mut each = Each { items: item, ack: Some(ack) };
        if each.is_over() {
            each.done();
        }
        each
    }
}

/// The iterator of [`Acked::each`].
pub(crate) struct Each<I> {
    items: I,
    /// Until it is used up.
    ack: Option<Ack>,
}

impl<I: Iterator> Each<I> {
    /// Whether it is known that no item follows: then nobody asks for one to find out.
    fn is_over(&self) -> bool {
        self.items.size_hint().1 == Some(0)
    }

    fn done(&mut self) {
        if let Some(ack) = self.ack.take() {
            ack.ack();
        }
    }
}

impl<I: Iterator> Iterator for Each<I> {
    type Item = Acked<I::Item>;

    #[inline]
    fn next(&mut self) -> Option<Acked<I::Item>> {
        let Some(item) = self.items.next() else {
            self.done();
            return None;
        };
        let last = self.is_over();
        let ack = self.ack.as_mut()?;
        if !last {
            return Some(Acked::new(item, ack.another()));
        }
        self.ack.take().map(|ack| Acked::new(item, ack))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<T: fmt::Debug> fmt::Debug for Acked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acked").field(&self.item).finish()
    }
}
