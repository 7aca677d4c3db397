//! `chunk_by_key`: items in groups of the same key.

use crate::shape::chunked::{Cut, Place};

/// Items in groups of neighbours that have the same key:
/// [`PublisherExt::chunk_by_key`](crate::PublisherExt::chunk_by_key).
///
/// ```text
///         chunk_by_key(8, |n| n / 10)
/// up    --1--2-----11--------12----1--|
/// down  -----------[1,2]-----------[11,12][1]|
/// ```
///
/// A chunk is complete when an item with another key comes. For all items of a key, wherever they
/// are, there is [`group_by`](crate::PublisherExt::group_by).
///
/// # Demand
/// One item for each chunk that downstream asks for, and another for each item that completes
/// none.
/// # Completion
/// As upstream; after the chunk that was begun, which is sent when it is asked for.
/// # Errors
/// As upstream, at once; the chunk that was begun is discarded. A panic in the key function or in
/// the comparison becomes a fault.
/// # Cancellation
/// As downstream. The chunk that was begun is discarded.
/// # Bounds
/// Holds up to `max` items, and the last key: a chunk of that length is complete, whatever
/// follows.
/// # Panics
/// When `max` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let readings = millstream::from_iter([(1, 20), (1, 21), (2, 19), (1, 22)]);
/// let rooms = readings.chunk_by_key(100, |(room, _)| *room).map(|readings| readings.len());
/// assert_eq!(rooms.collect::<Vec<_>>().block()?, [2, 1, 1]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct ChunkByKey<K, F> {
    key: F,
    last: Option<K>,
}

impl<K, F> ChunkByKey<K, F> {
    pub(crate) fn new(key: F) -> ChunkByKey<K, F> {
        ChunkByKey { key, last: None }
    }
}

crate::opaque_debug::opaque_debug!(ChunkByKey<K, F>);

impl<T, K, F> Cut<T> for ChunkByKey<K, F>
where
    K: PartialEq + Send + 'static,
    F: FnMut(&T) -> K + Send + 'static,
{
    #[inline]
    fn place(&mut self, item: &T, begun: bool) -> Place {
        let key = (self.key)(item);
        if begun && self.last.as_ref() == Some(&key) {
            return Place::Within;
        }
        self.last = Some(key);
        Place::First
    }
}
