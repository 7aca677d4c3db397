//! `bulkhead`: many streams, together no more than so many items at a time.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use millstream_blocks::gauge::Site;
use millstream_blocks::permits::{Acquire, Permit, Permits};
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::{Feed, granting_feed, on};

/// An item, and the permit that it was let through with.
///
/// The permit is given back when this is dropped, after the item, or when the
/// [permit](Permitted::split) is.
///
/// ```
/// use millstream::limit::{Permits, Permitted};
///
/// let permits = Permits::new(1);
/// let item = Permitted::new("a", permits.try_acquire().unwrap());
/// let (item, permit) = item.map(str::len).split();
/// assert_eq!((item, permits.free()), (1, 0));
/// drop(permit);
/// assert_eq!(permits.free(), 1);
/// ```
#[must_use = "dropping it gives the permit back"]
pub struct Permitted<T> {
    // Before the permit: it is dropped while nobody else has that.
    item: T,
    permit: Permit,
}

impl<T> Permitted<T> {
    /// `item`, for which there is `permit`.
    #[inline]
    pub fn new(item: T, permit: Permit) -> Permitted<T> {
        Permitted { item, permit }
    }

    /// The item.
    #[inline]
    pub fn get(&self) -> &T {
        &self.item
    }

    /// Another item with the same permit. A panic in the function gives it back.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Permitted<U> {
        let Permitted { item, permit } = self;
        Permitted { item: f(item), permit }
    }

    /// The item and its permit, apart.
    #[inline]
    pub fn split(self) -> (T, Permit) {
        (self.item, self.permit)
    }

    /// The item, whose permit is given back now.
    #[inline]
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T: fmt::Debug> fmt::Debug for Permitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permitted").field(&self.item).finish()
    }
}

/// Each item with a permit, of which many streams share so many; while there is none, upstream is asked
/// for nothing: [`PublisherExt::bulkhead`](crate::PublisherExt::bulkhead).
///
/// ```text
///           Permits::new(1), for both
/// a       --1--2------------
/// b       ---7--------------
/// a'      --1-------2-------
/// gives back    ^   ^  ^
/// b'      ------7-----------
/// ```
///
/// The permit goes with the item, in an envelope ([`Permitted`]), and **the item is done when the
/// permit is dropped**: with the envelope, unless they are [split](Permitted::split). So the work may
/// be whatever follows, a call in the next stage or a future in one further down, on any thread, and
/// the permit comes back where that returns, fails, panics, or is cancelled. For a stream that has a
/// permit as a whole, as long as it runs, [acquire](Permits::acquire) one where it is made.
///
/// Whoever has demand and no permit stands in one line with all others, and is let through in that
/// order. A permit is not held for an item that is not there: where upstream has none for now it goes
/// to the next in the line, and the item stands in the line when it comes. So a stream that is
/// quiet keeps nobody from working.
///
/// # Demand
/// One at a time, when downstream asks for an item and there is a permit for it. For an upstream that
/// is elsewhere put a [`prefetch`](crate::PublisherExt::prefetch) before: it is asked ahead then, and
/// what comes waits there.
/// # Completion
/// As upstream, after the item that waits; it needs no permit. A source that is synchronous may be
/// looked one item ahead to find it, as it may be without demand.
/// # Errors
/// As upstream, after the item that waits.
/// # Cancellation
/// On the executor: upstream is cancelled, what waits is discarded, and the place in the line given up,
/// when the task runs next. What is downstream keeps its permits.
/// # Bounds
/// One item that waits. As many as there are permits are downstream of all streams together.
///
/// # Examples
/// ```
/// use millstream::executor::Pool;
/// use millstream::limit::Permits;
/// use millstream::prelude::*;
///
/// async fn ask_the_service(n: u64) -> u64 {
///     n * n
/// }
///
/// let pool = Pool::new(2);
/// let permits = Permits::new(3);
/// let answers = |from: u64| {
///     // Up to 8 futures each, and 3 together.
///     let questions = millstream::range(from..from + 100).bulkhead(pool.handle(), &permits);
///     questions.map_async_unordered(pool.handle(), 8, |question| async move {
///         let (n, _permit) = question.split();
///         ask_the_service(n).await
///     })
/// };
/// let both = answers(0).merge(answers(100), 16);
/// assert_eq!(both.fold(0, |sum, n| sum + n).block()?, 2_646_700);
/// assert_eq!(permits.free(), 3);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Bulkhead<P, X> {
    upstream: P,
    executor: X,
    permits: Permits,
    site: Site,
}

