//! Models of `switch_map`: the newest inner publisher sends, and upstream decides which that is
//! while it does.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Error};
use crate::oracle::{Hand, Oracle, Source, Start, Token};
use crate::{fails_at, split};

/// Item 0 becomes a publisher of 0 and 1 that a thread starts; any other one of 10 and 11.
fn inner(oracle: &Oracle, start: &Start) -> impl FnMut(Token) -> Source + Send + 'static {
    let (oracle, start) = (oracle.clone(), start.clone());
    move |item: Token| match item.0 {
        0 => Source::Late(oracle.items(0..2), start.clone()),
        _ => Source::Items(oracle.items(10..12)),
    }
}

/// What came of the old publisher is a beginning of it, and then the new one comes whole.
fn switched(sent: &[u32]) -> bool {
    let old = sent.iter().take_while(|n| **n < 10).count();
    [0, 1].starts_with(&sent[..old]) && sent[old..] == [10, 11]
}

/// Row 32 of the known bugs: what was asked and not served by the old one is asked of the new.
#[test]
fn a_switch_races_the_old_publisher_and_a_request() {
    model("switch_map: a_switch_races_the_old_publisher_and_a_request", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        outer.switch_map(1, inner(&oracle, &start)).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let old = thread::spawn(move || start.go());
        let upstream = {
            let item = Token(1, oracle.alive());
            thread::spawn(move || {
                hand.send(item);
                hand.complete();
            })
        };
        oracle.request(4);
        old.join().unwrap();
        upstream.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!(switched(&sent) && end == Some(&Complete), "{log:?}");
    });
}

/// One unit of demand is one item, whichever publisher sends it.
#[test]
fn a_switch_with_demand_for_one_item_sends_one() {
    model("switch_map: a_switch_with_demand_for_one_item_sends_one", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        outer.switch_map(1, inner(&oracle, &start)).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let old = thread::spawn(move || start.go());
        let upstream = {
            let item = Token(1, oracle.alive());
            thread::spawn(move || hand.send(item))
        };
        oracle.request(1);
        old.join().unwrap();
        upstream.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!((sent == [0] || sent == [10]) && end.is_none(), "{log:?}");
    });
}

/// Row 55: both ends at a time are one end.
#[test]
fn the_end_of_upstream_races_the_end_of_the_inner_publisher() {
    model("switch_map: the_end_of_upstream_races_the_end_of_the_inner_publisher", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        outer.switch_map(2, inner(&oracle, &start)).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let newest = thread::spawn(move || start.go());
        let upstream = thread::spawn(move || hand.complete());
        oracle.request(2);
        newest.join().unwrap();
        upstream.join().unwrap();
        assert_eq!(oracle.finish(), crate::all(0..2));
    });
}

/// Row 89: the publisher that a cancelled stage switches to is cancelled as well.
#[test]
fn a_cancellation_races_a_switch() {
    model("switch_map: a_cancellation_races_a_switch", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        outer.switch_map(1, inner(&oracle, &start)).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        oracle.request(9);
        let old = thread::spawn(move || start.go());
        let upstream = {
            let item = Token(1, oracle.alive());
            thread::spawn(move || hand.send(item))
        };
        oracle.cancel();
        old.join().unwrap();
        upstream.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        let old = sent.iter().take_while(|n| **n < 10).count();
        assert!([0, 1].starts_with(&sent[..old]), "{log:?}");
        assert!([10, 11].starts_with(&sent[old..]) && end.is_none(), "{log:?}");
    });
}

/// A failure of a publisher that is not the newest any more is not told.
#[test]
fn a_failure_of_the_old_publisher_races_the_switch() {
    model("switch_map: a_failure_of_the_old_publisher_races_the_switch", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        let mut make = inner(&oracle, &start);
        let fails = move |item: Token| make(item).try_map(fails_at(0, "broken"));
        outer.switch_map(1, fails).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        oracle.request(4);
        let old = thread::spawn(move || start.go());
        hand.send(Token(1, oracle.alive()));
        hand.complete();
        old.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        let newest = sent == [10, 11] && end == Some(&Complete);
        assert!(newest || log == [Error("broken")], "{log:?}");
    });
}

/// The old one has not begun, and never does.
#[test]
fn a_newer_publisher_does_not_wait_for_an_old_one_that_is_silent() {
    model("switch_map: a_newer_publisher_does_not_wait_for_an_old_one_that_is_silent", || {
        let oracle = Oracle::new();
        let (hand, start) = (Hand::default(), Start::default());
        let outer = Source::Hand(oracle.alive(), hand.clone());
        outer.switch_map(1, inner(&oracle, &start)).subscribe(oracle.probe(|_| More::NONE));
        hand.send(Token(0, oracle.alive()));
        let upstream = {
            let item = Token(1, oracle.alive());
            thread::spawn(move || {
                hand.send(item);
                hand.complete();
            })
        };
        oracle.request(2);
        upstream.join().unwrap();
        start.go();
        let log = oracle.finish();
        assert_eq!(log, crate::all(10..12));
    });
}
