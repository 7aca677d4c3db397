//! Models of `exhaust_map`: the end of an inner publisher decides whether the next item begins one or
//! is discarded.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Error, Item};
use crate::oracle::{Hand, Oracle, Source, Start, Token};
use crate::{all, fails_at, pulled, split};

/// An upstream by hand, and the inner publishers: item 0 becomes one of 0 and 1 that a thread starts;
/// any other one of 10 and 11.
fn exhausted(
    oracle: &Oracle,
) -> (Hand, Start, impl Publisher<Item = Token, Error = crate::oracle::Error>) {
    let (hand, start) = (Hand::default(), Start::default());
    let outer = Source::Hand(oracle.alive(), hand.clone());
    (hand, start.clone(), outer.exhaust_map(1, inner(oracle, start)))
}

fn inner(oracle: &Oracle, start: Start) -> impl FnMut(Token) -> Source + Send + 'static {
    let oracle = oracle.clone();
    move |item: Token| match item.0 {
        0 => Source::Late(oracle.items(0..2), start.clone()),
        _ => Source::Items(oracle.items(10..12)),
    }
}

/// The one that is under way comes whole, and the next does or is discarded; no item in part.
#[test]
fn the_end_of_an_inner_publisher_races_the_next_item() {
    model("exhaust_map: the_end_of_an_inner_publisher_races_the_next_item", || {
        let oracle = Oracle::new();
        let (hand, start, stream) = exhausted(&oracle);
        stream.subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        oracle.request(9);
        let first = thread::spawn(move || start.go());
        hand.send(Token(1, oracle.alive()));
        hand.complete();
        first.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        assert!(log == all(0..2) || log == all([0, 1, 10, 11]), "{log:?}");
    });
}

/// The end is not here for the stage before its items are sent, so demand decides as well.
#[test]
fn a_request_for_the_last_item_races_the_next_item() {
    model("exhaust_map: a_request_for_the_last_item_races_the_next_item", || {
        let oracle = Oracle::new();
        let (hand, start, stream) = exhausted(&oracle);
        stream.subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        start.go();
        oracle.request(1);
        let upstream = {
            let item = Token(1, oracle.alive());
            thread::spawn(move || {
                hand.send(item);
                hand.complete();
            })
        };
        oracle.request(1);
        oracle.request(2);
        upstream.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        assert!(log == all(0..2) || log == all([0, 1, 10, 11]), "{log:?}");
    });
}

/// What comes while one runs is discarded at once, demand or not.
#[test]
fn an_item_that_comes_while_one_runs_is_discarded() {
    model("exhaust_map: an_item_that_comes_while_one_runs_is_discarded", || {
        let oracle = Oracle::new();
        let (hand, start, stream) = exhausted(&oracle);
        stream.subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let upstream = {
            let (hand, item) = (hand.clone(), Token(1, oracle.alive()));
            thread::spawn(move || hand.send(item))
        };
        oracle.request(4);
        upstream.join().unwrap();
        start.go();
        hand.send(Token(2, oracle.alive()));
        hand.complete();
        assert_eq!(oracle.finish(), all([0, 1, 10, 11]));
    });
}

/// Row 55 of the known bugs: both ends at a time are one end.
#[test]
fn the_end_of_upstream_races_the_end_of_the_inner_publisher() {
    model("exhaust_map: the_end_of_upstream_races_the_end_of_the_inner_publisher", || {
        let oracle = Oracle::new();
        let (hand, start, stream) = exhausted(&oracle);
        stream.subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let inner = thread::spawn(move || start.go());
        let upstream = thread::spawn(move || hand.complete());
        oracle.request(2);
        inner.join().unwrap();
        upstream.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Pulled when its turn has come, which is when the one before is over: nobody else tells.
#[test]
fn an_upstream_that_is_pulled_has_its_turn_when_the_inner_publisher_ends() {
    model(
        "exhaust_map: an_upstream_that_is_pulled_has_its_turn_when_the_inner_publisher_ends",
        || {
            let oracle = Oracle::new();
            let start = Start::default();
            let stream = pulled(&oracle, 0..2).exhaust_map(2, inner(&oracle, start.clone()));
            stream.subscribe(oracle.probe(|_| More::NONE));
            oracle.request(1);
            let first = thread::spawn(move || start.go());
            oracle.request(3);
            first.join().unwrap();
            assert_eq!(oracle.count(), 0, "it is over");
            assert_eq!(oracle.finish(), all([0, 1, 10, 11]));
        },
    );
}

/// A failure of upstream does not wait, that of the inner publisher comes behind its items.
#[test]
fn a_failure_of_the_inner_publisher_races_the_next_item() {
    model("exhaust_map: a_failure_of_the_inner_publisher_races_the_next_item", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        let mut make = inner(&oracle, start.clone());
        let fails = move |item: Token| make(item).try_map(fails_at(1, "broken"));
        outer.exhaust_map(1, fails).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        oracle.request(9);
        let first = thread::spawn(move || start.go());
        hand.send(Token(1, oracle.alive()));
        first.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), [Item(0), Error("broken")]);
    });
}

#[test]
fn a_cancellation_races_the_end_of_an_inner_publisher_and_the_next_item() {
    model(
        "exhaust_map: a_cancellation_races_the_end_of_an_inner_publisher_and_the_next_item",
        || {
            let oracle = Oracle::new();
            let (hand, start, stream) = exhausted(&oracle);
            stream.subscribe(oracle.probe(|_| More::NONE));
            hand.send(Token(0, oracle.alive()));
            oracle.request(9);
            let first = thread::spawn(move || start.go());
            let upstream = {
                let item = Token(1, oracle.alive());
                thread::spawn(move || hand.send(item))
            };
            oracle.cancel();
            first.join().unwrap();
            upstream.join().unwrap();
            let log = oracle.finish();
            let (sent, end) = split(&log);
            assert!([0, 1, 10, 11].starts_with(&sent) && end.is_none(), "{log:?}");
        },
    );
}
