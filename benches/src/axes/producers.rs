//! Several producers, each on a thread or a task of its own, into one sink.

use std::convert::Infallible;
use std::hint::black_box;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

use millstream::Publisher;

use super::{Axis, line};
use crate::channels::{BUFFER, Rx, TaskRx, TaskTx, Tx};
use crate::executors::{POOL, TOKIO};
use crate::{Kind, add_up, items};

pub(super) fn axis() -> Axis {
    Axis {
        name: "producers",
        task: "the items of several producers into one sink",
        points: &[1, 2, 4, 8, 16],
        items: |_| items(),
        lines: vec![
            line(Kind::Limit, "a ring each, spinning", rings),
            line(Kind::Ours, "millstream, merge", merged),
            line(Kind::Ours, "millstream, channel", sent),
            line(Kind::Library, "std", |producers| blocking(producers, sync_channel(BUFFER))),
            line(Kind::Library, "crossbeam", |producers| {
                blocking(producers, crossbeam_channel::bounded(BUFFER))
            }),
            line(Kind::Library, "flume", |producers| blocking(producers, flume::bounded(BUFFER))),
            line(Kind::Library, "kanal", |producers| blocking(producers, kanal::bounded(BUFFER))),
            line(Kind::Library, "tokio, 2 workers", |producers| {
                tasks(producers, tokio::sync::mpsc::channel(BUFFER))
            }),
        ],
    }
}

/// The items of one of `producers`.
fn part(number: u64, producers: u64) -> Range<u64> {
    let n = black_box(items());
    number * n / producers..(number + 1) * n / producers
}

/// On each of `parts`, a thread of its own.
fn threads<T: Tx>(producers: u64, mut tx: impl FnMut() -> T) -> Vec<thread::JoinHandle<()>> {
    let threads = (0..producers).map(|number| {
        let mut tx = tx();
        thread::spawn(move || {
            for item in part(number, producers) {
                tx.push(item);
            }
        })
    });
    threads.collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no producer panics");
    }
}

fn blocking<T: Tx + Clone, R: Rx>(producers: u64, (tx, mut rx): (T, R)) -> u64 {
    let threads = threads(producers, || tx.clone());
    drop(tx);
    let mut total = 0;
    while let Some(item) = rx.pull() {
        total = add_up(total, item);
    }
    join(threads);
    total
}

/// The least: a ring for each producer, and a sink that goes round.
fn rings(producers: u64) -> u64 {
    let mut ends = Vec::new();
    let threads = threads(producers, || {
        let (tx, rx) = rtrb::RingBuffer::new(BUFFER);
        ends.push(rx);
        tx
    });
    let mut total = 0;
    while !ends.is_empty() {
        let mut idle = true;
        ends.retain_mut(|end| {
            let gone = end.is_abandoned();
            while let Ok(item) = end.pop() {
                idle = false;
                total = add_up(total, item);
            }
            !gone
        });
        if idle {
            thread::yield_now();
        }
    }
    join(threads);
    total
}

fn tasks<T: TaskTx + Clone, R: TaskRx>(producers: u64, (tx, mut rx): (T, R)) -> u64 {
    TOKIO.block_on(async move {
        for number in 0..producers {
            let mut tx = tx.clone();
            tokio::spawn(async move {
                for item in part(number, producers) {
                    tx.push(item).await;
                }
            });
        }
        drop(tx);
        let sum = tokio::spawn(async move {
            let mut total = 0;
            while let Some(item) = rx.pull().await {
                total = add_up(total, item);
            }
            total
        });
        sum.await.expect("no task panics")
    })
}

fn sum(publisher: impl Publisher<Item = u64, Error = Infallible>) -> u64 {
    use millstream::prelude::*;
    publisher.fold(0, add_up).block().expect("it does not fail")
}

/// Each producer is a publisher that runs on the pool.
fn merged(producers: u64) -> u64 {
    use millstream::prelude::*;
    let sources = (0..producers)
        .map(|number| millstream::from_iter(part(number, producers)).subscribe_on(POOL.handle()));
    sum(millstream::merge_all(sources, BUFFER))
}

/// Each producer is a thread that sends into a channel of ours, as into the peers'.
fn sent(producers: u64) -> u64 {
    use millstream::prelude::*;
    let (sender, items) = millstream::channel(BUFFER);
    let threads: Vec<_> = (0..producers)
        .map(|number| {
            let sender = sender.clone();
            thread::spawn(move || {
                for item in part(number, producers) {
                    sender.send_blocking(item).expect("somebody receives");
                }
                sender.complete();
            })
        })
        .collect();
    sender.complete();
    // The sink is on a thread of its own, as those of the peers are: items are not summed up by
    // whoever sends.
    let total = sum(items.publish_on(POOL.handle(), BUFFER));
    join(threads);
    total
}
