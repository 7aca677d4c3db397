//! Models of the courier: what is asked reaches upstream, whoever asks and whenever it is
//! subscribed to; an end, a cancellation and an executor that goes are each told once.

mod oracle;

use std::sync::Arc;

use millstream_blocks::courier::courier;
use millstream_core::{ActiveSubscriber, End, Fault, More, Publisher, Subscriber, Subscription};
use millstream_model::{Runner, run, run_and_drop};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Oracle, Signal, Source, Start, Token, begins, broken, items};

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

fn gone() -> Signal {
    Signal::Fault(Fault::ExecutorGone.to_string())
}

#[test]
fn a_request_races_the_first_poll() {
    model("courier: a_request_races_the_first_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(courier));
        oracle.request(1);
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn two_requests_race_a_spurious_poll() {
    model("courier: two_requests_race_a_spurious_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        oracle.request(1);
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn a_request_races_a_poll_by_another_waker() {
    model("courier: a_request_races_a_poll_by_another_waker", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.moved().run());
        oracle.request(2);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

/// Upstream hands out its subscription late, on another thread.
#[test]
fn a_request_races_a_late_subscription() {
    model("courier: a_request_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..1), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        let upstream = thread::spawn(move || start.go());
        oracle.request(1);
        upstream.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(1));
    });
}

#[test]
fn cancel_races_the_first_poll() {
    model("courier: cancel_races_the_first_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        oracle.request(1);
        let executor = thread::spawn(move || run(courier));
        oracle.cancel();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(begins(&all(1), &log), "{log:?}");
    });
}

#[test]
fn cancel_races_a_late_subscription() {
    model("courier: cancel_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..2), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        oracle.request(1);
        assert!(!runner.poll());
        let upstream = thread::spawn(move || start.go());
        oracle.cancel();
        upstream.join().unwrap();
        runner.run();
        let log = oracle.finish();
        assert!(begins(&[Item(0)], &log), "{log:?}");
    });
}

/// A source that others hold as well, so that it goes on unless it is cancelled, and that hands
/// out its subscription late.
struct HeldElsewhere(Source, Start);

impl Publisher for HeldElsewhere {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let HeldElsewhere(source, start) = self;
        start.set(move || source.subscribe(subscriber));
    }
}

#[test]
fn cancel_races_the_late_subscription_of_a_source_that_is_held_elsewhere() {
    model("courier: cancel_races_the_late_subscription_of_a_source_that_is_held_elsewhere", || {
        let oracle = Oracle::new();
        let (start, hand) = (Start::default(), Hand::default());
        let source = HeldElsewhere(Source::Hand(oracle.alive(), hand.clone()), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        oracle.request(1);
        assert!(!runner.poll());
        let upstream = thread::spawn(move || start.go());
        oracle.cancel();
        upstream.join().unwrap();
        runner.run();
        assert_eq!(oracle.finish(), []);
        drop(hand);
    });
}

#[test]
fn cancel_races_a_request() {
    model("courier: cancel_races_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        oracle.request(1);
        let executor = thread::spawn(move || runner.run());
        oracle.cancel();
        executor.join().unwrap();
        assert!(begins(&[Item(0)], &oracle.finish()));
    });
}

/// The executor drops it before it has run.
#[test]
fn dropping_races_a_request() {
    model("courier: dropping_races_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run_and_drop(courier, 0));
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), [gone()]);
    });
}

/// The executor drops it when it has subscribed.
#[test]
fn dropping_later_races_a_request() {
    model("courier: dropping_later_races_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run_and_drop(courier, 2));
        oracle.request(1);
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log == [gone()] || log == [Item(0), gone()], "{log:?}");
    });
}

/// It has subscribed, and the subscription has not arrived.
#[test]
fn dropping_races_a_late_subscription() {
    model("courier: dropping_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..3), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let upstream = thread::spawn(move || start.go());
        drop(runner);
        upstream.join().unwrap();
        assert_eq!(oracle.finish(), [gone()]);
    });
}

/// A source that knows to be cancelled, and not to tell a fault.
#[test]
fn dropping_races_an_item_of_a_source_that_only_knows_to_be_cancelled() {
    model("courier: dropping_races_an_item_of_a_source_that_only_knows_to_be_cancelled", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        oracle.request(2);
        assert!(!runner.poll());
        let (token, held) = (Token(0, oracle.alive()), hand.clone());
        let upstream = thread::spawn(move || hand.send(token));
        drop(runner);
        upstream.join().unwrap();
        let log = oracle.finish();
        assert!(log == [gone()] || log == [Item(0), gone()], "{log:?}");
        // Until here, so that nothing but a cancellation ends the source.
        drop(held);
    });
}

#[test]
fn dropping_races_the_end_of_a_source_that_only_knows_to_be_cancelled() {
    model("courier: dropping_races_the_end_of_a_source_that_only_knows_to_be_cancelled", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let upstream = thread::spawn(move || {
            hand.complete();
            drop(hand);
        });
        drop(runner);
        upstream.join().unwrap();
        let log = oracle.finish();
        assert!(log == [gone()] || log == [Complete], "{log:?}");
    });
}

#[test]
fn dropping_races_cancel() {
    model("courier: dropping_races_cancel", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run_and_drop(courier, 0));
        oracle.cancel();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [gone()], "{log:?}");
    });
}

#[test]
fn a_cancelled_courier_is_dropped_in_silence() {
    model("courier: a_cancelled_courier_is_dropped_in_silence", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        oracle.cancel();
        run_and_drop(courier, 0);
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn a_fault_races_the_first_poll() {
    model("courier: a_fault_races_the_first_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        oracle.request(1);
        let executor = thread::spawn(move || run(courier));
        oracle.fail();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log == [broken()] || log == [Item(0), broken()], "{log:?}");
    });
}

#[test]
fn a_fault_races_a_late_subscription() {
    model("courier: a_fault_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..2), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let upstream = thread::spawn(move || start.go());
        oracle.fail();
        upstream.join().unwrap();
        runner.run();
        assert_eq!(oracle.finish(), [broken()]);
    });
}

#[test]
fn detach_races_the_first_poll() {
    model("courier: detach_races_the_first_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(courier));
        oracle.request(1);
        oracle.detach();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

#[test]
fn detach_races_a_late_subscription() {
    model("courier: detach_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..3), start.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        let upstream = thread::spawn(move || start.go());
        oracle.request(1);
        oracle.detach();
        upstream.join().unwrap();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

/// A source that is subscribed to and goes without an end.
#[test]
fn a_source_gone_ends_the_task() {
    model("courier: a_source_gone_ends_the_task", || {
        let oracle = Oracle::new();
        let forget = Start::default();
        let source = Source::Deaf(oracle.alive(), forget.clone());
        let courier = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(courier.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        forget.forget();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), []);
    });
}

/// Fails at once.
struct Failing;

impl Publisher for Failing {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        struct Idle;
        impl millstream_core::Upstream for Idle {
            fn request(&self, _: millstream_core::Demand) {}
            fn cancel(&self) {}
        }
        let active = subscriber.on_subscribe(Subscription::new(Arc::new(Idle)));
        drop(active.on_end(End::Failed("failed")));
    }
}

#[test]
fn the_end_ends_the_task() {
    model("courier: the_end_ends_the_task", || {
        let oracle = Oracle::new();
        let courier = courier(Failing, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(courier));
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), [Signal::Error("failed")]);
    });
}
