//! Models of `chunks_timeout`: its timer fires against items, a request, a cancellation.

use std::time::Duration;

use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::run;

use crate::all;
use crate::clock::late_on_time;
use crate::oracle::{Hand, Source, begins};

const SECOND: Duration = Duration::from_secs(1);

/// However the chunks are cut, each item is in one, in order.
#[test]
fn the_timer_races_the_items() {
    model("chunks_timeout: the_timer_races_the_items", || {
        let (oracle, clock, start, task) = late_on_time(0..2, |_, source, time| {
            let chunks = source.chunks_timeout(time, 1, 2, SECOND);
            chunks.concat_map_iter(|chunk| chunk)
        });
        oracle.request(9);
        clock.passes_while_items_come(task, start);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Nothing but the timer completes it.
#[test]
fn the_timer_of_a_chunk_races_the_request() {
    model("chunks_timeout: the_timer_of_a_chunk_races_the_request", || {
        let (oracle, clock, start, task) = late_on_time(0..1, |oracle, source, time| {
            let silent = Source::Hand(oracle.alive(), Hand::default());
            let chunks = source.chain(silent).chunks_timeout(time, 2, 2, SECOND).take(1);
            chunks.concat_map_iter(|chunk| chunk)
        });
        start.go();
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

/// A chunk that is due when it is asked for.
#[test]
fn the_timer_races_the_request() {
    model("chunks_timeout: the_timer_races_the_request", || {
        let (oracle, clock, start, task) = late_on_time(0..1, |_, source, time| {
            let chunks = source.chunks_timeout(time, 2, 2, SECOND);
            chunks.concat_map_iter(|chunk| chunk)
        });
        start.go();
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

#[test]
fn the_timer_races_a_cancellation_and_an_item() {
    model("chunks_timeout: the_timer_races_a_cancellation_and_an_item", || {
        let (oracle, clock, start, task) = late_on_time(0..1, |_, source, time| {
            let chunks = source.chunks_timeout(time, 1, 2, SECOND);
            chunks.concat_map_iter(|chunk| chunk)
        });
        oracle.request(9);
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
