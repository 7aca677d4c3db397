//! `try_unfold_async`: as `unfold_async`, and it can fail.

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Turns, polled};

/// Items from a state and an asynchronous function that can fail: each call takes the state and
/// gives, when its future is ready, an item with the next state, `None` at the end, or an error.
/// The futures are driven by a task of `executor`.
///
/// ```text
/// f     -----(a, 2)  ---(b, 3)       --Err(e)
/// down  ^--r2-----a-----b----------r1--X
/// ```
///
/// # Demand
/// One call for each item asked for, when the one before was sent: one future in flight, and none
/// without demand.
/// # Completion
/// When a future gives `None`, which takes a unit of demand.
/// # Errors
/// When a future gives `Err`. A panic becomes a fault. When the executor drops the task, downstream
/// is told [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
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
/// async fn page(number: u32) -> Result<Option<(u32, u32)>, String> {
///     if number < 3 { Ok(Some((number, number + 1))) } else { Err(format!("no page {number}")) }
/// }
///
/// let executor = CurrentThread::new();
/// let pages = millstream::try_unfold_async(executor.handle(), 1, page);
/// let end = executor.run_until(pages.collect::<Vec<_>>());
/// assert_eq!(end.unwrap_err().into_error().as_deref(), Some("no page 3"));
/// ```
#[doc(alias = "unfoldAsync", alias = "try_unfold", alias = "unfoldResourceAsync")]
pub fn try_unfold_async<X, S, F, Fut, T, E>(executor: X, seed: S, f: F) -> TryUnfoldAsync<X, S, F>
where
    X: Executor,
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(T, S)>, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    TryUnfoldAsync { executor, seed, f }
}

/// The publisher of [`try_unfold_async`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TryUnfoldAsync<X, S, F> {
    executor: X,
    seed: S,
    f: F,
}

crate::opaque_debug::opaque_debug!(TryUnfoldAsync<X, S, F>);

impl<X, S, F, Fut, T, E> Publisher for TryUnfoldAsync<X, S, F>
where
    X: Executor,
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(T, S)>, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn subscribe<Sub: Subscriber<T, E>>(self, subscriber: Sub) {
        polled(&self.executor, Turns::new(self.seed, self.f), subscriber);
    }
}
