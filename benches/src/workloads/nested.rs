//! W4: a stream of streams, one after another and side by side.

use std::hint::black_box;
use std::ops::Range;

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
            promise: Promise {
                of_limit: Some(2.0),
                of_best: Some(1.0),
                of_jvm: Some(0.2),
                allocations: Some(16),
                ..Promise::default()
            },
            peers: peers::<1000>(),
        },
        Workload {
            name: "W4/concat-1",
            task: "concat_map into inner streams of one",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(3.0),
                of_best: Some(1.3),
                of_jvm: Some(0.5),
                allocations: Some(16),
                ..Promise::default()
            },
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
                of_jvm: Some(0.3),
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
                of_jvm: Some(0.6),
                ..Promise::NONE
            },
            // What is promised is of the best that has several at a time.
            peers: flat_peers::<1>(Kind::Other),
        },
        Workload {
            name: "W4/concat-boxed",
            task: "concat_map into inner streams of a thousand whose types nobody knows",
            measure: Measure::Alone,
            size: items,
            promise: Promise::NONE,
            peers: boxed_peers(|| {
                use millstream::prelude::*;
                let size = size::<1000>();
                let inner = inner(size);
                subscribe::<UNBOUNDED>(
                    millstream::from_iter(0..items() / size)
                        .concat_map(move |index| millstream::from_iter(inner(index)).boxed()),
                )
            }),
        },
        Workload {
            name: "W4/flat-boxed",
            task: "flat_map into inner streams of a thousand whose types nobody knows, up to 256 at a time",
            measure: Measure::Alone,
            size: items,
            promise: Promise::NONE,
            peers: boxed_peers(|| {
                use millstream::prelude::*;
                let size = size::<1000>();
                let inner = inner(size);
                let outer = millstream::from_iter(0..items() / size);
                subscribe::<UNBOUNDED>(outer.flat_map_unordered(256, 256, move |index| {
                    millstream::from_iter(inner(index)).boxed()
                }))
            }),
        },
    ]
}

fn boxed_peers(ours: fn() -> u64) -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || {
            let size = size::<1000>();
            let inner = inner(size);
            iterate((0..items() / size).flat_map(move |index| {
                let inner: Box<dyn Iterator<Item = u64>> = Box::new(inner(index));
                inner
            }))
        }),
        peer(Kind::Ours, "millstream", ours),
        peer(Kind::Library, "futures, one by one", || {
            use futures::StreamExt;
            let size = size::<1000>();
            let inner = inner(size);
            wait(
                stream::iter(0..items() / size)
                    .flat_map(move |index| stream::iter(inner(index)).boxed()),
            )
        }),
        peer(Kind::Library, "futures, unordered", || {
            use futures::StreamExt;
            let size = size::<1000>();
            let inner = inner(size);
            wait(
                stream::iter(0..items() / size)
                    .flat_map_unordered(256, move |index| stream::iter(inner(index)).boxed()),
            )
        }),
    ]
}

fn flat_peers<const SIZE: u64>(one_at_a_time: Kind) -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || {
            let size = size::<SIZE>();
            iterate((0..items() / size).flat_map(inner(size)))
        }),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            let size = size::<SIZE>();
            let inner = inner(size);
            subscribe::<UNBOUNDED>(millstream::from_iter(0..items() / size).flat_map_unordered(
                256,
                256,
                move |index| millstream::from_iter(inner(index)),
            ))
        }),
        peer(one_at_a_time, "futures, one by one", || {
            use futures::StreamExt;
            let size = size::<SIZE>();
            let inner = inner(size);
            wait(stream::iter(0..items() / size).flat_map(move |index| stream::iter(inner(index))))
        }),
        peer(Kind::Library, "futures, unordered", || {
            use futures::StreamExt;
            let size = size::<SIZE>();
            let inner = inner(size);
            wait(
                stream::iter(0..items() / size)
                    .flat_map_unordered(256, move |index| stream::iter(inner(index))),
            )
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            let size = size::<SIZE>();
            let inner = inner(size);
            observe!(
                Local::from_iter(0..items() / size)
                    .flat_map(move |index| Local::from_iter(inner(index)))
            )
        }),
    ]
}

/// How many items an inner stream has, which no compiler knows.
fn size<const SIZE: u64>() -> u64 {
    black_box(SIZE)
}

/// The items of the inner streams of `size`.
fn inner(size: u64) -> impl Fn(u64) -> Range<u64> + Copy {
    move |index| index * size..(index + 1) * size
}

fn peers<const SIZE: u64>() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || {
            let size = size::<SIZE>();
            iterate((0..items() / size).flat_map(inner(size)))
        }),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            let size = size::<SIZE>();
            let inner = inner(size);
            subscribe::<UNBOUNDED>(
                millstream::from_iter(0..items() / size)
                    .concat_map(move |index| millstream::from_iter(inner(index))),
            )
        }),
        peer(Kind::Library, "futures", || {
            use futures::StreamExt;
            let size = size::<SIZE>();
            let inner = inner(size);
            wait(stream::iter(0..items() / size).flat_map(move |index| stream::iter(inner(index))))
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            let size = size::<SIZE>();
            let inner = inner(size);
            observe!(
                Local::from_iter(0..items() / size)
                    .concat_map(move |index| Local::from_iter(inner(index)))
            )
        }),
    ]
}
