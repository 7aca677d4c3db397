//! W2: the chain of W1 with demand for a batch at a time.
//!
//! To pull is to ask for one item, so iterators and streams are the same for each batch.

use std::cell::Cell;
use std::hint::black_box;

use futures::future::ready;
use futures::stream;

use super::{even, peer};
use crate::model::{Filter, Handle, Map, Sum, drive};
use crate::peers::{iterate, subscribe, subscribe_keeping, wait};
use crate::{Kind, Measure, Peer, Promise, Workload, add_up, items};

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W2/1",
            task: "map, filter, map; one item asked for at a time",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(1.5),
                of_best: Some(1.4),
                allocations: Some(1),
                of_jvm: Some(0.1),
                ..Promise::default()
            },
            peers: peers::<1>(),
        },
        Workload {
            name: "W2/128",
            task: "map, filter, map; 128 items asked for at a time",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(1.3),
                of_best: Some(1.2),
                allocations: Some(1),
                of_jvm: Some(0.13),
                ..Promise::default()
            },
            peers: peers::<128>(),
        },
    ]
}

fn peers<const BATCH: u64>() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || {
            iterate((0..items()).map(|item| item + 1).filter(even).map(|item| item * 3))
        }),
        peer(Kind::Other, "iterator, sink counts", || {
            let items = (0..items()).map(|item| item + 1).filter(even).map(|item| item * 3);
            let (mut total, mut got, mut batches) = (0, 0, 0_u64);
            for item in items {
                total = add_up(total, item);
                got += 1;
                if got == BATCH {
                    got = 0;
                    batches += 1;
                }
            }
            black_box(batches);
            total
        }),
        peer(Kind::Model, "model", || {
            let (total, handle) = (Cell::new(0), Handle::default());
            let sum = Sum::new(&total, &handle, BATCH);
            let mut down = Map(|item| item + 1, Filter(even, Map(|item| item * 3, sum)));
            drive(items(), &handle, &mut down);
            total.get()
        }),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            subscribe::<BATCH>(
                millstream::from_iter(0..items())
                    .map(|item| item + 1)
                    .filter(even)
                    .map(|item| item * 3),
            )
        }),
        peer(Kind::Other, "millstream, handle kept", || {
            use millstream::prelude::*;
            subscribe_keeping::<BATCH>(
                millstream::from_iter(0..items())
                    .map(|item| item + 1)
                    .filter(even)
                    .map(|item| item * 3),
            )
        }),
        peer(Kind::Library, "futures", || {
            use futures::StreamExt;
            wait(
                stream::iter(0..items())
                    .map(|item| item + 1)
                    .filter(|item| ready(even(item)))
                    .map(|item| item * 3),
            )
        }),
    ]
}
