//! `retry_item`: each item through a future, which is tried again where it fails, later each time.

use std::convert::identity;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::task::Poll;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Fault, Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, ClockGone, sleep};

use crate::fault::Backoff;
use crate::shape::flights::{Carried, Ending, Flying, InOrder};
use crate::shape::turns::AtOnce;
use crate::transform::FromUpstream;

/// Each item through a future, one at a time, and again where that fails, later each time:
/// [`PublisherExt::retry_item`](crate::PublisherExt::retry_item).
///
/// ```text
///         retry_item(time, Backoff::new(1 s).jitter(0.0), |x| true, f)    f(2) fails twice
/// up    --1-----2                    3--|
/// down  ----1-----x----x---------2-----3--|
///                   1 s     2 s
/// ```
///
/// The stage keeps the item until an attempt has made something of it, and lends it to the function for
/// each: what the future needs of it is cloned there. `worth` says which errors are worth another
/// attempt. How long the waits are, and how many attempts there are, [`Backoff`] says, for each item from
/// the beginning.
///
/// [`retry_backoff`](crate::PublisherExt::retry_backoff) runs the whole of upstream again. An item that is
/// given up ends the stream; where it should not, the function makes an `Ok` of its last error.
///
/// The stage drives its future on a task of its own: it goes on while downstream asks for nothing.
///
/// # Demand
/// One when it is subscribed to, and one more for each item that was sent: one item is on its way, is
/// tried, or waits for demand, and during a wait upstream is asked for nothing.
/// # Completion
/// When upstream is complete and what its last item gave is sent.
/// # Errors
/// One that is not worth another attempt, or that of the last, at once, and upstream is cancelled. A
/// failure of upstream comes after what the item before it gave. A panic in a function or in a future
/// becomes a fault, and so does a clock that is gone where there is something to wait for. When the executor
/// drops the task, downstream is told [`Fault::ExecutorGone`], when it refuses the task
/// [`Fault::Refused`].
/// # Cancellation
/// On the executor: the future is dropped, or the wait with its timer, the item is discarded, and upstream
/// is cancelled, when the task runs next.
/// # Bounds
/// Holds one item with its future, or one result. A few allocations when it is subscribed to, and a timer
/// for each wait; none per item that needs none.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::fault::Backoff;
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let backoff = Backoff::new(Duration::from_secs(1)).jitter(0.0).attempts(3);
/// let mut calls = 0;
/// let sent = millstream::from_iter(["a", "b"]).retry_item(
///     time.clone(),
///     backoff,
///     |error: &&str| *error == "busy",
///     move |letter| {
///         calls += 1;
///         let answer = if calls % 3 == 0 { Ok(letter.to_uppercase()) } else { Err("busy") };
///         async move { answer }
///     },
/// );
/// assert_eq!(time.run_until(sent.collect::<Vec<_>>()).unwrap(), ["A", "B"]);
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(2 * (1 + 2)));
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RetryItem<P, X, W, F, How> {
    upstream: P,
    time: X,
    backoff: Backoff,
    worth: W,
    f: F,
    site: Site,
    how: PhantomData<fn() -> How>,
}

impl<P: Clone, X: Clone, W: Clone, F: Clone, How> Clone for RetryItem<P, X, W, F, How> {
    fn clone(&self) -> Self {
        RetryItem {
            upstream: self.upstream.clone(),
            time: self.time.clone(),
            backoff: self.backoff,
            worth: self.worth.clone(),
            f: self.f.clone(),
            site: self.site,
            how: PhantomData,
        }
    }
}

impl<P, X, W, F, How> RetryItem<P, X, W, F, How> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, backoff: Backoff, worth: W, f: F) -> Self {
        let site = Site::here("retry_item");
        RetryItem { upstream, time, backoff, worth, f, site, how: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(RetryItem<P, X, W, F, How>, backoff);

impl<P, X, W, F, Fut, U, G, How> Publisher for RetryItem<P, X, W, F, How>
where
    P: Publisher,
    X: Executor + Clock + Clone,
    W: FnMut(&G) -> bool + Send + 'static,
    F: FnMut(&P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    U: Send + 'static,
    G: FromUpstream<P::Error, How> + Send + 'static,
    How: 'static,
{
    type Item = U;
    type Error = G;

    fn subscribe<S: Subscriber<U, G>>(self, subscriber: S) {
        let RetryItem { upstream, time, backoff, worth, f, site, .. } = self;
        let discards = subscriber.context().discards().clone();
        let clock = time.clone();
        let attempts = move |(mut worth, mut f): (W, F), item: P::Item| {
            let mut kept = Kept(Some(item), discards.clone());
            let clock = clock.clone();
            let mut attempt = f(kept.item());
            async move {
                let mut waits = backoff.waits();
                loop {
                    let error = match attempt.await {
                        Ok(result) => {
                            drop(kept.0.take());
                            return Ok((result, (worth, f)));
                        }
                        Err(error) => error,
                    };
                    if !worth(&error) {
                        return Err(Ending::Error(error));
                    }
                    let Some(wait) = waits.next() else { return Err(Ending::Error(error)) };
                    drop(error);
                    if wait.is_zero() {
                        let_others_run().await;
                    } else if let Err(ClockGone) = sleep(clock.clone(), wait).await {
                        return Err(Ending::Fault(Fault::ClockGone));
                    }
                    attempt = f(kept.item());
                }
            }
        };
        let course = Carried::new((worth, f), attempts, identity);
        let limit = NonZeroUsize::MIN;
        let flying = Flying { limit, site, turns: AtOnce, course, error: G::from_upstream };
        flying.fly::<InOrder<U>, _, _, _>(upstream, &time, subscriber);
    }
}

/// An item that is discarded where nothing was made of it.
struct Kept<T: 'static>(Option<T>, Discards);

impl<T: 'static> Kept<T> {
    fn item(&self) -> &T {
        match &self.0 {
            Some(item) => item,
            None => unreachable!("it is kept until an attempt has made something of it"),
        }
    }
}

impl<T: 'static> Drop for Kept<T> {
    fn drop(&mut self) {
        if let Some(item) = self.0.take() {
            self.1.discard(item);
        }
    }
}

/// Attempts that fail at once, without a wait between them, would keep the thread for themselves.
async fn let_others_run() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
