//! Claims of the operators that have several downstreams.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::eager::Eager;
use crate::support::{Ending, Hand, Item, Mint, Number, Probe, Told, next, next_then, script};
use millstream::fan_out::{NoSubscribers, SlowSubscriber};
use millstream::prelude::*;
use millstream::{End, Fault, More};

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
fn who_waits_for_others_is_told_when_nobody_can_come() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 3, Complete).publish(4).ref_count(2);
    let other = shared.clone();
    let a = unbounded(shared);
    assert_eq!(a.take(), []);
    drop(other);
    assert_eq!(a.take(), [Told::Fault(Fault::SourceDropped.to_string())]);
    assert!(!a.is_held());
    assert_eq!(mint.live(), 0);
}

/// An error whose first clone panics.
#[derive(Debug)]
struct Brittle;

impl Clone for Brittle {
    fn clone(&self) -> Brittle {
        ouch()
    }
}

#[test]
fn a_clone_of_an_error_that_panics_ends_the_stream_for_all() {
    let mint = Mint::new();
    let failing = || script(&mint, 0, 2, Fail("no")).map_err(|_| Brittle);
    let all = failing().broadcast::<3>(2).map(|each| Probe::new().on(each));
    let shared = failing().publish(4).auto_connect(2);
    let some = [Probe::new().on(shared.clone()), Probe::new().on(shared.clone())];
    assert_eq!(Probe::new().on(shared).take(), [told_ouch()], "who comes late is told too");
    for each in all.iter().chain(&some) {
        assert_eq!(each.take(), [told_ouch()]);
        assert!(!each.is_held());
    }
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

// share, publish, replay

fn unbounded<P: Publisher<Item: Number, Error: std::fmt::Debug>>(publisher: P) -> Probe {
    Probe::new().asking(More::UNBOUNDED).on(publisher)
}

fn source_gone() -> Told {
    Told::Fault(Fault::SourceDropped.to_string())
}

#[test]
fn who_comes_late_begins_at_the_next_item() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(4).ref_count(1);
    let a = unbounded(shared.clone());
    hand.send(mint.item(1));
    let b = unbounded(shared.clone());
    assert_eq!(b.take(), []);
    hand.send(mint.item(2));
    assert_eq!(a.take(), next([1, 2]));
    assert_eq!(b.take(), next([2]));
    a.cancel();
    assert!(!hand.is_cancelled());
    hand.send(mint.item(3));
    assert_eq!(b.take(), next([3]));
    b.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_shared_source_runs_again_for_who_comes_after_its_end_or_after_it_was_cancelled() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 3, Complete).share(2);
    assert_eq!(unbounded(shared.clone()).take(), next_then([1, 2, 3], Told::Complete));
    let a = Probe::new().asking(More::ONE).on(shared.clone());
    assert_eq!(a.take(), next([1]));
    a.cancel();
    assert_eq!(unbounded(shared.clone()).take(), next_then([1, 2, 3], Told::Complete));
    let failing = script(&mint, 0, 1, Fail("no")).share(2);
    for _ in 0..3 {
        let told = unbounded(failing.clone()).take();
        assert_eq!(told, next_then([1], Told::Error("\"no\"".into())));
    }
    drop((shared, failing));
    assert_eq!(mint.live(), 0);
}

#[test]
fn two_who_are_there_share_a_run() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 6, Complete).share(2);
    let a = Probe::new().on(shared.clone());
    let b = Probe::new().on(shared.clone());
    a.unbounded();
    // The first two came before b did, which has room for two.
    assert_eq!(a.take(), next([1, 2, 3, 4]));
    b.unbounded();
    assert_eq!(a.take(), next_then([5, 6], Told::Complete));
    assert_eq!(b.take(), next_then(3..=6, Told::Complete));
    drop(shared);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_source_that_runs_once_tells_its_end_to_who_comes_late() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(1);
    let a = unbounded(shared.clone());
    hand.end(End::Completed);
    assert_eq!(a.take(), [Told::Complete]);
    assert_eq!(Probe::new().on(shared.clone()).take(), [Told::Complete], "without demand");
    let failing = script(&mint, 0, 0, Fail("no")).publish(2).ref_count(1);
    for _ in 0..3 {
        assert_eq!(Probe::new().on(failing.clone()).take(), [Told::Error("\"no\"".into())]);
    }
    let panicking = script(&mint, 0, 1, Never).map(|_| -> Item { ouch() }).publish(2).ref_count(1);
    for _ in 0..3 {
        assert_eq!(Probe::new().on(panicking.clone()).take(), [told_ouch()]);
    }
    drop((failing, panicking));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_source_that_runs_once_and_was_cancelled_is_gone_for_who_comes_late() {
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(1);
    Probe::new().on(shared.clone()).cancel();
    assert!(hand.is_cancelled());
    assert_eq!(Probe::new().on(shared).take(), [source_gone()]);
}

