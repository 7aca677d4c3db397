//! `commit_in_order_async`: what was acknowledged is committed by a future, in order.

use std::error::Error;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::ack::commits::{Entry, There};
use crate::ack::{AckError, Acked};

/// Commits the tag of the last item before the first that is not acknowledged, through a future:
/// [`Acking::commit_in_order_async`](crate::ack::Acking::commit_in_order_async).
///
/// ```text
///           acked(4, tag).commit_in_order_async(4, executor, commit)
/// down    --1-2-3-4-------------|
/// ack        1  2 3 4
/// commit     1-----| 4-----|         what came meanwhile is one commit
/// ```
///
/// As [`CommitInOrder`](crate::ack::CommitInOrder), with one commit in flight at a time, on a task
/// of the executor; the next is for all that was acknowledged while it was. So a commit that takes
/// its time makes for fewer of them, and never for a queue.
///
/// # Demand
/// As [`CommitInOrder`](crate::ack::CommitInOrder). What is being committed is not committed yet.
/// # Completion
/// As upstream.
/// # Errors
/// As [`CommitInOrder`](crate::ack::CommitInOrder); [`AckError::Commit`] when the future fails. A panic in it becomes a
/// fault. When the executor refuses or drops the task, the stream ends with the fault that says so.
/// # Cancellation
/// Upstream is cancelled. What is still open is committed when it is acknowledged; the function is
/// dropped when nothing is open any more.
/// # Bounds
/// `window` items, in its queue or open; twice as many tags, whatever `max_deferred` is; one future.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let (committed, commits) = channel();
/// let executor = CurrentThread::new();
/// let end = millstream::from_iter(1..=100_u32)
///     .acked(16, |n| *n)
///     .commit_in_order_async(16, executor.handle(), move |n| {
///         let committed = committed.clone();
///         async move { committed.send(n) } // to a broker, in earnest
///     })
///     .for_each_concurrent(executor.handle(), 4, |n| async move { println!("{n}") });
/// executor.run_until(end)?;
/// let commits: Vec<_> = commits.iter().collect();
/// assert!(commits.is_sorted() && commits.last() == Some(&100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CommitInOrderAsync<P, F, X, C> {
    entry: Entry<P, F, X, C>,
}

impl<P, F, X, C> CommitInOrderAsync<P, F, X, C> {
    pub(crate) fn new(entry: Entry<P, F, X, C>) -> Self {
        CommitInOrderAsync { entry }
    }
}

crate::opaque_debug::opaque_debug!(CommitInOrderAsync<P, F, X, C>);

impl<P, F, K, X, C, Fut, G> Publisher for CommitInOrderAsync<P, F, X, C>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
    X: Executor,
    C: FnMut(K) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), G>> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    type Item = Acked<P::Item>;
    type Error = AckError<P::Error>;

    fn subscribe<S: Subscriber<Acked<P::Item>, AckError<P::Error>>>(self, subscriber: S) {
        self.entry
            .committing(There, |mut commit| {
                move |batch| {
                    let (tag, _) =
                        batch.pop().unwrap_or_else(|| unreachable!("there is something"));
                    commit(tag)
                }
            })
            .subscribe(subscriber);
    }
}
