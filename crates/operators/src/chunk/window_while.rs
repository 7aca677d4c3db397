//! `window_while`: a publisher for each stretch between separators.

use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::chunk::ChunkWhile;
use crate::shape::joined::capacity;
use crate::shape::windowing::{ByItems, Window};

/// A publisher for each stretch of items that pass a test; the others separate them, and are discarded:
/// [`PublisherExt::window_while`](crate::PublisherExt::window_while).
///
/// ```text
///         window_while(8, |n| *n != 0)
/// up    --1--2--0--0--3--|
/// down  --w-----------w--|
///         1--2--|
///                     3--|
/// ```
///
/// As [`chunk_while`](crate::PublisherExt::chunk_while), with the items sent as they come. There are
/// no empty windows: several separators in a row are as one.
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
/// let lines = millstream::from_iter(["one", "two", "", "", "three"]);
/// let paragraphs = lines.window_while(100, |line| !line.is_empty());
/// let first = paragraphs.concat_map(|paragraph| paragraph.take(1));
/// assert_eq!(first.collect::<Vec<_>>().block()?, ["one", "three"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowWhile<P, F> {
    windows: ByItems<P, ChunkWhile<F>>,
}

impl<P, F> WindowWhile<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: usize, f: F) -> WindowWhile<P, F> {
        let max = capacity("window_while(0, f)", max);
        let site = Site::here("window_while");
        WindowWhile { windows: ByItems { upstream, max, cut: ChunkWhile::new(f), site } }
    }
}

crate::opaque_debug::opaque_debug!(WindowWhile<P, F>, windows);

impl<P, F> Publisher for WindowWhile<P, F>
where
    P: Publisher<Error: Clone>,
    F: FnMut(&P::Item) -> bool + Send + 'static,
{
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        self.windows.subscribe(subscriber);
    }

    const HANDS: bool = <ByItems<P, ChunkWhile<F>> as Publisher>::HANDS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        self.windows.into_pull(context).map_err(|windows| WindowWhile { windows })
    }
}
