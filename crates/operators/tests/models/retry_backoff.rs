//! Models of `retry_backoff`: the end of a wait against a request and a cancellation.

use std::time::Duration;

use millstream_operators::PublisherExt;
use millstream_operators::fault::Backoff;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::run;

use crate::clock::on_time;
use crate::oracle::Signal::Error;

fn once() -> Backoff {
    Backoff::new(Duration::from_secs(1)).attempts(1).seed(1)
}

#[test]
fn the_end_of_the_wait_races_a_request() {
    model("retry_backoff: the_end_of_the_wait_races_a_request", || {
        let (oracle, clock, task) = on_time(|_, time| {
            millstream_operators::source::fail("late").retry_backoff(time, once(), |_| true)
        });
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), [Error("late")]);
    });
}

/// An end needs no demand, nor does the wait before it.
#[test]
fn the_wait_ends_though_nobody_asks() {
    model("retry_backoff: the_wait_ends_though_nobody_asks", || {
        let (oracle, clock, task) = on_time(|_, time| {
            millstream_operators::source::fail("late").retry_backoff(time, once(), |_| true)
        });
        let executor = thread::spawn(move || run(Some(task)));
        clock.pass();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), [Error("late")]);
    });
}

#[test]
fn the_end_of_the_wait_races_a_cancellation() {
    model("retry_backoff: the_end_of_the_wait_races_a_cancellation", || {
        let (oracle, clock, task) = on_time(|_, time| {
            millstream_operators::source::fail("late").retry_backoff(time, once(), |_| true)
        });
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
        assert!(log.is_empty() || log == [Error("late")], "{log:?}");
    });
}
