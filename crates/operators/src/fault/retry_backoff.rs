//! `retry_backoff`: after an error, from the beginning, later each time.

use std::convert::Infallible;

use millstream_blocks::relay::SourceEnd;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::fault::{Backoff, Waits};
use crate::shape::attempts::{Again, attempts};
use crate::shape::pause::Pause;

/// After an error, from the beginning, later each time:
/// [`PublisherExt::retry_backoff`](crate::PublisherExt::retry_backoff).
///
/// ```text
///         retry_backoff(time, Backoff::new(1 s).jitter(0.0), |x| true)
/// up    --1-x
/// up           --x
/// up                   --1-2--|
/// down  --1--------------1-2--|
///            1 s   2 s
/// ```
///
/// An attempt is a clone of upstream, as for [`retry`](crate::PublisherExt::retry). The function says
/// which errors are worth another one. How long the waits are, how many attempts there are, and when they
/// are counted anew, [`Backoff`] says.
///
/// # Demand
/// Downstream's; what a failed attempt has not used up waits, and is carried over to the next.
/// # Completion
/// As upstream.
/// # Errors
/// One that is not worth another attempt, or that of the last, as it is. Faults pass at once. A
/// panic in the function, or in upstream's `clone`, becomes a fault.
/// # Cancellation
/// The running attempt is cancelled, or the wait: its timer is gone when its task runs next.
/// # Bounds
/// Holds no items. No upstream is subscribed to during a wait. A few allocations for each attempt.
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
/// let busy = millstream::fail::<u32, _>("busy");
/// let backoff = Backoff::new(Duration::from_secs(1)).jitter(0.0).attempts(3);
/// let patient = busy.retry_backoff(time.clone(), backoff, |error| *error == "busy");
/// let end = time.run_until(patient.collect::<Vec<_>>());
/// assert_eq!(end.unwrap_err().into_error(), Some("busy"));
/// assert_eq!(time.now(), Moment::START + Duration::from_secs(1 + 2 + 4));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RetryBackoff<P, X, F> {
    upstream: P,
    time: X,
    backoff: Backoff,
    worth: F,
}

impl<P, X, F> RetryBackoff<P, X, F> {
    pub(crate) fn new(upstream: P, time: X, backoff: Backoff, worth: F) -> RetryBackoff<P, X, F> {
        RetryBackoff { upstream, time, backoff, worth }
    }
}

crate::opaque_debug::opaque_debug!(RetryBackoff<P, X, F>, backoff);

impl<P, X, F> Publisher for RetryBackoff<P, X, F>
where
    P: Publisher + Clone,
    X: Executor + Clock + Clone,
    F: FnMut(&P::Error) -> bool + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RetryBackoff { upstream, time, backoff, worth } = self;
        let again = Later { time, waits: backoff.waits(), worth };
        attempts(move || upstream.clone(), again, subscriber);
    }
}

struct Later<X, F> {
    time: X,
    waits: Waits,
    worth: F,
}

impl<P, X, F> Again<P> for Later<X, F>
where
    P: Publisher,
    X: Executor + Clock + Clone,
    F: FnMut(&P::Error) -> bool + Send + 'static,
{
    type Between = Pause<X, P::Item>;

    fn again(&mut self, end: &SourceEnd<P::Error>, sent_an_item: bool) -> Option<Self::Between> {
        let SourceEnd::Failed(error) = end else { return None };
        if !(self.worth)(error) {
            return None;
        }
        self.waits.attempt_ended(sent_an_item);
        Some(Pause::new(self.time.clone(), self.waits.next()?))
    }

    fn broken(&mut self, error: Infallible) -> Result<(), P::Error> {
        match error {}
    }
}
