//! Models of `window_timeout`: its timer fires against items, the reader, a cancellation.

use std::time::Duration;

use millstream_core::{More, Publisher};
use millstream_executors::Executor;
use millstream_operators::PublisherExt;
use millstream_sync::{model, thread};

use crate::clock::ManualClock;
use crate::desk::Desk;
use crate::oracle::{Hand, Oracle, Source, begins};
use crate::runner::run;
use crate::{all, late};

const SECOND: Duration = Duration::from_secs(1);

/// Runs what the timers have left, until there is none.
fn run_all(desk: &Desk) {
    while let Some(task) = desk.next() {
        run(Some(task));
    }
}

/// Nothing but the timer completes the window, and only then the stream below is over.
#[test]
fn the_timer_of_a_window_races_its_reader() {
    model("window_timeout: the_timer_of_a_window_races_its_reader", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..1);
        let silent = Source::Hand(oracle.alive(), Hand::default());
        let time = desk.clone().with_clock(clock.clone());
        let windows = source.chain(silent).window_timeout(time, 2, SECOND).take(1);
        windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        start.go();
        let passes = {
            let (clock, desk) = (clock.clone(), desk.clone());
            thread::spawn(move || {
                clock.pass();
                run_all(&desk);
            })
        };
        oracle.request(1);
        passes.join().unwrap();
        run_all(&desk);
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

#[test]
fn the_timer_races_the_items() {
    model("window_timeout: the_timer_races_the_items", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..2);
        let time = desk.clone().with_clock(clock.clone());
        let windows = source.window_timeout(time, 2, SECOND);
        windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let producer = thread::spawn(move || start.go());
        clock.pass();
        run_all(&desk);
        producer.join().unwrap();
        run_all(&desk);
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn the_timer_races_a_cancellation() {
    model("window_timeout: the_timer_races_a_cancellation", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..1);
        let silent = Source::Hand(oracle.alive(), Hand::default());
        let time = desk.clone().with_clock(clock.clone());
        let windows = source.chain(silent).window_timeout(time, 2, SECOND);
        windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        start.go();
        let passes = {
            let (clock, desk) = (clock.clone(), desk.clone());
            thread::spawn(move || {
                clock.pass();
                run_all(&desk);
            })
        };
        oracle.cancel();
        passes.join().unwrap();
        run_all(&desk);
        assert_eq!(clock.timers(), 0);
        assert!(begins(&all(0..1), &oracle.finish()));
    });
}
