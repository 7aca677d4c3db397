//! `tag`: a key and a value for the boundary above.

use std::borrow::Cow;

use millstream_core::Context;

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A key and a value for the nearest boundary above, where somebody
/// [looks](crate::effect::Observed) at it: [`PublisherExt::tag`](crate::PublisherExt::tag).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--x
/// ```
///
/// A boundary may have many, of each key one: that of the stage nearest to it. They are told apart
/// from its [name](crate::effect::Named), which is one, and for whoever sums up rows of a board: by
/// tenant, by shard, by topic.
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds the key and the value. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::Board;
///
/// let board = Board::new(16);
/// let shards = (0..3).map(|shard: u32| {
///     let side = if shard == 0 { "left" } else { "right" };
///     millstream::range(0..10).prefetch(4).tag("shard", shard.to_string()).tag("side", side)
/// });
/// let all = millstream::merge_all(shards, 4).observed(&board);
/// assert_eq!(all.count().block()?, 30);
///
/// let snapshot = board.snapshot();
/// let right: u64 = snapshot.tagged("side", "right").map(|row| row.sent).sum();
/// assert_eq!(right, 20);
/// let left = snapshot.tagged("side", "left").next().unwrap();
/// assert_eq!((left.kind, left.tag("shard")), ("prefetch", Some("0")));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tag {
    key: Cow<'static, str>,
    value: Cow<'static, str>,
}

impl Tag {
    pub(crate) fn new(key: Cow<'static, str>, value: Cow<'static, str>) -> Tag {
        Tag { key, value }
    }
}

impl<T> ItemStep<T> for Tag
where
    T: Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn context(&self, downstream: Context) -> Context {
        downstream.with_tag(self.key.clone(), self.value.clone())
    }
}
