//! Models of [`Gated`](millstream_example_stages::gate::Gated): the gate is opened while others ask
//! and cancel.

use millstream::{More, Publisher};
use millstream_example_stages::gate::{Mistake, with};
use millstream_testkit::model::{Oracle, all, begins, fails, model, thread};

/// The gate is opened while somebody asks.
fn a_request(mistake: Option<Mistake>) -> impl Fn() + Send + Sync {
    move || {
        let oracle = Oracle::new();
        let (gated, gate) = with(millstream::from_pull(oracle.items(0..1)), mistake);
        gated.subscribe(oracle.probe(|_| More::NONE));
        let opening = thread::spawn(move || gate.open());
        oracle.request(1);
        opening.join().unwrap();
        assert_eq!(oracle.finish(), all(0..1));
    }
}

/// It is opened twice at a time; one item is asked for, and there are more.
fn another_opening(mistake: Option<Mistake>) -> impl Fn() + Send + Sync {
    move || {
        let oracle = Oracle::new();
        let (gated, gate) = with(millstream::from_pull(oracle.items(0..9)), mistake);
        gated.subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let other = gate.clone();
        let opening = thread::spawn(move || other.open());
        gate.open();
        drop(gate);
        opening.join().unwrap();
        assert_eq!(oracle.finish(), all(0..1)[..1]);
    }
}

#[test]
fn a_request_races_the_opening() {
    model("gate: a_request_races_the_opening", a_request(None));
}

#[test]
fn an_opening_races_another() {
    model("gate: an_opening_races_another", another_opening(None));
}

#[test]
fn a_cancellation_races_the_opening_and_a_request() {
    model("gate: a_cancellation_races_the_opening_and_a_request", || {
        let oracle = Oracle::new();
        let (gated, gate) = with(millstream::from_pull(oracle.items(0..2)), None);
        gated.subscribe(oracle.probe(|_| More::NONE));
        oracle.request(1);
        let opening = thread::spawn(move || gate.open());
        let other = oracle.clone();
        let asking = thread::spawn(move || other.request(9));
        oracle.cancel();
        opening.join().unwrap();
        asking.join().unwrap();
        assert!(begins(&all(0..2), &oracle.finish()));
    });
}

#[test]
#[cfg_attr(not(millstream_loom), ignore = "takes a model checker")]
fn a_look_before_it_keeps_is_caught() {
    let name = "gate: a_look_before_it_keeps_is_caught";
    fails(name, "left: []", a_request(Some(Mistake::LooksBeforeItKeeps)));
}

#[test]
#[cfg_attr(not(millstream_loom), ignore = "takes a model checker")]
fn demand_that_is_forgotten_is_caught() {
    let name = "gate: demand_that_is_forgotten_is_caught";
    fails(name, "left: []", a_request(Some(Mistake::ForgetsWhatIsKept)));
}

#[test]
#[cfg_attr(not(millstream_loom), ignore = "takes a model checker")]
fn demand_that_is_doubled_is_caught() {
    let name = "gate: demand_that_is_doubled_is_caught";
    fails(name, "an item came without demand", another_opening(Some(Mistake::AsksTwice)));
}
