//! Claims of the operators that make one stream of several.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crate::support::{
    Ending, Hand, Item, Mint, Probe, Told, next, next_then, on_a_small_stack, script,
};
use millstream::prelude::*;
use millstream::{BoxPublisher, End, Fault, More};

use Ending::{Complete, Fail, Never};

#[test]
fn the_second_source_follows_the_first_and_demand_is_carried_over() {
    let mint = Mint::new();
    let probe =
        Probe::new().on(script(&mint, 0, 2, Complete).chain(script(&mint, 10, 3, Complete)));
    probe.request(3);
    assert_eq!(probe.take(), next([1, 2, 11]));
    probe.request(1);
    assert_eq!(probe.take(), next([12]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([13], Told::Complete), "completion needs no demand");
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn the_second_source_is_asked_for_exactly_what_is_left() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().asking(More::of(3)).on(script(&mint, 0, 2, Complete).chain(source));
    assert_eq!(probe.take(), next([1, 2]));
    assert_eq!(hand.asked(), [1]);
    probe.request(4);
    assert_eq!(hand.asked(), [4]);
    hand.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn unbounded_demand_stays_unbounded_across_sources() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe =
        Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 2, Complete).chain(source));
    assert_eq!(hand.asked(), [More::UNBOUNDED.count()]);
    hand.end(End::Completed);
    assert_eq!(probe.take(), next_then([1, 2], Told::Complete));
}

#[test]
fn demand_that_comes_as_answers_is_carried_over_too() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new()
        .asking(More::ONE)
        .answering(|_, n| More::of(u64::from(n)))
        .on(script(&mint, 0, 3, Complete).chain(source));
    // 1 + (1 + 2 + 3) - 3 items
    assert_eq!(hand.asked(), [4]);
    assert_eq!(probe.take(), next([1, 2, 3]));
    hand.end(End::Completed);
}

#[test]
fn a_request_between_two_sources_from_inside_a_signal_is_not_lost() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::ONE)
        .answering(|probe, _| {
            probe.request(1);
            More::NONE
        })
        .on(script(&mint, 0, 2, Complete).chain(script(&mint, 10, 2, Complete)));
    assert_eq!(probe.take(), next_then([1, 2, 11, 12], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn empty_sources_complete_without_demand() {
    let mint = Mint::new();
    let probe = Probe::new().on(script(&mint, 0, 0, Complete).chain(script(&mint, 0, 0, Complete)));
    assert_eq!(probe.take(), [Told::Complete]);
    let none = Vec::<support_source::Source>::new();
    let probe = Probe::new().on(millstream::concat(none));
    assert_eq!(probe.take(), [Told::Complete]);
}

mod support_source {
    pub(crate) type Source = millstream::BoxPublisher<crate::support::Item, &'static str>;
}

#[test]
fn an_error_of_the_first_ends_all_and_the_second_is_dropped_unsubscribed() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe =
        Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 1, Fail("x")).chain(source));
    assert_eq!(probe.take(), next_then([1], Told::Error("\"x\"".into())));
    assert_eq!(hand.asked(), []);
    assert_eq!(mint.live(), 0);
}

#[test]
fn cancel_at_every_point_drops_everything() {
    for requested in 0..5 {
        let mint = Mint::new();
        let probe =
            Probe::new().on(script(&mint, 0, 2, Complete).chain(script(&mint, 10, 3, Never)));
        if requested > 0 {
            probe.request(requested);
        }
        assert_eq!(probe.take().len() as u64, requested);
        probe.cancel();
        assert_eq!(mint.live(), 0, "after {requested}");
        assert!(!probe.is_held());
        assert_eq!(probe.take(), []);
    }
}

#[test]
fn cancel_from_inside_any_item_drops_everything() {
    for at in [1, 2, 11, 12] {
        let mint = Mint::new();
        let probe = Probe::new()
            .asking(More::UNBOUNDED)
            .answering(move |probe, n| {
                if n == at {
                    probe.cancel();
                }
                More::NONE
            })
            .on(script(&mint, 0, 2, Complete).chain(script(&mint, 10, 2, Complete)));
        // The subscription is stored after the request, so it is there for every item.
        assert_eq!(probe.take().last(), Some(&Told::Next(at)));
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
}

#[test]
fn cancel_reaches_a_source_that_only_pushes() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().on(script(&mint, 0, 0, Complete).chain(source));
    probe.request(2);
    hand.send(mint.item(5));
    assert_eq!(probe.take(), next([5]));
    probe.cancel();
    assert!(hand.is_cancelled());
    assert!(!probe.is_held());
    hand.send(mint.item(6));
    assert_eq!(probe.take(), []);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_stage_below_that_finishes_early_cancels_the_current_source() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let sources = script(&mint, 0, 1, Complete).boxed().chain(source);
    let probe = Probe::new().asking(More::UNBOUNDED).on(sources.take(1));
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert_eq!(hand.asked(), []);
    assert_eq!(mint.live(), 0);
}

