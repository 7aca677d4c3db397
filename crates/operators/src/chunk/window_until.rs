//! `window_until`: a publisher for each stretch that a test ends.

use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::chunk::ChunkUntil;
use crate::shape::joined::capacity;
use crate::shape::windowing::{ByItems, Window};

/// A publisher for each stretch of items that ends with one that passes a test:
/// [`PublisherExt::window_until`](crate::PublisherExt::window_until).
///
/// ```text
///         window_until(8, |n| n % 3 == 0)
/// up    --1--2--3-----4--5--|
/// down  --w-----------w-----|
///         1--2--3|
///                     4--5--|
/// ```
///
/// As [`chunk_until`](crate::PublisherExt::chunk_until), with the items sent as they come.
///
/// # Demand
/// As [`window`](crate::PublisherExt::window)'s, with `max` for the size.
/// # Completion
/// As [`window`](crate::PublisherExt::window)'s.
/// # Errors
/// As [`window`](crate::PublisherExt::window)'s. A panic in the test is a fault for downstream
/// and for the open window.
/// # Cancellation
/// As [`window`](crate::PublisherExt::window)'s.
/// # Bounds
/// Room for `max` items is made for each window, and for `max` of an upstream that is not
/// synchronous: a window of that length is complete, whatever follows.
/// # Panics
/// When `max` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["to", "be.", "not", "to", "be."]);
/// let sentences = words.window_until(100, |word| word.ends_with('.'));
/// let lengths = sentences.concat_map(|words| words.running_fold(0, |n, _| n + 1).take_last(1));
/// assert_eq!(lengths.collect::<Vec<_>>().block()?, [2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowUntil<P, F> {
    windows: ByItems<P, ChunkUntil<F>>,
}

impl<P, F> WindowUntil<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: usize, f: F) -> WindowUntil<P, F> {
        let max = capacity("window_until(0, f)", max);
        let site = Site::here("window_until");
        WindowUntil { windows: ByItems { upstream, max, cut: ChunkUntil::new(f), site } }
    }
}

crate::opaque_debug::opaque_debug!(WindowUntil<P, F>, windows);

impl<P, F> Publisher for WindowUntil<P, F>
where
    P: Publisher<Error: Clone>,
    F: FnMut(&P::Item) -> bool + Send + 'static,
{
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        self.windows.subscribe(subscriber);
    }

    const HANDS: bool = <ByItems<P, ChunkUntil<F>> as Publisher>::HANDS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        self.windows.into_pull(context).map_err(|windows| WindowUntil { windows })
    }
}