#[test]
fn upstream_is_subscribed_to_when_as_many_are_there_at_a_time() {
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(2);
    let a = Probe::new().on(shared.clone());
    a.cancel();
    let b = Probe::new().on(shared.clone());
    assert_eq!(hand.asked(), [], "one is there");
    let c = Probe::new().on(shared.clone());
    assert_eq!(hand.asked(), [2]);
    b.cancel();
    c.cancel();
    assert!(hand.is_cancelled());
}

#[test]
fn a_subscriber_that_cancels_in_on_subscribe_was_never_there() {
    struct Refuses;
    impl millstream::Subscriber<Item, &'static str> for Refuses {
        type Active = Self;
        fn on_subscribe(self, subscription: millstream::Subscription) -> Self {
            subscription.cancel();
            self
        }
    }
    impl millstream::ActiveSubscriber<Item, &'static str> for Refuses {
        fn on_next(&mut self, _: Item) -> More {
            panic!("an item after cancelling")
        }
        fn on_complete(self) {}
        fn on_error(self, _: &'static str) {}
    }
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(1);
    shared.clone().subscribe(Refuses);
    assert_eq!(hand.asked(), []);
    let a = Probe::new().on(shared.clone());
    assert_eq!(hand.asked(), [2]);
    shared.subscribe(Refuses);
    assert!(!hand.is_cancelled());
    a.cancel();
    assert!(hand.is_cancelled());
    let mint = Mint::new();
    let [a, b] = script(&mint, 0, 2, Complete).broadcast::<2>(2);
    a.subscribe(Refuses);
    assert_eq!(unbounded(b).take(), next_then([1, 2], Told::Complete));
}

#[test]
fn one_that_is_stuck_makes_the_others_wait_unless_the_slow_lose() {
    let mint = Mint::new();
    let run = |slow| {
        let shared = script(&mint, 0, 9, Complete).publish(3).slow_subscriber(slow).ref_count(2);
        let stuck = Probe::new().on(shared.clone());
        let quick = unbounded(shared);
        let quick = quick.take();
        let before = stuck.take();
        stuck.unbounded();
        (quick, before, stuck.take())
    };
    let all = next_then(1..=9, Told::Complete);
    assert_eq!(run(SlowSubscriber::Wait), (next(1..=3), vec![], all.clone()));
    let newest = next_then(7..=9, Told::Complete);
    assert_eq!(run(SlowSubscriber::DropOldest), (all.clone(), vec![], newest));
    let told = Told::Fault(Fault::TooSlow { capacity: 3 }.to_string());
    assert_eq!(run(SlowSubscriber::Disconnect), (all, vec![told], vec![]));
    assert_eq!(mint.live(), 0);
}

