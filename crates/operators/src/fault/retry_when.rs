//! `retry_when`: after an error, from the beginning, when another publisher says so.

use millstream_blocks::relay::SourceEnd;
use millstream_core::{Publisher, Subscriber};

use crate::shape::attempts::{Again, NoSignal, Signal, attempts, signal};

/// After an error, from the beginning, when another publisher says so:
/// [`PublisherExt::retry_when`](crate::PublisherExt::retry_when).
///
/// ```text
///         retry_when(|x| Some(signal))
/// up      --1--2--x
/// signal           ----0
/// up                    --1--2--3--|
/// down    --1--2----------1--2--3--|
/// ```
///
/// The function is told of each error, and gives the publisher whose first item is the sign to try
/// again; none where the error is the end.
///
/// # Demand
/// Downstream's; what a failed attempt has not used up waits, and is carried over to the next. The
/// signal is asked for one item.
/// # Completion
/// As upstream, and where a signal is complete without an item.
/// # Errors
/// One for which there is no signal, as it is; the failure of a signal. Faults pass at once. A panic
/// in the function, or in upstream's `clone`, becomes a fault.
/// # Cancellation
/// The running attempt is cancelled, or the signal.
/// # Bounds
/// Holds no items. A few allocations for each attempt.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut left = 2;
/// let tried = millstream::fail::<u32, _>("busy").retry_when(move |_: &&str| {
///     left -= 1;
///     (left > 0).then(|| millstream::just(()).fallible())
/// });
/// assert_eq!(tried.count().block().unwrap_err().into_error(), Some("busy"));
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RetryWhen<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> RetryWhen<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> RetryWhen<P, F> {
        RetryWhen { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(RetryWhen<P, F>);

impl<P, C, F> Publisher for RetryWhen<P, F>
where
    P: Publisher + Clone,
    C: Publisher<Error = P::Error>,
    F: FnMut(&P::Error) -> Option<C> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RetryWhen { upstream, f } = self;
        attempts(move || upstream.clone(), When(f), subscriber);
    }
}

struct When<F>(F);

impl<P, C, F> Again<P> for When<F>
where
    P: Publisher,
    C: Publisher<Error = P::Error>,
    F: FnMut(&P::Error) -> Option<C> + Send + 'static,
{
    type Between = Signal<C, P::Item>;

    fn again(&mut self, end: &SourceEnd<P::Error>, _: bool) -> Option<Self::Between> {
        let SourceEnd::Failed(error) = end else { return None };
        (self.0)(error).map(signal)
    }

    fn broken(&mut self, error: NoSignal<P::Error>) -> Result<(), P::Error> {
        error.end()
    }
}
