//! `scan_async`: each item with a state, through a future, one at a time.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::flights::{Carried, Ending, Flying, InOrder};
use crate::shape::turns::AtOnce;

/// Each item with a state, through an asynchronous function that may end the stream:
/// [`PublisherExt::scan_async`](crate::PublisherExt::scan_async).
///
/// ```text
///       scan_async(executor, 0, |sum, n| async move { (sum + n < 9).then_some((sum + n, sum + n)) })
/// up    --1-----2-----3-----4!
/// down  ----1-----3-----6-----|
/// ```
///
/// This is [`scan`](crate::PublisherExt::scan) by futures, one at a time as in
/// [`then`](crate::PublisherExt::then). A future cannot borrow the state from the stage, so it takes the
/// state, and gives it back beside the item: a pair, as in [`unfold_async`](crate::edge::unfold_async). That
/// of Akka sends its first state before any item; this sends what the futures give.
///
/// The stage drives its future on a task of its own: it goes on while downstream asks for nothing.
///
/// # Demand
/// One when it is subscribed to, and one more for each item that was sent: one item is on its way, in
/// flight, or waiting for demand.
/// # Completion
/// When upstream is complete and what its last item gave is sent. When a future gives `None`, after
/// upstream was cancelled; that needs no demand.
/// # Errors
/// A failure of upstream comes after what the item before it gave. A panic in the function or in a
/// future becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// On the executor: the future is dropped, or the state, and upstream is cancelled when the task runs
/// next.
/// # Bounds
/// Holds the state, or the future that has it, and one result. A few allocations when it is subscribed
/// to; none per item.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// async fn add(sum: u32, n: u32) -> Option<(u32, u32)> {
///     let sum = sum + n;
///     (sum < 9).then_some((sum, sum))
/// }
///
/// let executor = CurrentThread::new();
/// let sums = millstream::from_iter(1..).scan_async(executor.handle(), 0, add);
/// assert_eq!(executor.run_until(sums.collect::<Vec<_>>())?, [1, 3, 6]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ScanAsync<P, X, S, F> {
    upstream: P,
    executor: X,
    state: S,
    site: Site,
    f: F,
}

impl<P, X, S, F> ScanAsync<P, X, S, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, state: S, f: F) -> Self {
        ScanAsync { upstream, executor, state, site: Site::here("scan_async"), f }
    }
}

crate::opaque_debug::opaque_debug!(ScanAsync<P, X, S, F>);

impl<P, X, S, F, Fut, U> Publisher for ScanAsync<P, X, S, F>
where
    P: Publisher,
    X: Executor,
    S: Send + 'static,
    F: FnMut(S, P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(U, S)>> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<Sub: Subscriber<U, P::Error>>(self, subscriber: Sub) {
        let ScanAsync { upstream, executor, state, site, f } = self;
        let course = Carried::new(state, f, |output: Fut::Output| output.ok_or(Ending::Complete));
        let limit = NonZeroUsize::MIN;
        let flying = Flying { limit, site, turns: AtOnce, course, error: |error| error };
        flying.fly::<InOrder<U>, _, _, _>(upstream, &executor, subscriber);
    }
}
