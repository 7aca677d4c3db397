//! Claims about the operators that pass only so many items.

use std::convert::Infallible;
use std::error::Error;

use crate::common::{Ended, Mint, Token, panic_message, scripted, watch};
use millstream::More;
use millstream::limit::LimitError;
use millstream::prelude::*;

// ---- take_while, take_through, map_while ------------------------------------------------------

#[test]
fn take_while_cancels_and_completes_at_the_first_that_fails() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.take_while(|n| *n < 2));
    seen.request(5);
    assert_eq!(control.asked(), [More::of(5)]);
    control.next(1);
    control.next(2);
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Complete)));
    assert!(control.is_cancelled());
}

#[test]
fn take_through_sends_the_item_that_ends_it() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.take_through(|n| *n == 2));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(1);
    control.next(2);
    assert_eq!((seen.items(), seen.end()), (vec![1, 2], Some(Ended::Complete)));
    assert!(control.is_cancelled());
}

#[test]
fn map_while_ends_where_its_function_gives_nothing() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.map_while(|n| (n < 2).then_some(n * 10)));
    seen.request(2);
    control.next(1);
    control.next(2);
    assert_eq!((seen.items(), seen.end()), (vec![10], Some(Ended::Complete)));
    assert!(control.is_cancelled());
}

#[test]
fn an_end_of_upstream_that_comes_first_passes() {
    let source = || millstream::range(0..2);
    let never = |seen: crate::common::Watch<i32, Infallible>| {
        seen.request(2);
        assert_eq!((seen.items().len(), seen.end()), (2, Some(Ended::Complete)));
    };
    never(watch(source().take_while(|_| true)));
    never(watch(source().take_through(|_| false)));
    never(watch(source().map_while(Some)));
    let failed = millstream::fail::<u32, _>("no").take_while(|_| true);
    assert_eq!(watch(failed).end(), Some(Ended::Error("no")));
}

// ---- take_last --------------------------------------------------------------------------------

#[test]
fn take_last_asks_for_everything_once_and_sends_its_items_by_demand() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.take_last(2));
    assert_eq!(control.asked(), [More::UNBOUNDED]);
    seen.request(1);
    assert_eq!(control.asked(), []);
    for n in 1..=4 {
        control.next(n);
    }
    assert_eq!(seen.items(), []);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![3], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![4], Some(Ended::Complete)));
}

#[test]
fn take_last_completes_with_upstream_where_it_holds_nothing() {
    let seen = watch(millstream::range(0..3).take_last(0));
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
    assert_eq!(watch(millstream::empty::<u32>().take_last(3)).end(), Some(Ended::Complete));
}

#[test]
fn take_last_holds_no_more_than_it_says_and_drops_it_at_an_error() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.take_last(2));
    for n in 0..5 {
        control.next(mint.token(n));
    }
    assert_eq!(mint.alive(), 2);
    control.error("no");
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Error("no")), 0));
}

#[test]
fn take_last_drops_what_is_left_when_it_is_cancelled_after_the_end_of_upstream() {
    let mint = Mint::default();
    let tokens: Vec<_> = (0..5).map(|n| mint.token(n)).collect();
    let seen = watch(millstream::from_iter(tokens).take_last(3));
    seen.request(1);
    assert_eq!(seen.items().len(), 1);
    assert_eq!(mint.alive(), 2);
    seen.cancel();
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Dropped), 0));
}

// ---- limit_rate -------------------------------------------------------------------------------

/// What upstream was asked for after each of `n` items.
fn asked_after_each(
    control: &crate::common::Control<u32, Infallible>,
    n: std::ops::Range<u32>,
) -> Vec<u64> {
    n.map(|n| {
        assert!(control.next(n));
        control.asked_in_all()
    })
    .collect()
}

#[test]
fn upstream_owes_no_more_than_the_high_tide_and_is_asked_again_at_the_low_one() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.limit_rate(4, 1));
    assert_eq!(control.asked(), [], "downstream wants nothing yet");
    seen.request(100);
    assert_eq!(control.asked(), [More::of(4)]);
    assert_eq!(asked_after_each(&control, 0..9), [0, 0, 3, 0, 0, 3, 0, 0, 3]);
    assert_eq!(seen.items().len(), 9);
}

#[test]
fn with_a_low_tide_of_zero_the_next_piece_is_asked_for_when_the_last_has_come() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.limit_rate(3, 0));
    seen.request_all();
    assert_eq!(control.asked(), [More::of(3)]);
    assert_eq!(asked_after_each(&control, 0..7), [0, 0, 3, 0, 0, 3, 0]);
}

