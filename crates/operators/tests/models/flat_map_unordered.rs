//! Models of `flat_map_unordered`: several inner publishers that send on threads of their own.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Error, Item};
use crate::oracle::{Hand, Oracle, Source, Start, Token, items};
use crate::{all, late, split};

/// As many starts as there are inner publishers, and what makes those: item n becomes `length`
/// items, from 2n on.
fn inners(
    oracle: &Oracle,
    n: usize,
    length: u32,
) -> (Vec<Start>, impl FnMut(Token) -> Source + Send + 'static) {
    let starts: Vec<_> = (0..n).map(|_| Start::default()).collect();
    let (oracle, all) = (oracle.clone(), starts.clone());
    let make = move |item: Token| {
        let first = item.0 * 2;
        Source::Late(oracle.items(first..first + length), all[item.0 as usize].clone())
    };
    (starts, make)
}

fn in_order(items: &[u32], first: u32) -> bool {
    items.iter().filter(|n| **n / 2 == first).is_sorted()
}

#[test]
fn two_inner_publishers_send_at_a_time() {
    model("flat_map_unordered: two_inner_publishers_send_at_a_time", || {
        let oracle = Oracle::new();
        let (starts, make) = inners(&oracle, 2, 1);
        let outer = Source::Items(oracle.items(0..2));
        outer.flat_map_unordered(2, 1, make).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let senders: Vec<_> =
            starts.into_iter().map(|start| thread::spawn(move || start.go())).collect();
        for sender in senders {
            sender.join().unwrap();
        }
        oracle.request(1);
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[0, 2][..], Some(&Complete)));
    });
}

/// One unit of demand for two that have an item: one is sent, and the other is not lost.
#[test]
fn a_request_races_the_items_of_two_inner_publishers() {
    model("flat_map_unordered: a_request_races_the_items_of_two_inner_publishers", || {
        let oracle = Oracle::new();
        let (starts, make) = inners(&oracle, 2, 1);
        let [first, second] = <[Start; 2]>::try_from(starts).ok().unwrap();
        let outer = Source::Items(oracle.items(0..2));
        outer.flat_map_unordered(2, 1, make).subscribe(oracle.probe(|_| More::NONE));
        first.go();
        let sender = thread::spawn(move || second.go());
        oracle.request(1);
        oracle.request(1);
        sender.join().unwrap();
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[0, 2][..], Some(&Complete)));
    });
}

/// The second has a place when the first is over, and not before.
#[test]
fn the_end_of_an_inner_publisher_races_the_next_item_of_upstream() {
    model(
        "flat_map_unordered: the_end_of_an_inner_publisher_races_the_next_item_of_upstream",
        || {
            let oracle = Oracle::new();
            let start = Start::default();
            let (hand, first) = (Hand::default(), start.clone());
            let inner = {
                let oracle = oracle.clone();
                move |item: Token| match item.0 {
                    0 => Source::Late(oracle.items(0..1), first.clone()),
                    _ => Source::Items(oracle.items(1..3)),
                }
            };
            let outer = Source::Hand(oracle.alive(), hand.clone());
            outer.flat_map_unordered(1, 1, inner).subscribe(oracle.probe(|_| More::NONE));
            hand.send(Token(0, oracle.alive()));
            oracle.request(2);
            let upstream = {
                let (hand, second) = (hand.clone(), Token(1, oracle.alive()));
                thread::spawn(move || {
                    hand.send(second);
                    hand.complete();
                })
            };
            let inner = thread::spawn(move || start.go());
            oracle.request(1);
            upstream.join().unwrap();
            inner.join().unwrap();
            assert_eq!(oracle.finish(), all(0..3));
        },
    );
}

#[test]
fn a_cancellation_races_two_inner_publishers() {
    model("flat_map_unordered: a_cancellation_races_two_inner_publishers", || {
        let oracle = Oracle::new();
        let (starts, make) = inners(&oracle, 2, 2);
        let outer = Source::Items(oracle.items(0..2));
        outer.flat_map_unordered(2, 1, make).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let senders: Vec<_> =
            starts.into_iter().map(|start| thread::spawn(move || start.go())).collect();
        oracle.cancel();
        for sender in senders {
            sender.join().unwrap();
        }
        let log = oracle.finish();
        let (sent, _) = split(&log);
        assert!(in_order(&sent, 0) && in_order(&sent, 1), "{log:?}");
    });
}

/// The first failure is told once, after what that publisher sent before; nothing follows it.
#[test]
fn a_failure_of_one_races_the_items_of_another() {
    model("flat_map_unordered: a_failure_of_one_races_the_items_of_another", || {
        let oracle = Oracle::new();
        let (starts, mut make) = inners(&oracle, 2, 2);
        let outer = Source::Items(oracle.items(0..2));
        let fails = move |item: Token| make(item).try_map(crate::fails_at(1, "broken"));
        outer.flat_map_unordered(2, 2, fails).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let senders: Vec<_> =
            starts.into_iter().map(|start| thread::spawn(move || start.go())).collect();
        for sender in senders {
            sender.join().unwrap();
        }
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert_eq!(*last, Error("broken"));
        assert!(before.contains(&Item(0)), "{log:?}");
        assert!(in_order(&items(before), 1), "{log:?}");
    });
}

/// No demand: the end of the inner publishers comes all the same, and their items do not.
#[test]
fn an_end_without_items_races_a_request() {
    model("flat_map_unordered: an_end_without_items_races_a_request", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..0);
        let mut source = Some(source);
        let outer = Source::Items(oracle.items(0..1));
        let inner = move |_: Token| source.take().unwrap();
        outer.flat_map_unordered(1, 1, inner).subscribe(oracle.probe(|_| More::NONE));
        let sender = thread::spawn(move || start.go());
        oracle.request(1);
        sender.join().unwrap();
        assert_eq!(oracle.finish(), [Complete]);
    });
}
