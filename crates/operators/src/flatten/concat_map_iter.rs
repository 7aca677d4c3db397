//! `concat_map_iter`: each item becomes the items of an iterator.

use millstream_core::{Publisher, Subscriber};

use crate::flatten::concat_map::Flatten;
use crate::shape::pump::Pump;
use crate::source::PullIter;

/// Each item becomes the items of an iterator:
/// [`PublisherExt::concat_map_iter`](crate::PublisherExt::concat_map_iter).
///
/// ```text
/// up     --1-------2-----|
/// down   ----a--b----c--d|
/// ```
///
/// # Demand
/// One item of upstream at a time, and none before downstream's first request; the next when the
/// iterator is used up and there is demand. The iterator is advanced once per item asked for; at
/// the end of upstream it may be advanced once more, to see whether it is over.
/// # Completion
/// When upstream is complete and the iterator is used up.
/// # Errors
/// As upstream, at once: what is left of the iterator is dropped. A panic in the function or the
/// iterator becomes a fault.
/// # Cancellation
/// Upstream is cancelled, the iterator dropped. A cancellation by the subscription from inside a
/// signal, or from another thread, is seen after each stretch of 1024 items; the answer
/// [`More::CANCEL`](millstream_core::More::CANCEL) works at once.
/// # Bounds
/// Holds one iterator.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["a b", "c"]).concat_map_iter(str::split_whitespace);
/// assert_eq!(words.collect::<Vec<_>>().block()?, ["a", "b", "c"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ConcatMapIter<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> ConcatMapIter<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> ConcatMapIter<P, F> {
        ConcatMapIter { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(ConcatMapIter<P, F>);

impl<P, I, F> Publisher for ConcatMapIter<P, F>
where
    P: Publisher,
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    F: FnMut(P::Item) -> I + Send + 'static,
{
    type Item = I::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<I::Item, P::Error>>(self, subscriber: S) {
        let ConcatMapIter { upstream, mut f } = self;
        let flatten = Flatten::new(move |item| PullIter::new(f(item).into_iter()));
        Pump::new(upstream, flatten).subscribe(subscriber);
    }
}
