//! Models of `map_async` and its kin: futures that are made ready on other threads, while the
//! executor polls and drops them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_core::{Fault, More, Publisher};
use millstream_executors::Task;
use millstream_operators::PublisherExt;
use millstream_sync::{Mutex, deep_model as model, lock, thread};
use millstream_testkit::model::{Desk, Runner, run, run_and_drop};

use crate::oracle::Signal::{Complete, Error, Fault as Faulted, Item};
use crate::oracle::{Oracle, Source, Token, begins};
use crate::{all, late, split};

/// What a future waits for.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let waker = {
            let mut state = lock(&self.0);
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn pass(self, item: Token) -> Passing {
        Passing { gate: self, item: Some(item) }
    }
}

/// Ready with its item when the gate is open.
pub(crate) struct Passing {
    gate: Gate,
    item: Option<Token>,
}

impl Future for Passing {
    type Output = Token;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Token> {
        let mut state = lock(&self.gate.0);
        if !state.0 {
            state.1 = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.item.take().expect("polled after it was ready"))
    }
}

/// A gate for each item, and the function that makes the futures.
fn gates<const N: usize>() -> ([Gate; N], impl FnMut(Token) -> Passing + Send + 'static) {
    let gates: [Gate; N] = std::array::from_fn(|_| Gate::default());
    let all = gates.clone();
    (gates, move |item: Token| all[item.0 as usize].clone().pass(item))
}

/// Two items, of which `limit` are in flight: what is awaited, the task, and their gates.
fn flown(limit: usize) -> (Oracle, Task, [Gate; 2]) {
    let (oracle, desk) = (Oracle::new(), Desk::default());
    let (gates, f) = gates();
    let source = Source::Items(oracle.items(0..2));
    source.map_async(desk.clone(), limit, f).subscribe(oracle.probe(|_| More::NONE));
    let task = desk.task();
    (oracle, task, gates)
}

/// The second is ready first, or at the same time: the results are in the order of the items.
#[test]
fn two_futures_become_ready_on_two_threads() {
    model("map_async: two_futures_become_ready_on_two_threads", || {
        let (oracle, task, [first, second]) = flown(2);
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || second.open());
        first.open();
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_request_races_a_future_that_becomes_ready() {
    model("map_async: a_request_races_a_future_that_becomes_ready", || {
        let (oracle, task, [first, second]) = flown(1);
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || {
            first.open();
            second.open();
        });
        oracle.request(1);
        oracle.request(1);
        opener.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// As they come: nothing is lost and nothing comes twice.
#[test]
fn unordered_results_race_each_other() {
    model("map_async: unordered_results_race_each_other", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let ([first, second], f) = gates();
        let source = Source::Items(oracle.items(0..2));
        source.map_async_unordered(desk.clone(), 2, f).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || second.open());
        first.open();
        other.join().unwrap();
        executor.join().unwrap();
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[0, 1][..], Some(&Complete)));
    });
}

/// Upstream sends from elsewhere and is asked as results leave.
#[test]
fn a_producer_races_a_future_that_becomes_ready() {
    model("map_async: a_producer_races_a_future_that_becomes_ready", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let ([first, second], f) = gates();
        second.open();
        let (source, start) = late(&oracle, 0..2);
        source.map_async(desk.clone(), 1, f).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        first.open();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_cancellation_races_a_future_that_becomes_ready() {
    model("map_async: a_cancellation_races_a_future_that_becomes_ready", || {
        let (oracle, task, [first, second]) = flown(2);
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || {
            second.open();
            first.open();
        });
        oracle.cancel();
        opener.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}

/// They wake nobody, and are taken together.
#[test]
fn the_stage_lingers_while_futures_become_ready() {
    model("map_async: the_stage_lingers_while_futures_become_ready", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let ([first, second], f) = gates();
        let source = Source::Items(oracle.items(0..2));
        source.map_async(desk.clone(), 2, f).subscribe(oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(desk.task());
        oracle.request(2);
        assert!(!runner.poll());
        assert!(runner.was_woken(), "by itself");
        first.open();
        second.open();
        assert!(!runner.was_woken(), "it is about to run");
        assert!(runner.poll());
        drop(runner);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// A stage whose first two futures were ready when it had lingered, so that the next two are put off:
/// they were not polled.
fn put_off(oracle: &Oracle) -> ([Gate; 2], Runner<Task>) {
    let desk = Desk::default();
    let ([first, second, third, fourth], f) = gates();
    let source = Source::Items(oracle.items(0..4));
    source.map_async(desk.clone(), 2, f).subscribe(oracle.probe(|_| More::NONE));
    let mut runner = Runner::new(desk.task());
    oracle.request(4);
    assert!(!runner.poll());
    first.open();
    second.open();
    assert!(!runner.poll());
    assert_eq!(oracle.log(), None, "it is not over");
    ([third, fourth], runner)
}

#[test]
fn futures_that_are_put_off_race_what_makes_them_ready() {
    model("map_async: futures_that_are_put_off_race_what_makes_them_ready", || {
        let oracle = Oracle::new();
        let ([third, fourth], runner) = put_off(&oracle);
        let executor = thread::spawn(move || runner.run_when_woken());
        let other = thread::spawn(move || fourth.open());
        third.open();
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..4));
    });
}

#[test]
fn a_cancellation_races_futures_that_are_put_off() {
    model("map_async: a_cancellation_races_futures_that_are_put_off", || {
        let oracle = Oracle::new();
        let ([third, fourth], runner) = put_off(&oracle);
        let executor = thread::spawn(move || runner.run_when_woken());
        let opener = thread::spawn(move || {
            fourth.open();
            third.open();
        });
        oracle.cancel();
        opener.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..4), &oracle.finish()));
    });
}

/// The executor polls once and drops the futures; one of them is woken at the same time, or
/// when it is gone already.
#[test]
fn an_executor_that_drops_the_task_races_a_waker() {
    model("map_async: an_executor_that_drops_the_task_races_a_waker", || {
        let (oracle, task, [first, second]) = flown(2);
        oracle.request(2);
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        first.open();
        second.open();
        executor.join().unwrap();
        let log = oracle.finish();
        let gone = Faulted(Fault::ExecutorGone.to_string());
        let (sent, end) = split(&log);
        assert!([0, 1].starts_with(&sent), "{log:?}");
        assert!(end == Some(&gone) || log == all(0..2), "{log:?}");
    });
}

/// A failure of a future drops the others, whether they are ready or not.
#[test]
fn a_failure_races_a_future_that_becomes_ready() {
    model("map_async: a_failure_races_a_future_that_becomes_ready", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let ([first, second], mut f) = gates();
        let source = Source::Items(oracle.items(0..2));
        let fails = move |item: Token| {
            let passing = f(item);
            async move {
                let item = passing.await;
                if item.0 == 1 { Err("broken") } else { Ok(item) }
            }
        };
        source.try_map_async(desk.clone(), 2, fails).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || second.open());
        first.open();
        opener.join().unwrap();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log == [Error("broken")] || log == [Item(0), Error("broken")], "{log:?}");
    });
}
