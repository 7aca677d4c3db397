//! Models of `chunks_timeout`: its timer fires against items, a request, a cancellation.

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

/// However the chunks are cut, each item is in one, in order.
#[test]
fn the_timer_races_the_items() {
    model("chunks_timeout: the_timer_races_the_items", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..2);
        let time = desk.clone().with_clock(clock.clone());
        let chunks = source.chunks_timeout(time, 1, 2, SECOND);
        chunks.concat_map_iter(|chunk| chunk).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        clock.pass();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Nothing but the timer completes it.
#[test]
fn the_timer_of_a_chunk_races_the_request() {
    model("chunks_timeout: the_timer_of_a_chunk_races_the_request", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..1);
        let silent = Source::Hand(oracle.alive(), Hand::default());
        let time = desk.clone().with_clock(clock.clone());
        let chunks = source.chain(silent).chunks_timeout(time, 2, 2, SECOND).take(1);
        chunks.concat_map_iter(|chunk| chunk).subscribe(oracle.probe(|_| More::NONE));
        start.go();
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        clock.pass();
        requester.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

/// A chunk that is due when it is asked for.
#[test]
fn the_timer_races_the_request() {
    model("chunks_timeout: the_timer_races_the_request", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..1);
        let time = desk.clone().with_clock(clock.clone());
        let chunks = source.chunks_timeout(time, 2, 2, SECOND);
        chunks.concat_map_iter(|chunk| chunk).subscribe(oracle.probe(|_| More::NONE));
        start.go();
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        clock.pass();
        requester.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

#[test]
fn the_timer_races_a_cancellation_and_an_item() {
    model("chunks_timeout: the_timer_races_a_cancellation_and_an_item", || {
        let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
        let (source, start) = late(&oracle, 0..1);
        let time = desk.clone().with_clock(clock.clone());
        let chunks = source.chunks_timeout(time, 1, 2, SECOND);
        chunks.concat_map_iter(|chunk| chunk).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let passes = {
            let clock = clock.clone();
            thread::spawn(move || clock.pass())
        };
        start.go();
        oracle.cancel();
        passes.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert!(begins(&all(0..1), &oracle.finish()));
    });
}