#[test]
fn one_that_is_alone_loses_nothing_however_slow() {
    let mint = Mint::new();
    for slow in [SlowSubscriber::DropOldest, SlowSubscriber::Disconnect] {
        let shared = script(&mint, 0, 50, Complete).publish(3).slow_subscriber(slow).ref_count(1);
        let alone = Probe::new().on(shared);
        for n in 1..=50 {
            alone.request(1);
            assert_eq!(alone.take().first(), Some(&Told::Next(n)), "{slow:?}");
        }
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_makes_room_is_told_to_the_hook_of_the_one_that_loses_it() {
    let mint = Mint::new();
    let lost = Arc::new(Mutex::new(Vec::new()));
    let told = lost.clone();
    let shared = script(&mint, 0, 9, Complete)
        .publish(3)
        .slow_subscriber(SlowSubscriber::DropOldest)
        .ref_count(2);
    let slow = shared.clone().on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let slow = Probe::new().on(slow);
    let _quick = unbounded(shared);
    assert_eq!(*lost.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
    slow.cancel();
    assert_eq!(*lost.lock().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    lost.lock().unwrap().clear();
    assert_eq!(mint.live(), 0);
}

#[test]
fn with_nobody_there_upstream_pauses_and_the_next_goes_on_where_the_last_left() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(4).auto_connect(1);
    let a = Probe::new().asking(More::ONE).on(shared.clone());
    assert_eq!(hand.asked(), [4]);
    hand.send(mint.item(1));
    hand.send(mint.item(2));
    a.cancel();
    assert_eq!(a.take(), next([1]));
    hand.send(mint.item(3));
    assert!(!hand.is_cancelled());
    assert_eq!(hand.asked(), []);
    let b = Probe::new().asking(More::ONE).on(shared.clone());
    assert_eq!(b.take(), next([2]));
    b.request(2);
    hand.send(mint.item(4));
    assert_eq!(b.take(), next([3, 4]));
    b.cancel();
    hand.end(End::Completed);
    assert_eq!(Probe::new().on(shared.clone()).take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_is_held_when_the_end_comes_is_for_the_next() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(4).auto_connect(1);
    Probe::new().on(shared.clone()).cancel();
    hand.send(mint.item(1));
    hand.end(End::Failed("no"));
    let b = Probe::new().on(shared.clone());
    assert_eq!(b.take(), []);
    b.request(1);
    assert_eq!(b.take(), next_then([1], Told::Error("\"no\"".into())));
    assert_eq!(Probe::new().on(shared).take(), [Told::Error("\"no\"".into())]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn what_is_queued_for_the_last_is_for_the_next_after_the_end_too() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 4, Fail("no")).publish(8).auto_connect(1);
    for n in 1..=4 {
        let one = Probe::new().asking(More::ONE).on(shared.clone());
        let end = (n == 4).then(|| Told::Error("\"no\"".into()));
        assert_eq!(one.take(), next([n]).into_iter().chain(end).collect::<Vec<_>>());
        one.cancel();
    }
    assert_eq!(Probe::new().on(shared).take(), [Told::Error("\"no\"".into())]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn with_nobody_there_upstream_goes_on_where_it_is_told_to() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(2).no_subscribers(NoSubscribers::Drop).auto_connect(1);
    Probe::new().on(shared.clone()).cancel();
    for n in 1..=5 {
        hand.send(mint.item(n));
    }
    assert_eq!(mint.live(), 0);
    assert_eq!(hand.asked().iter().sum::<u64>(), 7, "two ahead of what came");
    let b = unbounded(shared);
    hand.send(mint.item(6));
    assert_eq!(b.take(), next([6]));
    b.cancel();
    assert!(hand.is_cancelled(), "the last handle is gone, so nobody can come");
}

#[test]
fn connect_subscribes_at_once_and_the_first_gets_what_came() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 3, Complete).publish(2).auto_connect(5);
    shared.connect();
    shared.connect();
    assert_eq!(unbounded(shared.clone()).take(), next_then([1, 2, 3], Told::Complete));
    let dropped = script(&mint, 0, 3, Complete).publish(2).no_subscribers(NoSubscribers::Drop);
    let dropped = dropped.auto_connect(1);
    dropped.connect();
    assert_eq!(unbounded(dropped.clone()).take(), [Told::Complete]);
    drop((shared, dropped));
    assert_eq!(mint.live(), 0);
}

#[test]
fn when_all_handles_are_dropped_the_last_subscriber_cancels_upstream() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(2).auto_connect(1);
    let a = Probe::new().on(shared.clone());
    hand.send(mint.item(1));
    drop(shared);
    assert!(!hand.is_cancelled());
    a.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);

    let (hand, source) = Hand::new();
    let shared = source.publish(2).auto_connect(1);
    Probe::new().on(shared.clone()).cancel();
    hand.send(mint.item(1));
    drop(shared);
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn grace_keeps_upstream_for_who_comes_in_time() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let gates = Arc::new(Mutex::new(Vec::new()));
    let opened = gates.clone();
    let shared = source
        .publish(2)
        .grace(Eager::default(), move || {
            let (open, gate) = gate();
            opened.lock().unwrap().push(open);
            gate
        })
        .ref_count(1);
    let a = unbounded(shared.clone());
    hand.send(mint.item(1));
    a.cancel();
    assert!(!hand.is_cancelled());
    hand.send(mint.item(2));
    let b = unbounded(shared.clone());
    assert_eq!(b.take(), next([2]));
    let first = gates.lock().unwrap().remove(0);
    first.open();
    assert!(!hand.is_cancelled(), "somebody came meanwhile");
    b.cancel();
    let second = gates.lock().unwrap().remove(0);
    second.open();
    assert!(hand.is_cancelled());
    assert_eq!(Probe::new().on(shared).take(), [source_gone()]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn without_an_executor_that_waits_there_is_no_grace() {
    struct Refuses;
    impl millstream::executor::Executor for Refuses {
        fn spawn(
            &self,
            task: millstream::executor::Task,
        ) -> Result<(), millstream::executor::Refused> {
            drop(task);
            Err(millstream::executor::Refused::new("a test", "it is one"))
        }
    }
    let (hand, source) = Hand::new();
    let shared = source.publish(2).grace(Refuses, std::future::pending).ref_count(1);
    Probe::new().on(shared).cancel();
    assert!(hand.is_cancelled());
    let (hand, source) = Hand::new();
    let panics = || -> std::future::Ready<()> { ouch() };
    let shared = source.publish(2).grace(Eager::default(), panics).ref_count(1);
    Probe::new().on(shared).cancel();
    assert!(hand.is_cancelled());
}

/// A future that is ready when it is opened.
fn gate() -> (Gate, impl Future<Output = ()> + Send) {
    let gate = Gate(Arc::new(Mutex::new((false, None))));
    let other = gate.0.clone();
    let future = std::future::poll_fn(move |context| {
        let mut state = other.lock().unwrap();
        if state.0 {
            return std::task::Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        std::task::Poll::Pending
    });
    (gate, future)
}

struct Gate(Arc<Mutex<(bool, Option<std::task::Waker>)>>);

impl Gate {
    fn open(self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.take()
        };
        waker.expect("somebody waits").wake();
    }
}

#[test]
fn replay_gives_the_last_items_to_who_comes_late_and_after_the_end() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.replay(2, 4);
    let a = unbounded(shared.clone());
    for n in 1..=3 {
        hand.send(mint.item(n));
    }
    let b = Probe::new().asking(More::ONE).on(shared.clone());
    assert_eq!(b.take(), next([2]));
    hand.send(mint.item(4));
    assert_eq!(b.take(), []);
    b.request(9);
    assert_eq!(b.take(), next([3, 4]));
    assert_eq!(a.take(), next([1, 2, 3, 4]));
    hand.end(End::Completed);
    let late = Probe::new().on(shared.clone());
    assert_eq!(late.take(), [], "what is replayed waits for demand");
    late.unbounded();
    assert_eq!(late.take(), next_then([3, 4], Told::Complete));
    drop(shared);
    assert_eq!(mint.live(), 0);
}

#[test]
fn replay_keeps_no_more_than_it_says() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.replay(3, 4);
    let a = unbounded(shared.clone());
    for n in 1..=100 {
        hand.send(mint.item(n));
        assert!(mint.live() <= 3, "{} at {n}", mint.live());
    }
    // Who comes late and takes nothing holds what is replayed, and what it has room for.
    let late = Probe::new().on(shared.clone());
    for n in 101..=104 {
        hand.send(mint.item(n));
    }
    assert!(mint.live() <= 3 + 3 + 4, "{}", mint.live());
    late.cancel();
    assert!(mint.live() <= 3);
    a.cancel();
    assert!(mint.live() <= 3);
    drop(shared);
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn replay_asks_for_what_the_slowest_has_room_for_and_late_ones_take_part() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.replay(2, 4);
    let early = Probe::new().on(shared.clone());
    assert_eq!(hand.asked(), [4]);
    early.request(3);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert_eq!(early.take(), next([1, 2, 3]));
    assert_eq!(hand.asked(), [3]);
    let late = Probe::new().asking(More::of(3)).on(shared);
    assert_eq!(late.take(), next([3, 4]), "replayed");
    early.request(9);
    for n in 5..=7 {
        hand.send(mint.item(n));
    }
    assert_eq!(early.take(), next(4..=7));
    assert_eq!(late.take(), next([5]));
    assert_eq!(hand.asked(), [1], "late has room for up to the eighth");
    late.request(2);
    assert_eq!(hand.asked(), [2], "early settles by threes, and has settled six");
    assert_eq!(late.take(), next([6, 7]));
}

#[test]
fn nothing_is_replayed_from_the_run_before() {
    let mint = Mint::new();
    let shared = script(&mint, 0, 3, Complete).publish(2).replay(2).again().ref_count(1);
    let a = Probe::new().asking(More::of(2)).on(shared.clone());
    assert_eq!(a.take(), next([1, 2]));
    a.cancel();
    assert_eq!(unbounded(shared.clone()).take(), next_then([1, 2, 3], Told::Complete));
    drop(shared);
    assert_eq!(mint.live(), 0);
}

#[test]
fn who_subscribes_in_a_signal_begins_at_the_next_item() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(4).ref_count(1);
    let inner = Probe::new().asking(More::UNBOUNDED);
    let (handle, probe) = (shared.clone(), inner.clone());
    let outer = Probe::new()
        .asking(More::UNBOUNDED)
        .answering(move |_, n| {
            if n == 2 {
                probe.clone().on(handle.clone());
            }
            More::NONE
        })
        .on(shared);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert_eq!(outer.take(), next(1..=4));
    assert_eq!(inner.take(), next(3..=4));
}

