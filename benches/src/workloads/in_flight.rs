//! W8: each item through a future, sixteen of them at a time.

use std::hint::black_box;

use futures::stream::{self, Stream, StreamExt};
use millstream::executor::Tokio;
use tokio::task::JoinHandle;

use super::peer;
use crate::executors::{TOKIO, with_tokio_here};
use crate::{Kind, Measure, Promise, Workload, items};

const AT_ONCE: usize = 16;

async fn ready(item: u64) -> u64 {
    black_box(item + 1)
}

async fn yielding(item: u64) -> u64 {
    tokio::task::yield_now().await;
    black_box(item + 1)
}

/// A task of the runtime, from the moment it is asked for.
async fn spawned(task: JoinHandle<u64>) -> u64 {
    task.await.expect("no task panics")
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W8/ready",
            task: "map_async, 16 at a time, futures that are ready",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_best: Some(0.35),
                allocations: Some(128),
                of_jvm: Some(0.9),
                ..Promise::NONE
            },
            peers: peers!(here, ready),
        },
        Workload {
            name: "W8/yielding",
            task: "map_async, 16 at a time, futures that yield once",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(0.7),
                of_best: Some(0.8),
                allocations: Some(128),
                ..Promise::NONE
            },
            peers: peers!(here, yielding),
        },
        Workload {
            name: "W8/spawned",
            task: "map_async, 16 at a time, futures that are spawned on two workers",
            measure: Measure::Across,
            size: items,
            promise: Promise {
                of_limit: Some(1.0),
                of_best: Some(0.85),
                of_jvm: Some(0.55),
                allocations_above: Some(128),
                ..Promise::NONE
            },
            peers: peers!(there, |item| spawned(tokio::spawn(ready(item)))),
        },
    ]
}

/// The consumer is what this thread runs.
fn here(consumer: impl Future<Output = u64>) -> u64 {
    with_tokio_here(|runtime| runtime.block_on(consumer))
}

/// The consumer is a task of the runtime with two workers, as what it waits for.
fn there(consumer: impl Future<Output = u64> + Send + 'static) -> u64 {
    TOKIO.block_on(async { tokio::spawn(consumer).await.expect("no task panics") })
}

/// All peers with `$f`.
macro_rules! peers {
    ($place:ident, $f:expr) => {
        vec![
            peer(Kind::Limit, "one by one", || {
                $place(async {
                    let f = $f;
                    let mut total = 0u64;
                    for item in 0..items() {
                        total = total.wrapping_add(f(item).await);
                    }
                    total
                })
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                $place(async {
                    let on = Tokio::current();
                    let results = millstream::from_iter(0..items()).map_async(on, AT_ONCE, $f);
                    results.fold(0, u64::wrapping_add).await.expect("no failure")
                })
            }),
            peer(Kind::Ours, "millstream, unordered", || {
                use millstream::prelude::*;
                $place(async {
                    let on = Tokio::current();
                    let results =
                        millstream::from_iter(0..items()).map_async_unordered(on, AT_ONCE, $f);
                    results.fold(0, u64::wrapping_add).await.expect("no failure")
                })
            }),
            peer(Kind::Library, "futures, buffered", || {
                $place(sum(stream::iter(0..items()).map($f).buffered(AT_ONCE)))
            }),
            peer(Kind::Library, "futures, unordered", || {
                $place(sum(stream::iter(0..items()).map($f).buffer_unordered(AT_ONCE)))
            }),
        ]
    };
}
use peers;

fn sum(results: impl Stream<Item = u64>) -> impl Future<Output = u64> {
    results.fold(0u64, |total, item| std::future::ready(total.wrapping_add(item)))
}
