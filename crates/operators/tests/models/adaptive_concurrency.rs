//! Models of `adaptive_concurrency`: its limit is cut and raised while futures are in flight, and
//! are made ready on other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use millstream_core::{Fault, More, Publisher};
use millstream_executors::{Executor, Task};
use millstream_operators::PublisherExt;
use millstream_operators::control::{Controller, Sample};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run, run_and_drop};

use crate::clock::TickingClock;
use crate::map_async::{Gate, Passing};
use crate::oracle::Signal::{Complete, Fault as Faulted};
use crate::oracle::{Hand, Oracle, Source, Token, begins};
use crate::{all, late, split};

/// Answers one limit after another, and the last for ever. What is asserted of it is noted, and
/// looked at in the end: nothing of this adds a schedule.
#[derive(Clone)]
struct Limits(Arc<Noted>);

struct Noted {
    limits: &'static [usize],
    most: usize,
    answered: AtomicUsize,
    /// Items that upstream sent, whose future was launched, and that were delivered.
    sent: AtomicUsize,
    launched: AtomicUsize,
    delivered: AtomicUsize,
    /// Launches above the limit, and those before which upstream had sent too much.
    too_many: AtomicUsize,
    too_much: AtomicUsize,
}

impl Limits {
    fn new(limits: &'static [usize]) -> Limits {
        let most = limits.iter().copied().max().unwrap_or(1);
        let [answered, sent, launched, delivered, too_many, too_much] =
            [(); 6].map(|()| AtomicUsize::new(0));
        Limits(Arc::new(Noted {
            limits,
            most,
            answered,
            sent,
            launched,
            delivered,
            too_many,
            too_much,
        }))
    }

    fn now(&self) -> usize {
        let answered = self.0.answered.load(SeqCst).min(self.0.limits.len() - 1);
        self.0.limits[answered]
    }

    /// Upstream sent an item.
    fn sent(&self) {
        self.0.sent.fetch_add(1, SeqCst);
    }

    /// A future is about to be launched: what is in the stage then is within the limit, and so is
    /// what upstream was asked for.
    fn launches(&self) {
        let noted = &self.0;
        let delivered = noted.delivered.load(SeqCst);
        let held = noted.launched.fetch_add(1, SeqCst) + 1 - delivered;
        noted.too_many.fetch_add(usize::from(held > self.now()), SeqCst);
        let asked = noted.sent.load(SeqCst) - delivered;
        noted.too_much.fetch_add(usize::from(asked > self.now()), SeqCst);
    }

    /// What a probe answers to an item.
    fn delivers(&self) -> impl FnMut(u32) -> More + Send + 'static {
        let limits = self.clone();
        move |_| {
            limits.0.delivered.fetch_add(1, SeqCst);
            More::NONE
        }
    }

    fn assert_kept(&self) {
        assert_eq!(self.0.too_many.load(SeqCst), 0, "launched above the limit");
        assert_eq!(self.0.too_much.load(SeqCst), 0, "asked for above the limit");
    }
}

impl Controller for Limits {
    fn limit(&self) -> f64 {
        self.now() as f64
    }

    fn most(&self) -> f64 {
        self.0.most as f64
    }

    fn adjust(&mut self, _: &Sample) -> f64 {
        self.0.answered.fetch_add(1, SeqCst);
        self.limit()
    }
}
/// A gate for each item, all but the first `shut` of them open, and the function that makes the
/// futures.
fn gates<const N: usize>(
    limits: &Limits,
    shut: usize,
) -> ([Gate; N], impl FnMut(Token) -> Passing + Send + 'static) {
    let gates: [Gate; N] = std::array::from_fn(|_| Gate::default());
    gates[shut..].iter().for_each(Gate::open);
    let (all, limits) = (gates.clone(), limits.clone());
    (gates, move |item: Token| {
        limits.launches();
        all[item.0 as usize].clone().pass(item)
    })
}

/// The items of a source, counted as they come.
fn counted(
    source: Source,
    limits: &Limits,
) -> impl Publisher<Item = Token, Error = crate::oracle::Error> + use<> {
    let limits = limits.clone();
    source.inspect(move |_| limits.sent())
}

/// The stage with these limits over a source: what is awaited, what is allowed, its task, and a gate
/// for each item, the first two of them shut.
fn flown<const N: usize>(
    limits: &'static [usize],
    source: impl FnOnce(&Oracle) -> Source,
) -> (Oracle, Limits, Task, [Gate; N]) {
    let (oracle, desk, limits) = (Oracle::new(), Desk::default(), Limits::new(limits));
    let (gates, f) = gates(&limits, 2.min(N));
    let time = desk.clone().with_clock(TickingClock::default());
    counted(source(&oracle), &limits)
        .adaptive_concurrency(time, limits.clone(), f)
        .subscribe(oracle.probe(limits.delivers()));
    let task = desk.task();
    (oracle, limits, task, gates)
}

/// Whichever is first ends the round: the limit is one from then on, and the other flies on.
#[test]
fn a_cut_races_two_futures_in_flight() {
    model("adaptive_concurrency: a_cut_races_two_futures_in_flight", || {
        let (oracle, limits, task, [first, second, ..]) =
            flown::<4>(&[2, 1], |oracle| Source::Items(oracle.items(0..4)));
        oracle.request(4);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || second.open());
        first.open();
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..4));
        limits.assert_kept();
    });
}

