//! Models of the edges: a future that is made ready on another thread, and a target that is fed
//! and held up by others.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use millstream_core::{Failure, Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::edge::{AsyncTarget, from_future};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, Runner, run, run_and_drop};

use crate::map_async::Gate;
use crate::oracle::Signal::{self, Complete, Fault as Faulted, Item};
use crate::oracle::{Alive, Error, Hand, Oracle, Source, Token};
use crate::{all, late};

/// Item 0, when `gate` is open.
fn future(
    oracle: &Oracle,
    desk: &Desk,
    gate: &Gate,
) -> impl Publisher<Item = Token, Error = Error> + use<> {
    let passing = gate.clone().pass(Token(0, oracle.alive()));
    from_future(desk.clone(), passing).map_err(|never: Infallible| match never {})
}

#[test]
fn a_request_races_a_future_that_becomes_ready() {
    model("edge: a_request_races_a_future_that_becomes_ready", || {
        let (oracle, desk, gate) = (Oracle::new(), Desk::default(), Gate::default());
        future(&oracle, &desk, &gate).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || gate.open());
        oracle.request(1);
        opener.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(0..1));
    });
}

#[test]
fn a_cancellation_races_a_future_that_becomes_ready() {
    model("edge: a_cancellation_races_a_future_that_becomes_ready", || {
        let (oracle, desk, gate) = (Oracle::new(), Desk::default(), Gate::default());
        future(&oracle, &desk, &gate).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        oracle.request(1);
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || gate.open());
        oracle.cancel();
        opener.join().unwrap();
        executor.join().unwrap();
        assert!(all(0..1).starts_with(&oracle.finish()));
    });
}

/// The executor polls once and drops the future, which is woken at the same time, or when it is
/// gone already.
#[test]
fn an_executor_that_drops_the_task_races_a_waker() {
    model("edge: an_executor_that_drops_the_task_races_a_waker", || {
        let (oracle, desk, gate) = (Oracle::new(), Desk::default(), Gate::default());
        future(&oracle, &desk, &gate).subscribe(oracle.probe(|_| More::NONE));
        let task = desk.task();
        oracle.request(1);
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        gate.open();
        executor.join().unwrap();
        let log = oracle.finish();
        let gone = Faulted(Fault::ExecutorGone.to_string());
        assert!(log == [gone] || log == all(0..1), "{log:?}");
    });
}

/// What a target was given, and how the end came: `std`'s lock adds no schedule.
type Log = Arc<Mutex<Vec<Signal>>>;

struct Target {
    log: Log,
    /// What each send waits for.
    gate: Option<Gate>,
    _alive: Alive,
}

impl AsyncTarget<Token> for Target {
    type Output = ();
    type Error = Error;

    async fn send(&mut self, item: Token) -> Result<(), Error> {
        let item = match &self.gate {
            Some(gate) => gate.clone().pass(item).await,
            None => item,
        };
        self.log.lock().unwrap().push(Item(item.0));
        Ok(())
    }

    async fn close(self) -> Result<(), Error> {
        self.log.lock().unwrap().push(Complete);
        Ok(())
    }
}

/// `source` into a target, to be run as a task; what the target is given.
fn delivery(
    oracle: &Oracle,
    source: Source,
    gate: Option<Gate>,
) -> (impl Future<Output = ()> + Send + use<>, Log) {
    let log = Log::default();
    let target = Target { log: log.clone(), gate, _alive: oracle.alive() };
    let end = source.into_target(target);
    let told = log.clone();
    let task = async move {
        if let Err(Failure::Fault(fault)) = end.await {
            told.lock().unwrap().push(Faulted(fault.to_string()));
        }
    };
    (task, log)
}

fn told(log: &Log) -> Vec<Signal> {
    log.lock().unwrap().clone()
}

#[test]
fn a_producer_races_a_delivery() {
    model("edge: a_producer_races_a_delivery", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let (task, log) = delivery(&oracle, source, None);
        let mut runner = Runner::new(task);
        // It subscribes to a source that has not begun.
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        start.go();
        executor.join().unwrap();
        assert_eq!(told(&log), all(0..2));
        assert_eq!(oracle.count(), 0);
    });
}

/// The target becomes ready while upstream sends the next item and ends.
#[test]
fn a_target_that_goes_on_races_a_sender() {
    model("edge: a_target_that_goes_on_races_a_sender", || {
        let (oracle, hand, gate) = (Oracle::new(), Hand::default(), Gate::default());
        let source = Source::Hand(oracle.alive(), hand.clone());
        let (task, log) = delivery(&oracle, source, Some(gate.clone()));
        let mut runner = Runner::new(task);
        // It subscribes, and asks for the first.
        assert!(!runner.poll());
        let alive = oracle.alive();
        let sender = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
            hand.complete();
        });
        let executor = thread::spawn(move || runner.run());
        gate.open();
        sender.join().unwrap();
        executor.join().unwrap();
        assert_eq!(told(&log), all(0..2));
        assert_eq!(oracle.count(), 0);
    });
}

/// The end is dropped while upstream sends.
#[test]
fn dropping_a_delivery_races_a_sender() {
    model("edge: dropping_a_delivery_races_a_sender", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let source = Source::Hand(oracle.alive(), hand.clone());
        let (task, log) = delivery(&oracle, source, Some(Gate::default()));
        let mut runner = Runner::new(task);
        assert!(!runner.poll());
        let alive = oracle.alive();
        let sender = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
        });
        let _over = runner.poll();
        drop(runner);
        sender.join().unwrap();
        assert_eq!(told(&log), [], "no send was over");
        assert_eq!(oracle.count(), 0);
    });
}