#[test]
fn who_subscribes_at_the_end_inside_of_the_end_gets_a_run_or_the_end() {
    let mint = Mint::new();
    let again = script(&mint, 0, 2, Complete).share(2);
    let inner = Probe::new().asking(More::UNBOUNDED);
    let (handle, probe) = (again.clone(), inner.clone());
    let outer = again.inspect_complete(move || drop(probe.clone().on(handle.clone())));
    assert_eq!(unbounded(outer).take(), next_then([1, 2], Told::Complete));
    assert_eq!(inner.take(), next_then([1, 2], Told::Complete));

    let (hand, source) = Hand::new();
    let once = source.publish(2).ref_count(1);
    let inner = Probe::new();
    let (handle, probe) = (once.clone(), inner.clone());
    let outer = once.inspect_complete(move || drop(probe.clone().on(handle.clone())));
    let outer = Probe::new().on(outer);
    hand.end(End::Completed);
    assert_eq!(outer.take(), [Told::Complete]);
    assert_eq!(inner.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_subscriber_of_a_shared_stream_that_panics_goes_alone() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(1);
    let bad = Probe::new().asking(More::UNBOUNDED).answering(|_, _| ouch()).on(shared.clone());
    let good = unbounded(shared.clone());
    for n in 1..=5 {
        hand.send(mint.item(n));
    }
    assert_eq!(bad.take(), next_then([1], told_ouch()));
    assert_eq!(good.take(), next(1..=5));
    let late = unbounded(shared);
    hand.send(mint.item(6));
    assert_eq!(late.take(), next([6]));
    good.cancel();
    late.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn sizes_of_zero_are_refused_in_words() {
    let source = || millstream::just(1);
    let queue = "a queue holds at least 1 item, and 0 was asked for";
    let there = "a stream that is shared has at least 1 subscriber, and 0 was asked for";
    assert_eq!(panic_of(|| source().share(0)), format!("share(0): {queue}"));
    assert_eq!(panic_of(|| source().publish(0)), format!("publish(0): {queue}"));
    assert_eq!(panic_of(|| source().replay(1, 0)), format!("replay(items, 0): {queue}"));
    assert_eq!(panic_of(|| source().replay(0, 1)), format!("replay(0): {queue}"));
    assert_eq!(panic_of(|| source().publish(1).ref_count(0)), format!("ref_count(0): {there}"));
    let zero = || source().publish(1).auto_connect(0);
    assert_eq!(panic_of(zero), format!("auto_connect(0): {there}"));
}

/// Subscribers come and go on two threads while a third one sends: each sees a part of the stream
/// without a hole, and nothing is left.
#[test]
fn a_thousand_subscribers_come_and_go_on_real_threads() {
    const VISITS: u32 = 1_000;
    let mint = Mint::new();
    let (stop, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let numbers = {
        let (mint, stop, stopped) = (mint.clone(), stop.clone(), stopped.clone());
        let mut n = 0;
        millstream::from_fn(move || {
            if stop.load(Ordering::Acquire) > 0 {
                stopped.fetch_add(1, Ordering::Release);
                return None;
            }
            n += 1;
            Some(mint.item(n))
        })
    };
    let threads = millstream::executor::Threads::new(1);
    let shared = numbers.publish_on(threads.handle(), 4).publish(8).auto_connect(1);
    // One that stays, so that upstream goes on.
    let steady = shared.clone().map(|item| item.0);
    let steady = std::thread::spawn(move || {
        let mut last = None; // a visitor may have been there before
        steady
            .for_each(move |n| {
                assert!(last.is_none_or(|last| n == last + 1), "{n} after {last:?}");
                last = Some(n);
            })
            .block()
    });
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let shared = shared.clone();
            scope.spawn(move || {
                for visit in 0..VISITS / 2 {
                    let take = u64::from((visit * 7 + thread) % 11 + 1);
                    let seen = shared.clone().map(|item| item.0).take(take);
                    let seen = seen.collect::<Vec<_>>().block().unwrap();
                    let first = seen[0];
                    let expected: Vec<u32> = (first..).take(take as usize).collect();
                    assert_eq!(seen, expected, "a hole, or an item twice");
                }
            });
        }
    });
    stop.store(1, Ordering::Release);
    steady.join().unwrap().unwrap();
    assert_eq!(stopped.load(Ordering::Acquire), 1);
    drop(shared);
    drop(threads);
    assert_eq!(mint.live(), 0);
}

