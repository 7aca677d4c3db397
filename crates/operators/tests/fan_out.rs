//! Claims of the operators that have several downstreams.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream::prelude::*;
use millstream::{End, Fault, More};
use support::{Ending, Hand, Item, Mint, Number, Probe, Told, next, next_then, script};

use Ending::{Complete, Fail, Never};

/// The message of a panic of `f`.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    let payload = panic.err().expect("a panic");
    payload.downcast_ref::<String>().cloned().expect("a message")
}

/// Panics without a word on the terminal.
fn ouch() -> ! {
    std::panic::resume_unwind(Box::new("ouch"))
}

fn told_ouch() -> Told {
    Told::Fault("user code panicked: ouch".to_owned())
}

#[test]
fn broadcast_sends_each_item_to_each() {
    let mint = Mint::new();
    let [a, b, c] = script(&mint, 0, 3, Complete).broadcast::<3>(2);
    let probes = [a, b, c].map(|each| Probe::new().on(each));
    for probe in &probes {
        probe.unbounded();
    }
    for probe in &probes {
        assert_eq!(probe.take(), next_then([1, 2, 3], Told::Complete));
        assert!(!probe.is_held());
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn broadcast_clones_for_all_but_one() {
    #[derive(Debug)]
    struct Cloned(Arc<AtomicUsize>);
    impl Clone for Cloned {
        fn clone(&self) -> Cloned {
            self.0.fetch_add(1, Ordering::Relaxed);
            Cloned(self.0.clone())
        }
    }
    impl Number for Cloned {
        fn number(&self) -> u32 {
            0
        }
    }
    let clones = Arc::new(AtomicUsize::new(0));
    let item = Cloned(clones.clone());
    let branches = millstream::just(item).broadcast::<3>(1);
    let probes = branches.map(|each| Probe::new().asking(More::ONE).on(each));
    assert!(probes.iter().all(|probe| probe.take().len() == 2));
    assert_eq!(clones.load(Ordering::Relaxed), 2);
}

#[test]
fn broadcast_subscribes_when_all_are_subscribed_and_asks_for_what_the_slowest_has_room_for() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(4);
    let a = Probe::new().asking(More::UNBOUNDED).on(a);
    assert_eq!(hand.asked(), []);
    let b = Probe::new().on(b);
    assert_eq!(hand.asked(), [4]);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert_eq!(a.take(), next([1, 2, 3, 4]));
    assert_eq!(hand.asked(), [], "b has taken nothing");
    b.request(2);
    assert_eq!(hand.asked(), [], "b has taken less than three quarters of its room");
    b.request(1);
    assert_eq!(hand.asked(), [3]);
    assert_eq!(b.take(), next([1, 2, 3]));
    hand.end(End::Completed);
    assert_eq!(a.take(), [Told::Complete]);
    assert_eq!(b.take(), [], "an item is queued");
    b.request(1);
    assert_eq!(b.take(), next_then([4], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn one_at_a_time_beside_an_unbounded_one() {
    let mint = Mint::new();
    let [a, b] = script(&mint, 0, 100, Complete).broadcast::<2>(3);
    let a = Probe::new().asking(More::UNBOUNDED).on(a);
    let b = Probe::new().on(b);
    for n in 1..=100 {
        b.request(1);
        assert_eq!(b.take().first(), Some(&Told::Next(n)));
    }
    assert_eq!(a.take(), next_then(1..=100, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn broadcast_with_one_that_is_stuck_makes_the_others_wait_and_holds_no_more_than_its_capacity() {
    let mint = Mint::new();
    let [a, stuck] = script(&mint, 0, 1_000, Complete).broadcast::<2>(8);
    let stuck = Probe::new().on(stuck);
    let a = Probe::new().asking(More::UNBOUNDED).on(a);
    assert_eq!(a.take(), next(1..=8));
    let source = 1;
    assert_eq!(mint.live(), 8 + source, "what is queued for the one that is stuck, and no more");
    stuck.cancel();
    assert_eq!(a.take(), next_then(9..=1_000, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn one_that_is_dropped_without_being_subscribed_to_counts_as_cancelled() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2);
    drop(b);
    let a = Probe::new().asking(More::UNBOUNDED).on(a);
    assert_eq!(hand.asked(), [2]);
    hand.send(mint.item(1));
    assert_eq!(a.take(), next([1]));

    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2);
    let a = Probe::new().asking(More::UNBOUNDED).on(a);
    assert_eq!(hand.asked(), []);
    drop(b);
    assert_eq!(hand.asked(), [2], "the last that was waited for has gone");
    hand.end(End::Completed);
    assert_eq!(a.take(), [Told::Complete]);

    let token = mint.token();
    let held = millstream::from_iter([0]).inspect(move |_| assert!(Arc::strong_count(&token) > 0));
    let all = held.broadcast::<2>(2);
    assert_eq!(mint.live(), 1);
    drop(all);
    assert_eq!(mint.live(), 0, "nobody will ever subscribe to upstream");
}

#[test]
fn the_last_that_is_cancelled_cancels_upstream() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2).map(|each| Probe::new().on(each));
    hand.send(mint.item(1));
    a.cancel();
    assert!(!hand.is_cancelled());
    b.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
    assert!(!a.is_held() && !b.is_held());
}

#[test]
fn an_upstream_that_is_over_is_not_cancelled() {
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2).map(|each| Probe::new().on(each));
    hand.end(End::Completed);
    a.cancel();
    b.cancel();
    assert!(!hand.is_cancelled());
}

#[test]
fn an_error_comes_to_each_after_what_is_queued() {
    let mint = Mint::new();
    let [a, b] =
        script(&mint, 0, 2, Fail("no")).broadcast::<2>(4).map(|each| Probe::new().on(each));
    for probe in [&a, &b] {
        assert_eq!(probe.take(), []);
        probe.request(1);
        assert_eq!(probe.take(), next([1]));
        probe.request(1);
        assert_eq!(probe.take(), next_then([2], Told::Error("\"no\"".into())));
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_fault_comes_to_each_at_once() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(4).map(|each| Probe::new().on(each));
    hand.send(mint.item(1));
    hand.go_away();
    for probe in [&a, &b] {
        assert_eq!(probe.take(), [Told::Fault(Fault::SourceDropped.to_string())]);
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_upstream_is_told_to_each_with_its_message() {
    let mint = Mint::new();
    let failing = script(&mint, 0, 3, Never).map(|item| if item.0 == 2 { ouch() } else { item });
    let probes = failing.broadcast::<3>(1).map(|each| Probe::new().asking(More::ONE).on(each));
    for probe in &probes {
        assert_eq!(probe.take(), next_then([1], told_ouch()));
    }
    assert_eq!(mint.live(), 0);
}

/// An item whose second clone panics.
#[derive(Debug)]
struct Fragile(Item, Arc<AtomicUsize>);

impl Clone for Fragile {
    fn clone(&self) -> Fragile {
        if self.1.fetch_add(1, Ordering::Relaxed) == 1 {
            ouch();
        }
        Fragile(self.0.clone(), self.1.clone())
    }
}

impl Number for Fragile {
    fn number(&self) -> u32 {
        self.0.0
    }
}

#[test]
fn a_clone_that_panics_ends_the_stream_for_all() {
    let mint = Mint::new();
    let clones = Arc::new(AtomicUsize::new(0));
    let fragile = script(&mint, 0, 9, Never).map(move |item| Fragile(item, clones.clone()));
    let [a, b] =
        fragile.broadcast::<2>(1).map(|each| Probe::new().asking(More::UNBOUNDED).on(each));
    assert_eq!(a.take(), next_then([1], told_ouch()));
    assert_eq!(b.take(), next_then([1], told_ouch()));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_subscriber_that_panics_goes_alone() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2);
    let a = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(|_, n| if n == 2 { ouch() } else { More::NONE })
        .on(a);
    let b = Probe::new().asking(More::UNBOUNDED).on(b);
    for n in 1..=9 {
        hand.send(mint.item(n));
    }
    assert_eq!(a.take(), next_then([1, 2], told_ouch()), "it is told what it did");
    assert!(!a.is_held());
    assert_eq!(b.take(), next(1..=9));
    assert_eq!(
        hand.asked().iter().sum::<u64>(),
        2 + 8,
        "the room of one that panicked is not waited for"
    );
    b.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_subscriber_that_cancels_in_a_signal_goes_alone() {
    let mint = Mint::new();
    let [a, b] = script(&mint, 0, 5, Complete).broadcast::<2>(2);
    let a = Probe::new().asking(More::UNBOUNDED).answering(|_, _| More::CANCEL).on(a);
    let b = Probe::new().asking(More::UNBOUNDED).on(b);
    assert_eq!(a.take(), next([1]));
    assert_eq!(b.take(), next_then(1..=5, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_subscriber_cancels_another_in_a_signal() {
    let mint = Mint::new();
    let [a, b, c] = script(&mint, 0, 5, Complete).broadcast::<3>(2);
    let b = Probe::new().asking(More::UNBOUNDED).on(b);
    let other = b.clone();
    let a = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(move |_, n| {
            if n == 2 {
                other.cancel();
            }
            More::NONE
        })
        .on(a);
    let c = Probe::new().asking(More::UNBOUNDED).on(c);
    assert_eq!(a.take(), next_then(1..=5, Told::Complete));
    assert_eq!(b.take(), next([1]));
    assert_eq!(c.take(), next_then(1..=5, Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn all_are_cancelled_in_a_signal_of_one() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let [a, b] = source.broadcast::<2>(2);
    let b = Probe::new().on(b);
    let other = b.clone();
    let a = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(move |_, _| {
            other.cancel();
            More::CANCEL
        })
        .on(a);
    hand.send(mint.item(1));
    hand.send(mint.item(2));
    assert!(hand.is_cancelled());
    assert_eq!(a.take(), next([1]));
    assert_eq!(b.take(), []);
    assert_eq!(mint.live(), 0);
    assert!(!a.is_held() && !b.is_held());
}

#[test]
fn both_branches_of_a_diamond_come_together_again() {
    let mint = Mint::new();
    let [a, b] = script(&mint, 0, 1_000, Complete).broadcast::<2>(4);
    let sums = a.map(|item| item.0).zip(b.map(|item| item.0 * 2), 4).map(|(n, twice)| n + twice);
    let probe = Probe::new().asking(More::UNBOUNDED).on(sums);
    assert_eq!(probe.take(), next_then((1..=1_000).map(|n| 3 * n), Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_capacity_of_zero_is_refused_where_the_pipeline_is_assembled() {
    let zero = || millstream::just(1).broadcast::<2>(0);
    assert_eq!(panic_of(zero), "broadcast(0): a queue holds at least 1 item, and 0 was asked for");
}

#[test]
fn branches_on_threads_of_their_own_lose_nothing() {
    const ITEMS: u32 = 20_000;
    let mint = Mint::new();
    let sums = Arc::new(Mutex::new(Vec::new()));
    let branches = script(&mint, 0, ITEMS, Complete).broadcast::<4>(16);
    std::thread::scope(|scope| {
        for (n, branch) in branches.into_iter().enumerate() {
            let sums = &sums;
            scope.spawn(move || {
                let sum = branch.fold(0_u64, |sum, item| sum + u64::from(item.0)).block().unwrap();
                sums.lock().unwrap().push((n, sum));
            });
        }
    });
    let expected = u64::from(ITEMS) * u64::from(ITEMS + 1) / 2;
    let sums = sums.lock().unwrap();
    assert_eq!(sums.len(), 4);
    assert!(sums.iter().all(|(_, sum)| *sum == expected), "{sums:?}");
    assert_eq!(mint.live(), 0);
}
