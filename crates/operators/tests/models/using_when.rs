//! Models of `using_when`: a resource that arrives, is used and is cleaned up, while somebody asks or
//! cancels. Where there was a resource, it is cleaned up once, and to the end.
//!
//! What was noted is behind a lock of `std`, which adds no schedule: it is looked at in the end.

use std::sync::{Arc, Mutex};

use millstream_core::{Cause, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::source::{UseEnd, using_when};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run};

use crate::map_async::Gate;
use crate::oracle::{Hand, Oracle, Source};
use crate::{all, late};

/// What became of the resource.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    arrived: usize,
    begun: Vec<UseEnd>,
    over: usize,
}

impl Notes {
    fn note(&self, note: impl FnOnce(&mut Noted)) {
        note(&mut self.0.lock().unwrap());
    }

    /// How clean-ups were begun: as many as resources came, and each is over.
    fn finish(&self) -> Vec<UseEnd> {
        let noted = self.0.lock().unwrap();
        assert_eq!(noted.begun.len(), noted.arrived, "each resource is cleaned up once");
        assert_eq!(noted.over, noted.arrived, "each clean-up is run to its end");
        noted.begun.clone()
    }
}

/// A stream over what `acquire` gives, which sends what `body` does; its clean-up waits for the gate.
fn used(oracle: &Oracle, acquire: Source, body: Source) -> (Notes, Desk, Gate) {
    let (notes, desk, gate) = (Notes::default(), Desk::default(), Gate::default());
    let (arrives, ends, passes) = (notes.clone(), notes.clone(), gate.clone());
    let acquire = acquire.inspect(move |_| arrives.note(|noted| noted.arrived += 1));
    let stream = using_when(
        desk.clone(),
        acquire,
        move |_| body,
        move |resource, how| {
            ends.note(|noted| noted.begun.push(how));
            let passing = passes.pass(resource);
            async move {
                drop(passing.await);
                ends.note(|noted| noted.over += 1);
                Ok(())
            }
        },
    );
    stream.subscribe(oracle.probe(|_| More::NONE));
    (notes, desk, gate)
}

/// It is cleaned up for the cause of the cancellation, also where that was first.
#[test]
fn a_cancellation_races_the_arrival_of_the_resource() {
    model("using_when: a_cancellation_races_the_arrival_of_the_resource", || {
        let oracle = Oracle::new();
        let (acquire, start) = late(&oracle, 0..1);
        let body = Source::Items(oracle.items(0..1));
        let (notes, desk, gate) = used(&oracle, acquire, body);
        gate.open();
        let other = thread::spawn(move || start.go());
        oracle.cancel_because(Cause::Failed);
        other.join().unwrap();
        run(desk.next());
        let cancelled = UseEnd::Cancelled(Cause::Failed);
        assert!([cancelled].starts_with(&notes.finish()));
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn a_cancellation_races_the_end_of_the_use() {
    model("using_when: a_cancellation_races_the_end_of_the_use", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let acquire = Source::Items(oracle.items(0..1));
        let body = Source::Hand(oracle.alive(), hand.clone());
        let (notes, desk, gate) = used(&oracle, acquire, body);
        gate.open();
        let other = thread::spawn(move || hand.complete());
        oracle.cancel();
        other.join().unwrap();
        run(desk.next());
        let how = notes.finish();
        let cancelled = UseEnd::Cancelled(Cause::NoMoreNeeded);
        assert!(how == [UseEnd::Completed] || how == [cancelled], "{how:?}");
        assert_eq!(oracle.finish(), [], "the end waits for the clean-up, and that ran later");
    });
}

/// What was begun is run to its end, whoever waits for it.
#[test]
fn a_cancellation_races_the_end_of_the_clean_up() {
    model("using_when: a_cancellation_races_the_end_of_the_clean_up", || {
        let oracle = Oracle::new();
        let acquire = Source::Items(oracle.items(0..1));
        let body = Source::Items(oracle.items(0..0));
        let (notes, desk, gate) = used(&oracle, acquire, body);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || gate.open());
        oracle.cancel();
        opener.join().unwrap();
        executor.join().unwrap();
        assert_eq!(notes.finish(), [UseEnd::Completed]);
        assert!(all([]).starts_with(&oracle.finish()));
    });
}

#[test]
fn a_request_races_the_arrival_of_the_resource() {
    model("using_when: a_request_races_the_arrival_of_the_resource", || {
        let oracle = Oracle::new();
        let (acquire, start) = late(&oracle, 0..1);
        let body = Source::Items(oracle.items(0..2));
        let (notes, desk, gate) = used(&oracle, acquire, body);
        gate.open();
        let other = thread::spawn(move || start.go());
        oracle.request(1);
        oracle.request(1);
        other.join().unwrap();
        run(desk.next());
        assert_eq!(notes.finish(), [UseEnd::Completed]);
        assert_eq!(oracle.finish(), all(0..2));
    });
}

#[test]
fn a_request_races_the_end_of_the_clean_up() {
    model("using_when: a_request_races_the_end_of_the_clean_up", || {
        let oracle = Oracle::new();
        let acquire = Source::Items(oracle.items(0..1));
        let body = Source::Items(oracle.items(0..0));
        let (notes, desk, gate) = used(&oracle, acquire, body);
        let task = desk.task();
        let executor = thread::spawn(move || run(Some(task)));
        let opener = thread::spawn(move || gate.open());
        oracle.request(1);
        opener.join().unwrap();
        executor.join().unwrap();
        assert_eq!(notes.finish(), [UseEnd::Completed]);
        assert_eq!(oracle.finish(), all([]));
    });
}