/// A small generator of numbers, so that a failure can be had again by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// What one subscriber of [`random`] has seen.
struct Seen {
    probe: Probe,
    told: Vec<Told>,
    gone: bool,
}

impl Seen {
    fn numbers(&self) -> Vec<u32> {
        let number = |told: &Told| if let Told::Next(n) = told { Some(*n) } else { None };
        self.told.iter().filter_map(number).collect()
    }
}

/// Subscribers come, ask in batches and go, as the dice fall; in the end those that are left ask
/// for everything. What each has seen.
fn random<P>(seed: u64, shared: &P, most: usize, mint: &Mint) -> Vec<Seen>
where
    P: Publisher<Item = Item, Error = &'static str> + Clone,
{
    let mut dice = Dice(seed);
    let mut seen: Vec<Seen> = Vec::new();
    for _ in 0..60 {
        let n = dice.below(6) as usize;
        match dice.below(4) {
            0 if seen.len() < 6 => {
                let probe = Probe::new().on(shared.clone());
                seen.push(Seen { probe, told: Vec::new(), gone: false });
            }
            1 if n < seen.len() && dice.below(3) == 0 => {
                seen[n].gone = true;
                seen[n].probe.cancel();
            }
            _ if n < seen.len() => seen[n].probe.request(1 + dice.below(5)),
            _ => {}
        }
        assert!(mint.live() <= most, "seed {seed}: {} are held", mint.live());
    }
    for one in &seen {
        one.probe.unbounded();
    }
    for one in &mut seen {
        one.told = one.probe.take();
        if !one.gone {
            assert_eq!(one.told.last(), Some(&Told::Complete), "seed {seed}");
        }
    }
    seen
}

