//! Models of `throttle_adaptive`: its rate is another while an item waits for its token, against a
//! request, the items, a cancellation, and a poll for nothing.
//!
//! The clock goes to what a timer is set for, and nowhere else; so when it ends is the same in all
//! schedules, and says that no item went too early or too late.

use std::time::Duration;

use millstream_executors::time::{Clock, Moment};
use millstream_operators::PublisherExt;
use millstream_operators::control::{Controller, Sample};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Runner, run};

use crate::all;
use crate::clock::late_on_time;
use crate::oracle::begins;

/// Answers one rate after another, and the last for ever, each half of a second.
struct Rates(&'static [f64]);

impl Controller for Rates {
    fn limit(&self) -> f64 {
        self.0[0]
    }

    fn most(&self) -> f64 {
        1000.0
    }

    fn adjust(&mut self, _: &Sample) -> f64 {
        if let [_, rest @ ..] = self.0
            && !rest.is_empty()
        {
            self.0 = rest;
        }
        self.limit()
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(500)
    }
}

fn at(micros: u64) -> Moment {
    Moment::START + Duration::from_micros(micros)
}

/// Half of a token has accrued at the raise; the other half is there in half a millisecond.
#[test]
fn a_raise_races_the_request_for_the_item_that_waits() {
    model("throttle_adaptive: a_raise_races_the_request_for_the_item_that_waits", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            source.throttle_adaptive(time, 2, Rates(&[1.0, 1000.0])).burst(1)
        });
        start.go();
        oracle.request(1);
        let executor = thread::spawn(move || run(Some(task)));
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        clock.pass();
        requester.join().unwrap();
        executor.join().unwrap();
        assert_eq!((clock.timers(), clock.now()), (0, at(500_500)));
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// The token that was due in another half of a second takes twice as long.
#[test]
fn a_cut_races_the_items() {
    model("throttle_adaptive: a_cut_races_the_items", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            source.throttle_adaptive(time, 1, Rates(&[1.0, 0.5])).burst(1)
        });
        oracle.request(9);
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        clock.pass();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!((clock.timers(), clock.now()), (0, at(1_500_000)));
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// At a rate of zero only the end of the interval is waited for.
#[test]
fn a_poll_for_nothing_races_a_rate_that_comes_back() {
    model("throttle_adaptive: a_poll_for_nothing_races_a_rate_that_comes_back", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            source.throttle_adaptive(time, 2, Rates(&[0.0, 1.0])).burst(1)
        });
        start.go();
        oracle.request(9);
        let mut task = Runner::new(task);
        let executor = thread::spawn(move || {
            if !task.poll() && !task.poll() {
                task.run();
            }
        });
        clock.pass();
        executor.join().unwrap();
        assert_eq!((clock.timers(), clock.now()), (0, at(1_500_000)));
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_cancellation_races_a_rate_that_comes_back() {
    model("throttle_adaptive: a_cancellation_races_a_rate_that_comes_back", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            source.throttle_adaptive(time, 2, Rates(&[0.0, 1000.0])).burst(1)
        });
        start.go();
        oracle.request(9);
        let executor = thread::spawn(move || run(Some(task)));
        let passes = {
            let clock = clock.clone();
            thread::spawn(move || clock.pass())
        };
        oracle.cancel();
        passes.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}
