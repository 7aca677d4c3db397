//! `then`: each item through a future, one at a time, as downstream asks.

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{Call, Flying, InOrder, OneAsWanted};
use crate::shape::turns::AtOnce;

/// Each item through an asynchronous function, one after the other, as downstream asks:
/// [`PublisherExt::then`](crate::PublisherExt::then).
///
/// ```text
///           then(executor, f)
/// up    --1-----2-------3-|
/// down  ----1-----2-------3|
/// ```
///
/// [`map_async`](crate::PublisherExt::map_async) with a limit of 1 differs in this: there the next item
/// is asked for, and its future runs, before downstream wants it.
///
/// The stage drives its future on a task of its own, as `map_async` does.
///
/// # Demand
/// One item when downstream asks, and the next when the result of that one was sent and downstream
/// asks for another. A synchronous upstream is pulled then, and looks one item ahead for its end, which
/// no future is made of before it is wanted.
/// # Completion
/// When upstream is complete and its last result is sent.
/// # Errors
/// A failure of upstream comes after the result of what it sent before. A panic in the function
/// or in a future becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: the future is dropped and upstream is cancelled when the task runs next.
/// # Bounds
/// One future or one result, or the item that a synchronous upstream looked ahead. A few allocations
/// when it is subscribed to; none per item.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let squares = millstream::range(1..5).then(executor.handle(), |n| async move { n * n });
/// assert_eq!(executor.run_until(squares.collect::<Vec<_>>())?, [1, 4, 9, 16]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Then<P, X, F> {
    upstream: P,
    executor: X,
    site: Site,
    f: F,
}

impl<P, X, F> Then<P, X, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, f: F) -> Self {
        Then { upstream, executor, site: Site::here("then"), f }
    }
}

crate::opaque_debug::opaque_debug!(Then<P, X, F>);

impl<P, X, F, Fut, U> Publisher for Then<P, X, F>
where
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = U> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<S: Subscriber<U, P::Error>>(self, subscriber: S) {
        let Then { upstream, executor, site, f } = self;
        let flying = Flying {
            limit: OneAsWanted,
            site,
            turns: AtOnce,
            course: Call(f, Ok),
            error: |error| error,
        };
        flying.fly::<InOrder<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
