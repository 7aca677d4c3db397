//! `timeout`: an error where an item that is owed does not come in time.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, capacity, feed, on};
use crate::shape::timed::Alarm;

/// An error where an item that is owed does not come in time:
/// [`PublisherExt::timeout`](crate::PublisherExt::timeout).
///
/// ```text
///         timeout(time, 16, 3 s)
/// up    --1----2-----------3--
/// down  --1----2------x
///                 3 s
/// ```
///
/// Upstream owes an item while downstream has asked for one and none is there. The time is counted
/// from then, and anew for each item; while downstream asks for nothing, no time is counted, so a
/// slow consumer is never taken for a slow producer.
///
/// An upstream that is synchronous is pulled by the task itself, which can do nothing else
/// meanwhile: to give a time to one that blocks, put it elsewhere, as
/// [`subscribe_on`](crate::PublisherExt::subscribe_on) does.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were
/// sent. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after what is queued.
/// # Errors
/// [`TimeoutError::Elapsed`] when the time has passed, after upstream was cancelled; those of
/// upstream as [`TimeoutError::Upstream`], after what is queued. An item that is there when the
/// time is up is in time.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is queued is discarded, when the task runs next.
/// # Bounds
/// `prefetch` items, none where upstream is synchronous. One timer, which is set while an item is
/// owed.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::timing::TimeoutError;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let (sender, replies) = millstream::channel::<&str>(4);
/// let replies = replies.timeout(time.clone(), 4, Duration::from_secs(30));
/// assert!(sender.try_send("one").is_ok());
/// let end = time.run_until(replies.collect::<Vec<_>>()).unwrap_err().into_error();
/// assert_eq!(end, Some(TimeoutError::Elapsed { after: Duration::from_secs(30) }));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Timeout<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> Timeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, within: Duration) -> Timeout<P, X> {
        let prefetch = capacity("timeout(time, 0, within)", prefetch);
        Timeout { upstream, time, prefetch, within, site: Site::here("timeout") }
    }
}

crate::opaque_debug::opaque_debug!(Timeout<P, X>, prefetch, within);

/// How a stream with a time-out fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutError<E> {
    /// An item was owed for that long, and did not come.
    Elapsed {
        /// How long.
        after: Duration,
    },
    /// Upstream failed.
    Upstream(E),
}

impl<E> fmt::Display for TimeoutError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutError::Elapsed { after } => {
                write!(f, "no item came within {after:?}, and one was asked for")
            }
            TimeoutError::Upstream(_) => f.write_str("the stream failed"),
        }
    }
}

impl<E: Error + 'static> Error for TimeoutError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TimeoutError::Elapsed { .. } => None,
            TimeoutError::Upstream(error) => Some(error),
        }
    }
}

impl<P, X> Publisher for Timeout<P, X>
where
    P: Publisher,
    X: Executor + Clock,
{
    type Item = P::Item;
    type Error = TimeoutError<P::Error>;

    fn subscribe<S: Subscriber<P::Item, TimeoutError<P::Error>>>(self, subscriber: S) {
        let Timeout { upstream, time, prefetch, within, site } = self;
        on(
            &time,
            |bell, context| Awaited {
                feed: feed(upstream, prefetch, bell.clone(), context, site),
                within,
                owed_until: Moment::NEVER,
                alarm: Alarm::new(&time, bell),
            },
            subscriber,
        );
    }
}

struct Awaited<Q: Pull> {
    feed: Feed<Q>,
    within: Duration,
    /// [`NEVER`](Moment::NEVER) while nothing is owed.
    owed_until: Moment,
    alarm: Alarm,
}

impl<Q: Pull> Awaited<Q> {
    fn told(pulled: Pulled<Q::Item, Q::Error>) -> Pulled<Q::Item, TimeoutError<Q::Error>> {
        match pulled {
            Pulled::Item(item) => Pulled::Item(item),
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(TimeoutError::Upstream(error)),
        }
    }

    /// Nothing is there, and it is asked for.
    #[cold]
    fn owed(&mut self) -> Pulled<Q::Item, TimeoutError<Q::Error>> {
        let now = self.alarm.now();
        if self.owed_until == Moment::NEVER {
            self.owed_until = now + self.within;
        }
        if self.owed_until <= now {
            return Pulled::Error(TimeoutError::Elapsed { after: self.within });
        }
        self.alarm.rest_until(self.owed_until);
        Pulled::Pending
    }
}

impl<Q: Pull> Pull for Awaited<Q> {
    type Item = Q::Item;
    type Error = TimeoutError<Q::Error>;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Self::Error> {
        let pulled = self.feed.pull();
        match pulled {
            Pulled::Item(_) => self.owed_until = Moment::NEVER,
            Pulled::Pending => return self.owed(),
            _ => {}
        }
        Self::told(pulled)
    }

    #[inline]
    fn pull_while(
        &mut self,
        mut each: impl FnMut(Q::Item) -> bool,
    ) -> Pulled<Q::Item, Self::Error> {
        let mut came = false;
        let pulled = self.feed.pull_while(|item| {
            came = true;
            each(item)
        });
        if came {
            self.owed_until = Moment::NEVER;
        }
        if matches!(pulled, Pulled::Pending) { self.owed() } else { Self::told(pulled) }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Self::Error> {
        // Downstream has asked for nothing: nothing is owed.
        self.owed_until = Moment::NEVER;
        self.alarm.rest_until(Moment::NEVER);
        Self::told(self.feed.look_ahead(started))
    }
}