#[test]
fn upstream_is_never_asked_for_more_than_downstream_wants() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.limit_rate(4, 3));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    seen.request(1);
    assert_eq!(control.asked(), [More::of(1)], "it owes two, which is below the tide");
    seen.request(5);
    assert_eq!(control.asked(), [More::of(1)], "four are owed, four are withheld");
    assert_eq!(asked_after_each(&control, 0..8), [1, 1, 1, 1, 0, 0, 0, 0]);
    seen.request(1);
    assert_eq!(control.asked(), [More::ONE]);
    control.next(8);
    assert_eq!((seen.items().len(), control.asked()), (9, vec![]));
}

#[test]
fn an_end_does_not_wait_for_what_is_withheld() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.limit_rate(2, 0));
    seen.request(5);
    control.next(1);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Complete)));
}

#[test]
#[should_panic(expected = "limit_rate(4, 4): upstream is asked again when it owes no more than")]
fn a_low_tide_as_high_as_the_high_one_is_refused() {
    drop(millstream::range(0..2).limit_rate(4, 4));
}

#[test]
#[should_panic(expected = "limit_rate(0, 0)")]
fn a_high_tide_of_zero_is_refused() {
    drop(millstream::range(0..2).limit_rate(0, 0));
}

// ---- limit, limit_weighted --------------------------------------------------------------------

#[test]
fn limit_fails_at_the_item_beyond_it() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.limit(2));
    seen.request(3);
    assert_eq!(control.asked(), [More::of(3)]);
    for n in 0..3 {
        control.next(mint.token(n));
    }
    assert_eq!(seen.end(), Some(Ended::Error(LimitError::Exceeded { limit: 2 })));
    assert_eq!(mint.alive(), 2);
    assert_eq!(seen.items().len(), 2);
    assert!(control.is_cancelled());
}

#[test]
fn limit_is_not_exceeded_by_as_many_items_as_it_allows() {
    let seen = watch(millstream::range(0..2).limit(2));
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![0, 1], Some(Ended::Complete)));
    assert_eq!(watch(millstream::empty::<u8>().limit(0)).end(), Some(Ended::Complete));
}

#[test]
fn limit_weighted_fails_at_the_item_that_weighs_too_much() {
    let seen = watch(millstream::from_iter([5, 5, 1]).limit_weighted(10, |n| *n));
    seen.request_all();
    assert_eq!(seen.items(), [5, 5]);
    assert_eq!(seen.end(), Some(Ended::Error(LimitError::Exceeded { limit: 10 })));
    let seen = watch(millstream::just(1).limit_weighted(u64::MAX, |_| u64::MAX));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Complete)));
}

#[test]
fn an_error_of_upstream_is_the_source_of_the_error() {
    let no = || std::io::Error::other("no disk");
    let failed = millstream::fail::<u8, _>(no()).limit(1).collect::<Vec<_>>().block();
    let error = failed.unwrap_err().into_error().unwrap();
    assert_eq!(error.source().unwrap().to_string(), "no disk");
    let exceeded = LimitError::<std::io::Error>::Exceeded { limit: 3 };
    assert_eq!(exceeded.to_string(), "the stream exceeds its limit of 3");
    assert!(exceeded.source().is_none());
}

// ---- all --------------------------------------------------------------------------------------

#[test]
fn a_panic_in_any_closure_is_a_fault_at_the_end() {
    fn check<P: Publisher<Error: std::fmt::Debug>>(broken: P) {
        assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "here");
    }
    let source = || millstream::range(0..3);
    check(source().take_while(|_| panic!("here")));
    check(source().take_through(|_| panic!("here")));
    check(source().map_while(|_| -> Option<u32> { panic!("here") }));
    check(source().limit_weighted(1, |_| panic!("here")));
}

#[test]
fn take_never_asks_for_more_than_it_takes() {
    let (sender, asked) = std::sync::mpsc::channel();
    let counted = millstream::from_iter(0..1_000)
        .inspect_request(move |demand| sender.send(demand).unwrap())
        .take(3);
    // `collect` asks for everything.
    assert_eq!(counted.collect::<Vec<_>>().block().unwrap(), [0, 1, 2]);
    assert_eq!(asked.iter().collect::<Vec<_>>(), [millstream::Demand::of(3)]);
}
