//! `filter_async`: only the items whose future says yes, several of them at a time.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{Call, Flying, Passed};
use crate::shape::joined::capacity;
use crate::shape::turns::AtOnce;

/// Only the items that pass an asynchronous test, up to `limit` of its futures at a time, in order:
/// [`PublisherExt::filter_async`](crate::PublisherExt::filter_async).
///
/// ```text
///           filter_async(executor, 2, odd)    odd(1) takes long
/// up    --1-2-----3-4-|
/// down  ------1---3---|
/// ```
///
/// As [`map_async`](crate::PublisherExt::map_async), of which it keeps some results: its futures go on
/// while downstream asks for nothing, on a task of their own. The function is shown the item, which
/// waits in the stage; its future borrows nothing of it.
///
/// # Demand
/// `limit` when it is subscribed to, and one more for each item that was sent or did not pass: never
/// more than `limit` items are on their way, tested, or waiting for demand. An item that did not pass
/// keeps its place until those before it are gone. A synchronous upstream is pulled as there is room.
/// # Completion
/// When upstream is complete and all items that passed are sent.
/// # Errors
/// A failure of upstream comes after the items that passed before. A panic in the function or in a
/// future becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: the futures are dropped and upstream is cancelled when the task runs next. Items
/// that are tested, or wait, are discarded.
/// # Bounds
/// `limit` items, with their futures or without. A few allocations for each of them when it is
/// subscribed to; none per item. Items that do not pass are discarded.
/// # Panics
/// When `limit` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// async fn is_known(number: u32) -> bool {
///     number % 2 == 0
/// }
///
/// let executor = CurrentThread::new();
/// let known = millstream::range(1..7).filter_async(executor.handle(), 2, |n| is_known(*n));
/// assert_eq!(executor.run_until(known.collect::<Vec<_>>())?, [2, 4, 6]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FilterAsync<P, X, F> {
    upstream: P,
    executor: X,
    limit: NonZeroUsize,
    site: Site,
    f: F,
}

impl<P, X, F> FilterAsync<P, X, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, limit: usize, f: F) -> Self {
        let limit = capacity("filter_async(executor, 0, f)", limit);
        FilterAsync { upstream, executor, limit, site: Site::here("filter_async"), f }
    }
}

crate::opaque_debug::opaque_debug!(FilterAsync<P, X, F>, limit);

impl<P, X, F, Fut> Publisher for FilterAsync<P, X, F>
where
    P: Publisher,
    X: Executor,
    F: FnMut(&P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let FilterAsync { upstream, executor, limit, site, mut f } = self;
        let discards = subscriber.context().discards().clone();
        let tested = move |item| {
            let passes = f(&item);
            let mut tested = Tested(Some(item), discards.clone());
            async move { if passes.await { tested.0.take() } else { None } }
        };
        let course = Call(tested, Ok);
        let flying = Flying { limit, site, turns: AtOnce, course, error: |error| error };
        flying.fly::<Passed<P::Item>, _, _, _>(upstream, &executor, subscriber);
    }
}

/// An item that is discarded where its future does not say yes: where it says no, is dropped, or panics.
struct Tested<T: 'static>(Option<T>, Discards);

impl<T: 'static> Drop for Tested<T> {
    fn drop(&mut self) {
        if let Some(item) = self.0.take() {
            self.1.discard(item);
        }
    }
}
