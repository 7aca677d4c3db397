//! W12: the memory of a pipeline whose consumer is slow.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use millstream::prelude::*;

use super::peer;
use crate::channels::{BUFFER, through, through_tasks};
use crate::executors::{POOL, TOKIO};
use crate::{Kind, Measure, Promise, Workload, add_up, items};

/// Ten million, where the others have a hundred thousand.
fn many() -> u64 {
    100 * items()
}

/// Slower than any producer here.
fn slow(item: u64) -> u64 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_nanos(150) {
        std::hint::spin_loop();
    }
    black_box(item)
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W12",
        task: "three boundaries of 256 under a slow consumer: the most memory of the process",
        measure: Measure::Memory,
        size: many,
        promise: Promise {
            above_limit: Some(1536.0),
            of_best: Some(1.2),
            of_jvm: Some(0.05),
            ..Promise::NONE
        },
        peers: vec![
            peer(Kind::Limit, "a bare process", || 0),
            peer(Kind::Ours, "millstream", || ours(many())),
            peer(Kind::Ours, "millstream, a tenth", || ours(many() / 10)),
            peer(Kind::Other, "ring, spinning", || {
                through(3, many(), || rtrb::RingBuffer::new(BUFFER), slow)
            }),
            peer(Kind::Library, "std", || through(3, many(), || sync_channel(BUFFER), slow)),
            peer(Kind::Library, "crossbeam", || {
                through(3, many(), || crossbeam_channel::bounded(BUFFER), slow)
            }),
            peer(Kind::Library, "flume", || through(3, many(), || flume::bounded(BUFFER), slow)),
            peer(Kind::Library, "kanal", || through(3, many(), || kanal::bounded(BUFFER), slow)),
            peer(Kind::Library, "tokio, 2 workers", || {
                through_tasks(&TOKIO, 3, many(), || tokio::sync::mpsc::channel(BUFFER), slow)
            }),
        ],
    }]
}

fn ours(n: u64) -> u64 {
    let on = || POOL.handle();
    millstream::from_iter(0..n)
        .map(|item| item + 1)
        .subscribe_on(on())
        .publish_on(on(), BUFFER)
        .publish_on(on(), BUFFER)
        .publish_on(on(), BUFFER)
        .map(slow)
        .fold(0, add_up)
        .block()
        .expect("it does not fail")
}
