//! Claims of the operators that make many items of one, each for inner publishers that are held
//! in place and for inner publishers behind a relay.

use std::sync::{Arc, Mutex};

use crate::support::{
    Ending, Hand, Item, Mint, Probe, Told, next, next_then, on_a_small_stack, script,
};
use millstream::fan_out::Stalled;
use millstream::prelude::*;
use millstream::shape::pump::{Expand, Pump};
use millstream::{BoxPublisher, End, More, Pulled};

use Ending::{Complete, Fail, Never};

type Boxed = BoxPublisher<Item, &'static str>;

/// The same pipeline over both paths: `inner(n)` is the publisher for item `n`. A pointer, for the two
/// to be of one type in all tests.
fn both<P>(
    outer: impl Fn(&Mint) -> P,
    inner: fn(&Mint, u32) -> crate::support::Script,
    check: impl Fn(&Mint, Probe, &dyn Fn(Probe, &Mint) -> Probe),
) where
    P: Publisher<Item = Item, Error = &'static str>,
{
    let mint = Mint::new();
    check(&mint, Probe::new(), &|probe, mint| {
        let m = mint.clone();
        probe.on(outer(mint).concat_map(move |item| inner(&m, item.0)))
    });
    assert_eq!(mint.live(), 0, "held in place");
    let mint = Mint::new();
    check(&mint, Probe::new(), &|probe, mint| {
        let m = mint.clone();
        probe.on(outer(mint).concat_map(move |item| inner(&m, item.0).boxed()))
    });
    assert_eq!(mint.live(), 0, "behind a relay");
}

