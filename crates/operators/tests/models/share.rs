//! Models of the operators with several downstreams that each get all: `broadcast`, `share`,
//! `publish`, `replay`.

use millstream::prelude::*;
use millstream::{Fault, More};
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{self, Complete, Item};
use crate::oracle::{Oracle, items};
use crate::{all, late};

fn gone() -> Signal {
    Signal::Fault(Fault::SourceDropped.to_string())
}

/// A subscriber with a log of its own.
fn subscribed<P>(publisher: P) -> Oracle
where
    P: Publisher<Item = crate::Token, Error = crate::Error>,
{
    let oracle = Oracle::new();
    publisher.subscribe(oracle.probe(|_| More::NONE));
    oracle
}

#[test]
fn two_branches_come_together_again() {
    model("broadcast: two_branches_come_together_again", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let [a, b] = source.broadcast::<2>(1);
        let both = subscribed(a.zip(b, 1).map(|(a, _)| a));
        let other = thread::spawn(move || start.go());
        both.request(9);
        other.join().unwrap();
        assert_eq!(both.finish(), all(0..2));
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn one_branch_is_cancelled_while_the_other_is_asked() {
    model("broadcast: one_branch_is_cancelled_while_the_other_is_asked", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let [a, b] = source.broadcast::<2>(1).map(subscribed);
        start.go();
        let other = thread::spawn({
            let b = b.clone();
            move || b.cancel()
        });
        a.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), all(0..2));
        assert_eq!(b.finish(), []);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn one_subscribes_while_items_and_the_end_come() {
    model("publish: one_subscribes_while_items_and_the_end_come", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let shared = source.publish(2).ref_count(1);
        let a = subscribed(shared.clone());
        a.request(9);
        let other = thread::spawn(move || start.go());
        let b = subscribed(shared.clone());
        b.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), all(0..2));
        let log = b.finish();
        assert!(all(0..2).ends_with(&log) && log.ends_with(&[Complete]), "{log:?}");
        drop(shared);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn one_subscribes_while_the_last_is_cancelled() {
    model("publish: one_subscribes_while_the_last_is_cancelled", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let shared = source.publish(2).ref_count(1);
        let a = subscribed(shared.clone());
        start.go();
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        let b = subscribed(shared.clone());
        b.request(9);
        other.join().unwrap();
        let log = b.finish();
        assert!(log == [gone()] || log == [Complete], "{log:?}");
        a.finish();
        drop(shared);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn one_subscribes_late_while_items_come() {
    model("replay: one_subscribes_late_while_items_come", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let shared = source.replay(1, 1);
        let a = subscribed(shared.clone());
        a.request(9);
        let other = thread::spawn(move || start.go());
        let b = subscribed(shared.clone());
        b.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), all(0..2));
        let log = b.finish();
        let (end, before) = log.split_last().expect("an end");
        assert_eq!(*end, Complete);
        let got = items(before);
        assert!(got == [0, 1] || got == [1], "{log:?}");
        drop(shared);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn the_next_takes_over_while_the_last_is_cancelled() {
    model("publish: the_next_takes_over_while_the_last_is_cancelled", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let shared = source.publish(1).auto_connect(1);
        let a = subscribed(shared.clone());
        a.request(1);
        let other = thread::spawn(move || start.go());
        a.cancel();
        other.join().unwrap();
        let b = subscribed(shared.clone());
        b.request(9);
        let mut log = a.finish();
        log.extend(b.finish());
        assert_eq!(log, [Item(0), Item(1), Item(2), Complete], "each item once, in order");
        drop(shared);
        assert_eq!(oracle.count(), 0);
    });
}
