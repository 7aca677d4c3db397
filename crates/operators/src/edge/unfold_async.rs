//! `unfold_async`: each item by a future, from a state that is passed on.

use std::convert::Infallible;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Turns, polled};

/// Items from a state and an asynchronous function: each call takes the state and gives, when its
/// future is ready, an item with the next state, or `None` at the end. The futures are driven by a
/// task of `executor`.
///
/// ```text
/// f     -----(a, 2)  ---(b, 3)       --None
/// down  ^--r2-----a-----b----------r1--|
/// ```
///
/// # Demand
/// One call for each item asked for, when the one before was sent: one future in flight, and none
/// without demand.
/// # Completion
/// When a future gives `None`, which takes a unit of demand.
/// # Errors
/// None; [`try_unfold_async`](crate::edge::try_unfold_async) is for functions that fail. A panic
/// becomes a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The future in flight is dropped, or the state, when the task runs next.
/// # Bounds
/// Holds the state, or the future that has it. A few allocations per subscription, none per item.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// async fn page(number: u32) -> Option<(String, u32)> {
///     (number < 3).then(|| (format!("page {number}"), number + 1))
/// }
///
/// let executor = CurrentThread::new();
/// let pages = millstream::unfold_async(executor.handle(), 1, page);
/// assert_eq!(executor.run_until(pages.collect::<Vec<_>>())?, ["page 1", "page 2"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "unfoldAsync", alias = "generate", alias = "paginate")]
pub fn unfold_async<X, S, F, Fut, T>(executor: X, seed: S, f: F) -> UnfoldAsync<X, S, F>
where
    X: Executor,
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(T, S)>> + Send + 'static,
    T: Send + 'static,
{
    UnfoldAsync { executor, seed, f }
}

/// The publisher of [`unfold_async`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct UnfoldAsync<X, S, F> {
    executor: X,
    seed: S,
    f: F,
}

crate::opaque_debug::opaque_debug!(UnfoldAsync<X, S, F>);

impl<X, S, F, Fut, T> Publisher for UnfoldAsync<X, S, F>
where
    X: Executor,
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(T, S)>> + Send + 'static,
    T: Send + 'static,
{
    type Item = T;
    type Error = Infallible;

    fn subscribe<Sub: Subscriber<T, Infallible>>(self, subscriber: Sub) {
        let UnfoldAsync { executor, seed, mut f } = self;
        let f = move |state| {
            let future = f(state);
            async move { Ok(future.await) }
        };
        polled(&executor, Turns::new(seed, f), subscriber);
    }
}
