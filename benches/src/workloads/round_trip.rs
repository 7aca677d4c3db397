//! W11: one item to another thread, and back.

use std::convert::Infallible;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::time::Instant;

use millstream::prelude::*;
use millstream::{Demand, More, Subscription};

use super::peer;
use crate::channels::{BUFFER, Rx, Tx};
use crate::executors::{THREADS, TOKIO};
use crate::{Kind, Measure, Promise, Workload, items};

/// Round trips before the first that counts.
const WARM: u64 = 1000;

fn trips() -> u64 {
    items() / 10
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W11",
        task: "one item to another thread and back: the median of the round trips",
        measure: Measure::RoundTrip,
        size: trips,
        promise: Promise {
            of_limit: Some(3.0),
            of_best: Some(1.2),
            of_jvm: Some(0.01),
            ..Promise::NONE
        },
        peers: vec![
            peer(Kind::Limit, "ring, spinning", || ping(|| rtrb::RingBuffer::new(BUFFER))),
            peer(Kind::Ours, "millstream", ours),
            peer(Kind::Library, "std", || ping(|| sync_channel(1))),
            peer(Kind::Library, "crossbeam", || ping(|| crossbeam_channel::bounded(1))),
            peer(Kind::Library, "flume", || ping(|| flume::bounded(1))),
            peer(Kind::Library, "kanal", || ping(|| kanal::bounded(1))),
            // Both tasks stay on one worker: no thread is crossed.
            peer(Kind::Other, "tokio, 2 workers", tokio_ping),
        ],
    }]
}

fn median(mut nanoseconds: Vec<u64>) -> u64 {
    nanoseconds.sort_unstable();
    nanoseconds[nanoseconds.len() / 2]
}

fn ping<T: Tx, R: Rx>(make: impl Fn() -> (T, R)) -> u64 {
    let (mut ping, mut pinged) = make();
    let (mut pong, mut ponged) = make();
    let echo = std::thread::spawn(move || {
        while let Some(item) = pinged.pull() {
            pong.push(item + 1);
        }
    });
    let mut nanoseconds = Vec::with_capacity(trips() as usize);
    for item in 0..trips() + WARM {
        let start = Instant::now();
        ping.push(item);
        let back = ponged.pull();
        let time = start.elapsed().as_nanos() as u64;
        assert_eq!(back, Some(item + 1));
        if item >= WARM {
            nanoseconds.push(time);
        }
    }
    drop(ping);
    echo.join().expect("it does not panic");
    median(nanoseconds)
}

fn tokio_ping() -> u64 {
    TOKIO.block_on(async {
        let (ping, mut pinged) = tokio::sync::mpsc::channel::<u64>(1);
        let (pong, mut ponged) = tokio::sync::mpsc::channel::<u64>(1);
        tokio::spawn(async move {
            while let Some(item) = pinged.recv().await {
                pong.send(item + 1).await.expect("the other end is there");
            }
        });
        let both = tokio::spawn(async move {
            let mut nanoseconds = Vec::with_capacity(trips() as usize);
            for item in 0..trips() + WARM {
                let start = Instant::now();
                ping.send(item).await.expect("the other end is there");
                let back = ponged.recv().await;
                let time = start.elapsed().as_nanos() as u64;
                assert_eq!(back, Some(item + 1));
                if item >= WARM {
                    nanoseconds.push(time);
                }
            }
            median(nanoseconds)
        });
        both.await.expect("no task panics")
    })
}

/// A boundary with room for one: for each item a request goes one way and the item the other.
fn ours() -> u64 {
    let (send, receive) = channel();
    millstream::from_iter(0..trips() + WARM)
        .subscribe_on(THREADS[0].handle())
        .publish_on(THREADS[1].handle(), 1)
        .subscribe(Laps { last: None, left: WARM, nanoseconds: Vec::new(), send });
    receive.recv().expect("it ends")
}

/// Takes the time between each item and the next.
struct Laps {
    last: Option<Instant>,
    left: u64,
    nanoseconds: Vec<u64>,
    send: Sender<u64>,
}

impl Subscriber<u64, Infallible> for Laps {
    type Active = Laps;

    fn on_subscribe(mut self, subscription: Subscription) -> Laps {
        self.nanoseconds.reserve_exact(trips() as usize);
        subscription.request(Demand::UNBOUNDED);
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<u64, Infallible> for Laps {
    fn on_next(&mut self, _: u64) -> More {
        let now = Instant::now();
        if self.left > 0 {
            self.left -= 1;
        } else if let Some(last) = self.last {
            self.nanoseconds.push((now - last).as_nanos() as u64);
        }
        self.last = Some(now);
        More::NONE
    }

    fn on_complete(self) {
        let _gone = self.send.send(median(self.nanoseconds));
    }

    fn on_error(self, error: Infallible) {
        match error {}
    }
}
