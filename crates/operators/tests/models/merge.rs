//! Models of `merge`: two sources, of which one fails or both end.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::combine::merge_all;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Oracle;
use crate::oracle::Signal::{Complete, Error, Item};
use crate::{fails_at, late, split};

#[test]
fn two_sources_race_requests() {
    model("merge: two_sources_race_requests", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 10..12);
        merge_all([a, b], 1).subscribe(oracle.probe(|_| More::NONE));
        let one = thread::spawn(move || start_a.go());
        let other = thread::spawn(move || start_b.go());
        oracle.request(3);
        one.join().unwrap();
        other.join().unwrap();
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[0, 10, 11][..], Some(&Complete)));
    });
}

/// Row 46 of the known bugs: one completes and the other fails; the failure is told, once.
#[test]
fn the_end_of_one_races_the_failure_of_the_other() {
    model("merge: the_end_of_one_races_the_failure_of_the_other", || {
        let oracle = Oracle::new();
        let (a, start_a) = late(&oracle, 0..1);
        let (b, start_b) = late(&oracle, 10..12);
        let b = b.try_map(fails_at(11, "broken"));
        let a = a.try_map(fails_at(11, "broken"));
        merge_all([a.boxed(), b.boxed()], 2).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let one = thread::spawn(move || start_a.go());
        start_b.go();
        one.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert_eq!(*last, Error("broken"));
        assert!(before.contains(&Item(10)), "{log:?}");
        assert!(before.iter().all(|signal| [Item(0), Item(10)].contains(signal)), "{log:?}");
    });
}
