//! Claims of the stages that know keys, and of the asynchronous ones that they are like.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use futures::channel::oneshot;
use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::{BoxPublisher, End, Failure, Fault, More};

use Ending::{Complete, Fail, Never};

/// Wakes itself and is pending, so many times.
struct Yields(u32);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Futures that the test finishes, in any order.
#[derive(Clone, Default)]
struct Gates(Arc<Mutex<HashMap<u32, oneshot::Sender<()>>>>);

impl Gates {
    /// A future for item `n` that waits for [`open`](Gates::open).
    fn pass(&self, item: Item) -> impl Future<Output = Item> + Send + 'static + use<> {
        let (open, opened) = oneshot::channel();
        self.0.lock().unwrap().insert(item.0, open);
        async move {
            opened.await.unwrap();
            item
        }
    }

    fn open(&self, n: u32) {
        let gate = self.0.lock().unwrap().remove(&n);
        gate.expect("it has started").send(()).unwrap();
    }

    /// The items whose futures have started and are not done.
    fn started(&self) -> Vec<u32> {
        let mut started: Vec<u32> = self.0.lock().unwrap().keys().copied().collect();
        started.sort_unstable();
        started
    }
}

/// The key of an item: its tens.
fn tens(item: &Item) -> u32 {
    item.0 / 10
}

fn items(mint: &Mint, numbers: &[u32]) -> BoxPublisher<Item, &'static str> {
    let items: Vec<Item> = numbers.iter().map(|n| mint.item(*n)).collect();
    millstream::from_iter(items).map_err(|never| match never {}).boxed()
}

/// The ordered form or the unordered one, with futures that `gates` holds up.
fn gated(
    ordered: bool,
    executor: &Seeded,
    limit: usize,
    gates: &Gates,
    source: impl Publisher<Item = Item, Error = &'static str>,
) -> BoxPublisher<Item, &'static str> {
    let gates = gates.clone();
    let f = move |item| gates.pass(item);
    match ordered {
        true => source.map_async_partitioned(executor.clone(), limit, tens, f).boxed(),
        false => source.map_async_partitioned_unordered(executor.clone(), limit, tens, f).boxed(),
    }
}

