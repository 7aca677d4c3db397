//! `on_error_resume`: another publisher in place of an error.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

use crate::either::Either;

/// Another publisher in place of an error:
/// [`PublisherExt::on_error_resume`](crate::PublisherExt::on_error_resume).
///
/// ```text
/// up    --1--2--x
/// f(x)           --7--8--|
/// down  --1--2-----7--8--|
/// ```
///
/// # Demand
/// Downstream's; what upstream has not used up is carried over to the other publisher.
/// # Completion
/// As upstream, or as the other.
/// # Errors
/// Those of the other. A panic in the function becomes a fault. Faults pass.
/// # Cancellation
/// Whichever of the two is running is cancelled.
/// # Bounds
/// Holds no items. One allocation per subscription, and those of each source.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2)
///     .fallible::<String>()
///     .on_error_resume(|_| millstream::from_iter(7..=8));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct OnErrorResume<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> OnErrorResume<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> OnErrorResume<P, F> {
        OnErrorResume { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(OnErrorResume<P, F>);

impl<P, Q, F> Publisher for OnErrorResume<P, F>
where
    P: Publisher,
    Q: Publisher<Item = P::Item>,
    F: FnOnce(P::Error) -> Q + Send + 'static,
{
    type Item = P::Item;
    type Error = Q::Error;

    fn subscribe<S: Subscriber<P::Item, Q::Error>>(self, subscriber: S) {
        let sequence = Resume { upstream: Some(self.upstream), f: Some(self.f) };
        relay(sequence, subscriber, |_| {});
    }
}

struct Resume<P, F> {
    upstream: Option<P>,
    f: Option<F>,
}

impl<P, Q, F> Sequence for Resume<P, F>
where
    P: Publisher,
    Q: Publisher<Item = P::Item>,
    F: FnOnce(P::Error) -> Q + Send + 'static,
{
    type Item = P::Item;
    type Error = Q::Error;
    type Source = Either<P, Q>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Either<P, Q>, Q::Error> {
        self.upstream.take().map_or(Then::Complete, |up| Then::Subscribe(Either::First(up)))
    }

    fn after(
        &mut self,
        end: SourceEnd<Either<P::Error, Q::Error>>,
        _: bool,
    ) -> Then<Either<P, Q>, Q::Error> {
        match end {
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(Either::First(error)) => match self.f.take() {
                Some(f) => Then::Subscribe(Either::Second(f(error))),
                None => Then::Complete,
            },
            SourceEnd::Failed(Either::Second(error)) => Then::Fail(error),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Either<P, Q>, Q::Error> {
        match feed {}
    }
}
