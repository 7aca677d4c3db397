//! Models of `aggregate_with_boundary`: the time of an aggregate comes against items, a request, a
//! cancellation.

use std::time::Duration;

use millstream_core::Publisher;
use millstream_operators::PublisherExt;
use millstream_operators::chunk::Boundary;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::run;

use crate::all;
use crate::clock::{Time, late_on_time};
use crate::oracle::{Error, Hand, Source, Token, begins};

/// Lists that last for a second from their newest item on, one after another.
fn lists(
    source: impl Publisher<Item = Token, Error = Error>,
    time: Time,
) -> impl Publisher<Item = Vec<Token>, Error = Error> {
    let push = |list: &mut Vec<Token>, item| {
        list.push(item);
        Boundary::Within(Duration::from_secs(1))
    };
    source.aggregate_with_boundary(time, 1, Vec::new, push, |list| list)
}

/// However they are cut, each item is in one, in order.
#[test]
fn the_time_of_an_aggregate_races_the_items() {
    model("aggregate_with_boundary: the_time_of_an_aggregate_races_the_items", || {
        let (oracle, clock, start, task) =
            late_on_time(0..2, |_, source, time| lists(source, time).concat_map_iter(|list| list));
        oracle.request(9);
        clock.passes_while_items_come(task, start);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Nobody has asked when the items come, and the time of the first may end it before the second.
#[test]
fn a_request_races_the_items_and_their_time() {
    model("aggregate_with_boundary: a_request_races_the_items_and_their_time", || {
        let (oracle, clock, start, task) =
            late_on_time(0..2, |_, source, time| lists(source, time).concat_map_iter(|list| list));
        let executor = thread::spawn(move || run(Some(task)));
        clock.pass();
        let requester = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(9))
        };
        start.go();
        requester.join().unwrap();
        executor.join().unwrap();
        assert_eq!(clock.timers(), 0);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Nothing but its time completes it.
#[test]
fn the_time_of_an_aggregate_races_the_request() {
    model("aggregate_with_boundary: the_time_of_an_aggregate_races_the_request", || {
        let (oracle, clock, start, task) = late_on_time(0..1, |oracle, source, time| {
            let silent = Source::Hand(oracle.alive(), Hand::default());
            lists(source.chain(silent), time).take(1).concat_map_iter(|list| list)
        });
        start.go();
        clock.passes_while_one_is_asked_for(task, &oracle);
        assert_eq!(oracle.finish(), all(0..1));
    });
}

#[test]
fn the_time_of_an_aggregate_races_a_cancellation() {
    model("aggregate_with_boundary: the_time_of_an_aggregate_races_a_cancellation", || {
        let (oracle, clock, start, task) =
            late_on_time(0..1, |_, source, time| lists(source, time).concat_map_iter(|list| list));
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
