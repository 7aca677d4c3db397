//! `replay`: one stream for all, the last items first for who comes late.

use crate::fan_out::Share;

/// One stream for all who come, the last `items` items first for who comes late:
/// [`PublisherExt::replay`](crate::PublisherExt::replay).
///
/// ```text
///       replay(2, 4)
/// up      --1-2-3-4-5-|
/// a     ^---1-2-3-4-5-|
/// b             ^234-5-|    at once the last two, then as they come
/// c                       ^45|   after the end
/// ```
///
/// The same as `publish(capacity).replay(items).auto_connect(1)`: upstream is subscribed to when
/// the first comes, and once. Whoever wants it cancelled when the last has gone, or slow
/// subscribers to lose items, says so by [`publish`](crate::PublisherExt::publish).
///
/// Each subscriber has a place of its own in the stream, and takes the items at its own pace. An
/// item is kept once for all who come later, and cloned for each when it is sent to it.
///
/// # Demand
/// As [`Share`]: `capacity`, and more as the slowest takes items. What is replayed counts for
/// nothing. While nobody is there, upstream is asked for no more.
/// # Completion
/// To each, after what is replayed and queued for it; to who comes later too.
/// # Errors
/// As completion. A fault does not wait, not even for what is replayed.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: what is queued for it is discarded, and the others go on. Of the last: upstream pauses;
/// it is cancelled when the last handle has been dropped as well.
/// # Bounds
/// `items` items for all, and `capacity` for each who is there. Who comes late holds what is
/// replayed to it until it has taken it: with that, no more than `items` more.
/// # Panics
/// When `items` or `capacity` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=5).replay(2, 16);
/// assert_eq!(numbers.clone().collect::<Vec<_>>().block()?, [1, 2, 3, 4, 5]);
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub type Replay<P> = Share<P>;
