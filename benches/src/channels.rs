//! The channels of the peers, so that all of them can run through the same pipeline.

use std::hint::black_box;
use std::thread;

use crate::add_up;

/// How many items each boundary has room for.
pub const BUFFER: usize = 256;

/// The end of a channel that items go in by.
pub trait Tx: Send + 'static {
    /// Puts an item in, and waits for room.
    fn push(&mut self, item: u64);
}

/// The end of a channel that items come out by.
pub trait Rx: Send + 'static {
    /// Takes an item out, and waits for one; `None` when the other end has gone.
    fn pull(&mut self) -> Option<u64>;
}

macro_rules! blocking_channel {
    ($tx:ty, $rx:ty) => {
        impl Tx for $tx {
            #[inline]
            fn push(&mut self, item: u64) {
                self.send(item).expect("the other end is there");
            }
        }
        impl Rx for $rx {
            #[inline]
            fn pull(&mut self) -> Option<u64> {
                self.recv().ok()
            }
        }
    };
}
blocking_channel!(crossbeam_channel::Sender<u64>, crossbeam_channel::Receiver<u64>);
blocking_channel!(flume::Sender<u64>, flume::Receiver<u64>);
blocking_channel!(kanal::Sender<u64>, kanal::Receiver<u64>);
blocking_channel!(std::sync::mpsc::SyncSender<u64>, std::sync::mpsc::Receiver<u64>);

/// Gives the core away after a while: with more threads than cores a bare spin would wait for a
/// whole slice of time.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn snooze(&mut self) {
        self.0 += 1;
        if self.0 < 64 {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

impl Tx for rtrb::Producer<u64> {
    #[inline]
    fn push(&mut self, item: u64) {
        let mut wait = Backoff::default();
        while rtrb::Producer::push(self, item).is_err() {
            wait.snooze();
        }
    }
}

impl Rx for rtrb::Consumer<u64> {
    #[inline]
    fn pull(&mut self) -> Option<u64> {
        let mut wait = Backoff::default();
        loop {
            if let Ok(item) = self.pop() {
                return Some(item);
            }
            if self.is_abandoned() {
                return self.pop().ok();
            }
            wait.snooze();
        }
    }
}

/// `n` items through `hops` channels, each end on a thread of its own; the last is this one, and
/// does `work` with each item.
pub fn through<T: Tx, R: Rx>(
    hops: usize,
    n: u64,
    make: impl Fn() -> (T, R),
    work: impl Fn(u64) -> u64,
) -> u64 {
    let (mut tx, mut rx) = make();
    let mut threads = vec![thread::spawn(move || {
        for item in 0..black_box(n) {
            tx.push(item + 1);
        }
    })];
    for _ in 1..hops {
        let (mut tx, next) = make();
        let mut from = std::mem::replace(&mut rx, next);
        threads.push(thread::spawn(move || {
            while let Some(item) = from.pull() {
                tx.push(item);
            }
        }));
    }
    let mut total = 0;
    while let Some(item) = rx.pull() {
        total = add_up(total, work(item));
    }
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    total
}

/// The end of a channel that a task puts items in by.
pub trait TaskTx: Send + 'static {
    /// Puts an item in, and waits for room.
    fn push(&mut self, item: u64) -> impl Future<Output = ()> + Send;
}

/// The end of a channel that a task takes items out by.
pub trait TaskRx: Send + 'static {
    /// Takes an item out, and waits for one; `None` when the other end has gone.
    fn pull(&mut self) -> impl Future<Output = Option<u64>> + Send;
}

impl TaskTx for tokio::sync::mpsc::Sender<u64> {
    async fn push(&mut self, item: u64) {
        self.send(item).await.expect("the other end is there");
    }
}

impl TaskRx for tokio::sync::mpsc::Receiver<u64> {
    async fn pull(&mut self) -> Option<u64> {
        self.recv().await
    }
}

impl TaskTx for futures::channel::mpsc::Sender<u64> {
    async fn push(&mut self, item: u64) {
        let room = std::future::poll_fn(|context| self.poll_ready(context)).await;
        room.and_then(|()| self.start_send(item)).expect("the other end is there");
    }
}

impl TaskRx for futures::channel::mpsc::Receiver<u64> {
    async fn pull(&mut self) -> Option<u64> {
        futures::StreamExt::next(self).await
    }
}

/// As [`through`], with a task of a tokio runtime for each thread.
pub fn through_tasks<T: TaskTx, R: TaskRx>(
    runtime: &tokio::runtime::Runtime,
    hops: usize,
    n: u64,
    make: impl Fn() -> (T, R),
    work: fn(u64) -> u64,
) -> u64 {
    runtime.block_on(async move {
        let (mut tx, mut rx) = make();
        tokio::spawn(async move {
            for item in 0..black_box(n) {
                tx.push(item + 1).await;
            }
        });
        for _ in 1..hops {
            let (mut tx, next) = make();
            let mut from = std::mem::replace(&mut rx, next);
            tokio::spawn(async move {
                while let Some(item) = from.pull().await {
                    tx.push(item).await;
                }
            });
        }
        let sum = tokio::spawn(async move {
            let mut total = 0;
            while let Some(item) = rx.pull().await {
                total = add_up(total, work(item));
            }
            total
        });
        sum.await.expect("no task panics")
    })
}
