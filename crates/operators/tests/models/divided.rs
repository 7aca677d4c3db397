//! Models of `partition` and `balance`: each item goes to one of several readers, who ask, come and
//! go meanwhile.

use std::sync::{Arc, Mutex};

use millstream::More;
use millstream::prelude::*;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Item};
use crate::oracle::{Error, Hand, Oracle, Source, Token};
use crate::{late, split};

/// What was asked for in all: a lock of `std`, which adds no schedule.
type Asked = Arc<Mutex<u64>>;

/// A subscriber with a log of its own, which asks for nothing.
fn read<P: Publisher<Item = Token, Error = Error>>(publisher: P) -> Oracle {
    let oracle = Oracle::new();
    publisher.subscribe(oracle.probe(|_| More::NONE));
    oracle
}

fn parity(item: &Token) -> usize {
    item.0 as usize % 2
}

#[test]
fn each_item_goes_where_it_belongs_while_both_ask() {
    model("partition: each_item_goes_where_it_belongs_while_both_ask", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let [even, odd] = source.partition::<2, _>(1, parity).map(read);
        even.request(9);
        let producer = thread::spawn(move || start.go());
        odd.request(9);
        producer.join().unwrap();
        assert_eq!(even.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(odd.finish(), [Item(1), Complete]);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_reader_of_a_partition_that_goes_holds_nobody_up() {
    model("partition: a_reader_of_a_partition_that_goes_holds_nobody_up", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..4);
        let [even, odd] = source.partition::<2, _>(1, parity).map(read);
        even.request(9);
        let producer = thread::spawn(move || start.go());
        odd.cancel();
        producer.join().unwrap();
        assert_eq!(even.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(odd.finish(), []);
        assert_eq!(oracle.count(), 0);
    });
}

/// Whoever sends to a reader keeps its turn while there is something to send, and no longer: what the
/// reader asks for then reaches its stages, though no other item comes.
#[test]
fn a_request_reaches_the_stages_of_a_reader_while_an_item_comes() {
    model("partition: a_request_reaches_the_stages_of_a_reader_while_an_item_comes", || {
        let (oracle, hand, asked) = (Oracle::new(), Hand::default(), Asked::default());
        let source = Source::Hand(oracle.alive(), hand.clone());
        let [even, odd] = source.partition::<2, _>(1, parity);
        let sum = asked.clone();
        let even = read(even.inspect_request(move |n| *sum.lock().unwrap() += n.get()));
        let odd = read(odd);
        even.request(2);
        let alive = oracle.alive();
        let producer = thread::spawn(move || hand.send(Token(0, alive)));
        even.request(1);
        producer.join().unwrap();
        assert_eq!(*asked.lock().unwrap(), 3, "nothing else has to come for it");
        assert_eq!(even.finish(), [Item(0)]);
        assert_eq!(odd.finish(), []);
        assert_eq!(oracle.count(), 0);
    });
}

/// Nothing is connected to before both are there, and nothing is lost then.
#[test]
fn two_readers_of_a_partition_subscribe_at_a_time() {
    model("partition: two_readers_of_a_partition_subscribe_at_a_time", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let [even, odd] = source.partition::<2, _>(1, parity);
        let other = thread::spawn(move || {
            let odd = read(odd);
            odd.request(9);
            odd
        });
        let even = read(even);
        even.request(9);
        let odd = other.join().unwrap();
        assert_eq!(even.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(odd.finish(), [Item(1), Complete]);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn each_item_of_a_balance_goes_to_one_who_asks() {
    model("balance: each_item_of_a_balance_goes_to_one_who_asks", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let [one, other] = source.balance::<2>().map(read);
        one.request(1);
        let producer = thread::spawn(move || start.go());
        other.request(1);
        producer.join().unwrap();
        let logs = [one.finish(), other.finish()];
        let mut both: Vec<u32> = logs.iter().flat_map(|log| split(log).0).collect();
        assert!(logs.iter().all(|log| log.last() == Some(&Complete) && log.len() == 2), "{logs:?}");
        both.sort_unstable();
        assert_eq!(both, [0, 1]);
        assert_eq!(oracle.count(), 0);
    });
}

/// What one was just being given goes to the other, unless it has it.
#[test]
fn a_reader_of_a_balance_that_goes_takes_no_more_than_it_was_sent() {
    model("balance: a_reader_of_a_balance_that_goes_takes_no_more_than_it_was_sent", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let [one, other] = source.balance::<2>().map(read);
        one.request(2);
        let producer = thread::spawn(move || start.go());
        one.cancel();
        producer.join().unwrap();
        other.request(9);
        let logs = [one.finish(), other.finish()];
        let both: Vec<u32> = logs.iter().flat_map(|log| split(log).0).collect();
        assert_eq!(both, [0, 1], "{logs:?}");
        assert_eq!(logs[1].last(), Some(&Complete), "{logs:?}");
        assert_eq!(oracle.count(), 0);
    });
}