#[test]
fn nothing_is_taken_where_nothing_is_wanted() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().on(source.chain(script(&mint, 0, 1, Complete)).take(0));
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(hand.asked(), []);
}

#[test]
fn an_item_held_below_a_relay_waits_for_demand_past_the_end() {
    let mint = Mint::new();
    let held = script(&mint, 0, 1, Complete)
        .chain(script(&mint, 10, 1, Fail("x")))
        .on_error_return(mint.item(99));
    let probe = Probe::new().on(held);
    probe.request(2);
    assert_eq!(probe.take(), next([1, 11]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([99], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_item_held_below_a_relay_is_dropped_by_cancelling() {
    let mint = Mint::new();
    let held = script(&mint, 0, 1, Complete)
        .chain(script(&mint, 10, 0, Fail("x")))
        .on_error_return(mint.item(99));
    let probe = Probe::new().on(held);
    probe.request(1);
    assert_eq!(probe.take(), next([1]));
    assert_eq!(mint.live(), 1);
    probe.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn an_item_held_above_a_relay_uses_the_demand_that_is_there() {
    let mint = Mint::new();
    let held = script(&mint, 0, 1, Fail("x"))
        .on_error_return(mint.item(99))
        .map_err(|never| -> &'static str { match never {} });
    let probe = Probe::new().on(held.chain(script(&mint, 10, 2, Complete)));
    probe.request(1);
    assert_eq!(probe.take(), next([1]));
    probe.request(1);
    assert_eq!(probe.take(), next([99]));
    probe.request(2);
    assert_eq!(probe.take(), next_then([11, 12], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_invalid_demand_ends_with_a_fault_wherever_the_baton_is() {
    for requested in [0, 1, 3] {
        let mint = Mint::new();
        let probe =
            Probe::new().on(script(&mint, 0, 2, Complete).chain(script(&mint, 10, 9, Never)));
        if requested > 0 {
            probe.request(requested);
        }
        probe.take();
        probe.request_raw(0);
        assert!(matches!(&probe.take()[..], [Told::Fault(f)] if f.contains("rule 3.9")));
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
}

#[test]
fn an_invalid_demand_from_inside_a_signal_stops_an_endless_source() {
    let probe = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(|probe, n| {
            if n == 3 {
                probe.request_raw(-1);
            }
            More::NONE
        })
        .on(millstream::from_iter(0..1u32).chain(millstream::from_iter(1u32..)));
    let told = probe.take();
    assert_eq!(told[..4], next([0, 1, 2, 3]));
    assert!(matches!(&told[4..], [Told::Fault(_)]));
    assert!(!probe.is_held());
}

#[test]
fn a_panic_of_the_subscriber_ends_it() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(|_, n| if n == 11 { panic!("ouch") } else { More::NONE })
        .on(script(&mint, 0, 1, Complete).chain(script(&mint, 10, 2, Complete)));
    let told = probe.take();
    assert_eq!(told[..2], next([1, 11]));
    assert!(matches!(&told[2..], [Told::Fault(f)] if f.contains("ouch")));
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn a_hundred_thousand_empty_sources_use_constant_stack() {
    on_a_small_stack(|| {
        let sources = (0..100_000u32).map(|_| millstream::from_iter(0..0u32));
        let probe = Probe::new().on(millstream::concat(sources));
        assert_eq!(probe.take(), [Told::Complete]);
    });
}

#[test]
fn zip_is_over_with_a_source_in_place_whose_items_are_all_left_out_while_another_has_none() {
    let mint = Mint::new();
    for (ending, told) in [(Complete, Told::Complete), (Fail("no"), Told::Error("\"no\"".into()))] {
        for swapped in [false, true] {
            let (hand, waiting) = Hand::new();
            let skipping = script(&mint, 0, 200, ending).filter(|_| false);
            let probe = Probe::new().asking(More::ONE);
            let probe = if swapped {
                probe.on(waiting.zip(skipping, 2).map(|(_, item)| item))
            } else {
                probe.on(skipping.zip(waiting, 2).map(|(item, _)| item))
            };
            assert_eq!(probe.take(), std::slice::from_ref(&told));
            assert!(hand.is_cancelled() && !probe.is_held());
        }
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn concat_advances_its_iterator_one_source_at_a_time() {
    let mint = Mint::new();
    let (seen, made) = std::sync::mpsc::channel();
    let (a, b) = (mint.clone(), mint.token());
    let sources = (0..3u32).map(move |n| {
        let _ = &b;
        seen.send(n).unwrap();
        script(&a, n * 10, 2, Complete)
    });
    let probe = Probe::new().on(millstream::concat(sources));
    probe.request(1);
    assert_eq!(made.try_iter().collect::<Vec<_>>(), [0]);
    probe.request(2);
    assert_eq!(made.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!(probe.take(), next([1, 2, 11]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_of_the_iterator_is_a_fault() {
    let mint = Mint::new();
    let m = mint.clone();
    let sources = (0..3u32).map(move |n| {
        assert!(n < 1, "no more sources");
        script(&m, 0, 1, Complete)
    });
    let probe = Probe::new().asking(More::of(5)).on(millstream::concat(sources));
    let told = probe.take();
    assert_eq!(told[..1], next([1]));
    assert!(matches!(&told[1..], [Told::Fault(f)] if f.contains("no more sources")));
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn first_items_come_first() {
    let mint = Mint::new();
    let first = vec![mint.item(7), mint.item(8)];
    let probe = Probe::new().on(script(&mint, 0, 2, Complete).start_with(first));
    probe.request(3);
    assert_eq!(probe.take(), next([7, 8, 1]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([2], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn first_items_are_dropped_by_cancelling() {
    let mint = Mint::new();
    let first = vec![mint.item(7), mint.item(8)];
    let probe = Probe::new().on(script(&mint, 0, 2, Complete).start_with(first));
    probe.request(1);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_other_source_is_for_an_empty_one_alone() {
    let mint = Mint::new();
    let full = script(&mint, 0, 1, Complete).switch_if_empty(script(&mint, 10, 1, Complete));
    assert_eq!(Probe::new().asking(More::of(5)).on(full).take(), next_then([1], Told::Complete));
    let empty = script(&mint, 0, 0, Complete).switch_if_empty(script(&mint, 10, 2, Complete));
    let probe = Probe::new().on(empty);
    probe.request(1);
    assert_eq!(probe.take(), next([11]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([12], Told::Complete));
    let failed = script(&mint, 0, 0, Fail("x")).switch_if_empty(script(&mint, 10, 2, Complete));
    assert_eq!(Probe::new().asking(More::of(5)).on(failed).take(), [Told::Error("\"x\"".into())]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn demand_races_with_the_end_of_a_source_and_none_is_lost() {
    for _ in 0..200 {
        let mint = Mint::new();
        let (first, a) = Hand::new();
        let (second, b) = Hand::new();
        let probe = Probe::new().on(a.chain(b));
        let asker = {
            let probe = probe.clone();
            std::thread::spawn(move || {
                for _ in 0..4 {
                    probe.request(1);
                }
            })
        };
        first.end(End::Completed);
        asker.join().unwrap();
        assert_eq!(second.asked().iter().sum::<u64>(), 4);
        second.end(End::Completed);
        assert_eq!(probe.take(), [Told::Complete]);
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn a_detached_stream_is_dropped_when_it_starves_also_in_a_nest() {
    let mint = Mint::new();
    let inner = script(&mint, 0, 1, Complete).chain(script(&mint, 10, 2, Complete));
    let probe = Probe::new().on(inner.chain(script(&mint, 20, 2, Complete)));
    probe.request(2);
    probe.detach();
    assert_eq!(probe.take(), next([1, 11]));
    assert!(!probe.is_held(), "nobody could ever ask again");
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_detached_stream_with_demand_goes_on_to_its_end() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().on(source.chain(script(&mint, 20, 2, Complete)));
    probe.request(3);
    probe.detach();
    hand.send(mint.item(1));
    hand.end(End::Completed);
    assert_eq!(probe.take(), next_then([1, 21, 22], Told::Complete));
    assert_eq!(mint.live(), 0);
}

/// Cancels while it is being subscribed.
struct Gone;

impl Subscriber<u64, std::convert::Infallible> for Gone {
    type Active = Gone;
    fn on_subscribe(self, subscription: millstream::Subscription) -> Gone {
        subscription.cancel();
        Gone
    }
}

impl ActiveSubscriber<u64, std::convert::Infallible> for Gone {
    fn on_next(&mut self, item: u64) -> millstream::More {
        panic!("{item} after the cancellation");
    }
    fn on_complete(self) {
        panic!("completed after the cancellation");
    }
    fn on_error(self, never: std::convert::Infallible) {
        match never {}
    }
}

#[test]
fn nothing_is_subscribed_after_a_cancellation_in_on_subscribe() {
    let started = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let source = || {
        let started = started.clone();
        millstream::defer(move || {
            started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            millstream::from_iter(0..3_u64)
        })
    };
    source().chain(source()).subscribe(Gone);
    source().retry(2).subscribe(Gone);
    source().repeat(2).subscribe(Gone);
    source().concat_map(|n| millstream::just(n).boxed()).subscribe(Gone);
    assert_eq!(started.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// Without end, and not pulled, as a box over another box is: it sends in the call that asks it.
fn pushing(mint: &Mint, n: u32) -> BoxPublisher<Item, &'static str> {
    let item = mint.item(n);
    millstream::repeat_value(item).map_err(|never| match never {}).boxed().boxed()
}

#[test]
fn a_source_that_sends_in_the_call_has_a_long_turn() {
    let mint = Mint::new();
    let merged = millstream::merge_all([pushing(&mint, 0), pushing(&mint, 1)], 1000);
    let items = merged.take(2048).map(|item| item.0).collect::<Vec<_>>().block().unwrap();
    let turns: Vec<_> = items.chunk_by(|one, next| one == next).map(<[u32]>::len).collect();
    assert_eq!(turns, [256; 8]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_is_queued_waits_for_one_turn_of_each_other() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let (item, mut sent) = (mint.item(9), 0);
    let merged = millstream::merge_all([pushing(&mint, 0), source, pushing(&mint, 1)], 1000);
    let items = merged.take(2048).map(move |one| {
        sent += 1;
        if sent == 300 {
            hand.send(item.clone());
        }
        one.0
    });
    let items = items.collect::<Vec<_>>().block().unwrap();
    let queued = items.iter().position(|n| *n == 9).expect("it has its turn");
    assert!((300..300 + 2 * 256).contains(&queued), "after {queued}");
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_is_in_order_in_each_is_in_order_in_all() {
    for sources in 0..9_usize {
        for prefetch in [1, 2, 7] {
            let mint = Mint::new();
            let numbers = |k: usize| {
                let step = u32::try_from(k).unwrap() % 3 + 1;
                (0..30_u32).map(move |n| n / step * step).take(30 - 3 * k)
            };
            let publishers = (0..sources).map(|k| {
                let items: Vec<Item> = numbers(k).map(|n| mint.item(n)).collect();
                let source = millstream::from_iter(items).map_err(|never| match never {});
                let source: millstream::BoxPublisher<Item, &'static str> = source.boxed();
                source
            });
            let by = |a: &Item, b: &Item| a.0.cmp(&b.0);
            let sorted = millstream::merge_all_sorted(publishers.collect::<Vec<_>>(), prefetch, by);
            let probe = Probe::new().asking(More::of(2)).answering(|_, _| More::ONE).on(sorted);
            let mut expected: Vec<u32> = (0..sources).flat_map(numbers).collect();
            expected.sort_unstable();
            assert_eq!(probe.take(), next_then(expected, Told::Complete), "{sources}, {prefetch}");
            assert_eq!(mint.live(), 0);
        }
    }
}

#[test]
fn the_least_is_sent_when_each_has_one_or_is_over() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().asking(More::UNBOUNDED);
    let probe = probe.on(one.merge_sorted(other, 2, |a, b| a.0.cmp(&b.0)));
    assert_eq!((a.asked(), b.asked()), (vec![2], vec![2]));
    a.send(mint.item(1));
    a.send(mint.item(4));
    assert_eq!(probe.take(), [], "the other may have less");
    b.send(mint.item(3));
    assert_eq!(probe.take(), next([1, 3]));
    b.end(End::Completed);
    assert_eq!(probe.take(), next([4]));
    a.send(mint.item(5));
    a.end(End::Failed("x"));
    assert_eq!(probe.take(), next_then([5], Told::Error("\"x\"".into())));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_error_at_a_head_ends_a_sorted_merge_without_demand() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().on(one.merge_sorted(other, 2, |a, b| a.0.cmp(&b.0)));
    a.send(mint.item(1));
    b.end(End::Failed("x"));
    assert_eq!(probe.take(), [Told::Error("\"x\"".into())]);
    assert!(a.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn failures_wait_for_the_items_of_the_others() {
    let mint = Mint::new();
    let hands: Vec<_> = (0..3).map(|_| Hand::new()).collect();
    let (hands, sources): (Vec<_>, Vec<_>) = hands.into_iter().unzip();
    let probe = Probe::new().on(millstream::merge_all_delay_error(sources, 2));
    hands[0].end(End::Failed("first"));
    hands[1].send(mint.item(1));
    hands[1].end(End::Failed("second"));
    hands[2].send(mint.item(2));
    assert_eq!(probe.take(), []);
    probe.request(1);
    assert_eq!(probe.take(), next([1]));
    hands[2].end(End::Completed);
    assert_eq!(probe.take(), [], "an item waits");
    probe.request(1);
    let failures = "Failures([\"first\", \"second\"])".into();
    assert_eq!(probe.take(), next_then([2], Told::Error(failures)));
    assert_eq!(mint.live(), 0);
    let (hand, source) = Hand::new();
    let probe = Probe::new().on(source.merge_delay_error(script(&mint, 0, 0, Complete), 2));
    hand.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete], "the end needs no demand");
}

#[test]
fn turns_are_of_so_many_items_whether_sources_are_pulled_or_push() {
    for sources in 0..5_u32 {
        for turn in [1, 2, 3, 9] {
            for pushed in [0, 1, 0b10_101, u32::MAX] {
                let mint = Mint::new();
                let items = |k: u32| (k * 100 + 1..=k * 100 + 7 - 2 * (k % 3)).collect::<Vec<_>>();
                let publishers = (0..sources).map(|k| {
                    let source = script(&mint, k * 100, 7 - 2 * (k % 3), Complete).boxed();
                    // What is over a box of a box is not pulled.
                    if pushed >> k & 1 == 1 { source.boxed() } else { source }
                });
                let publishers: Vec<_> = publishers.collect();
                let both = millstream::interleave_all(publishers, turn);
                let probe = Probe::new().asking(More::of(2)).answering(|_, _| More::ONE).on(both);
                let mut left: Vec<_> = (0..sources).map(|k| items(k).into_iter()).collect();
                let mut expected = Vec::new();
                while left.iter().any(|items| !items.as_slice().is_empty()) {
                    left.iter_mut().for_each(|items| expected.extend(items.take(turn)));
                }
                let told = next_then(expected, Told::Complete);
                assert_eq!(probe.take(), told, "{sources}, {turn}, {pushed:b}");
                assert_eq!(mint.live(), 0);
            }
        }
    }
}

#[test]
fn only_the_source_whose_turn_it_is_is_asked_and_waited_for() {
    for watched in [false, true] {
        let mint = Mint::new();
        let board = millstream::Board::new(16);
        let ((a, one), (b, other)) = (Hand::new(), Hand::new());
        let both = one.interleave(other, 2);
        let probe = Probe::new();
        let probe = if watched { probe.on(both.observed(&board)) } else { probe.on(both) };
        assert_eq!((a.asked(), b.asked()), (vec![], vec![]), "nobody wants an item");
        probe.request(3);
        assert_eq!((a.asked(), b.asked()), (vec![2], vec![]));
        a.send(mint.item(1));
        assert_eq!((a.asked(), b.asked()), (vec![], vec![]));
        a.send(mint.item(2));
        assert_eq!((a.asked(), b.asked()), (vec![], vec![2]));
        b.send(mint.item(11));
        b.send(mint.item(12));
        assert_eq!(probe.take(), next([1, 2, 11]));
        assert_eq!((a.asked(), b.asked()), (vec![], vec![]), "it has an item that nobody wants");
        probe.request(2);
        assert_eq!(probe.take(), next([12]));
        assert_eq!((a.asked(), b.asked()), (vec![2], vec![]));
        probe.cancel();
        assert!(a.is_cancelled() && b.is_cancelled() && !probe.is_held());
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn the_other_goes_on_where_one_is_over_and_the_end_needs_no_demand() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().on(one.interleave(other, 2));
    probe.request(2);
    a.send(mint.item(1));
    a.end(End::Completed);
    assert_eq!(b.asked(), [2]);
    b.send(mint.item(11));
    assert_eq!(probe.take(), next([1, 11]));
    b.send(mint.item(12));
    probe.request(2);
    assert_eq!(b.asked(), [2]);
    b.send(mint.item(13));
    assert_eq!(probe.take(), next([12, 13]));
    b.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    for first in [true, false] {
        let ((a, one), (b, other)) = (Hand::new(), Hand::new());
        let probe = Probe::new().on(one.interleave(other, 2));
        let (sooner, later) = if first { (a, b) } else { (b, a) };
        sooner.end(End::Completed);
        assert_eq!(probe.take(), []);
        later.end(End::Completed);
        assert_eq!(probe.take(), [Told::Complete]);
        assert_eq!((sooner.asked(), later.asked()), (vec![], vec![]));
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_source_that_fails_out_of_its_turn_is_told_when_nothing_is_at_hand() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().on(one.interleave(other, 2));
    probe.request(1);
    b.end(End::Failed("x"));
    assert_eq!(probe.take(), [Told::Error("\"x\"".into())]);
    assert!(a.is_cancelled());
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().on(one.interleave(other, 1));
    a.end(End::Failed("y"));
    assert_eq!(probe.take(), [Told::Error("\"y\"".into())], "it needs no demand");
    assert!(b.is_cancelled());
    let (a, one) = Hand::new();
    let probe = Probe::new().asking(More::of(9));
    let probe = probe.on(one.interleave(script(&mint, 10, 3, Complete).boxed().boxed(), 2));
    a.send(mint.item(1));
    a.send(mint.item(2));
    assert_eq!(probe.take(), next([1, 2, 11, 12]));
    a.send(mint.item(3));
    a.end(End::Failed("z"));
    assert_eq!(probe.take(), next_then([3], Told::Error("\"z\"".into())));
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_shortest_ends_all_in_its_turn() {
    let mint = Mint::new();
    for (few, many, turn, expected) in [
        (3, 9, 2, vec![1, 2, 11, 12, 3]),
        (4, 9, 2, vec![1, 2, 11, 12, 3, 4, 13, 14]),
        (9, 2, 2, vec![1, 2, 11, 12, 3, 4]),
        (9, 0, 2, vec![1, 2]),
        (0, 9, 2, vec![]),
    ] {
        for pushed in [false, true] {
            let [a, b] = [(0, few), (10, many)].map(|(base, n)| {
                let source = script(&mint, base, n, Complete).boxed();
                if pushed { source.boxed() } else { source }
            });
            let probe = Probe::new().asking(More::UNBOUNDED).on(a.interleave(b, turn).shortest());
            assert_eq!(probe.take(), next_then(expected.clone(), Told::Complete), "{few}, {many}");
        }
    }
    // One that is over out of its turn waits for it.
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let probe = Probe::new().asking(More::of(9)).on(one.interleave(other, 2).shortest());
    b.end(End::Completed);
    a.send(mint.item(1));
    assert_eq!(probe.take(), next([1]));
    a.send(mint.item(2));
    assert_eq!(probe.take(), next_then([2], Told::Complete));
    assert!(a.is_cancelled());
    assert_eq!(mint.live(), 0);
}

/// The two of a row as one item.
fn row((a, b): (Item, Item)) -> u32 {
    a.0 * 100 + b.0
}

#[test]
fn as_many_as_there_are_make_a_row() {
    let source = |n: u32| millstream::from_iter([n, n + 1]);
    for n in [1, 2, 9, 1000] {
        let rows = [(0..n).collect::<Vec<_>>(), (1..=n).collect()];
        let zipped = millstream::zip((0..n).map(source).collect::<Vec<_>>(), 1);
        assert_eq!(zipped.collect::<Vec<_>>().block().unwrap(), rows, "{n}");
        let latest = millstream::combine_latest((0..n).map(source).collect::<Vec<_>>(), 1);
        let latest = latest.collect::<Vec<_>>().block().unwrap();
        assert_eq!(
            latest.len(),
            n as usize + 1,
            "a row of the first, and one for each that is newer"
        );
        assert_eq!([&latest[0], &latest[n as usize]], [&rows[0], &rows[1]], "{n}");
    }
}

#[test]
fn of_many_that_push_each_waits_for_all() {
    let mint = Mint::new();
    let (hands, sources): (Vec<_>, Vec<_>) = (0..4).map(|_| Hand::new()).unzip();
    let sum = |row: Vec<Item>| row.iter().map(|item| item.0).sum::<u32>();
    let probe = Probe::new().on(millstream::zip(sources, 2).map(sum));
    assert!(hands.iter().all(|hand| hand.asked() == [2]));
    probe.request(2);
    for hand in &hands[1..] {
        hand.send(mint.item(1));
        hand.send(mint.item(10));
    }
    assert_eq!(probe.take(), []);
    hands[0].send(mint.item(5));
    assert_eq!(probe.take(), next([8]));
    hands[0].end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete], "nobody waits for demand");
    assert!(hands[1..].iter().all(Hand::is_cancelled));
    assert_eq!(mint.live(), 0, "what had come of the others");
}

#[test]
fn of_many_the_latest_of_each_are_a_row() {
    let mint = Mint::new();
    let (hands, sources): (Vec<_>, Vec<_>) = (0..3).map(|_| Hand::new()).unzip();
    let row = |row: Vec<Item>| row.iter().fold(0, |sum, item| 10 * sum + item.0);
    let rows = millstream::combine_latest(sources, 2).map(row);
    let probe = Probe::new().on(rows);
    probe.request(4);
    hands[0].send(mint.item(1));
    hands[0].send(mint.item(2));
    hands[1].send(mint.item(3));
    assert_eq!(probe.take(), [], "one has no item");
    hands[2].send(mint.item(4));
    hands[1].send(mint.item(5));
    assert_eq!(probe.take(), next([234, 254]));
    hands[0].end(End::Completed);
    hands[1].end(End::Completed);
    hands[2].send(mint.item(6));
    assert_eq!(probe.take(), next([256]));
    hands[2].end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn of_none_there_is_no_row() {
    let none = Vec::<BoxPublisher<u32, Infallible>>::new;
    let sum = |row: Vec<u32>| row.iter().sum::<u32>();
    let probe = Probe::new().on(millstream::zip(none(), 2).map(sum));
    assert_eq!(probe.take(), [Told::Complete], "without demand");
    let probe = Probe::new().on(millstream::combine_latest(none(), 2).map(sum));
    assert_eq!(probe.take(), [Told::Complete]);
}

/// Endless, beside one that sends nothing yet: whoever asks gets its thread back, and nothing is skipped.
#[test]
fn combine_latest_waits_with_the_first_item_of_a_synchronous_source() {
    let mint = Mint::new();
    let (hand, slow) = Hand::new();
    let fast = millstream::from_iter(1_u32..).map_err(|never| match never {});
    let rows = millstream::combine_latest((fast, slow), 2);
    let probe = Probe::new().on(rows.map(|(n, item): (u32, Item)| n * 100 + item.0));
    probe.request(3);
    assert_eq!(probe.take(), [], "there is no row yet");
    hand.send(mint.item(11));
    assert_eq!(probe.take(), next([111, 211, 311]));
    probe.cancel();
    assert!(hand.is_cancelled() && !probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_downstream_that_asks_late_is_sent_the_newest_of_each() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let rows = millstream::combine_latest_conflated((one, other), 2);
    let probe = Probe::new().on(rows.map(row));
    assert_eq!((a.asked(), b.asked()), (vec![2], vec![2]));
    (1..=9).for_each(|n| a.send(mint.item(n)));
    assert_eq!(a.asked().iter().sum::<u64>(), 8, "it is not slowed down");
    assert_eq!(mint.live(), 1);
    (11..=14).for_each(|n| b.send(mint.item(n)));
    assert_eq!(mint.live(), 2, "nothing waits but the newest of each");
    probe.request(1);
    assert_eq!(probe.take(), next([914]));
    probe.request(1);
    assert_eq!(probe.take(), [], "it is sent once");
    b.send(mint.item(15));
    assert_eq!(probe.take(), next([915]), "at once, where it is asked for");
    a.send(mint.item(20));
    b.send(mint.item(16));
    a.send(mint.item(21));
    probe.request(2);
    assert_eq!(probe.take(), next([2116]));
    probe.cancel();
    assert!(a.is_cancelled() && b.is_cancelled() && !probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn only_items_that_were_in_no_row_are_discarded() {
    let mint = Mint::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let heard = discarded.clone();
    let rows = millstream::combine_latest_conflated((one, other), 4);
    let rows = rows.on_discard(move |item: Item| heard.lock().unwrap().push(item.0));
    let probe = Probe::new().on(rows.map(row));
    let discards = || std::mem::take(&mut *discarded.lock().unwrap());
    a.send(mint.item(1));
    a.send(mint.item(2));
    assert_eq!(discards(), [1]);
    b.send(mint.item(11));
    probe.request(1);
    assert_eq!(probe.take(), next([211]));
    a.send(mint.item(3));
    assert_eq!(discards(), [], "2 was in a row");
    a.send(mint.item(4));
    assert_eq!(discards(), [3]);
    probe.cancel();
    assert_eq!(discards(), [4], "11 was in a row");
    assert_eq!(mint.live(), 0);
}

#[test]
fn only_a_row_that_waits_holds_up_the_end_of_what_is_conflated() {
    let mint = Mint::new();
    let build = || {
        let ((a, one), (b, other)) = (Hand::new(), Hand::new());
        let rows = millstream::combine_latest_conflated((one, other), 2);
        (a, b, Probe::new().on(rows.map(row)))
    };
    let (a, b, probe) = build();
    a.send(mint.item(1));
    a.end(End::Completed);
    b.send(mint.item(11));
    b.end(End::Completed);
    assert_eq!(probe.take(), []);
    probe.request(1);
    assert_eq!(probe.take(), next_then([111], Told::Complete));
    let (a, b, probe) = build();
    probe.request(1);
    a.send(mint.item(1));
    b.send(mint.item(11));
    a.end(End::Completed);
    assert_eq!(probe.take(), next([111]));
    b.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete], "it needs no demand");
    let (a, b, probe) = build();
    a.send(mint.item(1));
    b.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete], "there never is a row");
    assert!(a.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_failure_comes_after_the_row_that_waits_and_cancels_the_others_before() {
    let mint = Mint::new();
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let rows = millstream::combine_latest_conflated((one, other), 2);
    let probe = Probe::new().on(rows.map(row));
    a.send(mint.item(1));
    b.send(mint.item(11));
    b.end(End::Failed("x"));
    assert!(a.is_cancelled());
    assert_eq!(probe.take(), []);
    probe.request(1);
    assert_eq!(probe.take(), next_then([111], Told::Error("\"x\"".into())));
    let ((a, one), (b, other)) = (Hand::new(), Hand::new());
    let rows = millstream::combine_latest_conflated((one, other), 2);
    let probe = Probe::new().on(rows.map(row));
    a.send(mint.item(1));
    b.end(End::Failed("y"));
    assert_eq!(probe.take(), [Told::Error("\"y\"".into())]);
    assert!(a.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn synchronous_sources_give_an_item_for_a_row_and_are_not_conflated() {
    let mint = Mint::new();
    let rows = || {
        let (few, many) = (script(&mint, 10, 2, Complete), script(&mint, 0, 4, Complete));
        millstream::combine_latest_conflated((many, few), 2).map(row)
    };
    let probe = Probe::new().asking(More::UNBOUNDED).on(rows());
    assert_eq!(probe.take(), next_then([111, 212, 312, 412], Told::Complete));
    let probe = Probe::new().on(rows());
    assert_eq!(mint.live(), 2, "that of the scripts: none is pulled before it is asked for");
    probe.request(3);
    assert_eq!(probe.take(), next([111, 212, 312]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([412], Told::Complete));
    let (hand, slow) = Hand::new();
    let fast = millstream::from_iter(1_u32..).map(|n| n).map_err(|never| match never {});
    let rows = millstream::combine_latest_conflated((fast, slow), 2);
    let probe = Probe::new().asking(More::of(2)).on(rows.map(|(n, item)| n * 100 + item.0));
    assert_eq!(probe.take(), [], "one is taken, and no more before there can be a row");
    hand.send(mint.item(11));
    assert_eq!(probe.take(), next([111, 211]));
    probe.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn one_that_sends_without_end_when_it_is_asked_does_not_hold_the_thread() {
    let mint = Mint::new();
    let endless = script(&mint, 0, u32::MAX, Never).boxed().boxed();
    let (hand, slow) = Hand::new();
    let rows = millstream::combine_latest_conflated((endless, slow), 16);
    let probe = Probe::new().on(rows.map(|(n, item)| u32::from(n.0 >= 1000) + item.0));
    hand.send(mint.item(11));
    probe.request(2);
    assert_eq!(probe.take(), next([12, 12]));
    probe.cancel();
    assert!(hand.is_cancelled() && !probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_sources_after_one_that_failed_have_their_turn() {
    let mint = Mint::new();
    let endings = [Complete, Fail("second"), Complete, Fail("fourth")];
    let own = mint.clone();
    let sources =
        endings.into_iter().zip(1..).map(move |(ending, n)| script(&own, 10 * n, 1, ending));
    let probe = Probe::new().on(millstream::concat_delay_error(sources));
    probe.request(2);
    assert_eq!(probe.take(), next([11, 21]));
    probe.request(1);
    assert_eq!(probe.take(), next([31]), "demand is carried over a failure");
    probe.request(1);
    let failures = Told::Error("Failures([\"second\", \"fourth\"])".into());
    assert_eq!(probe.take(), next_then([41], failures), "the end needs no demand");
    assert_eq!(mint.live(), 0);
    let none = millstream::concat_delay_error([script(&mint, 0, 0, Complete)]);
    assert_eq!(Probe::new().on(none).take(), [Told::Complete], "without a failure it is complete");
}

#[test]
fn a_source_that_failed_is_followed_without_demand() {
    let mint = Mint::new();
    let hands: Vec<_> = (0..3).map(|_| Hand::new()).collect();
    let (hands, sources): (Vec<_>, Vec<_>) = hands.into_iter().unzip();
    let probe = Probe::new().asking(More::of(3)).on(millstream::concat_delay_error(sources));
    assert_eq!((hands[0].asked(), hands[1].asked()), (vec![3], vec![]));
    hands[0].send(mint.item(1));
    hands[0].end(End::Failed("x"));
    assert_eq!(hands[1].asked(), [2], "what the first has not used up");
    hands[1].end(End::Fault(Fault::SourceDropped));
    assert!(matches!(probe.take()[..], [Told::Next(1), Told::Fault(_)]), "a fault does not wait");
    assert_eq!(hands[2].asked(), []);
    let (hand, source) = Hand::new();
    let failed = script(&mint, 0, 0, Fail("x")).boxed();
    let probe = Probe::new().on(millstream::concat_delay_error([failed, source]));
    probe.cancel();
    assert!(hand.is_cancelled());
    assert_eq!((probe.take(), mint.live()), (vec![], 0));
}

#[test]
fn the_other_of_a_chain_has_its_turn_although_the_first_failed() {
    let mint = Mint::new();
    let cases = [
        (Complete, Complete, Told::Complete),
        (Fail("a"), Complete, Told::Error("Failures([\"a\"])".into())),
        (Complete, Fail("b"), Told::Error("Failures([\"b\"])".into())),
        (Fail("a"), Fail("b"), Told::Error("Failures([\"a\", \"b\"])".into())),
    ];
    for (first, other, end) in cases {
        let other = script(&mint, 20, 2, other).map(|item| item);
        let probe = Probe::new().on(script(&mint, 10, 2, first).chain_delay_error(other));
        probe.request(3);
        assert_eq!(probe.take(), next([11, 12, 21]), "demand is carried over");
        probe.request(1);
        assert_eq!(probe.take(), next_then([22], end), "the end needs no demand");
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn the_other_of_a_chain_is_subscribed_to_when_the_first_has_failed_and_not_before() {
    let mint = Mint::new();
    let (first, source) = Hand::new();
    let (second, other) = Hand::new();
    let probe = Probe::new().asking(More::of(3)).on(source.chain_delay_error(other));
    assert_eq!((first.asked(), second.asked()), (vec![3], vec![]));
    first.send(mint.item(1));
    first.end(End::Failed("x"));
    assert_eq!((probe.take(), second.asked()), (next([1]), vec![2]));
    probe.cancel();
    assert!(second.is_cancelled());
    assert_eq!((probe.take(), mint.live()), (vec![], 0));
}
