//! Claims of `wire_tap` and `also_to`: a stream on the side of another.

use std::sync::{Arc, Mutex};

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::prelude::*;
use millstream::{Cause, End, Fault, More};

use Ending::{Complete, Fail, Never};

/// Panics without a word on the terminal.
fn ouch<T>() -> T {
    std::panic::resume_unwind(Box::new("ouch"))
}

fn told_ouch() -> Told {
    Told::Fault("user code panicked: ouch".to_owned())
}

fn aborted() -> Told {
    Told::Fault(Fault::Aborted.to_string())
}

/// A tapped stream of a hand's items: what drives it, the main probe and the one on the side.
fn tapped(main: More, side: More) -> (Hand, Probe, Probe) {
    let (hand, source) = Hand::new();
    let side = Probe::new().asking(side);
    let on_side = side.clone();
    let tapped = source.wire_tap(move |tap| drop(on_side.on(tap)));
    (hand, Probe::new().asking(main).on(tapped), side)
}

/// As [`tapped`], for one that also goes to the side.
fn both(capacity: usize, main: More, side: More) -> (Hand, Probe, Probe) {
    let (hand, source) = Hand::new();
    let side = Probe::new().asking(side);
    let on_side = side.clone();
    let also = source.also_to(capacity, move |also| drop(on_side.on(also)));
    (hand, Probe::new().asking(main).on(also), side)
}

