//! Models of a whole pipeline: a producer, two boundaries, a consumer and a canceller.

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run};

use crate::oracle::{Oracle, Source, Token, begins};
use crate::{all, late};

fn doubled(item: Token) -> Token {
    Token(item.0 * 2, item.1)
}

/// The producer and the consumer who asks on one thread, the stages on two executors.
#[test]
fn a_producer_two_boundaries_and_a_consumer() {
    model("pipeline: a_producer_two_boundaries_and_a_consumer", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..1);
        let stages = source.publish_on(desk.clone(), 1).map(doubled);
        stages.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        let (first, second) = (desk.task(), desk.task());
        let one = thread::spawn(move || run(Some(first)));
        let other = thread::spawn(move || run(Some(second)));
        start.go();
        oracle.request(1);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.finish(), all([0]));
    });
}

/// More items than the queues hold: each is asked for when the one before has left.
#[test]
fn demand_goes_up_through_two_queues() {
    model("pipeline: demand_goes_up_through_two_queues", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..3);
        let stages = source.prefetch(1).map(doubled);
        stages.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        oracle.request(1);
        start.go();
        oracle.request(2);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all([0, 2, 4]));
    });
}

/// Four threads, cancelled at any time.
#[test]
fn a_producer_two_boundaries_and_a_canceller() {
    model("pipeline: a_producer_two_boundaries_and_a_canceller", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = late(&oracle, 0..1);
        let stages = source.publish_on(desk.clone(), 1).map(doubled);
        stages.publish_on(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let (first, second) = (desk.task(), desk.task());
        let one = thread::spawn(move || run(Some(first)));
        let other = thread::spawn(move || run(Some(second)));
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        one.join().unwrap();
        other.join().unwrap();
        assert!(begins(&all([0]), &oracle.finish()));
    });
}

/// Subscribed to and asked on one executor, sent on another.
#[test]
fn an_async_boundary_and_a_consumer_that_cancels() {
    model("pipeline: an_async_boundary_and_a_consumer_that_cancels", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let source = Source::Items(oracle.items(0..2));
        source.async_boundary(desk.clone(), 1).subscribe(oracle.probe(|_| More::NONE));
        let (first, second) = (desk.task(), desk.task());
        let one = thread::spawn(move || run(Some(first)));
        let other = thread::spawn(move || run(Some(second)));
        oracle.request(1);
        oracle.cancel();
        one.join().unwrap();
        other.join().unwrap();
        assert!(begins(&all(0..1)[..1], &oracle.finish()));
    });
}
