//! `timeout_or`: another publisher where an item that is owed does not come in time.

use std::convert::Infallible;
use std::time::Duration;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::either::Either;
use crate::timing::{Timeout, TimeoutError};

/// Another publisher where an item that is owed does not come in time:
/// [`PublisherExt::timeout_or`](crate::PublisherExt::timeout_or).
///
/// ```text
///         timeout_or(time, 16, 3 s, other)
/// up    --1----2-----------3--
/// other                 --7--8--|
/// down  --1----2----------7--8--|
///                 3 s
/// ```
///
/// Time is counted as by [`timeout`](crate::PublisherExt::timeout).
///
/// # Demand
/// As that of `timeout`; what upstream has not used up is carried over to the other publisher.
/// # Completion
/// As upstream, or as the other.
/// # Errors
/// As upstream, or as the other.
/// # Cancellation
/// Whichever of the two is running is cancelled.
/// # Bounds
/// As `timeout`.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let fresh = millstream::pending::<&str>();
/// let answer = fresh.timeout_or(time.clone(), 1, Duration::from_secs(3), millstream::just("stale"));
/// assert_eq!(time.run_until(answer.collect::<Vec<_>>())?, ["stale"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TimeoutOr<P, X, Q> {
    upstream: Timeout<P, X>,
    other: Q,
}

impl<P, X, Q> TimeoutOr<P, X, Q> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        within: Duration,
        other: Q,
    ) -> TimeoutOr<P, X, Q> {
        let upstream = Timeout::part_of(
            "timeout_or",
            "timeout_or(time, 0, within, other)",
            upstream,
            time,
            prefetch,
            within,
        );
        TimeoutOr { upstream, other }
    }
}

crate::opaque_debug::opaque_debug!(TimeoutOr<P, X, Q>);

impl<P, X, Q> Publisher for TimeoutOr<P, X, Q>
where
    P: Publisher,
    X: Executor + Clock,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let sequence = InTime { upstream: Some(self.upstream), other: Some(self.other) };
        relay(sequence, subscriber, |_| {});
    }
}

struct InTime<P, X, Q> {
    upstream: Option<Timeout<P, X>>,
    other: Option<Q>,
}

impl<P, X, Q> Sequence for InTime<P, X, Q>
where
    P: Publisher,
    X: Executor + Clock,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = Either<Timeout<P, X>, Q>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Self::Source, P::Error> {
        self.upstream.take().map_or(Then::Complete, |up| Then::Subscribe(Either::First(up)))
    }

    fn after(
        &mut self,
        end: SourceEnd<Either<TimeoutError<P::Error>, P::Error>>,
        _: bool,
    ) -> Then<Self::Source, P::Error> {
        match end {
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(
                Either::First(TimeoutError::Upstream(error)) | Either::Second(error),
            ) => Then::Fail(error),
            SourceEnd::Failed(Either::First(_)) => self
                .other
                .take()
                .map_or(Then::Complete, |other| Then::Subscribe(Either::Second(other))),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Self::Source, P::Error> {
        match feed {}
    }
}
