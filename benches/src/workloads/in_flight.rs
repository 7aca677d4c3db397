//! W8: each item through a future, sixteen of them at a time.

use std::hint::black_box;

use futures::stream;
use millstream::executor::Tokio;
use tokio::runtime::Runtime;

use super::peer;
use crate::executors::{TOKIO, with_tokio_here};
use crate::{Kind, Measure, Promise, Workload, add_up, items};

const AT_ONCE: usize = 16;

async fn ready(item: u64) -> u64 {
    black_box(item + 1)
}

async fn yielding(item: u64) -> u64 {
    tokio::task::yield_now().await;
    black_box(item + 1)
}

async fn spawned(item: u64) -> u64 {
    tokio::spawn(ready(item)).await.expect("no task panics")
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W8/ready",
            task: "map_async, 16 at a time, futures that are ready",
            measure: Measure::Alone,
            size: items,
            promise: Promise { of_best: Some(0.35), allocations: Some(128), ..Promise::NONE },
            peers: peers!(ready, here),
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
            peers: peers!(yielding, here),
        },
        Workload {
            name: "W8/spawned",
            task: "map_async, 16 at a time, futures that are spawned on two workers",
            measure: Measure::Across,
            size: items,
            promise: Promise { of_limit: Some(1.0), of_best: Some(0.85), ..Promise::NONE },
            peers: peers!(spawned, there),
        },
    ]
}

/// Runs the consumer on this thread.
fn here(consumer: impl FnOnce(&Runtime) -> u64) -> u64 {
    with_tokio_here(consumer)
}

/// Runs the consumer on the runtime with two workers.
fn there(consumer: impl FnOnce(&Runtime) -> u64) -> u64 {
    consumer(&TOKIO)
}

/// All peers with `$f`. Each consumer is a task: what it waits for is on the same runtime.
macro_rules! peers {
    ($f:ident, $place:ident) => {
        vec![
            peer(Kind::Limit, "one by one", || {
                $place(|runtime| {
                    runtime.block_on(async {
                        let sum = tokio::spawn(async {
                            let mut total = 0;
                            for item in 0..items() {
                                total = add_up(total, $f(item).await);
                            }
                            total
                        });
                        sum.await.expect("no task panics")
                    })
                })
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                $place(|runtime| {
                    let on = Tokio::new(runtime.handle().clone());
                    let results = millstream::from_iter(0..items()).map_async(on, AT_ONCE, $f);
                    runtime.block_on(async { results.fold(0, add_up).await.expect("no failure") })
                })
            }),
            peer(Kind::Ours, "millstream, unordered", || {
                use millstream::prelude::*;
                $place(|runtime| {
                    let on = Tokio::new(runtime.handle().clone());
                    let results =
                        millstream::from_iter(0..items()).map_async_unordered(on, AT_ONCE, $f);
                    runtime.block_on(async { results.fold(0, add_up).await.expect("no failure") })
                })
            }),
            peer(Kind::Library, "futures, buffered", || {
                use futures::StreamExt;
                $place(|runtime| {
                    let results = stream::iter(0..items()).map($f).buffered(AT_ONCE);
                    run(runtime, results)
                })
            }),
            peer(Kind::Library, "futures, unordered", || {
                use futures::StreamExt;
                $place(|runtime| {
                    let results = stream::iter(0..items()).map($f).buffer_unordered(AT_ONCE);
                    run(runtime, results)
                })
            }),
        ]
    };
}
use peers;

fn run(runtime: &Runtime, results: impl futures::Stream<Item = u64> + Send + 'static) -> u64 {
    use futures::StreamExt;
    runtime.block_on(async {
        let sum = tokio::spawn(async move {
            let mut results = std::pin::pin!(results);
            let mut total = 0;
            while let Some(item) = results.next().await {
                total = add_up(total, item);
            }
            total
        });
        sum.await.expect("no task panics")
    })
}