#[test]
fn inner_publishers_follow_each_other_and_demand_is_carried_over() {
    both(
        |mint| script(mint, 0, 2, Complete),
        |mint, n| script(mint, n * 10, 2, Complete),
        |mint, probe, on| {
            let probe = on(probe, mint);
            assert_eq!(probe.take(), []);
            probe.request(3);
            assert_eq!(probe.take(), next([11, 12, 21]));
            probe.request(1);
            assert_eq!(probe.take(), next_then([22], Told::Complete), "the end needs no demand");
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn unbounded_demand_stays_unbounded() {
    both(
        |mint| script(mint, 0, 3, Complete),
        |mint, n| script(mint, n * 10, n - 1, Complete),
        |mint, probe, on| {
            let probe = on(probe.asking(More::UNBOUNDED), mint);
            assert_eq!(probe.take(), next_then([21, 31, 32], Told::Complete));
        },
    );
    // And is told as such to the next, however many have come.
    let mint = Mint::new();
    let ((hand, source), (next_hand, next)) = (Hand::new(), Hand::new());
    let probe = Probe::new().asking(More::UNBOUNDED).on(source.chain(next));
    assert_eq!(hand.asked(), [More::UNBOUNDED.count()]);
    (1..=10).for_each(|n| hand.send(mint.item(n)));
    hand.end(End::Completed);
    assert_eq!(next_hand.asked(), [More::UNBOUNDED.count()]);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn empty_streams_complete_without_demand() {
    both(
        |mint| script(mint, 0, 0, Complete),
        |mint, n| script(mint, n * 10, 2, Complete),
        |mint, probe, on| assert_eq!(on(probe, mint).take(), [Told::Complete]),
    );
}

#[test]
fn the_end_behind_skipped_items_needs_no_demand() {
    // An iterator that cannot say how much is left.
    let inner = || millstream::from_iter((1..4).filter(|_| true)).filter(|n| *n == 1);
    let probe = Probe::new().on(millstream::just(0).concat_map(move |_| inner()));
    probe.request(1);
    assert_eq!(probe.take(), next_then([1], Told::Complete));
}

#[test]
fn an_inner_error_ends_all_at_once() {
    both(
        |mint| script(mint, 0, 2, Complete),
        |mint, n| script(mint, n * 10, 1, if n == 1 { Fail("x") } else { Complete }),
        |mint, probe, on| {
            let probe = on(probe.asking(More::of(5)), mint);
            assert_eq!(probe.take(), next_then([11], Told::Error("\"x\"".into())));
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn an_outer_error_cancels_the_inner_publisher() {
    both(
        |mint| script(mint, 0, 1, Fail("x")),
        |mint, n| script(mint, n * 10, 3, Complete),
        |mint, probe, on| {
            let probe = on(probe, mint);
            probe.request(1);
            // The source looks whether it is over as soon as it is starved.
            let told = probe.take();
            assert_eq!(told.last(), Some(&Told::Error("\"x\"".into())));
            assert!(told.len() <= 2);
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn a_late_outer_error_cancels_an_inner_publisher_that_only_pushes() {
    let mint = Mint::new();
    let (outer, publisher) = Hand::new();
    let (inner, source) = Hand::new();
    let mut source = Some(source);
    let probe = Probe::new().on(publisher.concat_map(move |_| source.take().unwrap()));
    probe.request(2);
    outer.send(mint.item(1));
    inner.send(mint.item(5));
    outer.end(End::Failed("x"));
    assert_eq!(probe.take(), next_then([5], Told::Error("\"x\"".into())));
    assert!(inner.is_cancelled());
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_outer_publisher_is_asked_for_one_at_a_time_and_only_when_wanted() {
    fn check(in_place: bool) {
        let mint = Mint::new();
        let (outer, publisher) = Hand::new();
        let m = mint.clone();
        let probe = if in_place {
            Probe::new().on(publisher.concat_map(move |i| script(&m, i.0 * 10, 2, Complete)))
        } else {
            Probe::new()
                .on(publisher.concat_map(move |i| script(&m, i.0 * 10, 2, Complete).boxed()))
        };
        assert_eq!(outer.asked(), []);
        probe.request(3);
        assert_eq!(outer.asked(), [1]);
        probe.request(1);
        assert_eq!(outer.asked(), [], "it owes one already");
        outer.send(mint.item(1));
        assert_eq!(probe.take(), next([11, 12]));
        assert_eq!(outer.asked(), [1]);
        outer.send(mint.item(2));
        assert_eq!(probe.take(), next([21, 22]));
        assert_eq!(outer.asked(), [], "nothing is wanted");
        probe.request(1);
        assert_eq!(outer.asked(), [1]);
        outer.end(End::Completed);
        assert_eq!(probe.take(), [Told::Complete]);
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
    check(true);
    check(false);
}

#[test]
fn cancel_at_every_point_drops_everything() {
    for requested in 0..6 {
        both(
            |mint| script(mint, 0, 3, Complete),
            |mint, n| script(mint, n * 10, 2, Complete),
            |mint, probe, on| {
                let probe = on(probe, mint);
                if requested > 0 {
                    probe.request(requested);
                }
                assert_eq!(probe.take().len() as u64, requested);
                probe.cancel();
                assert_eq!(mint.live(), 0);
                assert!(!probe.is_held());
            },
        );
    }
}

#[test]
fn cancel_from_inside_an_item_drops_everything() {
    both(
        |mint| script(mint, 0, 3, Complete),
        |mint, n| script(mint, n * 10, 2, Complete),
        |mint, probe, on| {
            let probe = probe.asking(More::UNBOUNDED).answering(|probe, n| {
                if n == 21 {
                    probe.cancel();
                }
                More::NONE
            });
            let probe = on(probe, mint);
            let told = probe.take();
            // A publisher in place may finish its stretch; whoever wants none of it answers
            // `More::CANCEL`.
            assert!(told == next([11, 12, 21]) || told == next([11, 12, 21, 22]), "{told:?}");
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn requests_from_inside_signals_are_served() {
    both(
        |mint| script(mint, 0, 50, Complete),
        |mint, n| script(mint, n * 10, n % 3, Complete),
        |mint, probe, on| {
            let probe = probe.asking(More::ONE).answering(|probe, _| {
                probe.request(1);
                More::NONE
            });
            let probe = on(probe, mint);
            let told = probe.take();
            // 1 + 2 + 0 sixteen times, 1, 2, and the end.
            assert_eq!(told.len(), 52);
            assert_eq!(told.last(), Some(&Told::Complete));
        },
    );
}

#[test]
fn a_stage_below_that_finishes_early_ends_both() {
    fn check(pipeline: impl Publisher<Item = Item, Error = &'static str>, mint: &Mint) {
        let probe = Probe::new().asking(More::UNBOUNDED).on(pipeline.take(3));
        assert_eq!(probe.take(), next_then([11, 12, 21], Told::Complete));
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
    let mint = Mint::new();
    let m = mint.clone();
    check(
        script(&mint, 0, 9, Complete).concat_map(move |i| script(&m, i.0 * 10, 2, Complete)),
        &mint,
    );
    let m = mint.clone();
    check(
        script(&mint, 0, 9, Complete)
            .concat_map(move |i| script(&m, i.0 * 10, 2, Complete).boxed()),
        &mint,
    );
}

#[test]
fn an_item_held_below_waits_past_the_end() {
    fn check(pipeline: impl Publisher<Item = Item, Error = &'static str>, mint: &Mint) {
        let probe = Probe::new().on(pipeline.on_error_return(mint.item(99)));
        probe.request(1);
        assert_eq!(probe.take(), next([11]));
        probe.request(1);
        assert_eq!(probe.take(), next_then([99], Told::Complete));
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
    let mint = Mint::new();
    let m = mint.clone();
    let outer = |mint: &Mint| script(mint, 0, 2, Complete);
    check(outer(&mint).concat_map(move |i| script(&m, i.0 * 10, 1, Fail("x"))), &mint);
    let m = mint.clone();
    check(outer(&mint).concat_map(move |i| script(&m, i.0 * 10, 1, Fail("x")).boxed()), &mint);
}

#[test]
fn a_panic_in_the_function_is_a_fault() {
    both(
        |mint| script(mint, 0, 3, Complete),
        |mint, n| {
            assert!(n < 2, "ouch");
            script(mint, n * 10, 2, Complete)
        },
        |mint, probe, on| {
            let probe = on(probe.asking(More::of(9)), mint);
            let told = probe.take();
            assert_eq!(told[..2], next([11, 12]));
            assert!(matches!(&told[2..], [Told::Fault(f)] if f.contains("ouch")), "{told:?}");
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn an_invalid_demand_is_a_fault() {
    both(
        |mint| script(mint, 0, 3, Complete),
        |mint, n| script(mint, n * 10, 2, Complete),
        |mint, probe, on| {
            let probe = on(probe, mint);
            probe.request(1);
            probe.request_raw(-1);
            assert!(matches!(&probe.take()[1..], [Told::Fault(_)]));
            assert!(!probe.is_held());
        },
    );
}

#[test]
fn an_outer_fault_passes_both_paths() {
    fn check(pipeline: impl Publisher<Item = Item, Error = &'static str>, mint: &Mint) {
        let probe = Probe::new().asking(More::of(9)).on(pipeline);
        let told = probe.take();
        assert!(matches!(told.last(), Some(Told::Fault(f)) if f.contains("ouch")), "{told:?}");
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }
    fn outer(mint: &Mint) -> impl Publisher<Item = Item, Error = &'static str> {
        script(mint, 0, 3, Complete).map(|item| {
            assert!(item.0 < 2, "ouch");
            item
        })
    }
    let mint = Mint::new();
    let m = mint.clone();
    check(outer(&mint).concat_map(move |i| script(&m, i.0 * 10, 2, Complete)), &mint);
    let m = mint.clone();
    check(outer(&mint).concat_map(move |i| script(&m, i.0 * 10, 2, Complete).boxed()), &mint);
}

#[test]
fn a_detached_stream_that_starves_is_dropped() {
    both(
        |mint| script(mint, 0, 3, Complete),
        |mint, n| script(mint, n * 10, 2, Complete),
        |mint, probe, on| {
            for requested in [1, 2] {
                let probe = on(probe.clone(), mint);
                probe.request(requested);
                probe.detach();
                assert_eq!(probe.take().len() as u64, requested);
                assert!(!probe.is_held(), "after {requested}");
                assert_eq!(mint.live(), 0);
            }
        },
    );
}

#[test]
fn a_hundred_thousand_inner_publishers_use_constant_stack() {
    on_a_small_stack(|| {
        let outer = || millstream::from_iter(0..100_000u32);
        let probe = Probe::new()
            .asking(More::UNBOUNDED)
            .on(outer().concat_map(|n| millstream::from_iter(n..n + 1)));
        assert_eq!(probe.take().len(), 100_001);
        let probe = Probe::new()
            .asking(More::UNBOUNDED)
            .on(outer().concat_map(|n| millstream::from_iter(n..n + 1).boxed()));
        assert_eq!(probe.take().len(), 100_001);
    });
}

#[test]
fn an_endless_inner_publisher_can_be_cancelled_from_another_thread() {
    fn check(pipeline: impl Publisher<Item = u32, Error = std::convert::Infallible>) {
        let probe = Probe::new();
        let (started, wait) = std::sync::mpsc::channel();
        let listening = probe.clone().asking(More::UNBOUNDED).answering(move |_, n| {
            if n == 10_000 {
                started.send(()).unwrap();
            }
            More::NONE
        });
        let runner = std::thread::spawn(move || drop(listening.on(pipeline)));
        wait.recv().unwrap();
        probe.cancel();
        runner.join().unwrap();
        assert!(!probe.is_held());
    }
    let outer = || millstream::from_iter(0..1u32);
    check(outer().concat_map(|_| millstream::from_iter(0u32..)));
    check(outer().concat_map(|_| millstream::from_iter(0u32..).boxed()));
}

#[test]
fn a_nest_of_both_paths_agrees_with_the_iterator() {
    let expected: Vec<u32> = (0..6u32).flat_map(|n| (0..n).flat_map(move |m| 0..m)).collect();
    for step in [1, 2, 3, 100] {
        let nest = millstream::from_iter(0..6u32).concat_map(|n| {
            millstream::from_iter(0..n).concat_map(|m| millstream::from_iter(0..m).boxed())
        });
        let probe = Probe::new().on(nest);
        let mut got = Vec::new();
        for _ in 0..60 {
            probe.request(step);
            got.extend(probe.take());
        }
        assert_eq!(got, next_then(expected.clone(), Told::Complete), "{step} at a time");
    }
}

#[test]
fn iterators_follow_each_other() {
    let mint = Mint::new();
    let m = mint.clone();
    let probe = Probe::new().on(script(&mint, 0, 3, Complete)
        .concat_map_iter(move |i| (1..i.0).map(|n| m.item(i.0 * 10 + n)).collect::<Vec<_>>()));
    probe.request(2);
    assert_eq!(probe.take(), next([21, 31]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([32], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_is_left_of_an_iterator_is_dropped_by_cancel_and_by_error() {
    let mint = Mint::new();
    let m = mint.clone();
    let many = move |i: Item| (0..5).map(|n| m.item(i.0 * 10 + n)).collect::<Vec<_>>();
    let probe = Probe::new().on(script(&mint, 0, 3, Complete).concat_map_iter(many.clone()));
    probe.request(2);
    probe.cancel();
    assert_eq!(mint.live(), 1, "the function that is kept here");
    let probe = Probe::new().on(script(&mint, 0, 1, Fail("x")).concat_map_iter(many));
    probe.request(2);
    assert_eq!(probe.take().last(), Some(&Told::Error("\"x\"".into())));
    assert_eq!(mint.live(), 0);
}

/// A pump of one's own whose look at the end of upstream panics.
struct Farewell;

impl Expand<Item, &'static str> for Farewell {
    type Item = Item;
    type Error = &'static str;

    fn accept(&mut self, _: Item) {}
    fn produce(&mut self) -> Pulled<Item, &'static str> {
        Pulled::Pending
    }
    fn complete(&mut self) {
        panic!("ouch")
    }
    fn look_ahead(&mut self) -> Pulled<Item, &'static str> {
        Pulled::Complete
    }
    fn error(&mut self, error: &'static str) -> &'static str {
        error
    }
}

#[test]
fn a_panic_in_a_pump_that_is_told_of_completion_is_a_fault() {
    let mint = Mint::new();
    let probe = Probe::new().on(Pump::new(script(&mint, 0, 2, Complete), Farewell));
    probe.request(1);
    let told = probe.take();
    assert!(matches!(&told[..], [Told::Fault(f)] if f.contains("ouch")), "{told:?}");
    let probe = Probe::new().on(Pump::new(script(&mint, 0, 2, Fail("x")), Farewell));
    probe.request(1);
    assert_eq!(probe.take(), [Told::Error("\"x\"".into())], "it is not complete");
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_in_an_iterator_is_a_fault() {
    let mint = Mint::new();
    let m = mint.clone();
    let probe = Probe::new().asking(More::of(5)).on(script(&mint, 0, 3, Complete).concat_map_iter(
        move |i| {
            let m = m.clone();
            (1..4).map(move |n| {
                assert!(n < 3, "ouch");
                m.item(i.0 * 10 + n)
            })
        },
    ));
    let told = probe.take();
    assert_eq!(told[..2], next([11, 12]));
    assert!(matches!(&told[2..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_inner_publisher_that_never_ends_holds_the_outer_back() {
    let mint = Mint::new();
    let m = mint.clone();
    let probe = Probe::new().asking(More::of(9)).on(script(&mint, 0, 3, Complete)
        .concat_map(move |i| -> Boxed { script(&m, i.0 * 10, 1, Never).boxed() }));
    assert_eq!(probe.take(), next([11]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn downstream_that_yields_twice_during_the_first_item_loses_no_demand() {
    let sums = millstream::from_iter(1..=3_u64).running_fold(0, |sum, n| sum + n);
    // Each item gives more than two stretches, so downstream of the seed yields, and yields again.
    let counted = sums.concat_map_iter(|n| (0..5_000_u64).map(move |m| n + m)).count();
    assert_eq!(counted.block().unwrap(), 4 * 5_000);
}

#[test]
fn an_error_of_the_outer_comes_after_the_items_before_it_on_both_paths() {
    let outer = || {
        let failed = millstream::fail::<u64, _>("boom");
        millstream::from_iter([3_u64]).map_err(|never| match never {}).chain(failed)
    };
    let inner = |n| millstream::from_iter(0..n).map_err(|never| match never {});
    let heard = |items: std::sync::Arc<std::sync::Mutex<Vec<u64>>>| {
        std::mem::take(&mut *items.lock().unwrap())
    };
    let items = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for boxed in [false, true] {
        let seen = items.clone();
        let hear = move |n| seen.lock().unwrap().push(n);
        let end = if boxed {
            outer().concat_map(move |n| inner(n).boxed()).for_each(hear).block()
        } else {
            outer().concat_map(inner).for_each(hear).block()
        };
        assert!(matches!(end, Err(millstream::Failure::Error("boom"))), "boxed: {boxed}");
        assert_eq!(heard(items.clone()), [0, 1, 2], "boxed: {boxed}");
    }
}

#[test]
fn a_synchronous_upstream_without_items_ends_a_switch_or_an_exhaustion_without_demand() {
    for ending in [Complete, Fail("up")] {
        for switches in [true, false] {
            let mint = Mint::new();
            let (upstream, m) = (script(&mint, 0, 0, ending), mint.clone());
            let inner = move |item: Item| script(&m, item.0, 1, Complete);
            let flat = if switches {
                upstream.switch_map(4, inner).boxed()
            } else {
                upstream.exhaust_map(4, inner).boxed()
            };
            let told = Probe::new().on(flat).take();
            let fails = || Told::Error("\"up\"".to_owned());
            assert_eq!(told, [if ending == Complete { Told::Complete } else { fails() }]);
        }
    }
}

/// An outer and inner publishers that the test drives: each item takes the next of those.
fn exhausting(n: usize) -> (Hand, Vec<Hand>, Probe, std::sync::Arc<std::sync::Mutex<Vec<u32>>>) {
    let (outer, source) = Hand::new();
    let (hands, inner): (Vec<_>, Vec<_>) = (0..n).map(|_| Hand::new()).unzip();
    let discarded = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = discarded.clone();
    let mut inner = inner.into_iter();
    let exhausted = source
        .exhaust_map(4, move |_| inner.next().expect("one more"))
        .on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    (outer, hands, Probe::new().on(exhausted), discarded)
}

#[test]
fn what_comes_while_an_inner_publisher_runs_is_discarded_demand_or_not() {
    let mint = Mint::new();
    let (outer, hands, probe, discarded) = exhausting(2);
    assert_eq!(outer.asked(), [4], "before anybody asks");
    for n in 1..=6 {
        outer.send(mint.item(n));
    }
    assert_eq!(*discarded.lock().unwrap(), [2, 3, 4, 5, 6]);
    assert_eq!(outer.asked(), [3, 3], "three quarters at a time");
    assert_eq!(hands[0].asked(), [4]);
    hands[0].send(mint.item(11));
    hands[0].send(mint.item(12));
    probe.request(1);
    assert_eq!(probe.take(), next([11]));
    outer.send(mint.item(7));
    hands[0].end(End::Completed);
    outer.send(mint.item(8));
    assert_eq!(hands[1].asked(), [], "12 is still to be sent");
    probe.request(1);
    assert_eq!(probe.take(), next([12]));
    outer.send(mint.item(9));
    assert_eq!(hands[1].asked(), [4]);
    assert_eq!(*discarded.lock().unwrap(), [2, 3, 4, 5, 6, 7, 8]);
    hands[1].send(mint.item(21));
    probe.unbounded();
    outer.end(End::Completed);
    assert_eq!(probe.take(), next([21]), "an inner publisher still runs");
    hands[1].end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_exhausted_stream_that_is_cancelled_cancels_both_and_discards_what_is_queued() {
    let mint = Mint::new();
    let (outer, hands, probe, discarded) = exhausting(1);
    outer.send(mint.item(1));
    hands[0].send(mint.item(11));
    hands[0].send(mint.item(12));
    probe.request(1);
    probe.cancel();
    assert!(outer.is_cancelled() && hands[0].is_cancelled());
    assert_eq!(probe.take(), next([11]));
    assert_eq!(*discarded.lock().unwrap(), [12]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_failure_of_either_ends_an_exhausted_stream() {
    let mint = Mint::new();
    let (outer, hands, probe, discarded) = exhausting(1);
    outer.send(mint.item(1));
    hands[0].send(mint.item(11));
    hands[0].end(End::Failed("inner"));
    assert_eq!(probe.take(), [], "an item comes before");
    probe.request(1);
    assert_eq!(probe.take(), next_then([11], Told::Error("\"inner\"".to_owned())));
    assert!(outer.is_cancelled());

    let (outer, hands, probe, discarded_then) = exhausting(1);
    outer.send(mint.item(1));
    hands[0].send(mint.item(11));
    outer.end(End::Failed("outer"));
    assert_eq!(probe.take(), [Told::Error("\"outer\"".to_owned())], "it does not wait");
    assert!(hands[0].is_cancelled());
    assert_eq!(*discarded_then.lock().unwrap(), [11]);
    assert_eq!(*discarded.lock().unwrap(), []);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_synchronous_upstream_is_not_pulled_while_an_inner_publisher_runs() {
    for boxed in [false, true] {
        let mint = Mint::new();
        let m = mint.clone();
        let exhausted = script(&mint, 0, 3, Complete).exhaust_map(4, move |item: Item| {
            let inner = script(&m, item.0 * 10, 2, Complete);
            if boxed {
                inner.boxed()
            } else {
                inner.publish_on(crate::eager::Eager::default(), 1).boxed()
            }
        });
        let probe = Probe::new().on(exhausted);
        probe.request(3);
        assert_eq!(probe.take(), next([11, 12, 21]), "boxed: {boxed}");
        probe.request(3);
        assert_eq!(probe.take(), next_then([22, 31, 32], Told::Complete), "boxed: {boxed}");
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn a_request_inside_an_item_of_an_exhausted_stream_is_served() {
    let mint = Mint::new();
    let m = mint.clone();
    let exhausted = script(&mint, 0, 3, Complete)
        .exhaust_map(1, move |item: Item| script(&m, item.0 * 10, 2, Complete));
    let probe = Probe::new().asking(More::ONE).answering(|probe, _| {
        probe.request(1);
        More::NONE
    });
    let probe = probe.on(exhausted);
    assert_eq!(probe.take(), next_then([11, 12, 21, 22, 31, 32], Told::Complete));
    assert_eq!(mint.live(), 0);
}

// ---- errors that wait -------------------------------------------------------------------------

/// How a stage fails whose errors waited.
fn failures(errors: &str) -> Told {
    Told::Error(format!("Failures({errors})"))
}

type Hands = Arc<Mutex<Vec<Arc<Hand>>>>;

/// Inner publishers by hand, in the order in which they were made.
fn by_hand() -> (Hands, impl FnMut(Item) -> Boxed + Send + 'static) {
    let hands = Hands::default();
    let made = hands.clone();
    let inner = move |_| {
        let (hand, source) = Hand::new();
        made.lock().unwrap().push(Arc::new(hand));
        source
    };
    (hands, inner)
}

fn nth(hands: &Hands, n: usize) -> Arc<Hand> {
    hands.lock().unwrap()[n].clone()
}

#[test]
fn the_publishers_after_one_that_failed_have_their_turn_and_the_end_has_all_errors() {
    let mint = Mint::new();
    let own = mint.clone();
    let inner = move |item: Item| {
        script(&own, item.0 * 10, 2, [Fail("one"), Complete, Fail("three")][item.0 as usize - 1])
    };
    let flat = script(&mint, 0, 3, Fail("up")).concat_map_delay_error(inner);
    let probe = Probe::new().on(flat);
    assert_eq!(probe.take(), []);
    probe.request(3);
    assert_eq!(probe.take(), next([11, 12, 21]), "demand is carried over a failure");
    probe.request(2);
    assert_eq!(probe.take(), next([22, 31]));
    probe.request(1);
    let all = failures(r#"["one", "up", "three"]"#);
    // The source looks whether it is over as soon as it is starved: its error is the second.
    assert_eq!(probe.take(), next_then([32], all), "the end needs no demand");
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_outer_error_that_waits_leaves_the_inner_publisher_alone() {
    let mint = Mint::new();
    let (outer, source) = Hand::new();
    let (hands, inner) = by_hand();
    let probe = Probe::new().asking(More::of(2)).on(source.concat_map_delay_error(inner));
    assert_eq!(outer.asked(), [1]);
    outer.send(mint.item(1));
    outer.end(End::Failed("outer"));
    let inner = nth(&hands, 0);
    assert!(!inner.is_cancelled());
    inner.send(mint.item(7));
    assert_eq!(probe.take(), next([7]));
    inner.end(End::Failed("inner"));
    assert_eq!(probe.take(), [failures(r#"["outer", "inner"]"#)]);
    assert_eq!(mint.live(), 0);
    // And where none is there it waits for nothing.
    let (outer, source) = Hand::new();
    let probe = Probe::new().on(source.concat_map_delay_error(by_hand().1));
    outer.end(End::Failed("outer"));
    assert_eq!(probe.take(), [failures(r#"["outer"]"#)]);
}

#[test]
fn the_item_after_a_publisher_that_failed_is_asked_for_when_there_is_demand() {
    let mint = Mint::new();
    let (outer, source) = Hand::new();
    let (hands, inner) = by_hand();
    let probe = Probe::new().on(source.concat_map_delay_error(inner));
    assert_eq!(outer.asked(), [], "nobody asked");
    probe.request(1);
    assert_eq!(outer.asked(), [1]);
    outer.send(mint.item(1));
    nth(&hands, 0).send(mint.item(7));
    nth(&hands, 0).end(End::Failed("x"));
    assert_eq!((probe.take(), outer.asked()), (next([7]), vec![]), "nobody wants the next");
    probe.request(1);
    assert_eq!(outer.asked(), [1]);
    outer.end(End::Completed);
    assert_eq!(probe.take(), [failures(r#"["x"]"#)]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_fault_does_not_wait_for_the_errors_that_do() {
    let mint = Mint::new();
    let (outer, source) = Hand::new();
    let (hands, inner) = by_hand();
    let probe = Probe::new().asking(More::UNBOUNDED).on(source.concat_map_delay_error(inner));
    outer.send(mint.item(1));
    nth(&hands, 0).end(End::Failed("x"));
    outer.send(mint.item(2));
    outer.end(End::Fault(millstream::Fault::SourceDropped));
    assert!(matches!(probe.take()[..], [Told::Fault(_)]));
    assert!(nth(&hands, 1).is_cancelled());
    let (outer, source) = Hand::new();
    let (hands, inner) = by_hand();
    let flat = source.flat_map_unordered_delay_error(2, 2, inner);
    let probe = Probe::new().asking(More::UNBOUNDED).on(flat);
    outer.send(mint.item(1));
    outer.send(mint.item(2));
    nth(&hands, 0).end(End::Failed("x"));
    nth(&hands, 1).end(End::Fault(millstream::Fault::SourceDropped));
    assert!(matches!(probe.take()[..], [Told::Fault(_)]));
    assert!(outer.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_cancelled_stream_tells_no_error_that_waited() {
    let mint = Mint::new();
    for unordered in [false, true] {
        let (outer, source) = Hand::new();
        let (hands, inner) = by_hand();
        let probe = Probe::new().asking(More::UNBOUNDED);
        let probe = if unordered {
            probe.on(source.flat_map_unordered_delay_error(1, 2, inner))
        } else {
            probe.on(source.concat_map_delay_error(inner))
        };
        outer.send(mint.item(1));
        nth(&hands, 0).end(End::Failed("x"));
        outer.send(mint.item(2));
        probe.cancel();
        assert!(outer.is_cancelled() && nth(&hands, 1).is_cancelled());
        assert_eq!(probe.take(), []);
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn publishers_beside_one_that_failed_go_on_and_another_takes_its_place() {
    let mint = Mint::new();
    let (outer, source) = Hand::new();
    let (hands, inner) = by_hand();
    let probe = Probe::new().on(source.flat_map_unordered_delay_error(2, 4, inner));
    assert_eq!(outer.asked(), [2]);
    outer.send(mint.item(1));
    outer.send(mint.item(2));
    nth(&hands, 0).send(mint.item(10));
    nth(&hands, 0).end(End::Failed("first"));
    nth(&hands, 1).send(mint.item(20));
    assert_eq!((probe.take(), outer.asked()), (vec![], vec![]), "an item waits before its error");
    probe.request(2);
    let mut numbers: Vec<_> = probe.take();
    numbers.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(numbers, next([10, 20]));
    assert_eq!(outer.asked(), [1], "one place is free");
    outer.send(mint.item(3));
    outer.end(End::Failed("outer"));
    assert!(!nth(&hands, 1).is_cancelled() && !nth(&hands, 2).is_cancelled());
    nth(&hands, 2).send(mint.item(30));
    nth(&hands, 1).end(End::Failed("second"));
    nth(&hands, 2).end(End::Completed);
    assert_eq!(probe.take(), [], "an item waits");
    probe.request(1);
    let all = failures(r#"["first", "second", "outer"]"#);
    assert_eq!(probe.take(), next_then([30], all), "the end needs no demand");
    assert_eq!(mint.live(), 0);
}

#[test]
fn synchronous_publishers_that_fail_are_over_and_their_neighbours_go_on() {
    let mint = Mint::new();
    for boxed in [false, true] {
        let own = mint.clone();
        let inner = move |item: Item| {
            let inner =
                script(&own, item.0 * 10, 2, if item.0 % 2 == 1 { Fail("odd") } else { Complete });
            if boxed { inner.boxed() } else { inner.map(|n| n).boxed() }
        };
        let flat = script(&mint, 0, 4, Complete).flat_map_unordered_delay_error(2, 2, inner);
        let probe = Probe::new().asking(More::UNBOUNDED).on(flat);
        let mut told = probe.take();
        assert_eq!(told.pop(), Some(failures(r#"["odd", "odd"]"#)));
        told.sort_by_key(|told| format!("{told:?}"));
        assert_eq!(told, next([11, 12, 21, 22, 31, 32, 41, 42]));
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn groups_and_their_source_fail_each_and_no_item_before_that_is_lost() {
    let mint = Mint::new();
    let source = || script(&mint, 0, 4, Fail("x"));
    let groups = || source().group_by(2, 8, Stalled::Fail, |n: &Item| n.0 % 2);
    let side_by_side = groups().flat_map_unordered_delay_error(2, 8, |group| group);
    let probe = Probe::new().asking(More::UNBOUNDED).on(side_by_side);
    let mut told = probe.take();
    assert!(matches!(told.pop(), Some(Told::Error(_))));
    told.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(told, next([1, 2, 3, 4]));
    assert_eq!(mint.live(), 0);
}
