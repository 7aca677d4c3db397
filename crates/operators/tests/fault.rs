//! Claims of the operators for errors and repetition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{
    Ending, Hand, Item, Mint, Probe, Told, next, next_then, on_a_small_stack, script,
};
use millstream::prelude::*;
use millstream::{End, More};

use Ending::{Complete, Fail};

fn error(text: &str) -> Told {
    Told::Error(format!("{text:?}"))
}

#[test]
fn an_error_is_mapped_and_items_pass() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::ONE)
        .on(script(&mint, 0, 1, Fail("x")).map_err(|e| format!("{e}!")));
    assert_eq!(probe.take(), next_then([1], error("x!")), "an error needs no demand");
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_stream_that_cannot_fail_goes_where_another_can() {
    let mint = Mint::new();
    let sure = millstream::from_iter([mint.item(1), mint.item(2)]);
    let probe = Probe::new().on(sure.fallible().chain(script(&mint, 0, 0, Fail("x"))));
    probe.request(1);
    assert_eq!(probe.take(), next([1]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([2], error("x")), "its own end is none");
    assert_eq!(mint.live(), 0);

    let sure = millstream::from_iter([mint.item(1), mint.item(2)]);
    let probe = Probe::new().asking(More::ONE).on(sure.fallible::<String>());
    assert_eq!(probe.take(), next([1]));
    probe.cancel();
    assert_eq!(probe.take(), []);
    assert_eq!(mint.live(), 0, "cancelled, it holds nothing");
}

#[test]
fn a_panic_in_the_error_mapper_is_a_fault() {
    let mint = Mint::new();
    let token = mint.token();
    let probe = Probe::new().on(script(&mint, 0, 0, Fail("x")).map_err(move |_| -> () {
        let _ = &token;
        panic!("ouch")
    }));
    assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_item_in_place_of_an_error_waits_for_demand() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 1, Fail("x")).on_error_return(mint.item(99)));
    probe.request(1);
    assert_eq!(probe.take(), next([1]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([99], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_item_in_place_of_an_error_uses_demand_that_is_there() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::of(2))
        .on(script(&mint, 0, 1, Fail("x")).on_error_return(mint.item(99)));
    assert_eq!(probe.take(), next_then([1, 99], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_item_in_place_of_an_error_is_dropped_where_there_is_none() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::of(2))
        .on(script(&mint, 0, 1, Complete).on_error_return(mint.item(99)));
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert_eq!(mint.live(), 0);
    let probe = Probe::new().on(script(&mint, 0, 1, Fail("x")).on_error_return(mint.item(99)));
    probe.request(1);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn only_errors_that_pass_the_test_are_completion() {
    let mint = Mint::new();
    let run = |text| {
        Probe::new()
            .asking(More::ONE)
            .on(script(&mint, 0, 1, Fail(text)).on_error_complete(|e| *e == "eof"))
            .take()
    };
    assert_eq!(run("eof"), next_then([1], Told::Complete));
    assert_eq!(run("io"), next_then([1], error("io")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_in_the_error_test_is_a_fault() {
    let mint = Mint::new();
    let probe =
        Probe::new().on(script(&mint, 0, 0, Fail("x")).on_error_complete(|_| panic!("ouch")));
    assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains("ouch")));
}

#[test]
fn the_fallback_gets_the_demand_that_is_left() {
    let mint = Mint::new();
    let m = mint.clone();
    let (hand, source) = Hand::new();
    let probe = Probe::new().asking(More::of(3)).on(script(&mint, 0, 2, Fail("x"))
        .on_error_resume(move |e| {
            assert_eq!(e, "x");
            let _ = &m;
            source
        }));
    assert_eq!(probe.take(), next([1, 2]));
    assert_eq!(hand.asked(), [1]);
    hand.send(mint.item(7));
    hand.end(End::Failed("y"));
    assert_eq!(probe.take(), next_then([7], error("y")));
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn without_an_error_there_is_no_fallback() {
    let mint = Mint::new();
    let probe = Probe::new().asking(More::of(3)).on(script(&mint, 0, 2, Complete)
        .on_error_resume(|_| -> millstream::BoxPublisher<_, ()> { panic!("not needed") }));
    assert_eq!(probe.take(), next_then([1, 2], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_in_the_fallback_is_a_fault() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 0, Fail("x")).on_error_resume(
        |_| -> millstream::BoxPublisher<crate::support::Item, ()> { panic!("ouch") },
    ));
    assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains("ouch")));
    assert!(!probe.is_held());
}

#[test]
fn a_fault_is_not_an_error_to_recover_from() {
    let mint = Mint::new();
    let m = mint.clone();
    let broken = script(&mint, 0, 3, Complete).map(|item| {
        assert!(item.0 < 2, "ouch");
        item
    });
    let probe = Probe::new().asking(More::UNBOUNDED).on(broken
        .on_error_resume(move |_| script(&m, 10, 1, Complete))
        .on_error_return(mint.item(99)));
    let told = probe.take();
    assert_eq!(told[..1], next([1]));
    assert!(matches!(&told[1..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn cancel_during_the_fallback_drops_everything() {
    let mint = Mint::new();
    let m = mint.clone();
    let probe = Probe::new()
        .on(script(&mint, 0, 1, Fail("x")).on_error_resume(move |_| script(&m, 10, 5, Complete)));
    probe.request(3);
    assert_eq!(probe.take(), next([1, 11, 12]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn retry_tries_k_more_times_and_then_gives_the_last_error() {
    let mint = Mint::new();
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 2, Fail("x")).retry(2));
    assert_eq!(probe.take(), next_then([1, 2, 1, 2, 1, 2], error("x")));
    assert_eq!(mint.live(), 0);
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 1, Fail("x")).retry(0));
    assert_eq!(probe.take(), next_then([1], error("x")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn retry_carries_demand_over_attempts() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 2, Fail("x")).retry(9));
    probe.request(3);
    assert_eq!(probe.take(), next([1, 2, 1]));
    probe.request(2);
    assert_eq!(probe.take(), next([2, 1]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn retry_does_not_repeat_a_source_that_completes() {
    let mint = Mint::new();
    let probe = Probe::new().asking(More::of(9)).on(script(&mint, 0, 2, Complete).retry(5));
    assert_eq!(probe.take(), next_then([1, 2], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_million_retries_use_constant_stack() {
    on_a_small_stack(|| {
        let mint = Mint::new();
        let probe = Probe::new().on(script(&mint, 0, 0, Fail("x")).retry(1_000_000));
        assert_eq!(probe.take(), [error("x")]);
        assert_eq!(mint.live(), 0);
    });
}

#[test]
fn endless_retries_are_stopped_from_another_thread() {
    let mint = Mint::new();
    let rounds = Arc::new(AtomicU64::new(0));
    let counted = rounds.clone();
    // The error passes a stage, so that each round is seen.
    let source = script(&mint, 0, 0, Fail("x")).map_err(move |e| {
        counted.fetch_add(1, Ordering::SeqCst);
        e
    });
    let probe = Probe::new();
    let spinner = {
        let probe = probe.clone();
        std::thread::spawn(move || drop(probe.on(source.retry(u64::MAX))))
    };
    while rounds.load(Ordering::SeqCst) < 10 {
        std::thread::yield_now();
    }
    probe.cancel();
    spinner.join().unwrap();
    assert_eq!(probe.take(), []);
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn repeat_runs_k_more_rounds_and_carries_demand() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 2, Complete).repeat(1));
    probe.request(3);
    assert_eq!(probe.take(), next([1, 2, 1]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([2], Told::Complete), "completion needs no demand");
    assert_eq!(mint.live(), 0);
    let probe = Probe::new().asking(More::of(9)).on(script(&mint, 0, 1, Complete).repeat(0));
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn repeat_stops_at_an_error() {
    let mint = Mint::new();
    let probe = Probe::new().asking(More::of(9)).on(script(&mint, 0, 1, Fail("x")).repeat(3));
    assert_eq!(probe.take(), next_then([1], error("x")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn repeat_stops_when_the_test_says_no() {
    let mint = Mint::new();
    let token = mint.token();
    let mut rounds = 0;
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 1, Complete)
        .repeat_while(move || {
            let _ = &token;
            rounds += 1;
            rounds < 3
        }));
    assert_eq!(probe.take(), next_then([1, 1, 1], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_in_the_test_of_repeat_is_a_fault() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::of(2))
        .on(script(&mint, 0, 1, Complete).repeat_while(|| panic!("ouch")));
    let told = probe.take();
    assert_eq!(told[..1], next([1]));
    assert!(matches!(&told[1..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn a_hundred_thousand_empty_rounds_use_constant_stack() {
    on_a_small_stack(|| {
        let probe = Probe::new().on(millstream::from_iter(0..0u32).repeat(100_000));
        assert_eq!(probe.take(), [Told::Complete]);
    });
}

#[test]
fn requests_from_inside_signals_reach_across_rounds() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::ONE)
        .answering(|probe, _| {
            probe.request(1);
            More::NONE
        })
        .on(script(&mint, 0, 2, Complete).repeat(1000));
    assert_eq!(probe.take().len(), 2003);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_detached_stream_that_runs_out_of_demand_is_dropped() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 2, Complete).repeat(3));
    probe.request(3);
    probe.detach();
    assert_eq!(probe.take(), next([1, 2, 1]));
    assert!(!probe.is_held(), "nobody could ever ask again");
    assert_eq!(mint.live(), 0);
}

// ---- skip_errors --------------------------------------------------------------------------

/// What is even passes, what is odd is an error.
fn even(item: Item) -> Result<Item, Item> {
    if item.0.is_multiple_of(2) { Ok(item) } else { Err(item) }
}

#[test]
fn an_item_that_is_an_error_goes_to_the_function_and_another_is_asked_for_in_its_place() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let (sender, errors) = std::sync::mpsc::channel();
    let probe = Probe::new()
        .on(source.map(even).skip_errors(move |item: Item| sender.send(item.0).unwrap()));
    probe.request(2);
    assert_eq!(hand.asked(), [2]);
    hand.send(mint.item(1));
    assert_eq!((hand.asked(), probe.take()), (vec![1], vec![]));
    hand.send(mint.item(2));
    assert_eq!((hand.asked(), probe.take()), (vec![], next([2])));
    hand.send(mint.item(3));
    assert_eq!((hand.asked(), probe.take()), (vec![1], vec![]));
    hand.send(mint.item(4));
    assert_eq!((hand.asked(), probe.take()), (vec![], next([4])));
    assert_eq!(errors.try_iter().collect::<Vec<_>>(), [1, 3], "each once, when it comes");
    hand.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn skip_errors_asks_for_no_more_once_everything_is_asked_for() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().asking(More::UNBOUNDED).on(source.map(even).skip_errors(drop));
    let asked: Vec<u64> = hand.asked();
    assert_eq!(asked, [More::UNBOUNDED.count()]);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert!(hand.asked().iter().all(|n| *n <= 1), "at most the place of an error");
    hand.end(End::Completed);
    assert_eq!(probe.take(), next_then([2, 4], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_error_of_the_stream_passes_skip_errors_and_needs_no_demand() {
    let mint = Mint::new();
    let called = Arc::new(AtomicU64::new(0));
    let calls = called.clone();
    let probe =
        Probe::new().on(script(&mint, 0, 0, Fail("x")).map(even).skip_errors(move |_: Item| {
            calls.fetch_add(1, Ordering::SeqCst);
        }));
    assert_eq!(probe.take(), [error("x")]);
    assert_eq!(called.load(Ordering::SeqCst), 0, "it is not of an item");
}

#[test]
fn an_item_that_is_an_error_belongs_to_the_function_and_is_not_discarded() {
    let mint = Mint::new();
    let (sender, errors) = std::sync::mpsc::channel();
    let discarded = Arc::new(AtomicU64::new(0));
    let discards = discarded.clone();
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 4, Complete)
        .map(even)
        .skip_errors(move |item: Item| sender.send(item).unwrap())
        .on_discard(move |_: Result<Item, Item>| {
            discards.fetch_add(1, Ordering::SeqCst);
        }));
    assert_eq!(probe.take(), next_then([2, 4], Told::Complete));
    assert_eq!(errors.try_iter().map(|item| item.0).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((discarded.load(Ordering::SeqCst), mint.live()), (0, 0));
}

#[test]
fn a_stream_of_nothing_but_errors_completes_without_an_item() {
    let mint = Mint::new();
    let (sender, errors) = std::sync::mpsc::channel();
    let probe = Probe::new().asking(More::ONE).on(script(&mint, 0, 100, Complete)
        .map(|item| -> Result<Item, Item> { Err(item) })
        .skip_errors(move |item: Item| sender.send(item.0).unwrap()));
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(errors.iter().count(), 100);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_cancellation_inside_the_function_of_skip_errors_is_the_last_that_is_told() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().asking(More::UNBOUNDED);
    let stop = probe.clone();
    let probe = probe.on(source.map(even).skip_errors(move |_: Item| stop.cancel()));
    hand.send(mint.item(2));
    hand.send(mint.item(3));
    assert!(hand.is_cancelled());
    assert_eq!((probe.take(), mint.live()), (next([2]), 0));
}

#[test]
fn a_panic_in_the_function_of_skip_errors_is_a_fault() {
    let mint = Mint::new();
    let token = mint.token();
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 3, Complete)
        .map(|item| if item.0 == 2 { Err(item) } else { Ok(item) })
        .skip_errors(move |_: Item| {
            let _ = &token;
            panic!("ouch")
        }));
    let told = probe.take();
    assert_eq!(told[..1], next([1]));
    assert!(matches!(&told[1..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
}

// ---- catch_unwind ---------------------------------------------------------------------------

fn caught(panic: millstream::Panic) -> &'static str {
    match panic.message() {
        Some("ouch") => "caught",
        _ => "another",
    }
}

#[test]
fn a_panic_above_is_the_error_that_the_function_makes_of_it() {
    let mint = Mint::new();
    let at_two = |item: Item| if item.0 == 2 { panic!("ouch") } else { item };
    let stages = script(&mint, 0, 3, Complete).map(at_two);
    let probe = Probe::new().asking(More::UNBOUNDED).on(stages.catch_unwind(caught));
    assert_eq!(probe.take(), next_then([1], error("caught")));
    assert_eq!((mint.live(), probe.is_held()), (0, false));

    // Asked one by one, from inside and from outside, and where downstream lets others run between.
    for answer in [More::ONE, More::YIELD, More::NONE] {
        let stages = script(&mint, 0, 3, Complete).map(at_two);
        let probe = Probe::new()
            .asking(More::of(2))
            .answering(move |_, _| answer)
            .on(stages.catch_unwind(caught));
        assert_eq!(probe.take(), next_then([1], error("caught")), "{answer:?}");
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_source_that_panics_has_failed() {
    let fails = |probe: Probe| assert_eq!(probe.take(), [error("caught")]);
    let source = millstream::from_fn(|| -> Option<u32> { panic!("ouch") });
    let source = source.map_err(|never| -> &str { match never {} });
    fails(Probe::new().asking(More::ONE).on(source.catch_unwind(caught)));

    // As it is subscribed to, and as it is dropped, where its end is here already.
    let source = millstream::defer(|| -> millstream::BoxPublisher<u32, &str> { panic!("ouch") });
    fails(Probe::new().asking(More::ONE).on(source.catch_unwind(caught)));
    let stage = millstream::pending::<u32>().map_err(|never| -> &str { match never {} });
    let stage = stage.inspect_subscribe(|| panic!("ouch"));
    fails(Probe::new().asking(More::ONE).on(stage.catch_unwind(caught)));

    struct Breaks;
    impl Drop for Breaks {
        fn drop(&mut self) {
            panic!("ouch")
        }
    }
    let breaks = Breaks;
    let source = millstream::from_fn(move || {
        let _ = &breaks;
        None::<u32>
    });
    let source = source.map_err(|never| -> &str { match never {} });
    fails(Probe::new().asking(More::ONE).on(source.catch_unwind(caught)));
}

#[test]
fn a_panic_above_a_boundary_is_caught_below_it() {
    let executor = millstream::executor::CurrentThread::new();
    let stages = millstream::from_iter(0..9_u32)
        .map(|n| if n == 2 { panic!("ouch") } else { n })
        .map_err(|never| -> &str { match never {} })
        .async_boundary(executor.handle(), 2)
        .catch_unwind(caught);
    let probe = Probe::new().asking(More::UNBOUNDED).on(stages);
    executor.run_until_idle();
    assert_eq!(probe.take().last(), Some(&error("caught")));
}

#[test]
fn a_panic_below_is_a_fault_as_without_it() {
    let mint = Mint::new();
    let source = || script(&mint, 0, 3, Complete).catch_unwind(|_| "not this one");
    let faults = |probe: Probe, before: u32| {
        let told = probe.take();
        let (last, items) = told.split_last().unwrap();
        assert_eq!(items, next(1..=before));
        assert!(matches!(last, Told::Fault(f) if f.contains("ouch")), "{last:?}");
        assert_eq!(mint.live(), 0);
    };
    let ask = || Probe::new().asking(More::UNBOUNDED);
    faults(ask().on(source().map(|item| if item.0 == 2 { panic!("ouch") } else { item })), 1);
    faults(ask().on(source().inspect_request(|_| panic!("ouch"))), 0);
    faults(ask().on(source().inspect_subscribe(|| panic!("ouch"))), 0);
    faults(
        ask().answering(|_, n| if n == 2 { panic!("ouch") } else { More::NONE }).on(source()),
        2,
    );
}

#[test]
fn other_faults_pass_a_catch_unwind() {
    let (hand, publisher) = Hand::new();
    let probe = Probe::new().on(publisher.catch_unwind(|_| "not this one"));
    probe.request(1);
    hand.end(End::Fault(millstream::Fault::SourceDropped));
    assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains("dropped")));

    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 1, Complete).catch_unwind(|_| "not this one"));
    probe.request_raw(0);
    assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains('0')));
}

#[test]
fn what_becomes_of_a_caught_panic_waits_until_it_is_asked_for() {
    let mint = Mint::new();
    // It has panicked before anything is asked for.
    let breaks = millstream::defer(|| -> millstream::BoxPublisher<Item, &str> { panic!("ouch") });
    let probe = Probe::new().on(breaks.catch_unwind(caught).on_error_return(mint.item(99)));
    assert!(probe.take().is_empty() && probe.is_held());
    probe.request(1);
    assert_eq!(probe.take(), next_then([99], Told::Complete));
    assert_eq!((mint.live(), probe.is_held()), (0, false));
}

#[test]
fn a_caught_panic_is_tried_again_and_replaced_as_an_error() {
    let runs = Arc::new(AtomicU64::new(0));
    let counts = runs.clone();
    let mint = Mint::new();
    let stages = script(&mint, 0, 2, Complete)
        .map(move |item| match counts.fetch_add(1, Ordering::Relaxed) {
            1 | 2 => panic!("ouch"),
            _ => item,
        })
        .catch_unwind(caught);
    let probe = Probe::new().asking(More::UNBOUNDED).on(stages.clone().retry(2));
    assert_eq!(probe.take(), next_then([1, 1, 2], Told::Complete));
    assert_eq!(runs.swap(0, Ordering::Relaxed), 5);
    let instead = stages.on_error_resume(|_| millstream::empty());
    let probe = Probe::new().asking(More::UNBOUNDED).on(instead);
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert_eq!(mint.live(), 0);
}