impl<P, X> Bulkhead<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, executor: X, permits: &Permits) -> Bulkhead<P, X> {
        let (permits, site) = (permits.clone(), Site::here("bulkhead"));
        Bulkhead { upstream, executor, permits, site }
    }
}

crate::opaque_debug::opaque_debug!(Bulkhead<P, X>, permits);

impl<P: Publisher, X: Executor> Publisher for Bulkhead<P, X> {
    type Item = Permitted<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Permitted<P::Item>, P::Error>>(self, subscriber: S) {
        let Bulkhead { upstream, executor, permits, site } = self;
        on(
            &executor,
            |bell, context| Gate {
                feed: granting_feed(upstream, NonZeroUsize::MIN, bell.clone(), context, site),
                owed: false,
                began: false,
                looked: false,
                held: None,
                permit: None,
                acquire: permits.acquire(),
                waker: bell.clone().into_waker(),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

struct Gate<Q: Pull> {
    feed: Feed<Q>,
    /// Upstream was asked for an item that has not come through.
    owed: bool,
    /// An item was asked for.
    began: bool,
    /// Upstream was looked ahead while this permit is waited for.
    looked: bool,
    /// An item that upstream showed when it was looked ahead.
    held: Option<Q::Item>,
    /// While upstream is being asked.
    permit: Option<Permit>,
    acquire: Acquire,
    waker: Waker,
    discards: Discards,
}

impl<Q: Pull> Gate<Q> {
    fn acquire(&mut self) -> Option<Permit> {
        if let Some(permit) = self.permit.take() {
            return Some(permit);
        }
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.acquire).poll(&mut context) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    /// What can be told without a permit: the end, if it is here.
    fn look(&mut self) -> Pulled<Permitted<Q::Item>, Q::Error> {
        if self.held.is_some() {
            return Pulled::Pending;
        }
        match self.feed.look_ahead(self.began) {
            Pulled::Item(item) => {
                self.held = Some(item);
                Pulled::Pending
            }
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(error),
        }
    }
}

impl<Q: Pull> Pull for Gate<Q> {
    type Item = Permitted<Q::Item>;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Permitted<Q::Item>, Q::Error> {
        let Some(permit) = self.acquire() else {
            // Once: a source that skips all that it has is read with permits.
            if std::mem::replace(&mut self.looked, true) && self.feed.is_pulled() {
                return Pulled::Pending;
            }
            return match self.look() {
                Pulled::Skipped => Pulled::Pending,
                other => other,
            };
        };
        self.looked = false;
        if let Some(item) = self.held.take() {
            return Pulled::Item(Permitted { item, permit });
        }
        self.began = true;
        if !std::mem::replace(&mut self.owed, true) {
            self.feed.grant(1);
        }
        match self.feed.pull() {
            Pulled::Item(item) => {
                self.owed = false;
                Pulled::Item(Permitted { item, permit })
            }
            Pulled::Skipped => {
                self.permit = Some(permit);
                Pulled::Skipped
            }
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(error),
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Permitted<Q::Item>, Q::Error> {
        self.look()
    }
}

impl<Q: Pull> Drop for Gate<Q> {
    fn drop(&mut self) {
        if let Some(item) = self.held.take() {
            self.discards.discard(item);
        }
    }
}
