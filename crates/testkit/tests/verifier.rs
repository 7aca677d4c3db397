//! The steps of a verifier, and what it says when one fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream::prelude::*;
use millstream_testkit::{Faulted, Script, ScriptedPublisher, Verifier};

fn message(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("the step must fail");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn every_kind_of_end_is_a_step() {
    let failing = ScriptedPublisher::playing(Script::<u8, &str>::items([1]).then_error("e"));
    Verifier::new(failing)
        .expect_subscription()
        .then_request(1)
        .expect_next(1)
        .expect_error("e")
        .expect_no_event();
    Verifier::new(millstream::from_iter(0..3))
        .then_request_raw(-5)
        .expect_fault(Faulted::InvalidDemand(-5));
    Verifier::new(millstream::from_iter(0..3)).then_cancel().expect_dropped().expect_no_event();
    Verifier::new(millstream::from_iter(0..3))
        .then_request_unbounded()
        .expect_items(0..3)
        .expect_complete();
}

#[test]
fn discarded_items_are_noted() {
    Verifier::new(millstream::from_iter(1..=4).filter(|n| n % 2 == 0))
        .then_request_unbounded()
        .expect_items([2, 4])
        .expect_complete()
        .expect_discarded(&[1, 3]);
}

#[test]
fn a_failed_step_tells_its_number_and_the_log() {
    let said = message(|| {
        let _ = Verifier::new(millstream::from_iter(1..=2))
            .expect_subscription()
            .then_request(1)
            .expect_next(7);
    });
    assert_eq!(
        said,
        "step 3: expected Next(7), got Next(1)\nlog:\n  Subscribed\n  Requested(1)\n  Next(1)\n"
    );
}

/// Neither `Clone` nor `PartialEq`, as many items and most errors are.
#[derive(Debug)]
struct Opaque(u8);

fn opaque() -> impl Publisher<Item = Opaque, Error = std::io::Error> {
    millstream::from_iter(1..=2)
        .map(Opaque)
        .fallible()
        .chain(millstream::fail(std::io::Error::other("the disk")))
}

#[test]
fn what_cannot_be_compared_is_matched() {
    Verifier::new(opaque())
        .then_request_unbounded()
        .expect_next_matching(|item| item.0 == 1)
        .expect_next_matching(|item| item.0 == 2)
        .expect_error_matching(|error| error.to_string() == "the disk")
        .expect_no_event();
}

#[test]
fn a_match_that_fails_tells_what_came() {
    let said = message(|| {
        let _ = Verifier::new(opaque()).then_request(1).expect_next_matching(|item| item.0 == 7);
    });
    let log = "log:\n  Subscribed\n  Requested(1)\n  Next(Opaque(1))\n";
    assert_eq!(said, format!("step 3: expected an item that matches, got Next(Opaque(1))\n{log}"));
    let said = message(|| {
        let _ = Verifier::new(opaque()).then_request(1).expect_error_matching(|_| true);
    });
    assert_eq!(said, format!("step 3: expected an error that matches, got Next(Opaque(1))\n{log}"));
    let said = message(|| {
        let _ = Verifier::new(opaque()).expect_next_matching(|_| true);
    });
    assert!(said.starts_with("step 2: expected an item that matches, got nothing"), "{said}");
}

#[test]
fn an_item_where_nothing_is_expected_fails_the_step() {
    let said = message(|| {
        let _ = Verifier::new(millstream::from_iter(1..=2)).then_request(1).expect_no_event();
    });
    assert!(said.contains("expected nothing, got Next(1)"), "{said}");
}

#[test]
fn an_item_without_demand_fails_the_step_that_takes_it() {
    let upstream = ScriptedPublisher::<u8, ()>::new();
    let said = message(|| {
        let hand = upstream.clone();
        let _ = Verifier::new(upstream).then(|| hand.next_unasked(1)).expect_next(1);
    });
    assert!(said.contains("the protocol was broken: rule 1.1"), "{said}");
}

#[test]
fn a_scripted_publisher_on_other_threads_is_waited_for() {
    let script = Script::<u8, ()>::items([1, 2]).then_complete();
    Verifier::new(ScriptedPublisher::playing(script).on_other_threads())
        .within(std::time::Duration::from_secs(5))
        .then_request(2)
        .expect_items([1, 2])
        .expect_complete();
}
