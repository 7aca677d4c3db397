//! `from_blocking_iter`: the items of an iterator that may block.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_blocks::lane::lane;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::boundary::SubscribeOn;
use crate::shape::joined;
use crate::source::{defer, from_iter};

/// The items of an iterator that may block, taken on an executor for blocking work, ahead of
/// demand.
///
/// ```text
/// next()  1 2 3 4---------5 …            on a task of the executor, four ahead
/// down    ^-----r1-1--r1-2--r9-3-4-5--|
/// ```
///
/// What follows runs on the executor, too, or on the thread that asks, one at a time; to keep a
/// thread for blocking work from doing it, put [`publish_on`](crate::PublisherExt::publish_on)
/// behind it. To take each item only when it is asked for,
/// [`from_iter`] and [`publish_on`](crate::PublisherExt::publish_on) are enough.
///
/// # Demand
/// The iterator runs ahead: until `capacity` items wait and it knows whether there is another, and
/// again when three quarters of them were sent.
/// # Completion
/// When the iterator is, after what is queued; it needs no demand.
/// # Errors
/// None. Where the executor refuses or drops the task, the fault that says so; a panic in the
/// iterator becomes a fault.
/// # Cancellation
/// What is queued is discarded. An iterator that blocks is dropped when its `next` returns, by
/// the thread it blocks.
/// # Bounds
/// `capacity` items, and one more that was taken to find out whether there is one.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream::executor::Threads;
/// use millstream::prelude::*;
///
/// let threads = Threads::new(1);
/// let (sender, receiver) = channel();
/// let numbers = millstream::from_blocking_iter(threads.handle(), 16, receiver);
/// let feeds = std::thread::spawn(move || (1..=3).for_each(|n| sender.send(n).unwrap()));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # feeds.join().unwrap();
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromBlockingIter<X, I> {
    executor: X,
    capacity: NonZeroUsize,
    site: Site,
    iter: I,
}

/// The items of an iterator that may block, a receiver of `std` among them. See
/// [`FromBlockingIter`].
#[doc(alias = "unfoldResource", alias = "fromReceiver", alias = "mpsc")]
#[track_caller]
pub fn from_blocking_iter<X, I>(executor: X, capacity: usize, iter: I) -> FromBlockingIter<X, I>
where
    X: Executor,
    I: IntoIterator<Item: Send, IntoIter: Send> + Send + 'static,
{
    let capacity = joined::capacity("from_blocking_iter(executor, 0, iter)", capacity);
    FromBlockingIter { executor, capacity, site: Site::here("from_blocking_iter"), iter }
}

crate::opaque_debug::opaque_debug!(FromBlockingIter<X, I>, capacity);

impl<X, I> Publisher for FromBlockingIter<X, I>
where
    X: Executor,
    I: IntoIterator<Item: Send + 'static, IntoIter: Send + 'static> + Send + 'static,
{
    type Item = I::Item;
    type Error = Infallible;

    fn subscribe<S: Subscriber<I::Item, Infallible>>(self, subscriber: S) {
        let FromBlockingIter { executor, capacity, site, iter } = self;
        join(
            |bell, context| {
                let gauge = bell.gauge(context, site, capacity.get());
                let (inlet, outlet) = lane(capacity, bell.clone(), context, gauge);
                SubscribeOn::new(defer(|| from_iter(iter)), executor).subscribe(inlet);
                outlet
            },
            subscriber,
        );
    }
}
