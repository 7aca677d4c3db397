//! Hurried stages: one upstream that is not slowed down, and a bounded place for what downstream
//! has not asked for.
//!
//! Upstream is asked for everything; what comes is put into the place by a function of the
//! operator, on the thread that sends, and leaves it as downstream asks. An upstream that is
//! synchronous would send all that it has on the thread that asks it: it is asked for no more than
//! [`AHEAD`] items beyond those that left, so that one without end does not hold the thread.

use std::num::NonZeroUsize;

use millstream_blocks::basin::{Inflow, basin};
use millstream_blocks::gauge::Site;
use millstream_blocks::intake::{Filled, intake};
use millstream_blocks::island::join;
use millstream_blocks::lane::{Outlet, lane};
use millstream_core::{Context, Demand, Publisher, Pull, Subscriber};

/// How far a synchronous upstream runs ahead of downstream at most.
const AHEAD: u64 = 1024;

/// What `upstream` is asked for without regard to downstream.
pub(crate) fn ahead(upstream: &impl Publisher) -> Demand {
    if upstream.pulls() { Demand::of(AHEAD) } else { Demand::UNBOUNDED }
}

/// Subscribes to `upstream`, and puts what comes by `fill` into a place for `capacity` items, out
/// of which `subscriber` is served.
pub(crate) fn fill<P, H, F, S>(
    upstream: P,
    capacity: NonZeroUsize,
    site: Site,
    fill: F,
    subscriber: S,
) where
    P: Publisher,
    H: Send + 'static,
    F: FnMut(P::Item, &Inflow<H, P::Error>) -> Filled<H> + Send + 'static,
    S: Subscriber<H, P::Error>,
{
    let mut start = None;
    join(
        |bell, context| {
            let (inflow, outflow) = basin(capacity);
            let outflow = outflow.attach(bell, context, site);
            let (intake, stock, starts) = intake(inflow, outflow, ahead(&upstream), fill, context);
            start = Some(starts);
            upstream.subscribe(intake);
            stock
        },
        subscriber,
    );
    // Downstream has had the time to ask: what comes now finds its demand.
    if let Some(start) = start {
        start.go();
    }
}

/// Subscribes to `upstream` by a lane for `capacity` items, and serves `subscriber` out of what
/// `make` makes of it: for stages that keep up with an upstream that waits.
pub(crate) fn keep_up<P, Q, S>(
    upstream: P,
    capacity: NonZeroUsize,
    site: Site,
    make: impl FnOnce(Outlet<P::Item, P::Error>, &Context) -> Q,
    subscriber: S,
) where
    P: Publisher,
    Q: Pull,
    S: Subscriber<Q::Item, Q::Error>,
{
    join(
        |bell, context| {
            let gauge = bell.gauge(context, site, capacity.get());
            let (inlet, outlet) = lane(capacity, bell.clone(), context, gauge);
            upstream.subscribe(inlet);
            make(outlet, context)
        },
        subscriber,
    );
}
