//! `repeat_when`: after completion, from the beginning, when another publisher says so.

use millstream_blocks::relay::SourceEnd;
use millstream_core::{Publisher, Subscriber};

use crate::shape::attempts::{Again, NoSignal, Signal, attempts, signal};

/// After completion, from the beginning, when another publisher says so:
/// [`PublisherExt::repeat_when`](crate::PublisherExt::repeat_when).
///
/// ```text
///         repeat_when(|| Some(signal))
/// up      --1--2--|
/// signal           ----0
/// up                    --1--2--|
/// down    --1--2----------1--2--
/// ```
///
/// The function gives the publisher whose first item is the sign to begin again; none where the
/// completion stands.
///
/// # Demand
/// Downstream's; what a round has not used up waits, and is carried over to the next. The signal is
/// asked for one item.
/// # Completion
/// Where there is no signal, and where one is complete without an item.
/// # Errors
/// As upstream; the failure of a signal. Faults pass at once. A panic in the function, or in
/// upstream's `clone`, becomes a fault.
/// # Cancellation
/// The running round is cancelled, or the signal.
/// # Bounds
/// Holds no items. A few allocations for each round.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut left = 2;
/// let twice = millstream::from_iter(1..=2).repeat_when(move || {
///     left -= 1;
///     (left > 0).then(|| millstream::just("again"))
/// });
/// assert_eq!(twice.collect::<Vec<_>>().block()?, [1, 2, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RepeatWhen<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> RepeatWhen<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> RepeatWhen<P, F> {
        RepeatWhen { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(RepeatWhen<P, F>);

impl<P, C, F> Publisher for RepeatWhen<P, F>
where
    P: Publisher + Clone,
    C: Publisher<Error = P::Error>,
    F: FnMut() -> Option<C> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RepeatWhen { upstream, f } = self;
        attempts(move || upstream.clone(), When(f), subscriber);
    }
}

struct When<F>(F);

impl<P, C, F> Again<P> for When<F>
where
    P: Publisher,
    C: Publisher<Error = P::Error>,
    F: FnMut() -> Option<C> + Send + 'static,
{
    type Between = Signal<C, P::Item>;

    fn again(&mut self, end: &SourceEnd<P::Error>, _: bool) -> Option<Self::Between> {
        match end {
            SourceEnd::Completed => (self.0)().map(signal),
            SourceEnd::Failed(_) => None,
        }
    }

    fn broken(&mut self, error: NoSignal<P::Error>) -> Result<(), P::Error> {
        error.end()
    }
}
