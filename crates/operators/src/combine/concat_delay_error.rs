//! `concat_delay_error`: the publishers of an iterator, one after another; failures at the end.

use millstream_core::{Publisher, Subscriber};

use crate::combine::Failures;
use crate::combine::concat::in_order;
use crate::shape::failing::AtLast;

/// The publishers of an iterator, one after another; what failed is told when all are over: for two,
/// [`PublisherExt::chain_delay_error`](crate::PublisherExt::chain_delay_error).
///
/// ```text
/// first  --1--2--x
/// next            --7--|
/// next                  --9--|
/// down   --1--2-----7-----9--x
/// ```
///
/// # Demand
/// Downstream's; what one publisher has not used up is carried over to the next. The iterator is
/// advanced when the stream begins and when a publisher is over, with or without demand.
/// # Completion
/// When a publisher is over, the iterator has no other, and none has failed.
/// # Errors
/// When a publisher is over and the iterator has no other: all [`Failures`], in the order in which they
/// came. A fault does not wait, and a panic in the iterator becomes one.
/// # Cancellation
/// The running publisher is cancelled, the iterator dropped, and so are the errors that wait.
/// # Bounds
/// Holds the iterator, no items, and one error for each publisher that failed. One allocation per
/// subscription, and those of each publisher.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let parts = (1..=3).map(|n| millstream::from_iter(0..4).try_map(move |i| {
///     if i < n { Ok(i) } else { Err(format!("{n} has no {i}")) }
/// }));
/// let (heard, numbers) = std::sync::mpsc::channel();
/// let end = millstream::concat_delay_error(parts).for_each(move |n: i32| heard.send(n).unwrap());
/// let failures = end.block().unwrap_err().into_error().unwrap();
/// assert_eq!(failures.errors(), ["1 has no 1", "2 has no 2", "3 has no 3"]);
/// assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 0, 1, 0, 1, 2]);
/// ```
#[doc(alias = "concatDelayError")]
pub fn concat_delay_error<I>(sources: I) -> ConcatDelayError<I::IntoIter>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Publisher>,
{
    ConcatDelayError { sources: sources.into_iter() }
}

/// The publisher of [`concat_delay_error()`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ConcatDelayError<I> {
    sources: I,
}

crate::opaque_debug::opaque_debug!(ConcatDelayError<I>);

impl<I, P> Publisher for ConcatDelayError<I>
where
    I: Iterator<Item = P> + Send + 'static,
    P: Publisher,
{
    type Item = P::Item;
    type Error = Failures<P::Error>;

    fn subscribe<S: Subscriber<P::Item, Failures<P::Error>>>(self, subscriber: S) {
        in_order(self.sources, AtLast::new(), subscriber);
    }
}
