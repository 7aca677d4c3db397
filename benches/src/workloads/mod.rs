//! The workloads: W1 static and boxed chains, W2 bounded demand, W3 hops between threads, W4 streams
//! of streams, W5 several sources, W6 chunks and windows, W7 groups, W8 futures, W9 subscribing, W10 several
//! subscribers, W11 round trips between threads, W12 memory.

pub(crate) mod chain;
mod chunk;
mod demand;
mod fan_in;
pub(crate) mod fan_out;
pub(crate) mod group;
mod hop;
mod in_flight;
mod memory;
mod nested;
mod round_trip;
mod start;

use crate::{Kind, Peer, Workload};

/// All of them, or those that are named: `W4` is all of W4, `W4/flat` those that begin so.
#[must_use]
pub fn chosen(filters: &[String]) -> Vec<Workload> {
    let mut all = chain::workloads();
    all.extend(demand::workloads());
    all.extend(hop::workloads());
    all.extend(nested::workloads());
    all.extend(fan_in::workloads());
    all.extend(chunk::workloads());
    all.extend(group::workloads());
    all.extend(in_flight::workloads());
    all.extend(start::workloads());
    all.extend(fan_out::workloads());
    all.extend(round_trip::workloads());
    all.extend(memory::workloads());
    all.retain(|workload| {
        let named = |filter: &String| match workload.name.strip_prefix(&**filter) {
            Some(rest) => filter.contains('/') || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        filters.is_empty() || filters.iter().any(named)
    });
    all
}

fn peer(kind: Kind, name: &'static str, run: fn() -> u64) -> Peer {
    Peer { name, kind, run }
}

/// `.map(step)` ten times, each closure with a type of its own, as in a user's chain.
macro_rules! maps {
    ($chain:expr;) => { $chain };
    ($chain:expr; $one:tt $($rest:tt)*) => { maps!($chain.map(|item| step(item)); $($rest)*) };
}
macro_rules! ten_maps {
    ($chain:expr) => { maps!($chain; 0 1 2 3 4 5 6 7 8 9) };
}
macro_rules! fifty_maps {
    ($chain:expr) => {
        ten_maps!(ten_maps!(ten_maps!(ten_maps!(ten_maps!($chain)))))
    };
}

/// The same as nested receivers of the model.
macro_rules! receivers {
    ($sink:expr;) => { $sink };
    ($sink:expr; $one:tt $($rest:tt)*) => {
        Map(|item: u64| step(item), receivers!($sink; $($rest)*))
    };
}
macro_rules! ten_receivers {
    ($sink:expr) => { receivers!($sink; 0 1 2 3 4 5 6 7 8 9) };
}
macro_rules! fifty_receivers {
    ($sink:expr) => {
        ten_receivers!(ten_receivers!(ten_receivers!(ten_receivers!(ten_receivers!($sink)))))
    };
}
use {fifty_maps, fifty_receivers, receivers, ten_receivers};
pub(crate) use {maps, ten_maps};

/// What a stage of a deep chain does: cheap, and not to be folded into its neighbour's.
#[inline(always)]
pub(crate) fn step(item: u64) -> u64 {
    item.wrapping_mul(3) ^ 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type of a filter's function")]
fn even(item: &u64) -> bool {
    item.is_multiple_of(2)
}
