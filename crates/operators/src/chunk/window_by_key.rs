//! `window_by_key`: a publisher for each stretch of the same key.

use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::chunk::ChunkByKey;
use crate::shape::joined::capacity;
use crate::shape::windowing::{ByItems, Window};

/// A publisher for each stretch of neighbours that have the same key:
/// [`PublisherExt::window_by_key`](crate::PublisherExt::window_by_key).
///
/// ```text
///         window_by_key(8, |n| n / 10)
/// up    --1--2--11--12--1--|
/// down  --w-----w-------w--|
///         1--2--|
///               11--12--|
///                       1--|
/// ```
///
/// As [`chunk_by_key`](crate::PublisherExt::chunk_by_key), with the items sent as they come. For all
/// items of a key, wherever they are, there is [`group_by`](crate::PublisherExt::group_by).
///
/// # Demand
/// As [`window`](crate::PublisherExt::window)'s, with `max` for the size.
/// # Completion
/// As [`window`](crate::PublisherExt::window)'s.
/// # Errors
/// As [`window`](crate::PublisherExt::window)'s. A panic in the key function, or in the comparison, is a fault for downstream
/// and for the open window.
/// # Cancellation
/// As [`window`](crate::PublisherExt::window)'s.
/// # Bounds
/// Room for `max` items is made for each window, and for `max` of an upstream that is not
/// synchronous: a window of that length is complete, whatever follows. One item that begins a
/// window which was not asked for.
/// # Panics
/// When `max` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let readings = millstream::from_iter([(1, 20), (1, 21), (2, 19), (1, 22)]);
/// let rooms = readings.window_by_key(100, |(room, _)| *room);
/// let first = rooms.concat_map(|readings| readings.take(1));
/// assert_eq!(first.collect::<Vec<_>>().block()?, [(1, 20), (2, 19), (1, 22)]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowByKey<P, K, F> {
    windows: ByItems<P, ChunkByKey<K, F>>,
}

impl<P, K, F> WindowByKey<P, K, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: usize, f: F) -> WindowByKey<P, K, F> {
        let max = capacity("window_by_key(0, f)", max);
        let site = Site::here("window_by_key");
        WindowByKey { windows: ByItems { upstream, max, cut: ChunkByKey::new(f), site } }
    }
}

crate::opaque_debug::opaque_debug!(WindowByKey<P, K, F>, windows);

impl<P, K, F> Publisher for WindowByKey<P, K, F>
where
    P: Publisher<Error: Clone>,
    K: PartialEq + Send + 'static,
    F: FnMut(&P::Item) -> K + Send + 'static,
{
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        self.windows.subscribe(subscriber);
    }

    const HANDS: bool = <ByItems<P, ChunkByKey<K, F>> as Publisher>::HANDS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        self.windows.into_pull(context).map_err(|windows| WindowByKey { windows })
    }
}
