//! W4: a stream of streams, one after another and side by side.

use futures::stream;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Measure, Peer, Promise, Workload, items, observe};

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W4/concat-1000",
            task: "concat_map into inner streams of a thousand",
            measure: Measure::Alone,
            size: items,
            promise: Promise { of_limit: Some(2.0), of_best: Some(1.0), ..Promise::default() },
            peers: peers::<1000>(),
        },
        Workload {
            name: "W4/concat-1",
            task: "concat_map into inner streams of one",
            measure: Measure::Alone,
            size: items,
            promise: Promise { of_limit: Some(3.0), of_best: Some(1.3), ..Promise::default() },
            peers: peers::<1>(),
        },
        Workload {
            name: "W4/flat-1000",
            task: "flat_map into inner streams of a thousand, up to 256 at a time",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(2.0),
                of_best: Some(1.0),
                allocations: Some(16),
                ..Promise::NONE
            },
            peers: flat_peers::<1000>(Kind::Library),
        },
        Workload {
            name: "W4/flat-1",
            task: "flat_map into inner streams of one, up to 256 at a time",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(4.0),
                of_best: Some(0.15),
                allocations: Some(16),
                ..Promise::NONE
            },
            // What is promised is of the best that has several at a time.
            peers: flat_peers::<1>(Kind::Other),
        },
    ]
}

fn flat_peers<const SIZE: u64>(one_at_a_time: Kind) -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || iterate((0..items() / SIZE).flat_map(inner::<SIZE>))),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            subscribe::<UNBOUNDED>(millstream::from_iter(0..items() / SIZE).flat_map_unordered(
                256,
                256,
                |index| millstream::from_iter(inner::<SIZE>(index)),
            ))
        }),
        peer(one_at_a_time, "futures, one by one", || {
            use futures::StreamExt;
            wait(
                stream::iter(0..items() / SIZE)
                    .flat_map(|index| stream::iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "futures, unordered", || {
            use futures::StreamExt;
            wait(
                stream::iter(0..items() / SIZE)
                    .flat_map_unordered(256, |index| stream::iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            observe!(
                Local::from_iter(0..items() / SIZE)
                    .flat_map(|index| Local::from_iter(inner::<SIZE>(index)))
            )
        }),
    ]
}

fn inner<const SIZE: u64>(index: u64) -> std::ops::Range<u64> {
    index * SIZE..(index + 1) * SIZE
}

fn peers<const SIZE: u64>() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || iterate((0..items() / SIZE).flat_map(inner::<SIZE>))),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            subscribe::<UNBOUNDED>(
                millstream::from_iter(0..items() / SIZE)
                    .concat_map(|index| millstream::from_iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "futures", || {
            use futures::StreamExt;
            wait(
                stream::iter(0..items() / SIZE)
                    .flat_map(|index| stream::iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            observe!(
                Local::from_iter(0..items() / SIZE).concat_map(|index| Local::from_iter(inner::<
                    SIZE,
                >(
                    index
                )))
            )
        }),
    ]
}
