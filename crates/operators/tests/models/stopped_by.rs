//! Models of `stopped_by`: the switch is thrown while there are items, requests, a cancellation, an
//! end.

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::lifecycle::KillSwitch;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Error};
use crate::oracle::{Hand, Oracle, Source, Start, Token, begins};
use crate::{all, late, split};

#[test]
fn a_shutdown_races_the_items() {
    model("stopped_by: a_shutdown_races_the_items", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let (source, start) = late(&oracle, 0..3);
        source.stopped_by(&switch).subscribe(oracle.probe(|_| More::ONE));
        let upstream = thread::spawn(move || start.go());
        oracle.request(1);
        switch.shutdown();
        upstream.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent) && end == Some(&Complete), "{log:?}");
    });
}

/// No item, no demand: the switch is enough.
#[test]
fn an_abort_races_a_request_of_a_stream_that_is_silent() {
    model("stopped_by: an_abort_races_a_request_of_a_stream_that_is_silent", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let (hand, source) = (Hand::default(), oracle.alive());
        Source::Hand(source, hand).stopped_by(&switch).subscribe(oracle.probe(|_| More::NONE));
        let other = thread::spawn(move || switch.abort("stop"));
        oracle.request(1);
        assert!(other.join().unwrap());
        assert_eq!(oracle.count(), 0, "the end frees it all");
        assert_eq!(oracle.finish(), [Error("stop")]);
    });
}

#[test]
fn an_abort_races_a_cancellation_and_the_items() {
    model("stopped_by: an_abort_races_a_cancellation_and_the_items", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let (source, start) = late(&oracle, 0..2);
        source.stopped_by(&switch).subscribe(oracle.probe(|_| More::ONE));
        oracle.request(1);
        let upstream = thread::spawn(move || start.go());
        let other = thread::spawn(move || switch.abort("stop"));
        oracle.cancel();
        upstream.join().unwrap();
        assert!(other.join().unwrap());
        let log = oracle.finish();
        let (sent, end) = split(&log);
        let stopped = [0, 1].starts_with(&sent) && end == Some(&Error("stop"));
        assert!(begins(&all(0..2), &log) || stopped, "{log:?}");
    });
}

#[test]
fn an_abort_races_the_end() {
    model("stopped_by: an_abort_races_the_end", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let hand = Hand::default();
        Source::Hand(oracle.alive(), hand.clone())
            .stopped_by(&switch)
            .subscribe(oracle.probe(|_| More::NONE));
        oracle.request(2);
        let alive = oracle.alive();
        let upstream = thread::spawn(move || {
            hand.send(Token(0, alive));
            hand.complete();
        });
        switch.abort("stop");
        upstream.join().unwrap();
        assert_eq!(oracle.count(), 0, "either end frees it all");
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!([0].starts_with(&sent) && [Some(&Complete), Some(&Error("stop"))].contains(&end));
        assert!(sent == [0] || end == Some(&Error("stop")), "{log:?}");
    });
}

#[test]
fn a_shutdown_races_a_subscription_and_an_abort() {
    model("stopped_by: a_shutdown_races_a_subscription_and_an_abort", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let source = Source::Hand(oracle.alive(), Hand::default());
        let (shuts, aborts) = (switch.clone(), switch.clone());
        let first = thread::spawn(move || shuts.shutdown());
        let second = thread::spawn(move || aborts.abort("stop"));
        source.stopped_by(&switch).subscribe(oracle.probe(|_| More::NONE));
        let shut = first.join().unwrap();
        assert!(shut != second.join().unwrap(), "one of them was the first");
        let log = oracle.finish();
        assert_eq!(log, [if shut { Complete } else { Error("stop") }]);
    });
}

/// The switch outlives the stream, and keeps nothing of it.
#[test]
fn a_shutdown_races_the_drop_of_the_source() {
    model("stopped_by: a_shutdown_races_the_drop_of_the_source", || {
        let (oracle, switch) = (Oracle::new(), KillSwitch::new());
        let start = Start::default();
        let source = Source::Deaf(oracle.alive(), start.clone());
        source.stopped_by(&switch).subscribe(oracle.probe(|_| More::NONE));
        let other = thread::spawn(move || start.forget());
        switch.shutdown();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        let lost = crate::oracle::Signal::Fault(Fault::SourceDropped.to_string());
        assert!(log == [Complete] || log == [lost], "{log:?}");
    });
}