fn without_a_hole(seen: &Seen) -> bool {
    seen.numbers().windows(2).all(|pair| pair[0] + 1 == pair[1])
}

#[test]
fn row_37_replay_goes_on_whoever_asks_in_batches_and_whenever_they_come() {
    for seed in 0..500 {
        let mint = Mint::new();
        let shared = script(&mint, 0, 40, Complete).replay(3, 4);
        for one in random(seed, &shared, 1 + 3 + 6 * (3 + 4) + 1, &mint) {
            assert!(without_a_hole(&one), "seed {seed}: {:?}", one.numbers());
            let numbers = one.numbers();
            assert!(one.gone || numbers.last() == Some(&40), "seed {seed}: {numbers:?}");
        }
        drop(shared);
        assert_eq!(mint.live(), 0, "seed {seed}");
    }
}

#[test]
fn row_68_nobody_waits_for_ever_whoever_comes_and_goes() {
    for seed in 0..500 {
        let mint = Mint::new();
        let shared = script(&mint, 0, 40, Complete).publish(1 + seed as usize % 5).auto_connect(1);
        let seen = random(seed, &shared, 1 + 6 * 5 + 1, &mint);
        assert!(seen.iter().all(without_a_hole), "seed {seed}");
        drop(shared);
        assert_eq!(mint.live(), 0, "seed {seed}");
    }
}

