//! W10: each item to several subscribers.

use std::hint::black_box;

use tokio::sync::broadcast::error::RecvError;

use super::peer;
use crate::executors::with_tokio_here;
use crate::peers::subscribe_each;
use crate::{Kind, Measure, Promise, Workload, add_up, items};

/// How far one subscriber may be ahead of another.
const CAPACITY: usize = 256;

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W10",
        task: "each item to eight subscribers, per item and subscriber",
        measure: Measure::Alone,
        size: || 8 * items(),
        promise: Promise::NONE,
        peers: vec![
            peer(Kind::Limit, "a loop", || counted(items(), 8)),
            peer(Kind::Ours, "millstream, publish", || published(items(), 8)),
            peer(Kind::Ours, "millstream, broadcast", || {
                use millstream::prelude::*;
                subscribe_each(millstream::from_iter(0..items()).broadcast::<8>(CAPACITY))
            }),
            peer(Kind::Library, "rxrust, subject", || observed(items(), 8)),
            peer(Kind::Library, "tokio, broadcast", || told(items(), 8)),
        ],
    }]
}

/// The least: a loop over the totals.
#[inline]
pub(crate) fn counted(n: u64, subscribers: u64) -> u64 {
    let mut totals = vec![0; black_box(subscribers) as usize];
    for item in 0..n {
        for total in &mut totals {
            *total = add_up(*total, item);
        }
    }
    totals.into_iter().fold(0, u64::wrapping_add)
}

/// Ours.
#[inline]
pub(crate) fn published(n: u64, subscribers: u64) -> u64 {
    use millstream::prelude::*;
    let subscribers = subscribers as usize;
    let shared = millstream::from_iter(0..n).publish(CAPACITY).auto_connect(subscribers);
    subscribe_each(std::iter::repeat_n(shared, subscribers))
}

/// That of rxrust: no demand, and no queue.
#[inline]
pub(crate) fn observed(n: u64, subscribers: u64) -> u64 {
    use std::cell::Cell;
    use std::rc::Rc;

    use rxrust::prelude::*;
    let totals: Vec<_> = (0..subscribers).map(|_| Rc::new(Cell::new(0))).collect();
    let mut subject = Local::subject();
    for total in &totals {
        let total = total.clone();
        subject.clone().subscribe(move |item: u64| total.set(add_up(total.get(), item)));
    }
    for item in 0..n {
        subject.next(item);
    }
    totals.iter().fold(0, |sum, total| sum.wrapping_add(total.get()))
}

/// That of tokio, on one thread: a sender never waits there, and who is slow loses items, so it
/// steps back when the queue is full, until all have taken what is in it.
#[inline]
pub(crate) fn told(n: u64, subscribers: u64) -> u64 {
    with_tokio_here(|runtime| {
        runtime.block_on(async {
            let (sender, _) = tokio::sync::broadcast::channel::<u64>(CAPACITY);
            let sums: Vec<_> = (0..subscribers)
                .map(|_| {
                    let mut receiver = sender.subscribe();
                    tokio::spawn(async move {
                        let mut total = 0;
                        loop {
                            match receiver.recv().await {
                                Ok(item) => total = add_up(total, item),
                                Err(RecvError::Closed) => return total,
                                Err(lagged) => panic!("{lagged}"),
                            }
                        }
                    })
                })
                .collect();
            for item in 0..n {
                if item % CAPACITY as u64 == 0 {
                    while !sender.is_empty() {
                        tokio::task::yield_now().await;
                    }
                }
                sender.send(item).expect("somebody receives");
            }
            drop(sender);
            let mut total = 0;
            for sum in sums {
                total = u64::wrapping_add(total, sum.await.expect("no task panics"));
            }
            total
        })
    })
}
