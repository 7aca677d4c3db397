//! `flat_map_unordered_delay_error`: each item a publisher, several of them at a time; failures at the
//! end.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::combine::Failures;
use crate::flatten::flat_map_unordered::flattened;
use crate::shape::failing::Delaying;
use crate::shape::joined::capacity;

/// Each item becomes a publisher, and up to `limit` of them send at a time; what failed is told when all
/// are over:
/// [`PublisherExt::flat_map_unordered_delay_error`](crate::PublisherExt::flat_map_unordered_delay_error).
///
/// ```text
/// up    --1---2-------3-------------|
/// f(1)    --a----x
/// f(2)        --c---d---|
/// f(3)                --e--|
/// down  ----a---c---d---e-----------x
/// ```
///
/// It is fair, as [`flat_map_unordered`](crate::PublisherExt::flat_map_unordered) is: an inner publisher
/// with items at hand gives up to 32, and then the next has its turn. The order of the items of one inner
/// publisher is kept.
///
/// # Demand
/// `limit` from upstream when it is subscribed to, and one more for each inner publisher that is over,
/// failed or complete. `prefetch` from each inner publisher, and three quarters of it each time as many
/// of its items were sent; one that sends in the call which asks it is asked for up to 32 at a time; one
/// that is synchronous, and a group of `group_by`, is pulled as downstream asks.
/// # Completion
/// When upstream and all inner publishers are complete and their items sent.
/// # Errors
/// When upstream and all inner publishers are over and their items sent: all [`Failures`], in the order
/// in which the stage came to them: that of a publisher after the items which it sent before, that of
/// upstream when a place is free. After an error of upstream the inner publishers that are there go on. A
/// fault does not wait, and a panic in the function becomes one.
/// # Cancellation
/// As downstream's: all are cancelled, and what is queued is discarded.
/// # Bounds
/// `limit` inner publishers, `limit` items of an upstream that is not synchronous, `prefetch` items of
/// each inner publisher that is not, and **one error for each publisher that failed**, however many there
/// are.
/// # Panics
/// When `limit` or `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let pages = millstream::range(0..3).fallible();
/// let words = pages.flat_map_unordered_delay_error(2, 16, |page| {
///     millstream::just(page).try_map(|page| if page == 1 { Err("no page 1") } else { Ok(page) })
/// });
/// let (heard, pages) = std::sync::mpsc::channel();
/// let end = words.for_each(move |page| heard.send(page).unwrap());
/// assert_eq!(end.block().unwrap_err().into_error().unwrap().into_vec(), ["no page 1"]);
/// assert_eq!(pages.into_iter().collect::<Vec<_>>(), [0, 2]);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FlatMapUnorderedDelayError<P, F> {
    upstream: P,
    f: F,
    limit: NonZeroUsize,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, F> FlatMapUnorderedDelayError<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, limit: usize, prefetch: usize, f: F) -> Self {
        FlatMapUnorderedDelayError {
            upstream,
            f,
            limit: capacity("flat_map_unordered_delay_error(0, prefetch, f)", limit),
            prefetch: capacity("flat_map_unordered_delay_error(limit, 0, f)", prefetch),
            site: Site::here("flat_map_unordered_delay_error"),
        }
    }
}

crate::opaque_debug::opaque_debug!(FlatMapUnorderedDelayError<P, F>, limit, prefetch);

impl<P, Q, F> Publisher for FlatMapUnorderedDelayError<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = Failures<P::Error>;

    fn subscribe<S: Subscriber<Q::Item, Failures<P::Error>>>(self, subscriber: S) {
        let FlatMapUnorderedDelayError { upstream, f, limit, prefetch, site } = self;
        join(
            |bell, context| {
                Delaying::new(flattened(upstream, f, (limit, prefetch), site, (bell, context)))
            },
            subscriber,
        );
    }
}
