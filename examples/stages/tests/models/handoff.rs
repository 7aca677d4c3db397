//! Models of [`Handoff`]: its task, its upstream, requests and a cancellation at a time.

use millstream::{Fault, More, Publisher};
use millstream_example_stages::handoff::{Handoff, Mistake};
use millstream_testkit::model::{
    Closed, Desk, Error, Late, Oracle, Signal, Start, Token, all, begins, fails, late, model, run,
    run_and_drop, thread,
};

/// Numbered items that begin when another thread says so.
fn source(
    oracle: &Oracle,
    numbers: std::ops::Range<u32>,
) -> (Late<impl Publisher<Item = Token, Error = Error> + use<>>, Start) {
    late(millstream::from_pull(oracle.items(numbers)))
}

/// A stage with a mistake, or without.
fn handoff<P: Publisher, D: millstream::executor::Executor>(
    upstream: P,
    executor: D,
    mistake: Option<Mistake>,
) -> Handoff<P, D> {
    let handoff = Handoff::new(upstream, executor);
    match mistake {
        Some(mistake) => handoff.making(mistake),
        None => handoff,
    }
}

/// The items come on one thread, and are sent on by another; both are asked for before.
fn a_producer(mistake: Option<Mistake>) -> impl Fn() + Send + Sync {
    move || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = source(&oracle, 0..2);
        handoff(source, desk.clone(), mistake).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(2);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        start.go();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    }
}

/// Two threads ask while the task runs. The items are there.
fn two_requests(mistake: Option<Mistake>) -> impl Fn() + Send + Sync {
    move || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let source = millstream::from_pull(oracle.items(0..2));
        handoff(source, desk.clone(), mistake).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let other = oracle.clone();
        let asking = thread::spawn(move || other.request(1));
        oracle.request(1);
        asking.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..2));
    }
}

/// Items come, the task sends them on, and downstream cancels.
fn a_cancellation(mistake: Option<Mistake>) -> impl Fn() + Send + Sync {
    move || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = source(&oracle, 0..2);
        handoff(source, desk.clone(), mistake).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(9);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
    }
}

#[test]
fn a_producer_races_the_executor() {
    model("handoff: a_producer_races_the_executor", a_producer(None));
}

#[test]
fn two_requests_race_the_executor() {
    model("handoff: two_requests_race_the_executor", two_requests(None));
}

#[test]
fn a_cancellation_races_a_producer_and_the_executor() {
    model("handoff: a_cancellation_races_a_producer_and_the_executor", a_cancellation(None));
}

/// The executor polls the task once, and then has had enough.
#[test]
fn an_executor_that_drops_the_task_races_a_producer() {
    model("handoff: an_executor_that_drops_the_task_races_a_producer", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = source(&oracle, 0..2);
        Handoff::new(source, desk.clone()).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let task = desk.task();
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        start.go();
        executor.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert_eq!(*last, Signal::Fault(Fault::ExecutorGone.to_string()));
        assert!(before.len() <= 1 && begins(&all(0..2), before), "{log:?}");
    });
}

#[test]
fn an_executor_that_refuses_ends_the_stream_once() {
    model("handoff: an_executor_that_refuses_ends_the_stream_once", || {
        let oracle = Oracle::new();
        let (source, start) = source(&oracle, 0..2);
        Handoff::new(source, Closed).subscribe(oracle.probe(|_| More::NONE));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), [Signal::Fault(Fault::ExecutorGone.to_string())]);
    });
}

#[test]
fn a_source_that_goes_races_the_executor() {
    model("handoff: a_source_that_goes_races_the_executor", || {
        let (oracle, desk) = (Oracle::new(), Desk::default());
        let (source, start) = source(&oracle, 0..1);
        Handoff::new(source, desk.clone()).subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        start.forget();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), [Signal::Fault(Fault::SourceDropped.to_string())]);
    });
}

/// Makes a test of each mistake: the model that must catch it, and what the failure says.
macro_rules! caught {
    ($($name:ident: $mistake:ident by $model:ident, $expected:literal;)*) => {$(
        #[test]
        #[cfg_attr(not(millstream_loom), ignore = "takes a model checker")]
        fn $name() {
            let name = concat!("handoff: ", stringify!($name));
            fails(name, $expected, $model(Some(Mistake::$mistake)));
        }
    )*};
}

caught! {
    a_lost_wake_up_is_caught: LooksBeforeItWaits by a_producer, "deadlock";
    a_lost_request_is_caught: AddsInTwoSteps by two_requests, "deadlock";
    an_item_that_is_kept_is_caught: KeepsWhatComesLate by a_cancellation, "still alive at the end";
    an_item_that_is_overwritten_is_caught: AsksTooEarly by a_producer, "[Item(1), Complete]";
    an_end_that_overtakes_is_caught: EndsAtOnce by a_producer, "[Item(0), Complete]";
    an_item_that_nobody_asked_for_is_caught: SendsUnasked by two_requests, "without demand";
}
