//! Models of `throttle`: its timer fires against a request, a cancellation, and the end.

use std::time::Duration;

use millstream_core::{Pull, Pulled};
use millstream_operators::PublisherExt;
use millstream_operators::timing::Rate;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Runner, run};

use crate::all;
use crate::clock::{late_on_time, on_time};
use crate::oracle::begins;

fn one_a_second() -> Rate {
    Rate::new(1, Duration::from_secs(1)).burst(1)
}

#[test]
fn the_timer_races_the_items() {
    model("throttle: the_timer_races_the_items", || {
        let (oracle, clock, start, task) =
            late_on_time(0..3, |_, source, time| source.throttle(time, 1, one_a_second()));
        oracle.request(9);
        clock.passes_while_items_come(task, start);
        assert_eq!(oracle.finish(), all(0..3));
    });
}

#[test]
fn the_timer_races_the_request_for_the_item_that_waits() {
    model("throttle: the_timer_races_the_request_for_the_item_that_waits", || {
        let (oracle, clock, start, task) =
            late_on_time(0..2, |_, source, time| source.throttle(time, 2, one_a_second()));
        start.go();
        oracle.request(1);
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// It is polled once too often while an item waits that was taken to find the end.
#[test]
fn a_poll_for_nothing_races_the_request() {
    model("throttle: a_poll_for_nothing_races_the_request", || {
        let (oracle, clock, task) = on_time(|oracle, time| {
            let mut items = oracle.items(0..2);
            let source = millstream_operators::source::from_iter(std::iter::from_fn(move || {
                if let Pulled::Item(item) = items.pull() { Some(item) } else { None }
            }));
            let source = source.map_err(|never| match never {});
            source.throttle(time, 2, one_a_second())
        });
        clock.pass();
        oracle.request(1);
        let mut task = Runner::new(task);
        let executor = thread::spawn(move || {
            if !task.poll() && !task.poll() {
                task.run();
            }
        });
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn the_timer_races_a_cancellation() {
    model("throttle: the_timer_races_a_cancellation", || {
        let (oracle, clock, start, task) =
            late_on_time(0..2, |_, source, time| source.throttle(time, 2, one_a_second()));
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
