//! Models of `retry_item`: the wait between two attempts against a request, a cancellation, the next
//! item and the end of the clock.

use std::future::{Ready, ready};
use std::time::Duration;

use millstream_core::{Fault, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::fault::Backoff;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{run, run_and_drop};

use crate::clock::{Time, late_on_time, on_time};
use crate::oracle::Signal::{self, Error as Failed, Item};
use crate::oracle::{Error, Hand, Oracle, Source, Token};
use crate::{all, fails_at};

const SECOND: Duration = Duration::from_secs(1);

/// Each item of `source` at the second attempt.
fn at_the_second(
    source: impl Publisher<Item = Token, Error = Error>,
    time: Time,
    wait: Duration,
) -> impl Publisher<Item = Token, Error = Error> {
    let mut attempts = 0;
    let attempt = move |item: &Token| -> Ready<Result<Token, Error>> {
        attempts += 1;
        ready(if attempts % 2 == 0 { Ok(item.clone()) } else { Err("busy") })
    };
    source.retry_item(time, Backoff::new(wait).attempts(1).seed(1), |_| true, attempt)
}

fn by_hand(oracle: &Oracle) -> (Hand, Source) {
    let hand = Hand::default();
    (hand.clone(), Source::Hand(oracle.alive(), hand))
}

#[test]
fn the_end_of_the_wait_races_a_request() {
    model("retry_item: the_end_of_the_wait_races_a_request", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| at_the_second(source, time, SECOND));
        start.go();
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), all(0..1));
    });
}

/// The item before is sent, or is tried; upstream is asked for the next only then.
#[test]
fn the_end_of_the_wait_races_the_items() {
    model("retry_item: the_end_of_the_wait_races_the_items", || {
        let (oracle, clock, start, task) =
            late_on_time(0..2, |_, source, time| at_the_second(source, time, SECOND));
        oracle.request(2);
        clock.passes_while_items_come(task, start);
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// The item that is kept goes with the wait.
#[test]
fn the_end_of_the_wait_races_a_cancellation() {
    model("retry_item: the_end_of_the_wait_races_a_cancellation", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| at_the_second(source, time, SECOND));
        oracle.request(1);
        start.go();
        let executor = thread::spawn(move || run(Some(task)));
        let passes = {
            let clock = clock.clone();
            thread::spawn(move || clock.pass())
        };
        oracle.cancel();
        passes.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)] || log == all(0..1), "{log:?}");
    });
}

/// It comes behind the item that is tried.
#[test]
fn a_failure_of_upstream_races_the_end_of_the_wait() {
    model("retry_item: a_failure_of_upstream_races_the_end_of_the_wait", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            at_the_second(source.try_map(fails_at(1, "broken")), time, SECOND)
        });
        oracle.request(2);
        clock.passes_while_items_come(task, start);
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), [Item(0), Failed("broken")]);
    });
}

/// Nobody would ever end the wait.
#[test]
fn the_end_of_the_clock_races_the_item() {
    model("retry_item: the_end_of_the_clock_races_the_item", || {
        let mut hands = Hand::default();
        let (oracle, clock, task) = on_time(|oracle, time| {
            let (hand, source) = by_hand(oracle);
            hands = hand;
            at_the_second(source, time, SECOND)
        });
        oracle.request(1);
        let executor = thread::spawn(move || run(Some(task)));
        let producer = {
            let (hand, item) = (hands, Token(0, oracle.alive()));
            thread::spawn(move || hand.send(item))
        };
        clock.shut_down();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), [Signal::Fault(Fault::ClockGone.to_string())]);
    });
}

/// Without a wait the stage wakes itself, while it is asked and woken by others.
#[test]
fn attempts_without_a_wait_race_a_request_and_the_item() {
    model("retry_item: attempts_without_a_wait_race_a_request_and_the_item", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| at_the_second(source, time, Duration::ZERO));
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), all(0..1));
    });
}

/// The wait, its timer and the item go with the task.
#[test]
fn an_executor_that_drops_the_task_races_the_end_of_the_wait() {
    model("retry_item: an_executor_that_drops_the_task_races_the_end_of_the_wait", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| at_the_second(source, time, SECOND));
        oracle.request(1);
        start.go();
        let executor = thread::spawn(move || run_and_drop(Some(task), 2));
        clock.pass();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        let gone = Signal::Fault(Fault::ExecutorGone.to_string());
        assert!(log == [gone.clone()] || log == [Item(0), gone] || log == all(0..1), "{log:?}");
    });
}
