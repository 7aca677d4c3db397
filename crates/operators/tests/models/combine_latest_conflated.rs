//! Models of `combine_latest_conflated`: items replace each other while a row is asked for.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::combine::combine_latest_conflated;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Error as Failed, Item};
use crate::oracle::{Error, Hand, Oracle, Source, Token};
use crate::{all, fails_at, late, split};

/// Rows of items 0.. of one and 10.. of the other, as numbers: the tens are those of the first.
fn rows<A, B>(a: A, b: B) -> impl Publisher<Item = Token, Error = Error>
where
    A: Publisher<Item = Token, Error = Error>,
    B: Publisher<Item = Token, Error = Error>,
{
    combine_latest_conflated((a, b), 1).map(|(a, b)| Token(10 * a.0 + b.0 - 10, a.1))
}

/// No row twice, none older than one before, and the newest comes.
fn newer_and_newer(sent: &[u32], last: u32) -> bool {
    let parts = |n: u32| [n / 10, n % 10];
    let newer = |pair: &[u32]| {
        let [before, after] = [parts(pair[0]), parts(pair[1])];
        before != after && before[0] <= after[0] && before[1] <= after[1]
    };
    sent.windows(2).all(newer) && sent.last() == Some(&last)
}

#[test]
fn two_sources_race_a_request() {
    model("combine_latest_conflated: two_sources_race_a_request", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..11);
        rows(a, b).subscribe(oracle.probe(|_| More::NONE));
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.request(9);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!(newer_and_newer(&sent, 10) && end == Some(&Complete), "{log:?}");
    });
}

/// The row is made when it is sent: of the newest items, and the last one waits to be asked for.
#[test]
fn a_request_races_newer_items_of_both() {
    model("combine_latest_conflated: a_request_races_newer_items_of_both", || {
        let oracle = Oracle::new();
        let (one, other) = (Hand::default(), Hand::default());
        let [a, b] = [&one, &other].map(|hand| Source::Hand(oracle.alive(), hand.clone()));
        rows(a, b).subscribe(oracle.probe(|_| More::NONE));
        one.send(Token(0, oracle.alive()));
        other.send(Token(10, oracle.alive()));
        let [newer_a, newer_b] = [1, 11].map(|n| Token(n, oracle.alive()));
        let of_a = thread::spawn(move || {
            one.send(newer_a);
            one.complete();
        });
        oracle.request(1);
        other.send(newer_b);
        other.complete();
        of_a.join().unwrap();
        let is_over = oracle.count() == 0;
        oracle.request(9);
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!(newer_and_newer(&sent, 11) && end == Some(&Complete), "{log:?}");
        assert_eq!(is_over, sent.len() == 1, "{log:?}");
    });
}

/// There will never be a row: that is told at once, whatever the other sends.
#[test]
fn an_end_without_items_races_the_other() {
    model("combine_latest_conflated: an_end_without_items_races_the_other", || {
        let oracle = Oracle::new();
        let (a, start) = late(&oracle, 0..0);
        let hand = Hand::default();
        rows(a, Source::Hand(oracle.alive(), hand.clone())).subscribe(oracle.probe(|_| More::NONE));
        let item = Token(10, oracle.alive());
        let one = thread::spawn(move || start.go());
        let other = thread::spawn(move || hand.send(item));
        oracle.request(1);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        assert_eq!(oracle.finish(), [Complete]);
    });
}

/// The failure comes behind the row that waits, and that waits for demand.
#[test]
fn a_failure_races_the_request_for_the_row_before_it() {
    model("combine_latest_conflated: a_failure_races_the_request_for_the_row_before_it", || {
        let oracle = Oracle::new();
        let (one, other) = (Hand::default(), Hand::default());
        let [a, b] = [&one, &other].map(|hand| Source::Hand(oracle.alive(), hand.clone()));
        rows(a.try_map(fails_at(1, "broken")), b).subscribe(oracle.probe(|_| More::NONE));
        one.send(Token(0, oracle.alive()));
        other.send(Token(10, oracle.alive()));
        let [fails, newer] = [1, 11].map(|n| Token(n, oracle.alive()));
        let failing = thread::spawn(move || one.send(fails));
        let newer = thread::spawn(move || other.send(newer));
        oracle.request(1);
        failing.join().unwrap();
        newer.join().unwrap();
        oracle.request(9);
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        let rows = [&[Item(0)][..], &[Item(1)], &[Item(0), Item(1)]];
        let (end, before) = log.split_last().unwrap();
        assert!(rows.contains(&before) && *end == Failed("broken"), "{log:?}");
    });
}

#[test]
fn a_cancellation_races_two_sources() {
    model("combine_latest_conflated: a_cancellation_races_two_sources", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..11);
        rows(a, b).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.cancel();
        one.join().unwrap();
        other.join().unwrap();
        let log = oracle.finish();
        let all = [all([0, 10]), all([10])];
        assert!(all.iter().any(|all| all.starts_with(&log)), "{log:?}");
    });
}
