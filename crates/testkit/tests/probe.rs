//! Probe, scripted publisher and counted items.

use std::collections::HashSet;

use millstream::prelude::*;
use millstream::{Demand, Fault, More};
use millstream_testkit::{
    Answer, Behaviour, Breach, Event, Faulted, Ledger, Place, ProbeHandle, Script,
    ScriptedPublisher, probe,
};

fn scripted(behaviour: Behaviour) -> (ScriptedPublisher<u32, &'static str>, Handle) {
    let upstream = ScriptedPublisher::new();
    let handle = probe(upstream.clone(), behaviour);
    (upstream, handle)
}

type Handle = ProbeHandle<u32, &'static str>;

#[test]
fn the_log_is_in_order() {
    let (upstream, handle) = scripted(Behaviour::new().each(Answer::ONE));
    handle.request(1);
    upstream.next(1);
    upstream.next(2);
    upstream.error("e");
    handle.assert_log(&[
        Event::Subscribed,
        Event::Requested(Demand::ONE),
        Event::Next(1),
        Event::Answered(More::ONE),
        Event::Next(2),
        Event::Answered(More::ONE),
        Event::Failed("e"),
    ]);
    handle.assert_failed(&"e");
    handle.assert_no_violation();
    upstream.assert_requested(3);
    upstream.assert_not_cancelled();
}

#[test]
fn an_item_too_many_is_a_violation() {
    let (upstream, handle) = scripted(Behaviour::new());
    upstream.next_unasked(1);
    let violations = handle.violations();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].rule, "1.1");
}

#[test]
#[should_panic(expected = "no demand for another item (rule 1.1): 1 were asked for in all")]
fn sending_without_demand_fails_the_test() {
    let (upstream, handle) = scripted(Behaviour::new());
    handle.request(1);
    upstream.next(1);
    upstream.next(2);
}

#[test]
fn each_way_to_cancel_drops_the_subscriber_and_reaches_upstream() {
    for answer in [Answer::CANCEL, Answer::Drop, Answer::Panic] {
        let (upstream, handle) = scripted(Behaviour::new().initially(9).at(2, answer));
        upstream.next(1);
        upstream.next(2);
        upstream.next(3);
        assert!(handle.is_dropped(), "{answer:?}");
        assert_eq!(handle.items(), [1, 2], "{answer:?}");
        assert!(upstream.is_over(), "{answer:?}");
    }
    let (upstream, handle) = scripted(Behaviour::new());
    drop(handle);
    upstream.assert_cancelled();
    let (upstream, handle) = scripted(Behaviour::new().initially(1).cancels_at_once());
    upstream.assert_cancelled();
    handle.assert_dropped();
}

#[test]
fn a_panic_in_on_next_comes_back_as_a_fault() {
    let (upstream, handle) = scripted(Behaviour::new().initially(1).at(1, Answer::Panic));
    upstream.next(1);
    let said = Some("a probe panicked in on_next".to_owned());
    handle.assert_faulted(&Faulted::Panicked(said));
    assert_eq!(upstream.panics(), 1);
}

#[test]
fn a_panic_at_the_end_does_not_come_out_of_the_sender() {
    let (upstream, handle) = scripted(Behaviour::new().panics_in(Place::Complete));
    upstream.complete();
    assert_eq!(upstream.panics(), 1);
    handle.assert_completed();
    handle.assert_dropped();
}

#[test]
fn a_fault_and_a_vanished_source_are_told_apart() {
    let (upstream, handle) = scripted(Behaviour::new());
    upstream.fault(Fault::SourceDropped);
    handle.assert_faulted(&Faulted::SourceDropped);
    let (upstream, handle) = scripted(Behaviour::new());
    upstream.vanish();
    handle.assert_no_end();
    handle.assert_dropped();
}

#[test]
fn a_probe_works_across_threads() {
    let items: Vec<u32> = (0..1_000).collect();
    let script = Script::<u32, ()>::items(items.clone()).then_complete();
    let upstream = ScriptedPublisher::playing(script).on_other_threads();
    let handle = probe(upstream, Behaviour::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..500).for_each(|_| handle.request(1)));
        }
    });
    let patience = std::time::Duration::from_secs(20);
    assert!(handle.wait_until(patience, ProbeHandle::is_ended));
    handle.assert_items(&items);
    handle.assert_no_violation();
}

#[test]
fn a_breach_after_cancellation_is_seen() {
    let upstream = ScriptedPublisher::<u32, ()>::new().breaking(Breach::IgnoresCancel);
    let handle = probe(upstream.clone(), Behaviour::new().initially(5).at(1, Answer::CANCEL));
    upstream.next(1);
    upstream.next_unasked(2);
    assert_eq!(handle.violations()[0].rule, "1.8");
}

#[test]
#[expect(clippy::mutable_key_type, reason = "the ledger is no part of the hash")]
fn tokens_compare_and_hash_by_value_and_are_counted_once() {
    let ledger = Ledger::new();
    let tokens: Vec<_> = [3, 1, 2].map(|n| ledger.token(n)).into();
    let mut sorted = tokens.clone();
    sorted.sort();
    assert_eq!(sorted, [1, 2, 3].map(|n| ledger.token(n)));
    let set: HashSet<_> = tokens.iter().cloned().chain(sorted).collect();
    assert_eq!(set.len(), 3);
    assert_eq!(format!("{:?}", tokens[0]), "3");
    assert_eq!((ledger.created(), ledger.cloned()), (6, 6));
    drop((tokens, set));
    assert_eq!(ledger.dropped(), 12);
    ledger.assert_settled();
}

#[test]
#[should_panic(expected = "1 of 2 items are still held: 7")]
fn an_item_that_is_kept_is_named() {
    let ledger = Ledger::new();
    let _kept = ledger.token(7);
    drop(ledger.token(8));
    ledger.assert_settled();
}

#[test]
fn items_queued_in_a_chain_are_dropped_with_it() {
    let ledger = Ledger::new();
    let upstream = ScriptedPublisher::<_, ()>::new();
    let chain = upstream.clone().map(|token: millstream_testkit::Token| token.map(|n| n + 1));
    let handle = probe(chain, Behaviour::new().initially(2));
    upstream.next(ledger.token(1));
    assert_eq!(handle.items(), [ledger.token(2)]);
    handle.cancel();
    upstream.next(ledger.token(5));
    drop(handle);
    ledger.assert_settled();
}

#[test]
fn a_chain_that_wants_no_more_is_still_sent_what_a_stage_holds() {
    let upstream = ScriptedPublisher::<u32, &'static str>::new();
    let handle = probe(upstream.clone().take(1).take_last(1), Behaviour::new());
    upstream.next(7);
    upstream.assert_cancelled();
    handle.assert_items(&[]);
    handle.request(1);
    handle.assert_items(&[7]);
    handle.assert_completed();
}
