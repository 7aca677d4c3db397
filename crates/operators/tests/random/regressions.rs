//! Cases that failed once, as the test printed them.

use crate::run::check;
use crate::spec::{Ask, Op, Source, Spec};

#[test]
fn an_empty_pipeline_is_a_pipeline() {
    check(&Spec {
        source: Source::Range(3),
        operators: vec![],
        demand: vec![Ask::Outside(1)],
        cancel: None,
        error: None,
        panic: None,
        order: 0,
    });
    check(&Spec {
        source: Source::Empty,
        operators: vec![Op::Repeat(2)],
        demand: vec![],
        cancel: None,
        error: None,
        panic: None,
        order: 0,
    });
}

#[test]
fn a_scripted_source_that_is_told_enough_still_serves_what_a_stage_holds() {
    check(&Spec {
        source: Source::Scripted(2),
        operators: vec![Op::MapWhile(2), Op::TakeLast(1)],
        demand: vec![],
        cancel: None,
        error: None,
        panic: None,
        order: 0,
    });
}

#[test]
fn the_failure_of_an_outer_publisher_does_not_reach_downstream_that_cancelled() {
    check(&Spec {
        source: Source::Bursts(3, 1),
        operators: vec![Op::ConcatMapBoxed(2), Op::TakeWhile(2)],
        demand: vec![],
        cancel: None,
        error: Some(3),
        panic: None,
        order: 0,
    });
}

#[test]
fn a_panic_below_an_inner_publisher_is_told_although_the_outer_has_failed() {
    check(&Spec {
        source: Source::Range(1),
        operators: vec![Op::ConcatMapBoxed(2), Op::TryMap(2)],
        demand: vec![],
        cancel: None,
        error: Some(1),
        panic: Some((1, 1)),
        order: 0,
    });
}

#[test]
fn what_an_error_becomes_that_was_a_panic_waits_until_it_is_asked_for() {
    check(&Spec {
        source: Source::Unknown(4),
        operators: vec![Op::Enumerate, Op::CatchUnwind, Op::OnErrorReturn(0)],
        demand: vec![],
        cancel: None,
        error: None,
        panic: Some((0, 2)),
        order: 0,
    });
    check(&Spec {
        source: Source::Unknown(4),
        operators: vec![Op::Enumerate, Op::CatchUnwind, Op::Materialize],
        demand: vec![],
        cancel: None,
        error: None,
        panic: Some((0, 2)),
        order: 0,
    });
}
