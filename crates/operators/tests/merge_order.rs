//! Claims of `merge_preferred` and `merge_prioritized`: whose item is sent next.

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::prelude::*;
use millstream::{BoxPublisher, End, More};

use Ending::Complete;

/// Three sources that the test drives.
fn three() -> ([Hand; 3], [BoxPublisher<Item, &'static str>; 3]) {
    let [(a, x), (b, y), (c, z)] = std::array::from_fn(|_| Hand::new());
    ([a, b, c], [x, y, z])
}

/// Sends `n` items of each, from 101, 201 and 301 on.
fn fill(mint: &Mint, hands: &[Hand; 3], n: u32) {
    for (base, hand) in [100, 200, 300].into_iter().zip(hands) {
        (1..=n).for_each(|i| hand.send(mint.item(base + i)));
    }
}

#[test]
fn the_first_that_has_an_item_is_preferred() {
    let mint = Mint::new();
    let (hands, sources) = three();
    let probe = Probe::new().on(millstream::merge_all_preferred(sources, 4));
    probe.request(1);
    hands[2].send(mint.item(300));
    assert_eq!(probe.take(), next([300]), "there is no other");
    fill(&mint, &hands, 2);
    probe.request(3);
    assert_eq!(probe.take(), next([101, 102, 201]));
    hands[0].send(mint.item(103));
    probe.request(2);
    assert_eq!(probe.take(), next([103, 202]), "it came later, and goes before");
    hands[0].end(End::Completed);
    hands[1].send(mint.item(203));
    probe.request(2);
    assert_eq!(probe.take(), next([203, 301]));
    hands[1].end(End::Completed);
    hands[2].end(End::Completed);
    assert_eq!(probe.take(), []);
    probe.request(1);
    assert_eq!(probe.take(), next_then([302], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn one_that_comes_inside_an_item_is_preferred_to_the_rest_of_those_behind() {
    let mint = Mint::new();
    let (hands, sources) = three();
    let [first, second, _third] = hands;
    let sends = mint.clone();
    let probe = Probe::new().answering(move |_, n| {
        if n == 201 {
            first.send(sends.item(101));
        }
        More::NONE
    });
    let [a, b, _c] = sources;
    let probe = probe.on(a.merge_preferred(b, 4));
    probe.request(1);
    second.send(mint.item(200));
    for n in 201..=203 {
        second.send(mint.item(n));
    }
    assert_eq!(probe.take(), next([200]));
    probe.request(4);
    assert_eq!(probe.take(), next([201, 101, 202, 203]));
    probe.cancel();
    assert!(second.is_cancelled());
    drop(probe);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_preferred_source_that_is_synchronous_goes_first_as_a_whole() {
    let mint = Mint::new();
    let (a, b) = (script(&mint, 0, 3, Complete), script(&mint, 10, 2, Complete));
    let probe = Probe::new().on(b.clone().boxed().merge_preferred(a.clone(), 1));
    probe.request(4);
    assert_eq!(probe.take(), next([11, 12, 1, 2]));
    probe.request(1);
    assert_eq!(probe.take(), next_then([3], Told::Complete));
    let probe = Probe::new().asking(More::UNBOUNDED).on(a.merge_preferred(b, 1));
    assert_eq!(probe.take(), next_then([1, 2, 3, 11, 12], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn turns_are_as_long_as_weights_however_it_is_asked() {
    let due = [101, 102, 103, 201, 301, 302, 104, 105, 106, 202, 303, 304, 203, 204, 205, 206];
    for each in [1, 2, 5, 16] {
        let mint = Mint::new();
        let (hands, sources) = three();
        let weighted = sources.into_iter().zip([3, 1, 2]);
        let probe = Probe::new().on(millstream::merge_all_prioritized(weighted, 8));
        // Each is in its lane before anything is asked for.
        fill(&mint, &hands, 4);
        hands[0].send(mint.item(105));
        hands[0].send(mint.item(106));
        hands[1].send(mint.item(205));
        hands[1].send(mint.item(206));
        for hand in &hands {
            hand.end(End::Completed);
        }
        let mut told = Vec::new();
        for _ in 0..16_u64.div_ceil(each) {
            probe.request(each);
            told.extend(probe.take());
        }
        assert_eq!(told, next_then(due, Told::Complete), "{each} at a time");
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn a_source_that_always_has_items_leaves_the_others_their_turns() {
    let numbers = |n: u64| millstream::from_iter(std::iter::repeat(n));
    for boxed in [false, true] {
        let (a, b) = (numbers(0), numbers(1));
        let sources = if boxed {
            [(a.boxed().boxed(), 1000), (b.boxed().boxed(), 1)]
        } else {
            [(a.boxed(), 1000), (b.boxed(), 1)]
        };
        let some = millstream::merge_all_prioritized(sources, 1000).take(10_010);
        let rare = some.filter(|n| *n == 1).count().block().unwrap();
        assert_eq!(rare, 10, "boxed: {boxed}");
    }
}

#[test]
fn a_failure_of_one_ends_a_merge_in_any_order_and_cancels_the_others() {
    for preferred in [true, false] {
        let mint = Mint::new();
        let (hands, sources) = three();
        let probe = Probe::new();
        let probe = if preferred {
            probe.on(millstream::merge_all_preferred(sources, 4))
        } else {
            probe.on(millstream::merge_all_prioritized(sources.into_iter().map(|s| (s, 2)), 4))
        };
        probe.request(2);
        hands[1].send(mint.item(201));
        hands[1].end(End::Failed("no"));
        assert_eq!(probe.take(), next_then([201], Told::Error("\"no\"".to_owned())));
        assert!(hands[0].is_cancelled() && hands[2].is_cancelled());
        assert_eq!(mint.live(), 0);
    }
}

#[test]
#[should_panic(expected = "a source weighs at least 1, and number 1 weighs 0")]
fn a_weight_of_nothing_is_refused_where_it_is_assembled() {
    let _refused = millstream::range(0..1).merge_prioritized(millstream::range(0..1), [1, 0], 4);
}