#[test]
fn a_tap_sees_each_item_that_it_asked_for_and_the_end() {
    let mint = Mint::new();
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let tapped = script(&mint, 0, 3, Complete).wire_tap(move |tap| drop(on_side.on(tap)));
    let main = Probe::new().on(tapped);
    assert!(side.is_held(), "it is subscribed to with the main stream, before any demand");
    main.request(2);
    assert_eq!((main.take(), side.take()), (next([1, 2]), next([1, 2])));
    main.unbounded();
    assert_eq!(main.take(), next_then([3], Told::Complete));
    assert_eq!(side.take(), next_then([3], Told::Complete));
    assert!(!main.is_held() && !side.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_tap_that_asks_for_nothing_keeps_the_newest_item_and_holds_nobody_up() {
    let mint = Mint::new();
    let (hand, main, side) = tapped(More::UNBOUNDED, More::NONE);
    for n in 1..=5 {
        hand.send(mint.item(n));
    }
    assert_eq!(main.take(), next(1..=5));
    assert_eq!((side.take(), mint.live()), (vec![], 1));
    side.request(2);
    assert_eq!(side.take(), next([5]));
    hand.send(mint.item(6));
    hand.send(mint.item(7));
    hand.send(mint.item(8));
    assert_eq!(side.take(), next([6]), "the other unit of demand was still there");
    hand.end(End::Completed);
    assert_eq!(main.take(), next_then([6, 7, 8], Told::Complete));
    assert_eq!(side.take(), [], "the item that is kept comes first");
    side.request(1);
    assert_eq!(side.take(), next_then([8], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_a_tap_does_not_ask_for_goes_to_the_hook_of_its_side() {
    let mint = Mint::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let side = Probe::new();
    let on_side = side.clone();
    let tapped = script(&mint, 0, 4, Never).wire_tap(move |tap| {
        let hooked = tap.on_discard(move |item: Item| told.lock().unwrap().push(item.0));
        drop(on_side.on(hooked));
    });
    let main = Probe::new().asking(More::UNBOUNDED).on(tapped);
    assert_eq!(main.take(), next(1..=4));
    assert_eq!(*discarded.lock().unwrap(), [1, 2, 3]);
    side.cancel();
    assert_eq!(*discarded.lock().unwrap(), [1, 2, 3, 4]);
    main.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_demand_of_a_tap_is_not_asked_of_upstream() {
    let (hand, main, side) = tapped(More::NONE, More::UNBOUNDED);
    assert_eq!(hand.asked(), []);
    main.request(3);
    assert_eq!(hand.asked(), [3]);
    side.request(7);
    assert_eq!(hand.asked(), []);
}

#[test]
fn a_tap_that_leaves_or_never_came_is_not_missed() {
    let mint = Mint::new();
    let (hand, main, side) = tapped(More::UNBOUNDED, More::ONE);
    hand.send(mint.item(1));
    hand.send(mint.item(2));
    assert_eq!(mint.live(), 1, "one is kept");
    side.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!hand.is_cancelled());
    hand.send(mint.item(3));
    hand.end(End::Completed);
    assert_eq!(main.take(), next_then([1, 2, 3], Told::Complete));
    assert_eq!(side.take(), next([1]));

    let main =
        Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 3, Complete).wire_tap(drop));
    assert_eq!(main.take(), next_then(1..=3, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_tap_that_leaves_in_the_middle_of_an_item_gets_no_other() {
    let mint = Mint::new();
    let side = Probe::new().asking(More::UNBOUNDED).answering(|side, n| {
        if n == 2 {
            side.cancel();
        }
        More::NONE
    });
    let on_side = side.clone();
    let tapped = script(&mint, 0, 4, Complete).wire_tap(move |tap| drop(on_side.on(tap)));
    let main = Probe::new().asking(More::UNBOUNDED).on(tapped);
    assert_eq!(main.take(), next_then(1..=4, Told::Complete));
    assert_eq!(side.take(), next([1, 2]));
    assert!(!side.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_tap_may_ask_for_the_next_item_in_the_middle_of_one() {
    let mint = Mint::new();
    let side = Probe::new().asking(More::ONE).answering(|side, _| {
        side.request(1);
        More::NONE
    });
    let on_side = side.clone();
    let tapped = script(&mint, 0, 4, Complete).wire_tap(move |tap| drop(on_side.on(tap)));
    let main = Probe::new().asking(More::UNBOUNDED).on(tapped);
    assert_eq!(main.take(), next_then(1..=4, Told::Complete));
    assert_eq!(side.take(), next_then(1..=4, Told::Complete));
}

#[test]
fn a_tap_is_told_of_a_failure_and_of_a_fault() {
    let mint = Mint::new();
    let (hand, main, side) = tapped(More::UNBOUNDED, More::NONE);
    hand.send(mint.item(1));
    hand.end(End::Failed("no"));
    let told = Told::Error("\"no\"".to_owned());
    assert_eq!(main.take(), next_then([1], told.clone()));
    side.request(1);
    assert_eq!(side.take(), next_then([1], told), "behind the item that is kept");

    let (hand, main, side) = tapped(More::UNBOUNDED, More::NONE);
    hand.send(mint.item(1));
    hand.end(End::Fault(Fault::SourceDropped));
    let told = Told::Fault(Fault::SourceDropped.to_string());
    assert_eq!(main.take(), next_then([1], told.clone()));
    assert_eq!(side.take(), [told], "a fault does not wait");
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_tap_completes_when_the_main_stream_is_cancelled_unless_what_is_below_failed() {
    let mint = Mint::new();
    let (hand, main, side) = tapped(More::UNBOUNDED, More::UNBOUNDED);
    hand.send(mint.item(1));
    main.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(side.take(), next_then([1], Told::Complete));

    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let tapped_one = script(&mint, 0, 9, Complete).wire_tap(move |tap| drop(on_side.on(tap)));
    let main = Probe::new().asking(More::UNBOUNDED).on(tapped_one.take(1));
    assert_eq!(main.take(), next_then([1], Told::Complete));
    assert_eq!(side.take(), next_then([1], Told::Complete));

    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let fails = script(&mint, 0, 9, Complete)
        .wire_tap(move |tap| drop(on_side.on(tap)))
        .try_map(|_| Err::<Item, _>("below"));
    let main = Probe::new().asking(More::UNBOUNDED).on(fails);
    assert_eq!(main.take(), [Told::Error("\"below\"".to_owned())]);
    let dropped = Told::Fault(Fault::SourceDropped.to_string());
    assert_eq!(side.take(), next_then([1], dropped));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_tap_that_panics_goes_alone() {
    let mint = Mint::new();
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let tapped = script(&mint, 0, 3, Complete).wire_tap(move |tap| {
        let breaks = tap.map(|item: Item| if item.0 == 2 { ouch() } else { item });
        drop(on_side.on(breaks));
    });
    let main = Probe::new().asking(More::UNBOUNDED).on(tapped);
    assert_eq!(main.take(), next_then(1..=3, Told::Complete));
    assert_eq!(side.take(), next_then([1], told_ouch()));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_where_a_side_is_made_is_a_fault_of_the_main_stream() {
    let mint = Mint::new();
    let tapped = script(&mint, 0, 3, Complete).wire_tap(|_| ouch());
    assert_eq!(Probe::new().asking(More::UNBOUNDED).on(tapped).take(), [told_ouch()]);
    let also = script(&mint, 0, 3, Complete).also_to(1, |_| ouch());
    assert_eq!(Probe::new().asking(More::UNBOUNDED).on(also).take(), [told_ouch()]);

    // One that is subscribed to by then is told that nothing comes.
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let also = script(&mint, 0, 3, Complete).also_to(1, move |also| {
        drop(on_side.on(also));
        ouch()
    });
    assert_eq!(Probe::new().asking(More::UNBOUNDED).on(also).take(), [told_ouch()]);
    assert_eq!(side.take().len(), 1);
    assert!(!side.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn each_subscription_has_a_side_of_its_own() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let log = move |side: usize, n: u32| told.lock().unwrap().push((side, n));
    let (tap, also) = (log.clone(), log);
    let numbers = millstream::from_iter([1, 2])
        .wire_tap(move |side| {
            let tells = side.subscribe_with(move |n| tap(0, n), |never| match never {}, || {});
            tells.unbounded().detach();
        })
        .also_to(1, move |side| {
            let tells = side.subscribe_with(move |n| also(1, n), |never| match never {}, || {});
            tells.unbounded().detach();
        });
    for _ in 0..2 {
        assert_eq!(numbers.clone().collect::<Vec<_>>().block().unwrap(), [1, 2]);
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [(0, 1), (0, 2), (1, 1), (1, 2)]);
    }
}

#[test]
fn what_also_goes_to_a_side_waits_for_the_slower() {
    let mint = Mint::new();
    let (hand, main, side) = both(4, More::UNBOUNDED, More::NONE);
    assert_eq!(hand.asked(), [4]);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert_eq!((main.take(), side.take()), (next(1..=4), vec![]));
    assert_eq!(hand.asked(), [], "there is no room on the side");
    side.request(2);
    assert_eq!((side.take(), hand.asked()), (next([1, 2]), vec![]));
    side.request(1);
    assert_eq!((side.take(), hand.asked()), (next([3]), vec![3]), "three quarters have left");
    hand.end(End::Completed);
    assert_eq!(main.take(), [Told::Complete]);
    side.unbounded();
    assert_eq!(side.take(), next_then([4], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_side_that_wants_no_more_ends_the_main_stream_behind_what_is_queued() {
    let mint = Mint::new();
    let (hand, main, side) = both(4, More::ONE, More::UNBOUNDED);
    for n in 1..=3 {
        hand.send(mint.item(n));
    }
    side.cancel();
    assert!(hand.is_cancelled());
    assert_eq!((main.take(), side.take()), (next([1]), next(1..=3)));
    main.unbounded();
    assert_eq!(main.take(), next_then([2, 3], Told::Complete));
    assert!(!main.is_held() && !side.is_held());
    assert_eq!(mint.live(), 0);

    // A stage on the side that has enough, in the middle of an item.
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let also = script(&mint, 0, 9, Complete).also_to(1, move |also| drop(on_side.on(also.take(2))));
    let main = Probe::new().asking(More::UNBOUNDED).on(also);
    assert_eq!(side.take(), next_then([1, 2], Told::Complete));
    assert_eq!(main.take(), next_then([1, 2], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_side_that_is_dropped_counts_as_cancelled() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let main = Probe::new().asking(More::UNBOUNDED).on(source.also_to(2, drop));
    assert_eq!(main.take(), [Told::Complete]);
    assert_eq!(hand.asked(), []);

    let (hand, source) = Hand::new();
    let main = Probe::new().asking(More::UNBOUNDED).on(source.also_to(2, drop).side_may_leave());
    hand.send(mint.item(1));
    hand.end(End::Completed);
    assert_eq!(main.take(), next_then([1], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_side_that_fails_breaks_the_main_stream_and_upstream_knows_that_it_failed() {
    type Build = fn(Probe, millstream::fan_out::Side<Item, &'static str>);
    let builds: [(&str, Build); 2] = [
        ("an error", |side, also| {
            let fails = also.try_map(|item| if item.0 == 2 { Err("side") } else { Ok(item) });
            drop(side.on(fails));
        }),
        ("a panic", |side, also| {
            drop(side.on(also.map(|item: Item| if item.0 == 2 { ouch() } else { item })));
        }),
    ];
    for (name, build) in builds {
        let mint = Mint::new();
        let causes = Arc::new(Mutex::new(Vec::new()));
        let told = causes.clone();
        let side = Probe::new().asking(More::UNBOUNDED);
        let on_side = side.clone();
        let also = script(&mint, 0, 9, Complete)
            .inspect_cancel(move |cause| told.lock().unwrap().push(cause))
            .also_to(4, move |also| build(on_side, also));
        let main = Probe::new().on(also);
        assert_eq!(main.take(), [aborted()], "{name}: it does not wait");
        assert_eq!(side.take().len(), 2, "{name}");
        assert_eq!(*causes.lock().unwrap(), [Cause::Failed], "{name}");
        assert_eq!(mint.live(), 0, "{name}");
    }
}

#[test]
fn a_side_that_may_leave_is_waited_for_while_it_is_there() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let side = Probe::new().asking(More::ONE);
    let on_side = side.clone();
    let also = source.also_to(1, move |also| drop(on_side.on(also))).side_may_leave();
    let main = Probe::new().asking(More::UNBOUNDED).on(also);
    assert_eq!(hand.asked(), [1]);
    hand.send(mint.item(1));
    assert_eq!((side.take(), hand.asked()), (next([1]), vec![1]));
    hand.send(mint.item(2));
    assert_eq!(hand.asked(), [], "it holds one");
    side.cancel();
    assert_eq!(hand.asked(), [1]);
    assert!(!hand.is_cancelled());
    hand.send(mint.item(3));
    hand.end(End::Completed);
    assert_eq!(main.take(), next_then([1, 2, 3], Told::Complete));

    // Nor does it take the main stream along when it panics.
    let also = script(&mint, 0, 3, Complete).also_to(1, |also| {
        let breaks = also.map(|item: Item| {
            if item.0 == 2 {
                ouch::<()>()
            }
        });
        breaks.subscribe_with(drop, drop, || {}).unbounded().detach();
    });
    let main = Probe::new().asking(More::UNBOUNDED).on(also.side_may_leave());
    assert_eq!(main.take(), next_then(1..=3, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_main_stream_that_is_cancelled_ends_the_side() {
    let mint = Mint::new();
    for leaves in [false, true] {
        let (hand, source) = Hand::new();
        let side = Probe::new().asking(More::ONE);
        let on_side = side.clone();
        let also = source.also_to(4, move |also| drop(on_side.on(also)));
        let also = if leaves { also.side_may_leave() } else { also };
        let main = Probe::new().asking(More::UNBOUNDED).on(also);
        hand.send(mint.item(1));
        hand.send(mint.item(2));
        main.cancel();
        assert!(hand.is_cancelled());
        assert_eq!(side.take(), next([1]), "what is queued for it is still to come");
        side.request(1);
        assert_eq!(side.take(), next_then([2], Told::Complete));
        assert_eq!(mint.live(), 0);
    }

    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let also = script(&mint, 0, 9, Complete).also_to(4, move |also| drop(on_side.on(also)));
    let fails = also.try_map(|item: Item| if item.0 == 2 { Err("below") } else { Ok(item) });
    let main = Probe::new().asking(More::UNBOUNDED).on(fails);
    assert_eq!(main.take(), next_then([1], Told::Error("\"below\"".to_owned())));
    assert_eq!(side.take().pop(), Some(aborted()));
    assert_eq!(mint.live(), 0);

    // Upstream has no end, and does not go on for the side alone.
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let numbers = millstream::from_iter(0_u32..).also_to(4, move |also| drop(on_side.on(also)));
    assert_eq!(numbers.take(3).collect::<Vec<_>>().block().unwrap(), [0, 1, 2]);
    assert_eq!(side.take().pop(), Some(Told::Complete));
}

#[test]
fn both_are_told_of_a_failure_and_of_a_fault() {
    let mint = Mint::new();
    let side = Probe::new().asking(More::UNBOUNDED);
    let on_side = side.clone();
    let also = script(&mint, 0, 2, Fail("no")).also_to(4, move |also| drop(on_side.on(also)));
    let main = Probe::new().asking(More::UNBOUNDED).on(also);
    let told = Told::Error("\"no\"".to_owned());
    assert_eq!(main.take(), next_then([1, 2], told.clone()));
    assert_eq!(side.take(), next_then([1, 2], told));

    let (hand, main, side) = both(4, More::NONE, More::NONE);
    hand.send(mint.item(1));
    hand.go_away();
    let told = Told::Fault(Fault::SourceDropped.to_string());
    assert_eq!((main.take(), side.take()), (vec![told.clone()], vec![told]));
    assert_eq!(mint.live(), 0);
}

#[test]
#[should_panic(expected = "also_to(0, side): a queue holds at least 1 item, and 0 was asked for")]
fn a_side_without_room_is_refused_where_it_is_assembled() {
    let _refused = millstream::from_iter([1]).also_to(0, drop);
}
