//! `start_with`: some items before those of upstream.

use millstream_core::{Publisher, Subscriber};

use crate::combine::Chain;
use crate::fault::MapErr;
use crate::shape::stage::Stage;
use crate::source::FromIter;

/// Some items before those of upstream:
/// [`PublisherExt::start_with`](crate::PublisherExt::start_with).
///
/// ```text
///         start_with([7, 8])
/// up           --1--2--|
/// down  --7--8---1--2--|
/// ```
///
/// # Demand
/// Downstream's; what the items have not used up is carried over to upstream, which is subscribed
/// to when the last of them is sent, not before.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the iterator becomes a fault.
/// # Cancellation
/// The iterator is dropped, or upstream cancelled.
/// # Bounds
/// Holds the iterator, and the one item that [`from_iter`](crate::source::from_iter) may look
/// ahead. One allocation per subscription, one for the items, and those of upstream.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2).start_with([7, 8]);
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [7, 8, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct StartWith<P, I> {
    upstream: P,
    items: FromIter<I>,
}

impl<P, I> StartWith<P, I> {
    pub(crate) fn new(upstream: P, items: FromIter<I>) -> StartWith<P, I> {
        StartWith { upstream, items }
    }
}

crate::opaque_debug::opaque_debug!(StartWith<P, I>);

impl<P, I> Publisher for StartWith<P, I>
where
    P: Publisher,
    I: Iterator<Item = P::Item> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let items = Stage::new(self.items, MapErr::new(|never| match never {}));
        Chain::new(items, self.upstream).subscribe(subscriber);
    }
}
