//! Models of `publish_on`: signals that arrive on one thread, and leave on the executor's.

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Closed, Desk, run, run_and_drop};

use crate::oracle::Signal::{self, Error, Item};
use crate::oracle::{Oracle, Source, begins};
use crate::{all, fails_at, late};

fn gone() -> Signal {
    Signal::Fault(Fault::ExecutorGone.to_string())
}

#[test]
fn a_producer_races_requests_and_the_executor() {
    model("publish_on: a_producer_races_requests_and_the_executor", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..2);
        source.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        oracle.request(1);
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_cancellation_races_a_producer_and_the_executor() {
    model("publish_on: a_cancellation_races_a_producer_and_the_executor", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..2);
        source.publish_on(desk.clone(), 2).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}

/// The executor polls the task once, and then has had enough.
#[test]
fn an_executor_that_drops_the_task_races_a_producer() {
    model("publish_on: an_executor_that_drops_the_task_races_a_producer", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..3);
        source.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(2);
        let task = desk.task();
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        start.go();
        executor.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert_eq!(*last, gone());
        assert!(before.len() <= 2 && begins(&all(0..3), before), "{log:?}");
    });
}

/// A request and a cancellation from two threads, while the executor drops the task unpolled.
#[test]
fn an_executor_that_drops_the_task_races_a_request_and_a_cancellation() {
    model("publish_on: an_executor_that_drops_the_task_races_a_request_and_a_cancellation", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let source = Source::Items(oracle.items(0..3));
        source.publish_on(desk.clone(), 2).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || drop(task));
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        oracle.cancel();
        requester.join().unwrap();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [gone()], "{log:?}");
    });
}

#[test]
fn an_executor_that_refuses_ends_the_stream_once() {
    model("publish_on: an_executor_that_refuses_ends_the_stream_once", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        source.publish_on(Closed, 2).subscribe(oracle.probe(|_| More::NONE));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        let refused = Fault::Refused(Closed::refused());
        assert_eq!(oracle.finish(), [Signal::Fault(refused.to_string())]);
    });
}

/// A failure waits for what is queued before it.
#[test]
fn a_failure_races_a_request_and_the_executor() {
    model("publish_on: a_failure_races_a_request_and_the_executor", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..2);
        let failing = source.try_map(fails_at(1, "late"));
        failing.publish_on(desk.clone(), 2).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Error("late")]);
    });
}
