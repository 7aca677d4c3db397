//! Models of `bulkhead`: a permit comes back while there are items, requests, a cancellation, an end.

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::limit::{Permit, Permits, Permitted};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run, run_and_drop};

use crate::oracle::Signal::{self, Item};
use crate::oracle::{Error, Oracle, Token, begins};
use crate::{all, late, pulled};

/// Subscribes `oracle` to `source` behind a bulkhead: the task of it.
fn behind<P>(
    source: P,
    oracle: &Oracle,
    permits: &Permits,
) -> impl Future<Output = ()> + Send + use<P>
where
    P: Publisher<Item = Token, Error = Error>,
{
    let desk = Desk::default();
    let stages = source.bulkhead(desk.clone(), permits).map(Permitted::into_inner);
    stages.subscribe(oracle.probe(|_| More::NONE));
    desk.task()
}

/// The only one there is, taken.
fn one_that_is_out() -> (Permits, Permit) {
    let permits = Permits::new(1);
    let permit = permits.try_acquire().unwrap();
    (permits, permit)
}

#[test]
fn a_permit_that_comes_back_races_a_request_and_the_executor() {
    model("bulkhead: a_permit_that_comes_back_races_a_request_and_the_executor", || {
        let (oracle, (permits, permit)) = (Oracle::new(), one_that_is_out());
        let task = behind(pulled(&oracle, 0..2), &oracle, &permits);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || drop(permit));
        oracle.request(2);
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
        assert_eq!(permits.free(), 1);
    });
}

#[test]
fn a_permit_that_comes_back_races_a_producer() {
    model("bulkhead: a_permit_that_comes_back_races_a_producer", || {
        let (oracle, (permits, permit)) = (Oracle::new(), one_that_is_out());
        let (source, start) = late(&oracle, 0..2);
        let task = behind(source, &oracle, &permits);
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        drop(permit);
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
        assert_eq!(permits.free(), 1);
    });
}

#[test]
fn a_permit_that_comes_back_races_a_cancellation() {
    model("bulkhead: a_permit_that_comes_back_races_a_cancellation", || {
        let (oracle, (permits, permit)) = (Oracle::new(), one_that_is_out());
        let task = behind(pulled(&oracle, 0..2), &oracle, &permits);
        oracle.request(2);
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || drop(permit));
        oracle.cancel();
        other.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
        assert_eq!(permits.free(), 1, "nobody stands in the line");
    });
}

/// The executor polls the task once, and then has had enough.
#[test]
fn an_executor_that_drops_the_task_races_a_permit_that_comes_back() {
    model("bulkhead: an_executor_that_drops_the_task_races_a_permit_that_comes_back", || {
        let (oracle, (permits, permit)) = (Oracle::new(), one_that_is_out());
        let task = behind(pulled(&oracle, 0..9), &oracle, &permits);
        oracle.request(1);
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        drop(permit);
        executor.join().unwrap();
        let gone = Signal::Fault(Fault::ExecutorGone.to_string());
        let log = oracle.finish();
        assert!(log == [gone.clone()] || log == [Item(0), gone], "{log:?}");
        assert_eq!(permits.free(), 1, "what was granted to it is not lost");
    });
}

#[test]
fn two_streams_race_for_one_permit() {
    model("bulkhead: two_streams_race_for_one_permit", || {
        let permits = Permits::new(1);
        let (one, other) = (Oracle::new(), Oracle::new());
        let first = behind(pulled(&one, 0..2), &one, &permits);
        let second = behind(pulled(&other, 0..2), &other, &permits);
        one.request(2);
        other.request(2);
        let executor = thread::spawn(move || run(Some(first)));
        run(Some(second));
        executor.join().unwrap();
        assert_eq!((one.finish(), other.finish()), (all(0..2), all(0..2)));
        assert_eq!(permits.free(), 1);
    });
}

/// One asks for an item that does not come while the other works.
#[test]
fn a_stream_that_is_quiet_races_one_that_works() {
    model("bulkhead: a_stream_that_is_quiet_races_one_that_works", || {
        let permits = Permits::new(1);
        let (quiet, works) = (Oracle::new(), Oracle::new());
        let (source, start) = late(&quiet, 0..1);
        let waits = behind(source, &quiet, &permits);
        let task = behind(pulled(&works, 0..2), &works, &permits);
        quiet.request(1);
        works.request(2);
        let executor = thread::spawn(move || run(Some(waits)));
        run(Some(task));
        assert_eq!(works.finish(), all(0..2));
        start.go();
        executor.join().unwrap();
        assert_eq!(quiet.finish(), all(0..1));
        assert_eq!(permits.free(), 1);
    });
}
