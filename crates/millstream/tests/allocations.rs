//! What is allocated: once for a subscription, never for an item.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use millstream::prelude::*;
use millstream::{Demand, More, Subscription};

struct Counting;

thread_local! {
    // Per thread, since tests run side by side.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static RECEIVED: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    // A thread may allocate while its locals are gone.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as asked of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as asked of the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as asked of the caller.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(task: impl FnOnce()) -> usize {
    let before = COUNT.get();
    task();
    COUNT.get() - before
}

/// Counts what it gets, and asks for `batch` more whenever it has had as many.
struct Plain {
    batch: u64,
    got: u64,
}

impl Subscriber<u64, Infallible> for Plain {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::of(self.batch));
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<u64, Infallible> for Plain {
    fn on_next(&mut self, _: u64) -> More {
        RECEIVED.set(RECEIVED.get() + 1);
        self.got += 1;
        if self.got.is_multiple_of(self.batch) { More::of(self.batch) } else { More::NONE }
    }

    fn on_complete(self) {}

    fn on_error(self, error: Infallible) {
        match error {}
    }
}

/// Subscribes a plain subscriber: how many items it got, and what was allocated for that.
fn subscribe(
    publisher: impl Publisher<Item = u64, Error = Infallible>,
    batch: u64,
) -> (u64, usize) {
    RECEIVED.set(0);
    let count = allocations(|| publisher.subscribe(Plain { batch, got: 0 }));
    (RECEIVED.get(), count)
}

/// A collection that keeps nothing but how much there was.
#[derive(Default)]
struct Count(u64);

impl Extend<u64> for Count {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, items: I) {
        items.into_iter().for_each(|_| self.0 += 1);
    }
}

fn chain(n: u64) -> impl Publisher<Item = u64, Error = Infallible> {
    millstream::from_iter(0u64..)
        .map(|item| item + 1)
        .filter(|item| item % 2 == 0)
        .take(n)
        .map(|item| item * 3)
}

fn boxed_chain(n: u64) -> impl Publisher<Item = u64, Error = Infallible> {
    millstream::from_iter(0u64..)
        .boxed()
        .map(|item| item + 1)
        .boxed()
        .filter(|item| item % 2 == 0)
        .boxed()
        .take(n)
        .boxed()
}

#[test]
fn assembling_a_chain_allocates_nothing() {
    assert_eq!(allocations(|| drop(chain(10))), 0);
}

#[test]
fn a_plain_subscription_allocates_once_however_many_items_and_requests() {
    for batch in [1, 128, Demand::UNBOUNDED.get()] {
        for n in [10, 10_000] {
            assert_eq!(subscribe(chain(n), batch), (n, 1), "{n} items in batches of {batch}");
        }
    }
}

#[test]
fn a_blocking_end_allocates_twice_however_many_items() {
    for n in [10, 10_000] {
        let mut got = 0;
        let count = allocations(|| {
            got = chain(n).collect::<Count>().block().map_or(0, |count| count.0);
        });
        assert_eq!((got, count), (n, 2));
    }
}

#[test]
fn an_awaited_end_allocates_twice_however_many_items() {
    for n in [10, 10_000] {
        let mut end = std::pin::pin!(chain(n).collect::<Count>());
        let mut polled = Poll::Pending;
        let count = allocations(|| {
            polled = end.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        assert!(matches!(polled, Poll::Ready(Ok(Count(got))) if got == n), "{n} items");
        assert_eq!(count, 2, "{n} items");
    }
}

#[test]
fn boxed_stages_allocate_at_subscription_only() {
    // The island; and for each of the four boxes the publisher (made here, before), and the place of
    // the subscriber, which becomes active there.
    for n in [10, 10_000] {
        assert_eq!(subscribe(boxed_chain(n), 1), (n, 1 + 4));
    }
}

/// What `run` allocates for few items and for many.
fn for_few_and_many(mut run: impl FnMut(u64) -> u64) -> [usize; 2] {
    // Once before: a thread allocates what it needs for the first time.
    run(10);
    [10, 10_000].map(|n| {
        let mut got = 0;
        let count = allocations(|| got = run(n));
        assert_eq!(got, n);
        count
    })
}

#[test]
fn an_envelope_allocates_nothing() {
    let done = |_| Ok::<_, Infallible>(());
    let [few, many] = for_few_and_many(|n| {
        let (mut got, (tells, told)) = (0, std::sync::mpsc::channel());
        let each = move |_| {
            got += 1;
            if got == n {
                tells.send(got).unwrap();
            }
        };
        chain(n)
            .acked(4, |_| ())
            .commit_in_order(0, done)
            .filter(|_| true)
            .for_each(each)
            .block()
            .unwrap();
        told.recv().unwrap()
    });
    assert_eq!(few, many, "acknowledged at once");
    // Behind an item that stays open, and as several.
    let [few, many] = for_few_and_many(|n| {
        let acked = chain(n).acked(4, |_| ()).commit_in_order(usize::MAX, done);
        let children = acked.concat_map_iter(|n| [n, n]).into_unguarded();
        let mut open = None;
        let mut got = 0;
        let (tells, told) = std::sync::mpsc::channel();
        let each = move |envelope: millstream::ack::Acked<u64>| {
            got += 1;
            if got == 2 * n {
                tells.send(got / 2).unwrap();
            }
            match open {
                None => open = Some(envelope),
                Some(_) => envelope.map(drop).ack(),
            }
        };
        children.for_each(each).block().unwrap();
        told.recv().unwrap()
    });
    assert_eq!(few, many, "acknowledged behind a hole");
}

mod edges {
    use millstream::edge::{AsyncSource, AsyncTarget};
    use millstream::executor::CurrentThread;

    use super::*;

    struct Numbers(u64);

    impl AsyncSource for Numbers {
        type Item = u64;
        type Error = Infallible;

        async fn next(&mut self) -> Result<Option<u64>, Infallible> {
            self.0 = match self.0.checked_sub(1) {
                Some(less) => less,
                None => return Ok(None),
            };
            Ok(Some(self.0))
        }
    }

    struct Total(u64);

    impl AsyncTarget<u64> for Total {
        type Output = u64;
        type Error = Infallible;

        async fn send(&mut self, _: u64) -> Result<(), Infallible> {
            self.0 += 1;
            Ok(())
        }

        async fn close(self) -> Result<u64, Infallible> {
            Ok(self.0)
        }
    }

    #[test]
    fn a_polled_source_allocates_nothing_for_an_item() {
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let numbers = millstream::from_source(executor.handle(), Numbers(n));
            executor.run_until(numbers.count()).unwrap()
        });
        assert_eq!(few, many);
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let next = move |sent| async move { (sent < n).then_some((sent, sent + 1)) };
            let numbers = millstream::unfold_async(executor.handle(), 0, next);
            executor.run_until(numbers.count()).unwrap()
        });
        assert_eq!(few, many);
    }

    #[test]
    fn a_target_allocates_nothing_for_an_item() {
        let [few, many] = for_few_and_many(|n| chain(n).into_target(Total(0)).block().unwrap());
        assert_eq!(few, many);
        // Behind a queue.
        let [few, many] =
            for_few_and_many(|n| chain(n).boxed().into_target(Total(0)).block().unwrap());
        assert_eq!(few, many);
    }

    #[cfg(feature = "futures")]
    #[test]
    fn a_stream_allocates_nothing_for_an_item_either_way() {
        use futures::StreamExt;

        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let numbers = millstream::from_stream(executor.handle(), futures::stream::iter(0..n));
            executor.run_until(numbers.count()).unwrap()
        });
        assert_eq!(few, many);
        let [few, many] = for_few_and_many(|n| {
            let stream = chain(n).boxed().into_stream(16).or_panic();
            futures::executor::block_on(stream.fold(0, |all, _| async move { all + 1 }))
        });
        assert_eq!(few, many);
    }
}

