//! `partition`: each item to the reader that a function names.

use millstream_blocks::branch::Branch;
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::shape::divided::{Choose, divided};
use crate::shape::joined::capacity;

/// One of the readers among which a stream is divided by a function:
/// [`PublisherExt::partition`](crate::PublisherExt::partition).
///
/// ```text
///           partition::<2>(16, odd)
/// up    --1--2--3--4--|
/// [0]   -----2-----4--|
/// [1]   --1-----3-----|
/// ```
///
/// Each is a publisher of its own, for one subscriber. Upstream is subscribed to when each of them
/// was subscribed to or dropped; so nothing is lost, and nothing runs while one is left aside.
///
/// # Demand
/// An upstream that is not synchronous is asked for `capacity`, and for three quarters of it
/// each time as many items were taken; one that is synchronous is pulled. Items are taken while
/// any reader has demand and nothing to send. One whose queue is full holds up the others when an
/// item comes for it: that is backpressure, and the capacity is how far they may drift apart.
/// # Completion
/// Of upstream completes all, each behind its items.
/// # Errors
/// Of upstream go to all, like completion. A panic in the function is a fault for all. One below
/// a reader ends that one alone.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: what it holds and what comes for it is discarded, and it is told of that; the others go
/// on. When the last has gone, upstream is cancelled.
/// # Bounds
/// `capacity` items for each reader, one that has no place, and `capacity` items of an upstream
/// that is not synchronous.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::sync::mpsc;
/// use millstream::prelude::*;
///
/// let [even, odd] = millstream::range(0..10).partition::<2, _>(16, |n| n % 2);
/// let (heard, odds) = mpsc::channel();
/// odd.subscribe_with(move |n| heard.send(n).unwrap(), drop, || ()).unbounded().detach();
/// assert_eq!(even.collect::<Vec<_>>().block()?, [0, 2, 4, 6, 8]);
/// assert_eq!(odds.into_iter().collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// An item for which the function names no reader, because there is none of that number, is
/// discarded. The first reader that wants to know is told of it, as of what is discarded upstream.
#[derive(Debug)]
#[must_use = "upstream runs when each reader was subscribed to or dropped"]
pub struct Partition<T: Send + 'static, E: Send + 'static>(Branch<T, E>);

impl<T: Send + 'static, E: Clone + Send + 'static> Partition<T, E> {
    #[track_caller]
    pub(crate) fn all<const K: usize, P, F>(upstream: P, n: usize, f: F) -> [Partition<T, E>; K]
    where
        P: Publisher<Item = T, Error = E>,
        F: FnMut(&T) -> usize + Send + 'static,
    {
        const { assert!(K > 0, "partition::<0>: somebody must be there") };
        let room = capacity("partition(0, f)", n);
        divided(upstream, room, room, ByFunction(f), Site::here("partition")).map(Partition)
    }
}

struct ByFunction<F>(F);

impl<T, F: FnMut(&T) -> usize + Send + 'static> Choose<T> for ByFunction<F> {
    const ANYWHERE: bool = false;

    fn choose(&mut self, item: &T, _: &dyn Fn(usize) -> bool) -> usize {
        (self.0)(item)
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Partition<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }
}
