//! Models of `take_until`: the signal, the items and a cancellation at a time.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::Complete;
use crate::oracle::{Hand, Oracle, Source, begins};
use crate::{all, late, split};

#[test]
fn the_signal_races_the_items() {
    model("take_until: the_signal_races_the_items", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let (signal, stop) = late(&oracle, 0..1);
        source.take_until(signal).subscribe(oracle.probe(|_| More::ONE));
        let upstream = thread::spawn(move || start.go());
        let other = thread::spawn(move || stop.go());
        oracle.request(1);
        upstream.join().unwrap();
        other.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!([0, 1].starts_with(&sent) && end == Some(&Complete), "{log:?}");
    });
}

/// No item, no demand: the signal is enough.
#[test]
fn the_signal_ends_a_stream_that_is_silent() {
    model("take_until: the_signal_ends_a_stream_that_is_silent", || {
        let oracle = Oracle::new();
        let (hand, source) = (Hand::default(), oracle.alive());
        let (signal, stop) = late(&oracle, 0..1);
        Source::Hand(source, hand).take_until(signal).subscribe(oracle.probe(|_| More::NONE));
        let other = thread::spawn(move || stop.go());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Complete]);
    });
}

#[test]
fn a_cancellation_races_the_signal_and_the_items() {
    model("take_until: a_cancellation_races_the_signal_and_the_items", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let (signal, stop) = late(&oracle, 0..1);
        source.take_until(signal).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let upstream = thread::spawn(move || start.go());
        let other = thread::spawn(move || stop.go());
        oracle.cancel();
        upstream.join().unwrap();
        other.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!(begins(&all(0..2), &log) || end == Some(&Complete) && sent.len() < 2, "{log:?}");
    });
}
