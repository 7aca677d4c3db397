//! W3: items that cross threads, through queues with room for 256.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;

use futures::channel::mpsc;
use millstream::executor::PoolHandle;

use super::peer;
use crate::channels::{BUFFER, through, through_tasks};
use crate::executors::{POOL, THREADS, TOKIO, with_tokio_here};
use crate::{Kind, Measure, Peer, Promise, Workload, add_up, many};

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W3/1",
            task: "one hop: the source on one thread, the sink on another",
            measure: Measure::Across,
            size: many,
            promise: Promise {
                of_limit: Some(3.0),
                of_best: Some(0.5),
                allocations: Some(64),
                of_jvm: Some(0.05),
                ..Promise::NONE
            },
            peers: peers::<1>(),
        },
        Workload {
            name: "W3/3",
            task: "three hops between four threads",
            measure: Measure::Across,
            size: many,
            promise: Promise {
                of_limit: Some(2.0),
                of_best: Some(0.8),
                allocations: Some(64),
                of_jvm: Some(0.3),
                ..Promise::NONE
            },
            peers: peers::<3>(),
        },
        Workload {
            name: "W3/pulled",
            task: "a hop whose source is pulled where the sink is",
            measure: Measure::Across,
            size: many,
            promise: Promise {
                of_limit: Some(4.0),
                allocations: Some(64),
                of_jvm: Some(0.12),
                ..Promise::NONE
            },
            peers: vec![
                peer(Kind::Limit, "iterator, on a thread", || {
                    std::thread::spawn(|| {
                        (0..many()).map(|item| item + 1).map(triple).fold(0, add_up)
                    })
                    .join()
                    .expect("it does not panic")
                }),
                peer(Kind::Ours, "millstream", || {
                    use millstream::prelude::*;
                    let items = millstream::from_iter(0..many()).map(|item| item + 1);
                    sum(items.publish_on(POOL.handle(), BUFFER).map(triple))
                }),
            ],
        },
    ]
}

fn triple(item: u64) -> u64 {
    item * 3
}

fn sum(publisher: impl millstream::Publisher<Item = u64, Error = std::convert::Infallible>) -> u64 {
    use millstream::prelude::*;
    publisher.fold(0, add_up).block().expect("it does not fail")
}

/// The source and each stage on the executor that `on` names.
fn ours(hops: usize, on: impl Fn(usize) -> PoolHandle) -> u64 {
    use millstream::prelude::*;
    let items = millstream::from_iter(0..black_box(many())).map(|item| item + 1);
    let first = items.subscribe_on(on(0)).publish_on(on(1), BUFFER);
    if hops == 1 {
        return sum(first.map(triple));
    }
    sum(first.publish_on(on(2), BUFFER).publish_on(on(3), BUFFER).map(triple))
}

fn peers<const HOPS: usize>() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "ring, spinning", || {
            through(HOPS, many(), || rtrb::RingBuffer::new(BUFFER), triple)
        }),
        peer(Kind::Ours, "millstream, 2 workers", || ours(HOPS, |_| POOL.handle())),
        peer(Kind::Ours, "millstream, a thread each", || ours(HOPS, |n| THREADS[n].handle())),
        peer(Kind::Library, "std", || through(HOPS, many(), || sync_channel(BUFFER), triple)),
        peer(Kind::Library, "crossbeam", || {
            through(HOPS, many(), || crossbeam_channel::bounded(BUFFER), triple)
        }),
        peer(Kind::Library, "flume", || through(HOPS, many(), || flume::bounded(BUFFER), triple)),
        peer(Kind::Library, "kanal", || through(HOPS, many(), || kanal::bounded(BUFFER), triple)),
        peer(Kind::Library, "tokio, 2 workers", || {
            through_tasks(&TOKIO, HOPS, many(), || tokio::sync::mpsc::channel(BUFFER), triple)
        }),
        peer(Kind::Library, "futures, 2 workers", || {
            // Room for one more each sender has there.
            through_tasks(&TOKIO, HOPS, many(), || mpsc::channel(BUFFER - 1), triple)
        }),
        peer(Kind::Other, "tokio, 1 thread", || {
            let make = || tokio::sync::mpsc::channel(BUFFER);
            with_tokio_here(|runtime| through_tasks(runtime, HOPS, many(), make, triple))
        }),
    ]
}