/// On one thread, since that is where allocations are counted; what a stage does does not depend
/// on the executor that runs it.
mod boundaries {
    use millstream::executor::CurrentThread;

    use super::*;

    #[test]
    fn a_hop_allocates_nothing_for_an_item() {
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let on = || executor.handle();
            let hops = chain(n).subscribe_on(on()).publish_on(on(), 4).publish_on(on(), 64);
            executor.run_until(hops.count()).unwrap()
        });
        assert_eq!(few, many, "pushed");
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            executor.run_until(chain(n).publish_on(executor.handle(), 4).count()).unwrap()
        });
        assert_eq!(few, many, "pulled");
        let [few, many] =
            for_few_and_many(|n| chain(n).boxed().prefetch(4).count().block().unwrap());
        assert_eq!(few, many, "on the same thread");
    }

    #[test]
    fn flattening_of_static_inner_publishers_allocates_nothing_for_one() {
        for size in [1, 10] {
            let [few, many] = for_few_and_many(|n| {
                let inner = move |first| millstream::from_iter(first..first + size);
                let outer = millstream::from_iter(0..n / size);
                outer.flat_map_unordered(4, 4, inner).count().block().unwrap()
            });
            assert_eq!(few, many, "unordered, of {size}");
            let [few, many] = for_few_and_many(|n| {
                let inner = move |first| millstream::from_iter(first..first + size);
                millstream::from_iter(0..n / size).concat_map(inner).count().block().unwrap()
            });
            assert_eq!(few, many, "one by one, of {size}");
        }
    }

    #[test]
    fn merge_and_zip_allocate_nothing_for_an_item() {
        let [few, many] = for_few_and_many(|n| {
            let sources = (0..2).map(|_| millstream::from_iter(0..n / 2));
            millstream::merge_all(sources, 4).count().block().unwrap()
        });
        assert_eq!(few, many, "merge in place");
        let [few, many] = for_few_and_many(|n| {
            let sources = (0..2).map(|_| millstream::from_iter(0..n / 2).boxed());
            millstream::merge_all(sources, 4).count().block().unwrap()
        });
        assert_eq!(few, many, "merge of boxes");
        let [few, many] = for_few_and_many(|n| {
            let one = || millstream::from_iter(0..n);
            one().zip(one(), 4).count().block().unwrap()
        });
        assert_eq!(few, many, "zip in place");
        let [few, many] = for_few_and_many(|n| {
            let one = || millstream::from_iter(0..n).boxed();
            one().zip(one(), 4).count().block().unwrap()
        });
        assert_eq!(few, many, "zip of boxes");
    }

    #[test]
    fn a_limit_that_is_not_used_costs_no_allocation() {
        let with = |limit| {
            allocations(|| {
                let executor = CurrentThread::new();
                let results = chain(100).map_async(executor.handle(), limit, |n| async move { n });
                assert_eq!(executor.run_until(results.count()).unwrap(), 100);
            })
        };
        assert_eq!(with(2), with(1 << 20));
    }

    #[test]
    fn a_future_that_is_ready_costs_map_async_no_allocation() {
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let results = chain(n).map_async(executor.handle(), 16, |n| async move { n + 1 });
            executor.run_until(results.count()).unwrap()
        });
        assert_eq!(few, many, "in order");
        let [few, many] = for_few_and_many(|n| {
            let executor = CurrentThread::new();
            let results =
                chain(n).map_async_unordered(executor.handle(), 16, |n| async move { n + 1 });
            executor.run_until(results.count()).unwrap()
        });
        assert_eq!(few, many, "as they come");
    }
}
