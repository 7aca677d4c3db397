//! Fan-out stages: one serial upstream and several downstreams, each with a demand and a thread of
//! its own.
//!
//! All are made of a [`Hub`](millstream_blocks::hub::Hub); what differs is its plan and its route.
//! A downstream is an island that pulls an outlet of the hub.

use std::num::NonZeroUsize;

use millstream_blocks::hub::{Hub, Outlet, Place, Plan, Route, Slow, Spread, Vacancy};
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

/// Subscribes `subscriber` to an outlet that was opened before.
pub(crate) fn host<T, E, S>(mut outlet: Outlet<T, E>, subscriber: S)
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    join(
        move |bell, context| {
            outlet.host(bell.clone(), context);
            outlet
        },
        subscriber,
    );
}

/// A fixed number of outlets. Upstream is subscribed to when each is hosted or gone, and cancelled
/// when all have gone. `route` is given the places of the outlets.
pub(crate) fn fixed<const K: usize, P, R>(
    upstream: P,
    capacity: NonZeroUsize,
    spread: Spread,
    route: impl FnOnce([Place; K]) -> R,
) -> [Outlet<P::Item, P::Error>; K]
where
    P: Publisher,
    P::Error: Clone,
    R: Route<P::Item, P::Error>,
{
    let hub = Hub::new(Plan {
        capacity,
        spread,
        slow: Slow::Wait,
        vacancy: Vacancy::Close,
        quorum: 0,
        replay: None,
        keep_end: None,
    });
    let outlets = std::array::from_fn(|_| hub.open());
    let route = route(outlets.each_ref().map(Outlet::place));
    hub.on_quorum(move |hub| upstream.subscribe(hub.distributor(route)));
    outlets
}
