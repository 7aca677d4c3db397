//! Models of `timeout`: its timer fires against an item, a request, a cancellation, and the end of
//! its clock.

use std::time::Duration;

use millstream_core::Fault;
use millstream_operators::PublisherExt;
use millstream_operators::timing::TimeoutError;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::run;

use crate::all;
use crate::clock::{late_on_time, on_time};
use crate::oracle::Signal::{self, Error, Item};
use crate::oracle::{Hand, Oracle, Source};

const SECOND: Duration = Duration::from_secs(1);

/// In the words of the oracle.
fn told(error: TimeoutError<&'static str>) -> &'static str {
    match error {
        TimeoutError::Elapsed { .. } => "elapsed",
        TimeoutError::Upstream(error) => error,
        _ => "another",
    }
}

fn silent(oracle: &Oracle) -> Source {
    Source::Hand(oracle.alive(), Hand::default())
}

#[test]
fn the_timer_races_an_item_and_the_end() {
    model("timeout: the_timer_races_an_item_and_the_end", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| source.timeout(time, 2, SECOND).map_err(told));
        oracle.request(2);
        clock.passes_while_items_come(task, start);
        let log = oracle.finish();
        let ends = [all(0..1), vec![Error("elapsed")], vec![Item(0), Error("elapsed")]];
        assert!(ends.contains(&log), "{log:?}");
    });
}

/// The request is what begins the time: before it, none is counted, and the timer is set by it.
#[test]
fn the_timer_of_a_silent_upstream_races_the_request() {
    model("timeout: the_timer_of_a_silent_upstream_races_the_request", || {
        let (oracle, clock, task) =
            on_time(|oracle, time| silent(oracle).timeout(time, 1, SECOND).map_err(told));
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), [Error("elapsed")]);
    });
}

#[test]
fn the_timer_races_a_cancellation() {
    model("timeout: the_timer_races_a_cancellation", || {
        let (oracle, clock, task) =
            on_time(|oracle, time| silent(oracle).timeout(time, 1, SECOND).map_err(told));
        oracle.request(1);
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
        assert!(log.is_empty() || log == [Error("elapsed")], "{log:?}");
    });
}

/// Nothing else would ever end it.
#[test]
fn the_end_of_the_clock_races_the_request() {
    model("timeout: the_end_of_the_clock_races_the_request", || {
        let (oracle, clock, task) =
            on_time(|oracle, time| silent(oracle).timeout(time, 1, SECOND).map_err(told));
        let executor = thread::spawn(move || run(Some(task)));
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        clock.shut_down();
        requester.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), [Signal::Fault(Fault::ClockGone.to_string())]);
    });
}

#[test]
fn the_end_of_the_clock_races_the_timer_and_an_item() {
    model("timeout: the_end_of_the_clock_races_the_timer_and_an_item", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| source.timeout(time, 2, SECOND).map_err(told));
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        clock.shut_down();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        let log = oracle.finish();
        let gone = Signal::Fault(Fault::ClockGone.to_string());
        let ends = [all(0..1), vec![gone.clone()], vec![Item(0), gone]];
        assert!(ends.contains(&log), "{log:?}");
    });
}