#[test]
fn a_cut_races_two_unordered_futures() {
    model("adaptive_concurrency: a_cut_races_two_unordered_futures", || {
        let (oracle, desk, limits) = (Oracle::new(), Desk::default(), Limits::new(&[2, 1]));
        let ([first, second, ..], f) = gates::<4>(&limits, 2);
        let source = counted(Source::Items(oracle.items(0..4)), &limits);
        let time = desk.clone().with_clock(TickingClock::default());
        source
            .adaptive_concurrency_unordered(time, limits.clone(), f)
            .subscribe(oracle.probe(limits.delivers()));
        let task = desk.task();
        oracle.request(4);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || second.open());
        first.open();
        other.join().unwrap();
        executor.join().unwrap();
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[0, 1, 2, 3][..], Some(&Complete)));
        limits.assert_kept();
    });
}

/// Of the first two items one is done from outside, and raises the limit; the other when the third is
/// begun, which is asked for by the raise alone.
fn a_raise_asks_for_the_third(limits: &'static [usize], outside: usize) {
    let (oracle, desk, limits) = (Oracle::new(), Desk::default(), Limits::new(limits));
    let ([first, second, _], mut f) = gates::<3>(&limits, 2);
    let (outside, inside) = if outside == 0 { (first, second) } else { (second, first) };
    let (source, start) = late(&oracle, 0..3);
    let source = counted(source, &limits);
    let time = desk.clone().with_clock(TickingClock::default());
    let opens = move |item: Token| {
        if item.0 == 2 {
            inside.open();
        }
        f(item)
    };
    source
        .adaptive_concurrency(time, limits.clone(), opens)
        .subscribe(oracle.probe(limits.delivers()));
    let task = desk.task();
    oracle.request(3);
    let executor = thread::spawn(move || run(Some(task)));
    let producer = thread::spawn(move || start.go());
    outside.open();
    producer.join().unwrap();
    executor.join().unwrap();
    assert_eq!(oracle.finish(), all(0..3));
    limits.assert_kept();
}

#[test]
fn a_raise_races_the_items() {
    model("adaptive_concurrency: a_raise_races_the_items", || {
        a_raise_asks_for_the_third(&[1, 2], 0);
    });
}

/// The second item is done first. So what was decided may not wait until there is something to send.
#[test]
fn a_raise_by_a_result_that_waits_races_the_items() {
    model("adaptive_concurrency: a_raise_by_a_result_that_waits_races_the_items", || {
        a_raise_asks_for_the_third(&[2, 3], 1);
    });
}

/// What landed waits for demand, and counts.
#[test]
fn requests_race_a_cut() {
    model("adaptive_concurrency: requests_race_a_cut", || {
        let (oracle, limits, task, [first, second, ..]) =
            flown::<4>(&[2, 1], |oracle| Source::Items(oracle.items(0..4)));
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || {
            first.open();
            second.open();
        });
        oracle.request(1);
        oracle.request(3);
        opener.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..4));
        limits.assert_kept();
    });
}

/// The item that is in flight is waited for, whether the end was seen with room for another or not.
#[test]
fn the_end_of_upstream_races_the_last_future() {
    model("adaptive_concurrency: the_end_of_upstream_races_the_last_future", || {
        let hand = Hand::default();
        let (oracle, limits, task, [gate]) =
            flown::<1>(&[1, 2], |oracle| Source::Hand(oracle.alive(), hand.clone()));
        hand.send(Token(0, oracle.alive()));
        oracle.request(1);
        let executor = thread::spawn(move || run(Some(task)));
        let upstream = thread::spawn(move || hand.complete());
        gate.open();
        upstream.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..1));
        limits.assert_kept();
    });
}

#[test]
fn a_cancellation_races_a_cut() {
    model("adaptive_concurrency: a_cancellation_races_a_cut", || {
        let (oracle, limits, task, [first, second, ..]) =
            flown::<3>(&[2, 1], |oracle| Source::Items(oracle.items(0..3)));
        oracle.request(3);
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || {
            second.open();
            first.open();
        });
        oracle.cancel();
        opener.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..3), &oracle.finish()));
        limits.assert_kept();
    });
}

/// The executor polls twice and drops the futures, with a limit that was raised or was not.
#[test]
fn an_executor_that_drops_the_task_races_a_raise() {
    model("adaptive_concurrency: an_executor_that_drops_the_task_races_a_raise", || {
        let (oracle, limits, task, [first, second, ..]) =
            flown::<3>(&[1, 3], |oracle| Source::Items(oracle.items(0..3)));
        oracle.request(3);
        let executor = thread::spawn(move || run_and_drop(Some(task), 2));
        first.open();
        second.open();
        executor.join().unwrap();
        let log = oracle.finish();
        let gone = Faulted(Fault::ExecutorGone.to_string());
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent), "{log:?}");
        assert!(end == Some(&gone) || log == all(0..3), "{log:?}");
        limits.assert_kept();
    });
}
