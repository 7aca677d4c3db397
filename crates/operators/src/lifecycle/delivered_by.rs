//! `delivered_by`: where a drain counts what came out.

use millstream_core::{Cause, Context, Discards, End, Fault, Publisher, Subscriber};

use crate::lifecycle::drain_handle::DrainHandle;
use crate::shape::halted::Halted;
use crate::shape::stage::ItemStage;

/// Where a [`DrainHandle`] counts what came out, and breaks off what has not in time:
/// [`PublisherExt::delivered_by`](crate::PublisherExt::delivered_by).
///
/// ```text
/// drain -----------stop()-------abort()
/// up    --1--2--3-----4----5--------6--
/// down  --1--2--3-----4----5----!         ! is the fault `Aborted`
/// ```
///
/// # Demand
/// As downstream's. Nothing is asked for after it was aborted.
/// # Completion
/// As upstream: when the drain was stopped, after all that was on its way, as it is asked for.
/// # Errors
/// As upstream. When the drain is [aborted](DrainHandle::abort), the fault
/// [`Aborted`](millstream_core::Fault::Aborted), at once and without demand; upstream is cancelled.
/// # Cancellation
/// As downstream's.
/// # Bounds
/// Holds nothing. Three allocations per subscription.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::lifecycle::DrainHandle;
/// use millstream::prelude::*;
///
/// let (executor, drain) = (CurrentThread::new(), DrainHandle::new());
/// let even = millstream::from_iter(0..10)
///     .received_by(&drain)
///     .filter(|n| n % 2 == 0)
///     .delivered_by(&drain);
/// executor.run_until(even.count())?;
/// let report = executor.run_until(drain.join());
/// assert_eq!((report.received, report.delivered, report.discarded), (10, 5, 5));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct DeliveredBy<P> {
    upstream: P,
    drain: DrainHandle,
}

impl<P> DeliveredBy<P> {
    pub(crate) fn new(upstream: P, drain: DrainHandle) -> DeliveredBy<P> {
        DeliveredBy { upstream, drain }
    }
}

crate::opaque_debug::opaque_debug!(DeliveredBy<P>, drain);

impl<P: Publisher> Publisher for DeliveredBy<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let DeliveredBy { upstream, drain } = self;
        let here = drain.clone();
        let context = move |context: Context| {
            let (drain, next) = (here.clone(), context.discards().clone());
            context.with_discards(Discards::counted(move || drain.discarded_here(), next))
        };
        let end = |(): &()| (End::Fault(Fault::Aborted), Cause::Failed);
        let halted = Halted { upstream, switch: drain.aborts().clone(), end };
        ItemStage::new(halted, drain.delivers(context)).subscribe(subscriber);
    }
}
