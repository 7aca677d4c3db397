//! Models of `acked`: items are acknowledged on threads of their own, while somebody asks, cancels
//! or sends, and while the commits run on a task of an executor.
//!
//! What is open and what was committed are behind locks of `std`, which loom does not see: they hide
//! no edge that the books lack.

use std::sync::{Arc, Mutex};

use millstream_core::{Fault, More, Publisher};
use millstream_executors::Task;
use millstream_operators::PublisherExt;
use millstream_operators::ack::{Ack, AckError};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run, run_and_drop};

use crate::map_async::Gate;
use crate::oracle::Signal::{Error, Fault as Faulted, Item};
use crate::oracle::{Error as Broken, Oracle, Signal, Source, Token, begins};
use crate::{all, late};

/// What is open, and what was committed.
#[derive(Clone, Default)]
struct Desks(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    open: Vec<Ack>,
    /// How many there were at most.
    most: usize,
    came: usize,
    /// How many had come and were not committed, at most.
    uncommitted: usize,
    committed: Vec<u32>,
    /// What becomes of the next at once.
    at_once: Option<fn(Ack)>,
}

impl Desks {
    fn put(&self, ack: Ack) {
        let mut records = self.0.lock().unwrap();
        records.came += 1;
        let committed = records.committed.last().map_or(0, |last| *last as usize + 1);
        records.uncommitted = records.uncommitted.max(records.came - committed);
        if let Some(at_once) = records.at_once {
            drop(records);
            return at_once(ack);
        }
        records.open.push(ack);
        records.most = records.most.max(records.open.len());
    }

    /// What becomes of what is open, and of what comes from now on: a commit makes room on the thread
    /// of its executor, and an item may come there behind the last look of anybody else.
    fn settle_from_now_on(&self, settle: fn(Ack)) {
        let mut records = self.0.lock().unwrap();
        records.at_once = Some(settle);
        let open = std::mem::take(&mut records.open);
        drop(records);
        open.into_iter().for_each(settle);
    }

    /// The first of those that are open.
    fn first(&self) -> Option<Ack> {
        let mut records = self.0.lock().unwrap();
        (!records.open.is_empty()).then(|| records.open.remove(0))
    }

    fn acknowledge(&self) -> bool {
        let first = self.first();
        let any = first.is_some();
        first.into_iter().for_each(Ack::ack);
        any
    }

    fn commits(&self) -> impl FnMut(u32) -> Result<(), String> + Send + use<> {
        let desks = self.clone();
        move |n| {
            desks.0.lock().unwrap().committed.push(n);
            Ok(())
        }
    }

    fn came(&self) -> usize {
        self.0.lock().unwrap().came
    }

    fn uncommitted(&self) -> usize {
        self.0.lock().unwrap().uncommitted
    }

    /// How many were open at most, and what was committed, which must be in order.
    fn finish(&self) -> (usize, Vec<u32>) {
        let records = self.0.lock().unwrap();
        assert!(records.committed.is_sorted(), "{:?}", records.committed);
        (records.most, records.committed.clone())
    }
}

fn text(error: AckError<Broken>) -> Broken {
    match error {
        AckError::Stream(error) => error,
        AckError::Nacked { .. } => "refused",
        _ => "not committed",
    }
}

/// Subscribes to items of `source`, at most `window` of which are open.
fn open(source: Source, window: usize, deferred: usize, oracle: &Oracle, demand: More) -> Desks {
    let desks = Desks::default();
    let puts = desks.clone();
    let acked = source.acked(window, |item: &Token| item.0);
    let envelopes = acked.commit_in_order(deferred, desks.commits()).into_unguarded();
    let items = envelopes.map(move |envelope| {
        let (item, ack) = envelope.split();
        puts.put(ack);
        item
    });
    items.map_err(text).subscribe(oracle.probe(move |_| demand));
    desks
}

/// The same, where the commits run on a task, each when its gate is open.
fn on_a_task<const N: usize>(
    source: Source,
    window: usize,
    deferred: usize,
    oracle: &Oracle,
    gates: [Gate; N],
) -> (Desks, Task) {
    let (desks, desk) = (Desks::default(), Desk::default());
    let (puts, commits, alive) = (desks.clone(), desks.clone(), oracle.alive());
    let acked = source.acked(window, |item: &Token| item.0);
    let acked = acked.commit_in_order_async(deferred, desk.clone(), move |n| {
        let opened = gates[n as usize].clone().pass(Token(n, alive.clone()));
        let commits = commits.clone();
        async move {
            let Token(n, _) = opened.await;
            commits.commits()(n)
        }
    });
    let items = acked.into_unguarded().map(move |envelope| {
        let (item, ack) = envelope.split();
        puts.put(ack);
        item
    });
    items.map_err(text).subscribe(oracle.probe(|_| More::NONE));
    let task = desk.task();
    (desks, task)
}

/// What is sent at most, where the second item is dropped when the stream was cancelled: that is no
/// refusal that anybody is told of, whoever asks at the time.
const CANCELLED: [Signal; 2] = [Item(0), Item(1)];

fn gate(open: bool) -> Gate {
    let gate = Gate::default();
    if open {
        gate.open();
    }
    gate
}

#[test]
fn an_ack_races_a_request() {
    model("acked: an_ack_races_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let desks = open(source, 1, 0, &oracle, More::NONE);
        oracle.request(1);
        let acks = desks.clone();
        let other = thread::spawn(move || assert!(acks.acknowledge()));
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(desks.came(), 2, "there is room for one, and it was asked for");
        while desks.acknowledge() {}
        assert_eq!(desks.finish(), (1, vec![0, 1, 2]));
        assert_eq!(oracle.finish(), all(0..3));
    });
}

