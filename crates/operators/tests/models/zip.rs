//! Models of `zip`: sources that send on threads of their own, of which the shorter one counts.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Error, Item};
use crate::oracle::{Oracle, Token, begins};
use crate::{all, fails_at, late};

/// Pairs as one number: both must be the same.
fn pair((one, other): (Token, Token)) -> Token {
    let n = if one.0 == other.0 { one.0 } else { 100 * one.0 + other.0 };
    Token(n, one.1)
}

#[test]
fn two_sources_race_requests() {
    model("zip: two_sources_race_requests", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 0..2);
        a.zip(b, 1).map(pair).subscribe(oracle.probe(|_| More::NONE));
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.request(1);
        oracle.request(1);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    });
}

/// Row 57 of the known bugs: the last item of one and the end of the other.
#[test]
fn the_end_of_one_races_the_items_of_the_other() {
    model("zip: the_end_of_one_races_the_items_of_the_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 0..3);
        a.zip(b, 2).map(pair).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let one = thread::spawn(move || start_a.go());
        start_b.go();
        one.join().unwrap();
        assert_eq!(oracle.finish(), all(0..1));
    });
}

/// An end needs no demand, and the items that wait for it are let go.
#[test]
fn an_end_without_demand_lets_the_others_go() {
    model("zip: an_end_without_demand_lets_the_others_go", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..0);
        let (b, start_b) = late(&oracle, 0..2);
        a.zip(b, 2).map(pair).subscribe(oracle.probe(|_| More::NONE));
        let one = thread::spawn(move || start_a.go());
        start_b.go();
        one.join().unwrap();
        assert_eq!(oracle.finish(), all(0..0));
    });
}

/// The failure comes after the items that its source sent before, once.
#[test]
fn a_failure_of_one_races_the_items_of_the_other() {
    model("zip: a_failure_of_one_races_the_items_of_the_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 0..3);
        let a = a.try_map(fails_at(1, "broken"));
        a.zip(b, 2).map(pair).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let one = thread::spawn(move || start_a.go());
        start_b.go();
        one.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Error("broken")]);
    });
}

#[test]
fn a_cancellation_races_two_sources() {
    model("zip: a_cancellation_races_two_sources", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 0..2);
        a.zip(b, 1).map(pair).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.cancel();
        one.join().unwrap();
        other.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}
