//! `share`: one stream for all who are there.

use millstream_blocks::island::join;
use millstream_blocks::share;
use millstream_core::{Publisher, Subscriber};

/// One stream for all who are there: [`PublisherExt::share`](crate::PublisherExt::share), and what
/// [`PublisherExt::publish`](crate::PublisherExt::publish) ends in.
///
/// ```text
///       share(4)
/// up      --1-2-3-4-5-|          for a and b
/// a     ^---1-2-3-4-5-|
/// b           ^-3-4-5-|
/// up                       --1-2-3-4-5-|   again, for c
/// c                      ^---1-2-3-4-5-|
/// ```
///
/// A handle, which is `Clone`: each clone is subscribed to once. The first subscriber subscribes to
/// upstream, whoever comes while that runs begins at the next item, and the last that goes cancels
/// it. After that, and after its end, upstream is subscribed to again: a clone of it.
///
/// A source that cannot run again is shared by [`publish`](crate::PublisherExt::publish), and so is
/// one whose last items are replayed, whose slow subscribers lose items, or that is not cancelled
/// when the last has gone.
///
/// Each subscriber runs by its own demand, on the thread that sends or asks; with
/// [`publish_on`](crate::PublisherExt::publish_on) below it, on one of its own. An item is cloned
/// for all but one of those who are there, and moved to that one. A `Clone` that panics ends the
/// stream for all with that fault; a subscriber that panics goes alone.
///
/// # Demand
/// Upstream is asked for what there is room for with *each* who is there: `capacity` when it is
/// subscribed to, and more as the slowest takes items, three quarters of `capacity` at a time. Who
/// comes later has room for what is on its way.
/// # Completion
/// To each who is there, after what is queued for it.
/// # Errors
/// To each who is there a clone, after what is queued for it. A fault does not wait.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: what is queued for it is discarded, and the others go on. Of the last: upstream is
/// cancelled.
/// # Bounds
/// `capacity` items for each who is there.
/// # Panics
/// When `capacity` is zero.
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use millstream::prelude::*;
///
/// static RUNS: AtomicU32 = AtomicU32::new(0);
/// let prices = millstream::from_iter([3, 5, 4])
///     .inspect_subscribe(|| { RUNS.fetch_add(1, Ordering::Relaxed); })
///     .share(16);
///
/// // Each of these is over before the next comes, and has a run of its own.
/// assert_eq!(prices.clone().collect::<Vec<_>>().block()?, [3, 5, 4]);
/// assert_eq!(prices.clone().count().block()?, 3);
/// assert_eq!(RUNS.load(Ordering::Relaxed), 2);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Share<P: Publisher>(pub(super) share::Share<P>);

impl<P: Publisher<Item: Clone, Error: Clone>> Share<P> {
    /// Subscribes to upstream now, whether or not anybody is there: for a source that is to be
    /// running when the first comes. Does nothing where it runs, or ran.
    pub fn connect(&self) {
        self.0.connect();
    }
}

impl<P: Publisher> Clone for Share<P> {
    fn clone(&self) -> Share<P> {
        Share(self.0.clone())
    }
}

impl<P: Publisher> std::fmt::Debug for Share<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<P: Publisher<Item: Clone, Error: Clone>> Publisher for Share<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        join(move |bell, context| self.0.attach(bell, context), subscriber);
    }
}
