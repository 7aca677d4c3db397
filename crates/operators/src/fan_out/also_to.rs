//! `also_to`: a stream on the side that is sent each item, and is waited for.

use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::cause::current;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_blocks::switch::Switch;
use millstream_core::{Cause, End, Fault, Publisher, Pull, Pulled, Subscriber};

use crate::fan_out::Broadcast;
use crate::guard::contained;
use crate::shape::halted::Halted;
use crate::shape::joined::capacity;
use crate::source::broken::broken;

/// A stream on the side that is sent each item, and is waited for:
/// [`PublisherExt::also_to`](crate::PublisherExt::also_to).
///
/// ```text
///           also_to(1, |side| ..)
/// up    --1-2---3---4---|
/// side  --1---2---3---4-|     it is slow: down is at most one item ahead of it
/// down  --1-2---3---4---|
/// ```
///
/// The function is given the side as a publisher, and does with it what is to be done: a pipeline
/// that ends in a handle which is [detached](crate::end::Handle::detach), or a subscriber of one's
/// own, by `side.subscribe(subscriber)`. It is called once, when somebody subscribes to this
/// publisher, and must not wait. It is a [`broadcast`](crate::PublisherExt::broadcast) to two, one of
/// which is out of the way, and what belongs together ends together.
///
/// An item is cloned once, and so is an error. A side that is not to be waited for is one of
/// [`wire_tap`](crate::PublisherExt::wire_tap).
///
/// # Demand
/// Upstream is asked for what there is room for on *both* sides: `capacity` when it is subscribed
/// to, and more as the slower takes items, three quarters of `capacity` at a time.
/// # Completion
/// As upstream, to each after what is queued for it. Where the side wants no more, downstream is sent
/// what is queued for it and completes; unless the side [may leave](AlsoTo::side_may_leave).
/// # Errors
/// To each a clone, after what is queued. A fault does not wait. Where the side fails or panics, or is
/// cancelled for anything but that [no more is needed](Cause::NoMoreNeeded), downstream is told
/// [`Fault::Aborted`], at once; unless it may leave. A panic in the function becomes a fault.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// As downstream's: upstream is cancelled, and the side completes after what is queued for it, or is
/// told [`Fault::Aborted`] where what is downstream failed. As the side's: upstream is cancelled, for
/// the cause that the side has; unless it may leave. A side that is dropped without being subscribed to
/// counts as cancelled.
/// # Bounds
/// `capacity` items for each side.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use std::sync::mpsc::channel;
///
/// let (sender, written) = channel();
/// let sum = millstream::from_iter(1..=5)
///     .also_to(16, move |side| {
///         side.subscribe_with(move |n| sender.send(n).unwrap(), |never| match never {}, || {})
///             .batch(8)
///             .detach();
///     })
///     .fold(0, |sum, n| sum + n);
/// assert_eq!(sum.block()?, 15);
/// assert_eq!(written.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AlsoTo<P, F> {
    upstream: P,
    capacity: NonZeroUsize,
    side: F,
    leaves: Leaves,
    site: Site,
}

/// What becomes of the main stream when the side leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It ends as well.
    Together,
    /// It goes on.
    Alone,
}

impl<P, F> AlsoTo<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, n: usize, side: F) -> AlsoTo<P, F> {
        let capacity = capacity("also_to(0, side)", n);
        AlsoTo { upstream, capacity, side, leaves: Leaves::Together, site: Site::here("also_to") }
    }

    /// The side may leave: when it is cancelled, fails or panics, the main stream goes on without it.
    /// While it is there it is waited for.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let numbers = millstream::from_iter(1..=5).also_to(1, drop).side_may_leave();
    /// assert_eq!(numbers.count().block()?, 5);
    /// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
    /// ```
    #[doc(alias = "detach", alias = "eagerCancel")]
    pub fn side_may_leave(mut self) -> AlsoTo<P, F> {
        self.leaves = Leaves::Alone;
        self
    }
}

crate::opaque_debug::opaque_debug!(AlsoTo<P, F>, capacity, leaves);

impl<P, F> Publisher for AlsoTo<P, F>
where
    P: Publisher<Item: Clone, Error: Clone>,
    F: FnOnce(Side<P::Item, P::Error>) + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let AlsoTo { upstream, capacity, side, leaves, site } = self;
        let switch = Switch::new();
        let end = |cause: &Cause| match cause {
            Cause::NoMoreNeeded => (End::Completed, Cause::NoMoreNeeded),
            failure => (End::Fault(Fault::Aborted), failure.clone()),
        };
        let upstream = Halted { upstream, switch: switch.clone(), end };
        let [main, other] = Broadcast::of(upstream, capacity, site);
        let tied = |broadcast, switch| Side { tie: Tie(switch), broadcast };
        let main = tied(main, Some(switch.clone()));
        let other = tied(other, (leaves == Leaves::Together).then(|| switch.clone()));
        match catch_unwind(AssertUnwindSafe(|| side(other))) {
            Ok(()) => main.subscribe(subscriber),
            Err(payload) => {
                // Before the main stream goes: upstream would run for the side alone.
                contained(|| drop(switch.throw(Cause::Failed)));
                broken(payload, subscriber);
            }
        }
    }
}

/// The side of an [`AlsoTo`], for its function to subscribe to.
#[must_use = "dropping it counts as cancelling it"]
pub struct Side<T: Send + 'static, E: Send + 'static> {
    // Before what it ties: once that has gone, upstream goes on for the other alone.
    tie: Tie,
    broadcast: Broadcast<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Side<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("broadcast", &self.broadcast).finish_non_exhaustive()
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Side<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let Side { tie, broadcast: Broadcast(mut outlet) } = self;
        join(
            move |bell, context| {
                outlet.host(bell.clone(), context);
                Tied { tie, of: outlet }
            },
            subscriber,
        );
    }
}

/// Throws a switch when it is dropped, for the cause that there is then, unless it was let go.
struct Tie(Option<Switch<Cause>>);

impl Drop for Tie {
    fn drop(&mut self) {
        if let Some(switch) = self.0.take() {
            let cause = current();
            // Whoever throws it first says why.
            contained(|| drop(switch.throw(cause)));
        }
    }
}

/// What is pulled, until it is over.
struct Tied<Q> {
    tie: Tie,
    of: Q,
}

impl<Q: Pull> Tied<Q> {
    fn told(&mut self, pulled: Pulled<Q::Item, Q::Error>) -> Pulled<Q::Item, Q::Error> {
        if let Pulled::Complete | Pulled::Error(_) = pulled {
            self.tie.0 = None;
        }
        pulled
    }
}

impl<Q: Pull> Pull for Tied<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        let pulled = self.of.pull();
        self.told(pulled)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        let pulled = self.of.look_ahead(started);
        self.told(pulled)
    }
}
