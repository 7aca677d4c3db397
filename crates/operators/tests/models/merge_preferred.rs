//! Models of `merge_preferred` and `merge_prioritized`: what is there decides whose turn it is, and who
//! rings while others are looked at is not forgotten.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::combine::{merge_all_preferred, merge_all_prioritized};
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Error, Item};
use crate::oracle::{Oracle, Signal};
use crate::{all, fails_at, late, split, two_ask};

/// Of each source what it sends, in its order, and then the end.
fn each_in_order(log: &[Signal], sources: [&[u32]; 2]) -> bool {
    let (sent, end) = split(log);
    let of = |first: u32| sent.iter().copied().filter(|n| n / 10 == first).collect::<Vec<_>>();
    [of(0), of(1)] == sources && end == Some(&Complete)
}

/// Whatever is asked when, and by whom: all of the first comes before the second has its turn.
#[test]
fn the_preferred_goes_first_where_both_have_items() {
    model("merge_preferred: the_preferred_goes_first_where_both_have_items", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all_preferred([a, b], 2).subscribe(oracle.probe(|_| More::NONE));
        start_b.go();
        start_a.go();
        two_ask(&oracle, 2, 2);
        assert_eq!(oracle.finish(), all([0, 1, 10, 11]));
    });
}

/// A turn is one item: then it is looked again who has one.
#[test]
fn the_preferred_goes_before_what_is_left_of_the_other() {
    model("merge_preferred: the_preferred_goes_before_what_is_left_of_the_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all_preferred([a, b], 2).subscribe(oracle.probe(|_| More::NONE));
        start_b.go();
        oracle.request(1);
        start_a.go();
        two_ask(&oracle, 1, 1);
        assert_eq!(oracle.finish(), all([10, 0, 11]));
    });
}

/// The preferred one rings while the other is looked at, or has its turn.
#[test]
fn the_preferred_comes_while_the_other_is_sent() {
    model("merge_preferred: the_preferred_comes_while_the_other_is_sent", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all_preferred([a, b], 2).subscribe(oracle.probe(|_| More::NONE));
        start_b.go();
        let preferred = thread::spawn(move || start_a.go());
        oracle.request(1);
        oracle.request(1);
        preferred.join().unwrap();
        oracle.request(1);
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        assert!(each_in_order(&log, [&[0], &[10, 11]]), "{log:?}");
    });
}

/// Either rings while the other is looked at, and both while the host is about to rest.
#[test]
fn two_sources_race_each_other() {
    model("merge_preferred: two_sources_race_each_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all_preferred([a, b], 1).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(4);
        let preferred = thread::spawn(move || start_a.go());
        start_b.go();
        preferred.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        assert!(each_in_order(&log, [&[0, 1], &[10, 11]]), "{log:?}");
    });
}

/// It comes behind what its source sent, wherever the others are.
#[test]
fn a_failure_of_the_preferred_races_the_other() {
    model("merge_preferred: a_failure_of_the_preferred_races_the_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..12);
        let a = a.try_map(fails_at(1, "broken"));
        let b = b.try_map(fails_at(1, "broken"));
        merge_all_preferred([a.boxed(), b.boxed()], 2).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let one = thread::spawn(move || start_a.go());
        start_b.go();
        one.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        let (sent, end) = split(&log);
        let mut others = sent.clone();
        others.retain(|n| *n >= 10);
        assert!(sent.contains(&0) && end == Some(&Error("broken")), "{log:?}");
        assert!([10, 11].starts_with(&others) && sent.len() == others.len() + 1, "{log:?}");
    });
}

#[test]
fn a_cancellation_races_both() {
    model("merge_preferred: a_cancellation_races_both", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 10..11);
        merge_all_preferred([a, b], 1).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.cancel();
        one.join().unwrap();
        other.join().unwrap();
        let log = oracle.finish();
        let items = log.iter().filter(|signal| [Item(0), Item(10)].contains(signal)).count();
        assert!(log.len() == items || log.len() == 3 && log[2] == Complete, "{log:?}");
    });
}

/// Each for as many items as it weighs, whatever is asked when, and by whom.
#[test]
fn turns_are_as_long_as_the_weights_say() {
    model("merge_prioritized: turns_are_as_long_as_the_weights_say", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..3);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all_prioritized([(a, 2), (b, 1)], 3).subscribe(oracle.probe(|_| More::NONE));
        start_b.go();
        start_a.go();
        two_ask(&oracle, 2, 3);
        assert_eq!(oracle.finish(), all([0, 1, 10, 2, 11]));
    });
}

/// A turn that is not used up is over when its source has nothing, and the other does not wait.
#[test]
fn one_that_comes_in_the_turn_of_the_other_is_not_forgotten() {
    model("merge_prioritized: one_that_comes_in_the_turn_of_the_other_is_not_forgotten", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..2);
        let (b, start_b) = late(&oracle, 10..11);
        merge_all_prioritized([(a, 3), (b, 1)], 1).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(3);
        let other = thread::spawn(move || start_b.go());
        start_a.go();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "it is over");
        let log = oracle.finish();
        assert!(each_in_order(&log, [&[0, 1], &[10]]), "{log:?}");
    });
}