#[test]
fn one_of_each_key_is_in_flight_and_other_keys_go_on() {
    for ordered in [true, false] {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(1), Gates::default());
        let source = items(&mint, &[11, 12, 21, 13, 31]);
        let probe = Probe::new().asking(More::UNBOUNDED);
        let probe = probe.on(gated(ordered, &executor, 8, &gates, source));
        executor.run_until_idle();
        assert_eq!(gates.started(), [11, 21, 31]);
        gates.open(21);
        executor.run_until_idle();
        assert_eq!(gates.started(), [11, 31]);
        assert_eq!(probe.take(), if ordered { vec![] } else { next([21]) });
        gates.open(11);
        executor.run_until_idle();
        assert_eq!(gates.started(), [12, 31]);
        assert_eq!(probe.take(), next([11]));
        for n in [12, 13, 31] {
            gates.open(n);
            executor.run_until_idle();
        }
        let rest = if ordered { vec![12, 21, 13, 31] } else { vec![12, 13, 31] };
        assert_eq!(probe.take(), next_then(rest, Told::Complete));
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn the_next_of_a_key_starts_when_the_one_before_is_done_whether_or_not_it_was_sent() {
    for ordered in [true, false] {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(1), Gates::default());
        let source = items(&mint, &[11, 12]);
        let probe = Probe::new().on(gated(ordered, &executor, 8, &gates, source));
        executor.run_until_idle();
        gates.open(11);
        executor.run_until_idle();
        assert_eq!(gates.started(), [12], "nothing was asked for");
        assert_eq!(probe.take(), []);
        gates.open(12);
        executor.run_until_idle();
        probe.request(1);
        executor.run_until_idle();
        assert_eq!(probe.take(), next([11]));
        probe.request(1);
        executor.run_until_idle();
        assert_eq!(probe.take(), next_then([12], Told::Complete));
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn no_more_than_the_limit_is_taken_from_upstream_whatever_the_keys() {
    for ordered in [true, false] {
        for keys in [1_u32, 2, 9] {
            let (mint, executor, gates) = (Mint::new(), Seeded::new(1), Gates::default());
            let (hand, source) = Hand::new();
            let probe = Probe::new().on(gated(ordered, &executor, 3, &gates, source));
            executor.run_until_idle();
            assert_eq!(hand.asked(), [3]);
            let numbers: Vec<u32> = (0..5).map(|n| n % keys * 10 + 10 + n).collect();
            for n in &numbers[..3] {
                hand.send(mint.item(*n));
            }
            executor.run_until_idle();
            for n in &numbers[..3] {
                gates.open(*n);
                executor.run_until_idle();
            }
            assert_eq!(hand.asked(), [], "results that wait for demand are in the stage");
            probe.request(1);
            executor.run_until_idle();
            assert_eq!(probe.take(), next([numbers[0]]));
            assert_eq!(hand.asked(), [1]);
            hand.send(mint.item(numbers[3]));
            hand.end(End::Completed);
            executor.run_until_idle();
            gates.open(numbers[3]);
            probe.request(9);
            executor.run_until_idle();
            assert_eq!(probe.take(), next_then(numbers[1..4].iter().copied(), Told::Complete));
            assert_eq!(mint.live(), 0);
        }
    }
}

/// What is said of both forms, by a long row of items with few keys, futures that take as long as
/// they like, and an executor that runs what it likes; `yields` says how long an item takes.
fn keeps_the_order_of_each_key(limit: usize, keys: u32, ask: u64, yields: fn(u32) -> u32) {
    const ITEMS: u32 = 200;
    for seed in 0..10 {
        for ordered in [true, false] {
            let (mint, executor) = (Mint::new(), Seeded::new(seed));
            let flying: Arc<Mutex<HashMap<u32, u32>>> = Arc::default();
            let started: Arc<Mutex<Vec<u32>>> = Arc::default();
            let key = move |n: u32| n.wrapping_mul(2_654_435_761) >> 16 & 0xff;
            let (flights, starts) = (flying.clone(), started.clone());
            let f = move |item: Item| {
                let (flights, starts) = (flights.clone(), starts.clone());
                async move {
                    let key = key(item.0) % keys;
                    let before = flights.lock().unwrap().insert(key, item.0);
                    assert_eq!(before, None, "two of one key");
                    starts.lock().unwrap().push(item.0);
                    Yields(yields(item.0)).await;
                    flights.lock().unwrap().remove(&key);
                    item
                }
            };
            let source = script(&mint, 0, ITEMS, Complete).boxed();
            // What is over a box is not pulled, but asked for: as much as went on.
            let source = if seed % 2 == 0 { source } else { source.boxed() };
            let by = move |item: &Item| key(item.0) % keys;
            let stage = match ordered {
                true => source.map_async_partitioned(executor.clone(), limit, by, f).boxed(),
                false => {
                    source.map_async_partitioned_unordered(executor.clone(), limit, by, f).boxed()
                }
            };
            let probe = Probe::new().on(stage);
            let mut told = Vec::new();
            // Each time all is done that can be, and nothing is asked for.
            while told.last() != Some(&Told::Complete) {
                let before = told.len();
                probe.request(ask);
                executor.run_until_idle();
                told.extend(probe.take());
                assert!(told.len() > before, "seed {seed}: it stands still at {before}");
                let ahead = started.lock().unwrap().len() - told.len().min(ITEMS as usize);
                assert!(ahead <= limit, "seed {seed}: {ahead} in the stage");
            }
            assert_eq!(told.len(), ITEMS as usize + 1);
            let of_key = |numbers: &mut dyn Iterator<Item = u32>, k| {
                numbers.filter(|n| key(*n) % keys == k).collect::<Vec<_>>()
            };
            let mut sent = told.iter().map(|told| match told {
                Told::Next(n) => *n,
                _ => 0,
            });
            if ordered {
                assert!(sent.by_ref().take(ITEMS as usize).eq(1..=ITEMS));
            } else {
                let sent: Vec<u32> = sent.filter(|n| *n > 0).collect();
                for k in 0..keys {
                    let all = of_key(&mut (1..=ITEMS), k);
                    assert_eq!(of_key(&mut sent.iter().copied(), k), all, "seed {seed}");
                }
            }
            for k in 0..keys {
                let all = of_key(&mut (1..=ITEMS), k);
                let starts = of_key(&mut started.lock().unwrap().iter().copied(), k);
                assert_eq!(starts, all, "seed {seed}: the order of effects");
            }
            assert_eq!(mint.live(), 0, "seed {seed}");
        }
    }
}

/// Row 19 of the known bugs: futures that are complete at once, and few keys.
#[test]
fn row_19_no_item_that_waits_for_its_key_is_skipped() {
    for (limit, keys) in [(1, 1), (2, 1), (4, 2), (8, 3), (256, 2)] {
        // Ready at once, and such that others of their key wait for.
        keeps_the_order_of_each_key(limit, keys, 7, |_| 0);
        keeps_the_order_of_each_key(limit, keys, 7, |n| n % 3);
    }
}

/// pekko#3365: all results wait, nothing is asked for, and then something is.
#[test]
fn row_19_demand_that_resumes_after_none_goes_on() {
    for (limit, keys) in [(1, 1), (2, 2), (4, 2), (8, 3), (8, 200)] {
        for ask in [1, 2, 5] {
            keeps_the_order_of_each_key(limit, keys, ask, |n| n % 4);
        }
    }
}

#[test]
fn a_failure_of_upstream_comes_after_what_was_sent_before() {
    for ordered in [true, false] {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(3), Gates::default());
        let source = script(&mint, 10, 3, Fail("x"));
        let probe = Probe::new().asking(More::UNBOUNDED);
        let probe = probe.on(gated(ordered, &executor, 4, &gates, source));
        for n in [11, 12, 13] {
            executor.run_until_idle();
            gates.open(n);
        }
        executor.run_until_idle();
        assert_eq!(probe.take(), next_then([11, 12, 13], Told::Error("\"x\"".into())));
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn the_failure_of_a_future_ends_all_and_its_key_goes_no_further() {
    for ordered in [true, false] {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(3), Gates::default());
        let passes = gates.clone();
        let f = move |item: Item| {
            let passed = passes.pass(item);
            async move {
                let item = passed.await;
                if item.0 == 12 { Err("ouch") } else { Ok(item) }
            }
        };
        let source = items(&mint, &[11, 12, 13, 21]);
        let stage = match ordered {
            true => source.try_map_async_partitioned(executor.clone(), 8, tens, f).boxed(),
            false => {
                source.try_map_async_partitioned_unordered(executor.clone(), 8, tens, f).boxed()
            }
        };
        let probe = Probe::new().asking(More::UNBOUNDED).on(stage);
        executor.run_until_idle();
        gates.open(11);
        executor.run_until_idle();
        gates.open(12);
        executor.run_until_idle();
        assert_eq!(probe.take(), next_then([11], Told::Error("\"ouch\"".into())));
        assert!(!gates.started().contains(&13));
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn cancelling_drops_what_flies_what_waits_and_what_has_landed() {
    for ordered in [true, false] {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(3), Gates::default());
        let discarded = Arc::new(AtomicUsize::new(0));
        let (hand, source) = Hand::new();
        let count = discarded.clone();
        let stage = gated(ordered, &executor, 8, &gates, source).on_discard(move |_: Item| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let probe = Probe::new().on(stage);
        executor.run_until_idle();
        for n in [11, 12, 13, 21] {
            hand.send(mint.item(n));
        }
        executor.run_until_idle();
        gates.open(21);
        executor.run_until_idle();
        hand.send(mint.item(31));
        probe.cancel();
        executor.run_until_idle();
        assert!(hand.is_cancelled());
        assert_eq!(mint.live(), 0);
        assert_eq!(discarded.load(Ordering::Relaxed), 4, "12 and 13, 21, 31; 11 is in a future");
        assert!(!probe.is_held());
    }
}

#[test]
fn an_executor_that_goes_ends_it_with_a_fault() {
    let (mint, executor, gates) = (Mint::new(), Seeded::new(3), Gates::default());
    let source = items(&mint, &[11, 12]);
    let probe = Probe::new().asking(More::UNBOUNDED);
    let probe = probe.on(gated(true, &executor, 8, &gates, source));
    executor.run_until_idle();
    executor.drop_all();
    assert_eq!(probe.take(), [Told::Fault(Fault::ExecutorGone.to_string())]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_future_that_wakes_itself_does_not_keep_others_from_running() {
    let executor = Seeded::new(5);
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let waits = move |n: u32| {
        let seen = seen.clone();
        std::future::poll_fn(move |context| {
            if seen.load(Ordering::Relaxed) {
                return Poll::Ready(n);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    };
    for asked in [More::NONE, More::UNBOUNDED] {
        done.store(false, Ordering::Relaxed);
        let stage = millstream::range(1..4).map_async(executor.clone(), 2, waits.clone());
        let probe = Probe::new().asking(asked).on(stage);
        assert!(executor.step(), "it returns to its executor");
        done.store(true, Ordering::Relaxed);
        probe.request(3);
        executor.run_until_idle();
        assert_eq!(probe.take(), next_then([1, 2, 3], Told::Complete));
    }
}

mod for_each_concurrent {
    use super::*;

    #[test]
    fn it_asks_for_the_limit_and_for_one_more_per_future_that_is_done() {
        let (mint, executor, gates) = (Mint::new(), Seeded::new(1), Gates::default());
        let (hand, source) = Hand::new();
        let passes = gates.clone();
        let f = move |item| {
            let passed = passes.pass(item);
            async move { drop(passed.await) }
        };
        let end = source.for_each_concurrent(executor.clone(), 2, f);
        let mut end = Box::pin(end);
        let mut poll = || end.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(poll().is_pending());
        executor.run_until_idle();
        assert_eq!(hand.asked(), [2]);
        hand.send(mint.item(1));
        hand.send(mint.item(2));
        executor.run_until_idle();
        assert_eq!(hand.asked(), []);
        gates.open(2);
        // Nobody polls the end: its futures go on all the same.
        executor.run_until_idle();
        assert_eq!(hand.asked(), [1]);
        assert_eq!(mint.live(), 1);
        hand.send(mint.item(3));
        hand.end(End::Completed);
        executor.run_until_idle();
        assert!(poll().is_pending());
        gates.open(1);
        gates.open(3);
        executor.run_until_idle();
        assert!(matches!(poll(), Poll::Ready(Ok(()))));
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn the_first_failure_ends_it_and_drops_the_others() {
        let (mint, executor) = (Mint::new(), Seeded::new(1));
        let source = script(&mint, 0, 9, Never);
        let end = source.try_for_each_concurrent(executor.clone(), 3, |item| async move {
            match item.0 {
                2 => Err("ouch"),
                _ => std::future::pending().await,
            }
        });
        let failure = executor.run_until(end).unwrap_err();
        assert!(matches!(failure, Failure::Error("ouch")));
        executor.run_until_idle();
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn dropping_the_end_cancels() {
        let (mint, executor) = (Mint::new(), Seeded::new(1));
        let source = script(&mint, 0, 9, Never);
        let mut end =
            Box::pin(source.for_each_concurrent(executor.clone(), 3, |item| async move {
                std::future::pending::<()>().await;
                drop(item);
            }));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(end.as_mut().poll(&mut context).is_pending());
        executor.run_until_idle();
        assert_eq!(mint.live(), 4, "three in flight, and the source");
        drop(end);
        executor.run_until_idle();
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn a_panic_in_a_future_is_a_fault() {
        let executor = Seeded::new(1);
        let end =
            millstream::range(0..3).for_each_concurrent(executor.clone(), 2, |n| async move {
                assert!(n < 2, "ouch");
            });
        let failure = executor.run_until(end).unwrap_err();
        assert!(matches!(&failure, Failure::Fault(Fault::Panicked(_))), "{failure}");
    }
}
