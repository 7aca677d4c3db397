//! The sinks of the peers: each adds up what it gets.

use std::cell::Cell;
use std::convert::Infallible;

use futures::future::ready;
use futures::{Stream, StreamExt};
use millstream::prelude::*;
use millstream::{Demand, More, Subscription};

use crate::add_up;
use crate::model::UNBOUNDED;

thread_local! {
    // A subscriber owns what it holds, and these would allocate to share it.
    static RESULT: Cell<u64> = const { Cell::new(0) };
}

/// What a subscriber does with its handle.
trait Holds: Default + Send + 'static {
    fn hold(&mut self, subscription: Subscription);
}

/// Lets it go: it asks by its answers.
#[derive(Default)]
struct LetsGo;

impl Holds for LetsGo {
    #[inline]
    fn hold(&mut self, subscription: Subscription) {
        subscription.detach();
    }
}

/// Keeps it, and could cancel.
#[derive(Default)]
struct Keeps(Option<Subscription>);

impl Holds for Keeps {
    #[inline]
    fn hold(&mut self, subscription: Subscription) {
        self.0 = Some(subscription);
    }
}

/// A hand-written subscriber: asks for `BATCH`, and for as many again when they have come. It keeps
/// what is still to come: to count down to zero is an instruction less than up to a number.
struct Sum<F, H, const BATCH: u64> {
    add: F,
    total: u64,
    left: u64,
    handle: H,
}

impl<T, F, H, const BATCH: u64> Subscriber<T, Infallible> for Sum<F, H, BATCH>
where
    T: Send + 'static,
    F: Fn(u64, T) -> u64 + Send + 'static,
    H: Holds,
{
    type Active = Self;

    #[inline]
    fn on_subscribe(mut self, subscription: Subscription) -> Self {
        subscription.request(Demand::of(BATCH));
        self.handle.hold(subscription);
        self
    }
}

impl<T, F, H, const BATCH: u64> ActiveSubscriber<T, Infallible> for Sum<F, H, BATCH>
where
    T: Send + 'static,
    F: Fn(u64, T) -> u64 + Send + 'static,
    H: Holds,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        self.total = (self.add)(self.total, item);
        if BATCH == UNBOUNDED {
            return More::NONE;
        }
        if BATCH == 1 {
            return More::ONE;
        }
        self.left -= 1;
        if self.left > 0 {
            return More::NONE;
        }
        self.left = BATCH;
        More::of(BATCH)
    }

    #[inline]
    fn on_complete(self) {
        RESULT.set(RESULT.get().wrapping_add(self.total));
    }

    fn on_error(self, error: Infallible) {
        match error {}
    }
}

#[inline]
fn sum<T: Send + 'static, H: Holds, const BATCH: u64>(
    publisher: impl Publisher<Item = T, Error = Infallible>,
    add: impl Fn(u64, T) -> u64 + Send + 'static,
) -> u64 {
    RESULT.set(0);
    publisher.subscribe(Sum::<_, H, BATCH> { add, total: 0, left: BATCH, handle: H::default() });
    RESULT.get()
}

/// Subscribes to `publisher`, asking for `BATCH` at a time by answers; the handle is let go.
#[inline]
pub fn subscribe<const BATCH: u64>(
    publisher: impl Publisher<Item = u64, Error = Infallible>,
) -> u64 {
    sum::<_, LetsGo, BATCH>(publisher, add_up)
}

/// Subscribes to each of `publishers`, for all of its items.
#[inline]
pub fn subscribe_each(
    publishers: impl IntoIterator<Item: Publisher<Item = u64, Error = Infallible>>,
) -> u64 {
    RESULT.set(0);
    for publisher in publishers {
        publisher.subscribe(Sum::<_, LetsGo, UNBOUNDED> {
            add: add_up,
            total: 0,
            left: UNBOUNDED,
            handle: LetsGo,
        });
    }
    RESULT.get()
}

/// As [`subscribe`], with the handle kept: somebody could cancel.
#[inline]
pub fn subscribe_keeping<const BATCH: u64>(
    publisher: impl Publisher<Item = u64, Error = Infallible>,
) -> u64 {
    sum::<_, Keeps, BATCH>(publisher, add_up)
}

/// Subscribes to all of `publisher`, and adds by `add`.
#[inline]
pub fn subscribe_by<T: Send + 'static>(
    publisher: impl Publisher<Item = T, Error = Infallible>,
    add: impl Fn(u64, T) -> u64 + Send + 'static,
) -> u64 {
    sum::<_, LetsGo, UNBOUNDED>(publisher, add)
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
pub fn wait(stream: impl Stream<Item = u64> + Unpin) -> u64 {
    wait_by(stream, add_up)
}

/// Awaits all of `stream`, and adds by `add`. Not pinned: the compiler sees through it then.
#[inline]
pub fn wait_by<T>(mut stream: impl Stream<Item = T> + Unpin, add: impl Fn(u64, T) -> u64) -> u64 {
    futures::executor::block_on(async {
        let mut total = 0;
        while let Some(item) = stream.next().await {
            total = add(total, item);
        }
        total
    })
}

/// Awaits all of `stream`, by `fold`: the same, and now faster, now slower.
#[inline]
pub fn wait_by_fold(stream: impl Stream<Item = u64>) -> u64 {
    futures::executor::block_on(stream.fold(0, |total, item| ready(add_up(total, item))))
}

/// Subscribes to an rxrust observable: its types are not worth naming.
#[macro_export]
macro_rules! observe {
    ($observable:expr) => {
        $crate::observe!($observable, $crate::add_up)
    };
    ($observable:expr, $add:expr) => {{
        let total = std::cell::Cell::new(0);
        $observable.subscribe(|item| total.set($add(total.get(), item)));
        total.get()
    }};
}
