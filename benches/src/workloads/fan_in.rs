//! W5: several sources, one sink.

use std::hint::black_box;
use std::ops::Range;

use futures::channel::mpsc;
use futures::future::{join, join_all};
use futures::{Stream, StreamExt, stream};
use millstream::{Publisher, Subscriber};

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Measure, Peer, Promise, Workload, add_up, items, observe};

/// One of four parts of the items.
fn part(n: u64) -> Range<u64> {
    let size = items() / 4;
    black_box(n * size)..black_box((n + 1) * size)
}

/// A publisher by hand around another: it cannot be pulled, and sends what it is asked for.
struct Pushing<P>(P);

impl<P: Publisher> Publisher for Pushing<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }
}

pub(super) fn workloads() -> Vec<Workload> {
    let mut boxed = merge_peers();
    boxed[1] = peer(Kind::Ours, "millstream", || {
        use millstream::prelude::*;
        let sources = (0..4).map(|n| millstream::from_iter(part(n)).boxed());
        subscribe::<UNBOUNDED>(millstream::merge_all(sources, 256))
    });
    boxed.push(peer(Kind::Library, "futures, boxed", || {
        wait(stream::select_all((0..4).map(|n| stream::iter(part(n)).boxed())))
    }));
    let mut pushed = merge_peers();
    pushed[1] = peer(Kind::Ours, "millstream", || {
        let sources = (0..4).map(|n| Pushing(millstream::from_iter(part(n))));
        subscribe::<UNBOUNDED>(millstream::merge_all(sources, 256))
    });
    pushed.push(peer(Kind::Library, "rxrust, shared", || {
        use rxrust::prelude::*;
        let source = |n| Shared::from_iter(part(n));
        observe!(source(0).merge(source(1)).merge(source(2)).merge(source(3)))
    }));
    // Four that push by doors which are for any thread, and one that takes: tasks on this one.
    pushed.push(peer(Kind::Library, "futures, four channels", || {
        let (doors, queues): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel(256)).unzip();
        on_one_thread(
            doors,
            async |door: &mut mpsc::Sender<u64>, item| {
                futures::SinkExt::feed(door, item).await.is_ok()
            },
            stream::select_all(queues),
        )
    }));
    pushed.push(peer(Kind::Library, "tokio, one channel", || {
        let (door, mut queue) = tokio::sync::mpsc::channel(256);
        let doors = vec![door; 4];
        on_one_thread(
            doors,
            async |door: &mut tokio::sync::mpsc::Sender<u64>, item| door.send(item).await.is_ok(),
            stream::poll_fn(move |cx| queue.poll_recv(cx)),
        )
    }));
    pushed.push(peer(Kind::Library, "crossbeam, four channels", selected));
    vec![
        Workload {
            name: "W5/merge",
            task: "four sources merged",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(1.7),
                of_best: Some(1.0),
                of_jvm: Some(0.4),
                ..Promise::NONE
            },
            peers: merge_peers(),
        },
        Workload {
            name: "W5/boxed",
            task: "four sources merged whose types nobody knows",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(2.5),
                of_best: Some(1.5),
                of_jvm: Some(0.6),
                ..Promise::NONE
            },
            peers: boxed,
        },
        Workload {
            name: "W5/pushed",
            task: "four sources merged that may signal on any thread: a queue each",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(2.5),
                of_best: Some(1.5),
                of_jvm: Some(0.6),
                ..Promise::NONE
            },
            peers: pushed,
        },
        Workload {
            name: "W5/zip",
            task: "two sources zipped",
            measure: Measure::Alone,
            size: items,
            promise: Promise {
                of_limit: Some(6.0),
                of_best: Some(0.5),
                of_jvm: Some(0.1),
                ..Promise::NONE
            },
            peers: vec![
                peer(Kind::Limit, "iterator", || {
                    iterate((0..items()).zip(0..items()).map(|(a, b)| a + b))
                }),
                peer(Kind::Ours, "millstream", || {
                    use millstream::prelude::*;
                    let other = millstream::from_iter(0..items());
                    subscribe::<UNBOUNDED>(
                        millstream::from_iter(0..items()).zip(other, 256).map(|(a, b)| a + b),
                    )
                }),
                peer(Kind::Library, "futures", || {
                    use futures::StreamExt;
                    let other = stream::iter(0..items());
                    wait(stream::iter(0..items()).zip(other).map(|(a, b)| a + b))
                }),
                peer(Kind::Library, "rxrust", || {
                    use rxrust::prelude::*;
                    let other = Local::from_iter(0..items());
                    observe!(Local::from_iter(0..items()).zip(other).map(|(a, b)| a + b))
                }),
            ],
        },
    ]
}

/// Each part of the items is sent by its door, and what comes out of `queue` added up.
fn on_one_thread<S>(
    doors: Vec<S>,
    send: impl AsyncFn(&mut S, u64) -> bool + Copy,
    mut queue: impl Stream<Item = u64> + Unpin,
) -> u64 {
    let fill = |(n, mut door)| async move {
        for item in part(n) {
            assert!(send(&mut door, item).await, "the queue is there");
        }
    };
    let filled = join_all((0..).zip(doors).map(fill));
    let emptied = async {
        let mut total = 0;
        while let Some(item) = queue.next().await {
            total = add_up(total, item);
        }
        total
    };
    futures::executor::block_on(join(filled, emptied)).1
}

/// Nobody waits on one thread: each fills its channel, and then all are emptied.
fn selected() -> u64 {
    let (doors, queues): (Vec<_>, Vec<_>) = (0..4).map(|_| crossbeam_channel::bounded(256)).unzip();
    let mut left: Vec<_> = (0..4).map(part).collect();
    let mut select = crossbeam_channel::Select::new();
    for queue in &queues {
        select.recv(queue);
    }
    let mut total = 0;
    while left.iter().any(|part| !part.is_empty()) {
        for (part, door) in left.iter_mut().zip(&doors) {
            for item in part.take(256 - door.len()) {
                door.send(item).expect("the queue is there");
            }
        }
        while let Ok(ready) = select.try_select() {
            let queue = &queues[ready.index()];
            total = add_up(total, ready.recv(queue).expect("it is ready"));
        }
    }
    total
}

fn merge_peers() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterators, chained", || {
            iterate(part(0).chain(part(1)).chain(part(2)).chain(part(3)))
        }),
        peer(Kind::Ours, "millstream", || {
            let sources = (0..4).map(|n| millstream::from_iter(part(n)));
            subscribe::<UNBOUNDED>(millstream::merge_all(sources, 256))
        }),
        peer(Kind::Library, "futures, select_all", || {
            wait(stream::select_all((0..4).map(|n| stream::iter(part(n)))))
        }),
        peer(Kind::Library, "futures, select", || {
            let source = |n| stream::iter(part(n));
            wait(stream::select(
                stream::select(source(0), source(1)),
                stream::select(source(2), source(3)),
            ))
        }),
        peer(Kind::Library, "tokio-stream", || {
            use tokio_stream::StreamExt;
            let source = |n| stream::iter(part(n));
            let (first, second) = (source(0).merge(source(1)), source(2).merge(source(3)));
            wait(first.merge(second))
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            let source = |n| Local::from_iter(part(n));
            observe!(source(0).merge(source(1)).merge(source(2)).merge(source(3)))
        }),
    ]
}
