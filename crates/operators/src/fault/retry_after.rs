//! `retry_after`: after an error, from the beginning, a while later.

use std::convert::Infallible;
use std::time::Duration;

use millstream_blocks::relay::SourceEnd;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::attempts::{Again, attempts};
use crate::shape::pause::Pause;

/// After an error, from the beginning, as much later as a function says:
/// [`PublisherExt::retry_after`](crate::PublisherExt::retry_after).
///
/// ```text
///         retry_after(time, |x| Some(3 s))
/// up    --1--2--x
/// up                   --1--2--3--|
/// down  --1--2-----------1--2--3--|
///                3 s
/// ```
///
/// The function is told of the error, and of how the attempt went; none is the end.
///
/// # Demand
/// Downstream's; what a failed attempt has not used up waits, and is carried over to the next.
/// # Completion
/// As upstream.
/// # Errors
/// That for which the function gives none, as it is. Faults pass at once. A panic in the function,
/// or in upstream's `clone`, becomes a fault.
/// # Cancellation
/// The running attempt is cancelled, or the wait: its timer is gone when its task runs next.
/// # Bounds
/// Holds no items. No upstream is subscribed to during a wait. A few allocations for each attempt.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::time::{Clock, Moment};
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let mut left = 2;
/// let busy = millstream::fail::<u32, _>("busy");
/// let patient = busy
///     .retry_after(time.clone(), move |failed| {
///         left -= 1;
///         (left > 0 && failed.error == &"busy").then_some(Duration::from_secs(3))
///     });
/// let end = time.run_until(patient.collect::<Vec<_>>());
/// assert_eq!(end.unwrap_err().into_error(), Some("busy"));
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(3));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RetryAfter<P, X, F> {
    upstream: P,
    time: X,
    f: F,
}

/// An attempt that failed.
#[derive(Debug)]
pub struct FailedAttempt<'a, E> {
    /// How it failed.
    pub error: &'a E,
    /// Which it was: 1 for the first.
    pub attempt: u64,
    /// Whether it sent an item.
    pub sent_an_item: bool,
    /// How long ago the stream was subscribed to.
    pub elapsed: Duration,
}

impl<P, X, F> RetryAfter<P, X, F> {
    pub(crate) fn new(upstream: P, time: X, f: F) -> RetryAfter<P, X, F> {
        RetryAfter { upstream, time, f }
    }
}

crate::opaque_debug::opaque_debug!(RetryAfter<P, X, F>);

impl<P, X, F> Publisher for RetryAfter<P, X, F>
where
    P: Publisher + Clone,
    X: Executor + Clock + Clone,
    F: FnMut(FailedAttempt<'_, P::Error>) -> Option<Duration> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RetryAfter { upstream, time, f } = self;
        let again = Later { begun: time.now(), time, attempt: 0, f };
        attempts(move || upstream.clone(), again, subscriber);
    }
}

struct Later<X, F> {
    time: X,
    begun: Moment,
    attempt: u64,
    f: F,
}

impl<P, X, F> Again<P> for Later<X, F>
where
    P: Publisher,
    X: Executor + Clock + Clone,
    F: FnMut(FailedAttempt<'_, P::Error>) -> Option<Duration> + Send + 'static,
{
    type Between = Pause<X, P::Item>;

    fn again(&mut self, end: &SourceEnd<P::Error>, sent_an_item: bool) -> Option<Self::Between> {
        let SourceEnd::Failed(error) = end else { return None };
        self.attempt += 1;
        let elapsed = self.time.now().since(self.begun);
        let wait = (self.f)(FailedAttempt { error, attempt: self.attempt, sent_an_item, elapsed })?;
        Some(Pause::new(self.time.clone(), wait))
    }

    fn broken(&mut self, error: Infallible) -> Result<(), P::Error> {
        match error {}
    }
}