#[test]
fn an_ack_races_a_cancellation() {
    model("acked: an_ack_races_a_cancellation", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let desks = open(source, 1, 0, &oracle, More::ONE);
        oracle.request(1);
        let acks = desks.clone();
        let other = thread::spawn(move || assert!(acks.acknowledge()));
        oracle.cancel();
        other.join().unwrap();
        // One more may have been sent before.
        drop(desks.first());
        let (most, committed) = desks.finish();
        assert_eq!((most, committed), (1, vec![0]), "what was acknowledged is committed");
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}

#[test]
fn acks_race_each_other_and_a_request() {
    model("acked: acks_race_each_other_and_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..4));
        let desks = open(source, 2, 0, &oracle, More::NONE);
        oracle.request(2);
        let (first, second) = (desks.first().unwrap(), desks.first().unwrap());
        let one = thread::spawn(move || first.ack());
        let two = thread::spawn(move || second.ack());
        oracle.request(2);
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(desks.came(), 4);
        while desks.acknowledge() {}
        let (most, committed) = desks.finish();
        assert!(most <= 2 && committed.last() == Some(&3), "{most}, {committed:?}");
        assert_eq!(oracle.finish(), all(0..4));
    });
}

#[test]
fn acks_race_a_producer() {
    model("acked: acks_race_a_producer", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let desks = open(source, 1, 1, &oracle, More::ONE);
        oracle.request(1);
        let producer = thread::spawn(move || start.go());
        let acks = desks.clone();
        let other = thread::spawn(move || acks.acknowledge());
        producer.join().unwrap();
        other.join().unwrap();
        while desks.acknowledge() {}
        let (most, committed) = desks.finish();
        assert!(most <= 1 && committed.last() == Some(&1), "{most}, {committed:?}");
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_refusal_races_an_ack_and_a_request() {
    model("acked: a_refusal_races_an_ack_and_a_request", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..9));
        let desks = open(source, 2, 1, &oracle, More::NONE);
        oracle.request(2);
        let (first, second) = (desks.first().unwrap(), desks.first().unwrap());
        let one = thread::spawn(move || first.nack("poison"));
        let two = thread::spawn(move || second.ack());
        oracle.request(1);
        one.join().unwrap();
        two.join().unwrap();
        drop(desks.first());
        assert_eq!(desks.finish().1, [], "nothing from the hole on");
        let log = oracle.finish();
        let told = vec![Item(0), Item(1), Error("refused")];
        let told_late = vec![Item(0), Item(1), Item(2), Error("refused")];
        assert!(log == told || log == told_late, "{log:?}");
    });
}

/// What a commit takes leaves room when it is done: the next item comes on the thread of the task.
#[test]
fn an_ack_races_the_task_of_the_commits() {
    model("acked: an_ack_races_the_task_of_the_commits", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let (desks, task) = on_a_task(source, 1, 0, &oracle, [gate(true), gate(true)]);
        oracle.request(2);
        let first = desks.first().unwrap();
        desks.settle_from_now_on(Ack::ack);
        let executor = thread::spawn(move || run(Some(task)));
        first.ack();
        executor.join().unwrap();
        assert_eq!(desks.uncommitted(), 1, "nothing is deferred");
        assert_eq!(desks.finish().1, [0, 1]);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_cancellation_races_an_ack_and_the_task_of_the_commits() {
    model("acked: a_cancellation_races_an_ack_and_the_task_of_the_commits", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let (desks, task) = on_a_task(source, 1, 0, &oracle, [gate(true), gate(true), gate(true)]);
        oracle.request(2);
        let first = desks.first().unwrap();
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || first.ack());
        oracle.cancel();
        desks.settle_from_now_on(drop);
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(desks.finish().1, [0], "what was acknowledged is committed, and the task ends");
        assert!(begins(&CANCELLED, &oracle.finish()));
    });
}

/// The stream is over before its only commit is.
#[test]
fn a_commit_that_becomes_ready_races_a_cancellation() {
    model("acked: a_commit_that_becomes_ready_races_a_cancellation", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let wait = gate(false);
        let gates = [wait.clone(), gate(true), gate(true)];
        let (desks, task) = on_a_task(source, 1, 0, &oracle, gates);
        oracle.request(2);
        desks.first().unwrap().ack();
        let executor = thread::spawn(move || run(Some(task)));
        let other = thread::spawn(move || wait.open());
        oracle.cancel();
        desks.settle_from_now_on(drop);
        other.join().unwrap();
        executor.join().unwrap();
        assert_eq!(desks.finish().1, [0]);
        assert!(begins(&CANCELLED, &oracle.finish()));
    });
}

/// The executor polls the task once and drops it.
#[test]
fn an_executor_that_drops_the_task_races_an_ack() {
    model("acked: an_executor_that_drops_the_task_races_an_ack", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..9));
        let (desks, task) = on_a_task(source, 1, 0, &oracle, [gate(true)]);
        oracle.request(1);
        let first = desks.first().unwrap();
        let executor = thread::spawn(move || run_and_drop(Some(task), 1));
        first.ack();
        executor.join().unwrap();
        assert!([0].starts_with(&desks.finish().1));
        let gone = Faulted(Fault::ExecutorGone.to_string());
        assert_eq!(oracle.finish(), [Item(0), gone]);
    });
}
