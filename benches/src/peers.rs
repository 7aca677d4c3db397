//! The sinks of the peers: each adds up what it gets.

use std::cell::Cell;
use std::convert::Infallible;

use futures::{Stream, StreamExt};
use millstream::prelude::*;
use millstream::{Demand, More, Subscription};

use crate::add_up;
use crate::model::UNBOUNDED;

thread_local! {
    // A subscriber owns what it holds, and these would allocate to share it.
    static RESULT: Cell<u64> = const { Cell::new(0) };
}

/// A hand-written subscriber: asks for `BATCH`, and for as many again when they have come.
#[derive(Debug)]
struct Sum<const BATCH: u64> {
    total: u64,
    got: u64,
}

impl<const BATCH: u64> Subscriber<u64, Infallible> for Sum<BATCH> {
    type Active = Self;

    #[inline]
    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::of(BATCH));
        subscription.detach();
        self
    }
}

impl<const BATCH: u64> ActiveSubscriber<u64, Infallible> for Sum<BATCH> {
    #[inline]
    fn on_next(&mut self, item: u64) -> More {
        self.total = add_up(self.total, item);
        if BATCH == UNBOUNDED {
            return More::NONE;
        }
        self.got += 1;
        if self.got < BATCH {
            return More::NONE;
        }
        self.got = 0;
        More::of(BATCH)
    }

    #[inline]
    fn on_complete(self) {
        RESULT.set(self.total);
    }

    fn on_error(self, error: Infallible) {
        match error {}
    }
}

/// Subscribes to `publisher`, asking for `BATCH` at a time.
#[inline]
pub fn subscribe<const BATCH: u64>(
    publisher: impl Publisher<Item = u64, Error = Infallible>,
) -> u64 {
    RESULT.set(0);
    publisher.subscribe(Sum::<BATCH> { total: 0, got: 0 });
    RESULT.get()
}

/// Runs through `items`.
#[inline]
pub fn iterate(items: impl Iterator<Item = u64>) -> u64 {
    let mut total = 0;
    for item in items {
        total = add_up(total, item);
    }
    total
}

/// Awaits all of `stream`.
#[inline]
pub fn wait(stream: impl Stream<Item = u64>) -> u64 {
    let mut stream = std::pin::pin!(stream);
    futures::executor::block_on(async {
        // `fold` says the same; this takes fewer instructions.
        let mut total = 0;
        while let Some(item) = stream.next().await {
            total = add_up(total, item);
        }
        total
    })
}

/// Subscribes to an rxrust observable: its types are not worth naming.
#[macro_export]
macro_rules! observe {
    ($observable:expr) => {{
        let total = std::cell::Cell::new(0);
        $observable.subscribe(|item| total.set($crate::add_up(total.get(), item)));
        total.get()
    }};
}
