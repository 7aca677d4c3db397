//! `broadcast`: each item to a fixed number of subscribers.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::hub::{Hub, Outlet, Plan, Slow, Vacancy};
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::shape::joined::capacity;

/// One of the publishers that each item goes to:
/// [`PublisherExt::broadcast`](crate::PublisherExt::broadcast).
///
/// ```text
///          let [a, b] = up.broadcast::<2>(2)
/// up    --1-2-3-4-5-|
/// a     --1-2-3-4-5-|
/// b     --1---2---3---4---5|     b is slow: up and a are at most two items ahead of it
/// ```
///
/// Each runs by the demand of its own subscriber, on the thread that sends or asks; with
/// [`publish_on`](crate::PublisherExt::publish_on) below it, on one of its own. Upstream is
/// subscribed to when all are. To come later, or again, see `share`.
///
/// They are read at the same time: two that are waited for one after the other on one thread wait for
/// ever, since the first waits for the second to be subscribed to. So do two that a `zip` brings together
/// again, where one drops items on the way and more of them than there is room for in the other.
///
/// An item is cloned for all but one of them, and moved to that one. A `Clone` that panics ends the
/// stream for all with that fault. A subscriber that panics goes alone.
///
/// # Demand
/// Upstream is asked for what there is room for in *each*: `capacity` when it is subscribed to,
/// and more as the slowest takes items, three quarters of `capacity` at a time.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// To each a clone, after what is queued. A fault does not wait. An error that is not `Clone` is put
/// into an [`Arc`](std::sync::Arc) by [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: what is queued for it is discarded, and the others go on. Of the last: upstream is
/// cancelled. One that is dropped without being subscribed to counts as cancelled.
/// # Bounds
/// `capacity` items for each.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let [all, even] = millstream::from_iter(1..=5).broadcast::<2>(16);
/// let sum = std::thread::spawn(|| all.fold(0, |sum, n| sum + n).block());
/// let even = even.filter(|n| n % 2 == 0).collect::<Vec<_>>().block()?;
/// assert_eq!(even, [2, 4]);
/// assert_eq!(sum.join().expect("no panic")?, 15);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[must_use = "dropping it counts as cancelling it"]
pub struct Broadcast<T: Send + 'static, E: Send + 'static>(pub(super) Outlet<T, E>);

impl<T: Clone + Send + 'static, E: Clone + Send + 'static> Broadcast<T, E> {
    #[track_caller]
    pub(crate) fn all<const K: usize, P>(upstream: P, n: usize) -> [Broadcast<T, E>; K]
    where
        P: Publisher<Item = T, Error = E>,
    {
        const { assert!(K > 0, "broadcast::<0>: somebody must be there") };
        Broadcast::of(upstream, capacity("broadcast(0)", n), Site::here("broadcast"))
    }

    pub(crate) fn of<const K: usize, P>(
        upstream: P,
        capacity: NonZeroUsize,
        site: Site,
    ) -> [Broadcast<T, E>; K]
    where
        P: Publisher<Item = T, Error = E>,
    {
        let hub = Hub::new(Plan {
            site,
            capacity,
            slow: Slow::Wait,
            vacancy: Vacancy::Close,
            quorum: 0,
            replay: None,
            keep_end: None,
        });
        let all = std::array::from_fn(|_| Broadcast(hub.open()));
        hub.on_quorum(move |hub| upstream.subscribe(hub.distributor()));
        all
    }
}

impl<T: Send + 'static, E: Send + 'static> std::fmt::Debug for Broadcast<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Broadcast").field(&self.0).finish()
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Broadcast<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let mut outlet = self.0;
        join(
            move |bell, context| {
                outlet.host(bell.clone(), context);
                outlet
            },
            subscriber,
        );
    }
}