#[test]
fn nobody_waits_for_ever_where_the_slow_lose() {
    for seed in 0..500 {
        let mint = Mint::new();
        let shared = script(&mint, 0, 40, Complete)
            .publish(1 + seed as usize % 5)
            .slow_subscriber(SlowSubscriber::DropOldest)
            .auto_connect(1);
        for one in random(seed, &shared, 1 + 6 * 5 + 1, &mint) {
            let numbers = one.numbers();
            assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}: {numbers:?}");
        }
        drop(shared);
        assert_eq!(mint.live(), 0, "seed {seed}");
    }
}

#[test]
fn row_80_all_see_the_same_order_where_one_asks_and_subscribes_inside() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let shared = source.publish(2).ref_count(1);
    let orders = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let orders = orders.clone();
        move |probe: &Probe, n: u32| {
            orders.lock().unwrap().push((name, n));
            probe.request(1);
            More::NONE
        }
    };
    let a = Probe::new().asking(More::ONE).answering(note("a")).on(shared.clone());
    let b = Probe::new().asking(More::ONE).answering(note("b")).on(shared);
    for n in 1..=4 {
        hand.send(mint.item(n));
    }
    assert_eq!(a.take(), next(1..=4));
    assert_eq!(b.take(), next(1..=4));
    let expected: Vec<_> = (1..=4).flat_map(|n| [("a", n), ("b", n)]).collect();
    assert_eq!(*orders.lock().unwrap(), expected);
}

#[test]
fn row_84_nothing_is_kept_of_a_subscriber_that_has_gone_before_an_item_came() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let copies = Arc::new(AtomicUsize::new(0));
    let copied = copies.clone();
    let items = source.map(move |item| Copied { item, copies: copied.clone() });
    let shared = items.publish(4).auto_connect(1);
    let _steady = Probe::new().on(shared.clone().map(|copied| copied.item));
    for _ in 0..1_000 {
        let token = mint.token();
        let visitor = shared.clone().map(move |copied| {
            assert!(Arc::strong_count(&token) > 0);
            copied.item
        });
        let probe = Probe::new().on(visitor);
        assert_eq!(mint.live(), 1);
        probe.cancel();
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
    assert_eq!(hand.asked(), [4]);
    hand.send(mint.item(1));
    assert_eq!(copies.load(Ordering::Relaxed), 0, "nothing is copied for those who have gone");
}

/// An item that says how often it was copied.
struct Copied {
    item: Item,
    copies: Arc<AtomicUsize>,
}

impl Clone for Copied {
    fn clone(&self) -> Copied {
        self.copies.fetch_add(1, Ordering::Relaxed);
        Copied { item: self.item.clone(), copies: self.copies.clone() }
    }
}
