//! `concat_map_delay_error`: each item becomes a publisher, one after another; failures at the end.

use millstream_core::{Publisher, Subscriber};

use crate::combine::Failures;
use crate::flatten::concat_map::one_by_one;
use crate::shape::failing::AtLast;

/// Each item becomes a publisher, one after another; what failed is told when all are over:
/// [`PublisherExt::concat_map_delay_error`](crate::PublisherExt::concat_map_delay_error).
///
/// ```text
/// up     --1-------------2--|
/// f(1)     --a--b--x
/// f(2)                   --c--d--|
/// down   ----a--b----------c--d--x
/// ```
///
/// # Demand
/// One item of upstream at a time, and none before downstream's first request; the next when the
/// inner publisher is over, failed or complete, and there is demand. What an inner publisher has not used
/// up is carried over to the next.
/// # Completion
/// When upstream and the inner publisher are complete, and none has failed.
/// # Errors
/// When upstream and the inner publisher are over: all [`Failures`], in the order in which they came.
/// After an error of upstream the inner publisher that is there goes on. A fault does not wait, and a
/// panic in the function becomes one.
/// # Cancellation
/// Both are cancelled, and the errors that wait are dropped.
/// # Bounds
/// Holds one inner publisher, no items, and **one error for each publisher that failed**, however many
/// there are. One allocation per subscription, and those of each inner publisher.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let orders = millstream::from_iter(["1 2", "x", "3"]).fallible();
/// let numbers = orders.concat_map_delay_error(|order: &str| {
///     millstream::from_iter(order.split(' ')).try_map(str::parse::<u32>)
/// });
/// let (heard, numbers_heard) = std::sync::mpsc::channel();
/// let end = numbers.for_each(move |n| heard.send(n).unwrap());
/// let failures = end.block().unwrap_err().into_error().unwrap();
/// assert_eq!(failures.to_string(), "invalid digit found in string");
/// assert_eq!(numbers_heard.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ConcatMapDelayError<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> ConcatMapDelayError<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> ConcatMapDelayError<P, F> {
        ConcatMapDelayError { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(ConcatMapDelayError<P, F>);

impl<P, Q, F> Publisher for ConcatMapDelayError<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = Failures<P::Error>;

    fn subscribe<S: Subscriber<Q::Item, Failures<P::Error>>>(self, subscriber: S) {
        one_by_one(self.upstream, self.f, AtLast::new(), subscriber);
    }
}
