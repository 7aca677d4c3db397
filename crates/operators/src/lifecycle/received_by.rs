//! `received_by`: where a drain stops a stream.

use millstream_core::{Cause, Context, Discards, End, Publisher, Subscriber};

use crate::lifecycle::drain_handle::DrainHandle;
use crate::shape::halted::Halted;
use crate::shape::stage::ItemStage;

/// Where a [`DrainHandle`] stops a stream, and counts what came in:
/// [`PublisherExt::received_by`](crate::PublisherExt::received_by).
///
/// ```text
/// drain ----------stop()
/// up    --1--2--3-----4--
/// down  --1--2--3-|           below, what is on its way runs out
/// ```
///
/// It stands at the source, or at each of several sources of a stream. Below it are the stages whose
/// work is to be finished, and below those is [`delivered_by`](crate::PublisherExt::delivered_by).
///
/// # Demand
/// As downstream's. Nothing is asked for after it was stopped.
/// # Completion
/// As upstream; and at once, without demand, when the drain is [stopped](DrainHandle::stop). Upstream is
/// cancelled then.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream's.
/// # Bounds
/// Holds nothing. Three allocations per subscription.
///
/// # Examples
/// ```
/// use millstream::lifecycle::DrainHandle;
/// use millstream::prelude::*;
///
/// let drain = DrainHandle::new();
/// let stops = drain.clone();
/// let numbers = millstream::from_iter(0..)
///     .received_by(&drain)
///     .inspect(move |n| if *n == 2 { stops.stop(); })
///     .delivered_by(&drain);
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ReceivedBy<P> {
    upstream: P,
    drain: DrainHandle,
}

impl<P> ReceivedBy<P> {
    pub(crate) fn new(upstream: P, drain: DrainHandle) -> ReceivedBy<P> {
        ReceivedBy { upstream, drain }
    }
}

crate::opaque_debug::opaque_debug!(ReceivedBy<P>, drain);

impl<P: Publisher> Publisher for ReceivedBy<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ReceivedBy { upstream, drain } = self;
        let elsewhere = drain.clone();
        // What is discarded further up did not come in.
        let context = move |context: Context| {
            let (drain, next) = (elsewhere.clone(), context.discards().clone());
            context.with_discards(Discards::counted(move || drain.discarded_elsewhere(), next))
        };
        let counted = ItemStage::new(upstream, drain.receives(context));
        let end = |(): &()| (End::Completed, Cause::NoMoreNeeded);
        Halted { upstream: counted, switch: drain.stops().clone(), end }.subscribe(subscriber);
    }
}
