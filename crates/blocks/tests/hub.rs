//! Models of a hub: outlets come and go while items and ends come, and each item is delivered to
//! whoever was there, or dropped, once; nobody waits for ever; upstream is kept for whoever is
//! there, and goes with the last.

mod oracle;

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::gauge::Site;
use millstream_blocks::hub::{Grace, Hub, Outlet, Plan, Replay, Slow, Vacancy, keep};
use millstream_blocks::island::join;
use millstream_core::{
    ActiveSubscriber, Cause, Demand, End, Fault, More, Publisher, Pull, Pulled, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::{Mutex, lock, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Alive, Error, Hand, Oracle, Signal, Source, Start, Token, begins, items};

type TestHub = Hub<Token, Error>;

fn plan(capacity: usize, vacancy: Vacancy) -> Plan<Token, Error> {
    Plan {
        site: Site::here("test"),
        capacity: NonZeroUsize::new(capacity).unwrap(),
        slow: Slow::Wait,
        vacancy,
        quorum: 1,
        replay: None,
        keep_end: None,
    }
}

/// A hub whose items and source are counted by `oracle`, and whose source is driven by hand.
fn by_hand(plan: Plan<Token, Error>) -> (Oracle, TestHub, Hand) {
    let (oracle, hand) = (Oracle::new(), Hand::default());
    let hub = Hub::new(plan);
    let source = Source::Hand(oracle.alive(), hand.clone());
    hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
    (oracle, hub, hand)
}

/// What an attached subscriber pulls from: an outlet, or the news that it was over.
enum Attached {
    Outlet(Outlet<Token, Error>),
    Over,
}

impl Pull for Attached {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match self {
            Attached::Outlet(outlet) => outlet.pull(),
            Attached::Over => Pulled::Error("over"),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        match self {
            Attached::Outlet(outlet) => outlet.look_ahead(started),
            Attached::Over => Pulled::Error("over"),
        }
    }
}

const OVER: Signal = Signal::Error("over");

fn attach(hub: &TestHub) -> Oracle {
    let oracle = Oracle::new();
    let hub = hub.clone();
    join(
        |bell, context| match hub.attach(bell.clone(), context) {
            Some(outlet) => Attached::Outlet(outlet),
            None => Attached::Over,
        },
        oracle.probe(|_| More::NONE),
    );
    oracle
}

/// Hosts an outlet that was opened before.
fn host(mut outlet: Outlet<Token, Error>) -> Oracle {
    let oracle = Oracle::new();
    join(
        |bell, context| {
            outlet.host(bell.clone(), context);
            outlet
        },
        oracle.probe(|_| More::NONE),
    );
    oracle
}

fn send(oracle: &Oracle, hand: &Hand, numbers: std::ops::Range<u32>) {
    for n in numbers {
        hand.send(Token(n, oracle.alive()));
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<Signal> {
    range.map(Item).collect()
}

/// Nothing is alive when all have gone.
fn nothing_left(oracle: &Oracle) {
    assert_eq!(oracle.count(), 0, "still alive at the end");
}

#[test]
fn two_take_items_while_they_come() {
    model("hub: two_take_items_while_they_come", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let hub = Hub::new(plan(1, Vacancy::Cancel));
        let source = Source::Late(oracle.items(0..2), start.clone());
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        let other = thread::spawn(move || start.go());
        b.request(9);
        other.join().unwrap();
        for each in [&a, &b] {
            assert_eq!(each.finish(), [Item(0), Item(1), Complete]);
        }
        nothing_left(&oracle);
    });
}

#[test]
fn two_settle_at_once() {
    model("hub: two_settle_at_once", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Cancel));
        let (a, b) = (attach(&hub), attach(&hub));
        send(&oracle, &hand, 0..3);
        let other = thread::spawn({
            let a = a.clone();
            move || a.request(9)
        });
        b.request(9);
        other.join().unwrap();
        for each in [&a, &b] {
            assert_eq!(items(&each.finish()), [0, 1, 2]);
        }
        nothing_left(&oracle);
    });
}

/// Who comes while an item is sent gets it or not, and all that follow, and takes part in asking.
#[test]
fn joining_races_an_item() {
    model("hub: joining_races_an_item", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Cancel));
        let a = attach(&hub);
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 2..4);
        assert_eq!(items(&a.finish()), [0, 1, 2, 3]);
        let got = items(&b.finish());
        assert!([&[0, 1, 2, 3][..], &[1, 2, 3], &[2, 3]].contains(&&*got), "{got:?}");
        nothing_left(&oracle);
    });
}

#[test]
fn joining_races_the_end() {
    model("hub: joining_races_the_end", || {
        let mut plan = plan(1, Vacancy::Cancel);
        plan.keep_end = Some(keep::<Error>);
        let (oracle, hub, hand) = by_hand(plan);
        let a = attach(&hub);
        let other = thread::spawn({
            let hand = hand.clone();
            move || hand.complete()
        });
        let b = attach(&hub);
        other.join().unwrap();
        assert_eq!(a.finish(), [Complete]);
        assert_eq!(b.finish(), [Complete], "who comes late is told the end");
        nothing_left(&oracle);
    });
}

#[test]
fn joining_races_the_end_that_is_not_kept() {
    model("hub: joining_races_the_end_that_is_not_kept", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Cancel));
        let a = attach(&hub);
        let other = thread::spawn({
            let hand = hand.clone();
            move || hand.complete()
        });
        let b = attach(&hub);
        b.request(1);
        other.join().unwrap();
        assert_eq!(a.finish(), [Complete]);
        let log = b.finish();
        assert!(log == [Complete] || log == [OVER], "{log:?}");
        nothing_left(&oracle);
    });
}

#[test]
fn joining_races_a_source_gone() {
    model("hub: joining_races_a_source_gone", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let mut plan = plan(1, Vacancy::Cancel);
        plan.keep_end = Some(keep::<Error>);
        let hub = Hub::new(plan);
        let source = Source::Deaf(oracle.alive(), start.clone());
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let a = attach(&hub);
        let other = thread::spawn(move || start.go());
        let b = attach(&hub);
        other.join().unwrap();
        let gone = || Signal::Fault(Fault::SourceDropped.to_string());
        assert_eq!(a.finish(), [gone()]);
        assert_eq!(b.finish(), [gone()]);
        nothing_left(&oracle);
    });
}

/// Who comes while the last goes is there in time, and gets what follows, or is told.
#[test]
fn joining_races_the_last_that_goes() {
    model("hub: joining_races_the_last_that_goes", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Cancel));
        let a = attach(&hub);
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 0..2);
        hand.complete();
        assert_eq!(a.finish(), []);
        let log = b.finish();
        assert!(log == [OVER] || log == [Item(0), Item(1), Complete], "{log:?}");
        nothing_left(&oracle);
    });
}

#[test]
fn the_last_two_go_at_once() {
    model("hub: the_last_two_go_at_once", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Cancel));
        let (a, b) = (attach(&hub), attach(&hub));
        send(&oracle, &hand, 0..2);
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        b.cancel();
        other.join().unwrap();
        nothing_left(&oracle);
        assert_eq!((a.finish(), b.finish()), (vec![], vec![]));
    });
}

#[test]
fn the_last_goes_while_items_come() {
    model("hub: the_last_goes_while_items_come", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Cancel));
        let a = attach(&hub);
        a.request(1);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        a.cancel();
        other.join().unwrap();
        nothing_left(&oracle);
        let log = a.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
    });
}

/// One of two goes while items come: the other misses nothing, and upstream is asked again.
#[test]
fn one_goes_while_items_come() {
    model("hub: one_goes_while_items_come", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Cancel));
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        b.cancel();
        other.join().unwrap();
        assert_eq!(items(&a.finish()), [0, 1]);
        assert_eq!(b.finish(), []);
        nothing_left(&oracle);
    });
}

#[test]
fn the_last_goes_while_upstream_is_subscribed_to() {
    model("hub: the_last_goes_while_upstream_is_subscribed_to", || {
        let (oracle, start, hand) = (Oracle::new(), Start::default(), Hand::default());
        let hub = Hub::new(plan(1, Vacancy::Cancel));
        let source = Source::Hand(oracle.alive(), hand.clone());
        let begin = start.clone();
        hub.on_quorum(move |hub| {
            begin.set(move || source.subscribe(hub.distributor()));
        });
        let a = attach(&hub);
        let other = thread::spawn(move || start.go());
        a.cancel();
        other.join().unwrap();
        nothing_left(&oracle);
        assert_eq!(a.finish(), []);
    });
}

/// What is queued for the last one that goes, and what comes while nobody is there, is for the
/// next.
#[test]
fn nobody_is_there_while_items_come() {
    model("hub: nobody_is_there_while_items_come", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Pause));
        let a = attach(&hub);
        a.request(1);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        a.cancel();
        other.join().unwrap();
        let b = attach(&hub);
        b.request(9);
        send(&oracle, &hand, 2..4);
        let mut all = items(&a.finish());
        all.extend(items(&b.finish()));
        assert_eq!(all, [0, 1, 2, 3]);
        hub.orphan();
        nothing_left(&oracle);
    });
}

/// A source that sends so many items, whatever it was asked for.
struct Rude(u32, Alive);

impl Publisher for Rude {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let mut active = subscriber.on_subscribe(Subscription::new(Arc::new(Deaf)));
        for n in 0..self.0 {
            if active.on_next(Token(n, self.1.clone())).is_cancel() {
                drop(active.on_end(End::Cancelled(Cause::NoMoreNeeded)));
                return;
            }
        }
        drop(active.on_end(End::Completed));
    }
}

struct Deaf;

impl Upstream for Deaf {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {}
}

/// What is held for the next is bounded, whatever upstream does.
#[test]
fn more_than_was_asked_for_comes_while_nobody_is_there() {
    model("hub: more_than_was_asked_for_comes_while_nobody_is_there", || {
        let oracle = Oracle::new();
        let hub = Hub::new(Plan { keep_end: Some(keep), ..plan(2, Vacancy::Pause) });
        let source = Rude(4, oracle.alive());
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let other = thread::spawn({
            let hub = hub.clone();
            move || hub.connect()
        });
        let next = attach(&hub);
        other.join().unwrap();
        let overflow = Signal::Fault(Fault::Overflow { capacity: 2 }.to_string());
        assert_eq!(next.finish(), [overflow]);
        hub.orphan();
        drop(hub);
        nothing_left(&oracle);
    });
}

#[test]
fn the_next_comes_while_the_last_goes() {
    model("hub: the_next_comes_while_the_last_goes", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Pause));
        let a = attach(&hub);
        send(&oracle, &hand, 0..2);
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 2..4);
        let got = items(&b.finish());
        assert!([&[0, 1, 2, 3][..], &[2, 3]].contains(&&*got), "{got:?}");
        assert_eq!(a.finish(), []);
        hub.orphan();
        nothing_left(&oracle);
    });
}

#[test]
fn the_next_comes_while_an_item_does() {
    model("hub: the_next_comes_while_an_item_does", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Pause));
        attach(&hub).cancel();
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 2..3);
        assert_eq!(items(&b.finish()), [0, 1, 2]);
        hub.orphan();
        nothing_left(&oracle);
    });
}

/// An item that was taken by one of them alone, which has gone since, is for the next all the same. Who
/// comes while one is still there begins later, but misses none from then on.
#[test]
fn the_last_two_go_while_an_item_comes_and_the_next_comes() {
    model("hub: the_last_two_go_while_an_item_comes_and_the_next_comes", || {
        let (oracle, hub, hand) = by_hand(plan(2, Vacancy::Pause));
        let (a, b) = (attach(&hub), attach(&hub));
        send(&oracle, &hand, 0..1);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 1..2)
        });
        a.cancel();
        b.cancel();
        let c = attach(&hub);
        c.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 2..3);
        let got = items(&c.finish());
        assert!([0, 1, 2].ends_with(&got) && got.ends_with(&[2]), "{got:?}");
        hub.orphan();
        nothing_left(&oracle);
    });
}

#[test]
fn upstream_goes_on_while_nobody_is_there() {
    model("hub: upstream_goes_on_while_nobody_is_there", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Drop));
        let a = attach(&hub);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..3)
        });
        a.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 1, "the source: what was sent is dropped, and it goes on");
        let b = attach(&hub);
        b.request(9);
        send(&oracle, &hand, 3..5);
        assert_eq!(a.finish(), []);
        assert_eq!(items(&b.finish()), [3, 4]);
        hub.orphan();
        nothing_left(&oracle);
    });
}

#[test]
fn grace_ends_while_somebody_comes() {
    model("hub: grace_ends_while_somebody_comes", || {
        let grace = Arc::new(Mutex::new(None::<Grace>));
        let begin = grace.clone();
        let vacancy = Vacancy::Grace(Arc::new(move |grace| {
            let before = lock(&begin).replace(grace);
            drop(before);
        }));
        let (oracle, hub, hand) = by_hand(plan(1, vacancy));
        attach(&hub).cancel();
        let held = lock(&grace).take().expect("nobody is there");
        let other = thread::spawn(move || drop(held));
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 0..2);
        let log = b.finish();
        assert!(log == [OVER] || log == numbers(0..2), "{log:?}");
        drop(lock(&grace).take());
        nothing_left(&oracle);
    });
}

#[test]
fn who_comes_late_gets_the_last_and_what_follows() {
    model("hub: who_comes_late_gets_the_last_and_what_follows", || {
        let mut plan = plan(2, Vacancy::Cancel);
        plan.replay = Some(Replay {
            items: NonZeroUsize::new(1).unwrap(),
            keep: |token: &Token| keep(token.clone()),
        });
        let (oracle, hub, hand) = by_hand(plan);
        let a = attach(&hub);
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        let b = attach(&hub);
        b.request(9);
        other.join().unwrap();
        send(&oracle, &hand, 2..3);
        assert_eq!(items(&a.finish()), [0, 1, 2]);
        let got = items(&b.finish());
        assert!([&[0, 1, 2][..], &[1, 2]].contains(&&*got), "{got:?}");
        nothing_left(&oracle);
    });
}

/// Somebody hosts an outlet while the last of the others goes: upstream is connected to once.
#[test]
fn the_quorum_is_there_once() {
    model("hub: the_quorum_is_there_once", || {
        let (oracle, connects) = (Oracle::new(), Arc::new(Mutex::new(0)));
        let mut plan = plan(1, Vacancy::Close);
        plan.quorum = 0;
        let hub = Hub::new(plan);
        let (items_, count) = (oracle.items(0..1), connects.clone());
        hub.on_quorum(move |hub| {
            *lock(&count) += 1;
            Source::Items(items_).subscribe(hub.distributor());
        });
        let (a, b) = (hub.open(), hub.open());
        drop(hub);
        let other = thread::spawn(move || drop(b));
        let a = host(a);
        a.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), [Item(0), Complete]);
        assert_eq!(*lock(&connects), 1);
        nothing_left(&oracle);
    });
}

#[test]
fn all_go_before_the_quorum() {
    model("hub: all_go_before_the_quorum", || {
        let oracle = Oracle::new();
        let mut plan = plan(1, Vacancy::Close);
        plan.quorum = 0;
        let hub = Hub::new(plan);
        let items = oracle.items(0..1);
        hub.on_quorum(move |hub| Source::Items(items).subscribe(hub.distributor()));
        let (a, b) = (hub.open(), hub.open());
        drop(hub);
        let other = thread::spawn(move || drop(b));
        drop(a);
        other.join().unwrap();
        nothing_left(&oracle);
    });
}

#[test]
fn nobody_can_come_any_more_before_the_quorum() {
    model("hub: nobody_can_come_any_more_before_the_quorum", || {
        let oracle = Oracle::new();
        let hub = Hub::new(Plan { quorum: 3, ..plan(1, Vacancy::Cancel) });
        let items = oracle.items(0..1);
        hub.on_quorum(move |hub| Source::Items(items).subscribe(hub.distributor()));
        let (a, b) = (attach(&hub), attach(&hub));
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        hub.orphan();
        other.join().unwrap();
        let gone = Signal::Fault(Fault::SourceDropped.to_string());
        let told = a.finish();
        assert!(told.is_empty() || told == b.log().unwrap(), "{told:?}");
        assert_eq!(b.finish(), [gone]);
        assert!(hub.is_over());
        nothing_left(&oracle);
    });
}

#[test]
fn more_than_a_quorum_came_before_the_source_and_one_went() {
    model("hub: more_than_a_quorum_came_before_the_source_and_one_went", || {
        let oracle = Oracle::new();
        let hub = Hub::new(Plan { quorum: 2, ..plan(1, Vacancy::Cancel) });
        let all = [attach(&hub), attach(&hub), attach(&hub)];
        all[0].cancel();
        let items = oracle.items(0..1);
        hub.on_quorum(move |hub| Source::Items(items).subscribe(hub.distributor()));
        for each in &all[1..] {
            each.request(9);
            assert_eq!(each.finish(), [Item(0), Complete]);
        }
        let _cancelled = all[0].finish();
        nothing_left(&oracle);
    });
}

/// The one that is slow goes; the other waits for nobody.
#[test]
fn the_slow_one_is_let_go_while_it_takes() {
    model("hub: the_slow_one_is_let_go_while_it_takes", || {
        let mut plan = plan(1, Vacancy::Cancel);
        plan.slow = Slow::Disconnect;
        let (oracle, hub, hand) = by_hand(plan);
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..3)
        });
        b.request(2);
        other.join().unwrap();
        assert_eq!(items(&a.finish()), [0, 1, 2]);
        let log = b.finish();
        let slow = || Signal::Fault(Fault::TooSlow { capacity: 1 }.to_string());
        let possible = [
            vec![slow()],
            vec![Item(0), slow()],
            vec![Item(0), Item(1)],
            vec![Item(0), Item(1), slow()],
        ];
        assert!(possible.contains(&log), "{log:?}");
        nothing_left(&oracle);
    });
}

/// The oldest makes room for one that is slow; the other waits for nobody.
#[test]
fn the_oldest_makes_room_while_it_is_taken() {
    model("hub: the_oldest_makes_room_while_it_is_taken", || {
        let mut plan = plan(1, Vacancy::Cancel);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..3)
        });
        b.request(1);
        other.join().unwrap();
        b.request(9);
        assert_eq!(items(&a.finish()), [0, 1, 2]);
        let got = items(&b.finish());
        assert!([&[0, 2][..], &[1, 2], &[2]].contains(&&*got), "{got:?}");
        nothing_left(&oracle);
    });
}

/// The fastest goes, and what it was to have is lost for the other; then that one is alone, and
/// loses nothing more.
#[test]
fn the_fastest_goes_while_items_come() {
    model("hub: the_fastest_goes_while_items_come", || {
        let mut plan = plan(1, Vacancy::Cancel);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(1);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..4)
        });
        a.cancel();
        other.join().unwrap();
        b.request(1);
        b.request(9);
        assert!(begins(&numbers(0..1), &a.finish()));
        let got = items(&b.finish());
        assert!([&[0, 1, 2, 3][..], &[1, 2, 3]].contains(&&*got), "{got:?}");
        nothing_left(&oracle);
    });
}

#[test]
fn the_end_comes_behind_what_is_left_of_a_slow_one() {
    model("hub: the_end_comes_behind_what_is_left_of_a_slow_one", || {
        let mut plan = plan(1, Vacancy::Cancel);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let b = attach(&hub);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || {
                send(&oracle, &hand, 0..1);
                hand.complete();
            }
        });
        b.request(1);
        other.join().unwrap();
        assert_eq!(b.finish(), [Item(0), Complete]);
        nothing_left(&oracle);
    });
}

#[test]
fn an_item_slides_in_while_it_is_looked_for() {
    model("hub: an_item_slides_in_while_it_is_looked_for", || {
        let mut plan = plan(2, Vacancy::Cancel);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let b = attach(&hub);
        send(&oracle, &hand, 0..1);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 1..2)
        });
        b.request(9);
        other.join().unwrap();
        assert_eq!(items(&b.finish()), [0, 1]);
        nothing_left(&oracle);
    });
}

#[test]
fn the_newest_are_left() {
    model("hub: the_newest_are_left", || {
        let mut plan = plan(2, Vacancy::Cancel);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        send(&oracle, &hand, 0..5);
        b.request(9);
        assert_eq!(items(&a.finish()), [0, 1, 2, 3, 4]);
        assert_eq!(items(&b.finish()), [3, 4]);
        nothing_left(&oracle);
    });
}

#[test]
fn a_slow_one_goes_while_items_come() {
    model("hub: a_slow_one_goes_while_items_come", || {
        let mut plan = plan(1, Vacancy::Pause);
        plan.slow = Slow::DropOldest;
        let (oracle, hub, hand) = by_hand(plan);
        let (a, b) = (attach(&hub), attach(&hub));
        a.request(9);
        let other = thread::spawn({
            let (oracle, hand) = (oracle.clone(), hand.clone());
            move || send(&oracle, &hand, 0..2)
        });
        b.cancel();
        other.join().unwrap();
        assert_eq!(items(&a.finish()), [0, 1]);
        assert_eq!(b.finish(), []);
        assert_eq!(oracle.count(), 1, "the source: nothing is kept for who has gone");
        let c = attach(&hub);
        c.request(9);
        send(&oracle, &hand, 2..4);
        assert_eq!(items(&c.finish()), [2, 3]);
        hub.orphan();
        nothing_left(&oracle);
    });
}

#[test]
fn an_outlet_is_hosted_while_the_end_comes() {
    model("hub: an_outlet_is_hosted_while_the_end_comes", || {
        let mut plan = plan(2, Vacancy::Close);
        plan.quorum = 0;
        let (oracle, hub, hand) = by_hand(plan);
        let outlet = hub.open();
        hub.connect();
        send(&oracle, &hand, 0..1);
        let other = thread::spawn({
            let hand = hand.clone();
            move || hand.complete()
        });
        let a = host(outlet);
        a.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), [Item(0), Complete]);
        nothing_left(&oracle);
    });
}

#[test]
fn an_outlet_is_hosted_while_the_source_goes_away() {
    model("hub: an_outlet_is_hosted_while_the_source_goes_away", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let mut plan = plan(2, Vacancy::Close);
        plan.quorum = 0;
        let hub = Hub::new(plan);
        let source = Source::Deaf(oracle.alive(), start.clone());
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let a = hub.open();
        hub.connect();
        let other = thread::spawn(move || start.go());
        let a = host(a);
        other.join().unwrap();
        assert_eq!(a.finish(), [Signal::Fault(Fault::SourceDropped.to_string())]);
        nothing_left(&oracle);
    });
}

#[test]
fn a_quorum_races_connecting() {
    model("hub: a_quorum_races_connecting", || {
        let oracle = Oracle::new();
        let hub = Hub::new(plan(2, Vacancy::Pause));
        let items_ = oracle.items(0..2);
        hub.on_quorum(move |hub| Source::Items(items_).subscribe(hub.distributor()));
        let other = thread::spawn({
            let hub = hub.clone();
            move || hub.connect()
        });
        let a = attach(&hub);
        a.request(9);
        other.join().unwrap();
        assert_eq!(a.finish(), [Item(0), Item(1), Complete]);
        nothing_left(&oracle);
    });
}

/// A subscriber that is asked for nothing does not keep what it was told of.
#[test]
fn all_handles_go_while_the_last_does() {
    model("hub: all_handles_go_while_the_last_does", || {
        let (oracle, hub, hand) = by_hand(plan(1, Vacancy::Pause));
        let a = attach(&hub);
        send(&oracle, &hand, 0..1);
        let other = thread::spawn({
            let a = a.clone();
            move || a.cancel()
        });
        hub.orphan();
        other.join().unwrap();
        nothing_left(&oracle);
        assert_eq!(a.finish(), []);
    });
}

/// Hosts that panic.
mod frail {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use millstream_blocks::bell::{Bell, Host};
    use millstream_core::{Context, Panic};

    use super::*;

    /// A host that panics when it is rung, and keeps the fault it was told.
    #[derive(Default)]
    struct Frail(Mutex<Option<Fault>>);

    impl Host for Frail {
        fn ring(&self) {
            std::panic::resume_unwind(Box::new("a waker that panics"));
        }

        fn fail(&self, fault: Fault) {
            *lock(&self.0) = Some(fault);
            self.ring();
        }
    }

    /// An outlet of `hub` that waits, and its host.
    fn frail(hub: &TestHub) -> (Arc<Frail>, Outlet<Token, Error>) {
        let host = Arc::new(Frail::default());
        let mut outlet = hub.attach(Bell::new(host.clone()), &Context::default()).unwrap();
        assert!(matches!(outlet.pull(), Pulled::Pending));
        (host, outlet)
    }

    fn panicked(fault: &Mutex<Option<Fault>>) -> Panic {
        match lock(fault).take() {
            Some(Fault::Panicked(panic)) => panic,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_panics_keeps_the_end_from_nobody() {
        model("hub: one_that_panics_keeps_the_end_from_nobody", || {
            let mut plan = plan(1, Vacancy::Cancel);
            plan.quorum = 2;
            let (oracle, hub, hand) = by_hand(plan);
            let (host, outlet) = frail(&hub);
            let other = attach(&hub);
            let ended = catch_unwind(AssertUnwindSafe(|| hand.complete()));
            assert!(ended.is_err(), "the panic is raised again");
            assert_eq!(other.finish(), [Complete]);
            drop((host, outlet));
            nothing_left(&oracle);
        });
    }

    /// The first has gone, and does not take with it what the panic carried.
    #[test]
    fn the_first_that_is_there_is_told_what_it_was() {
        model("hub: the_first_that_is_there_is_told_what_it_was", || {
            let mut plan = plan(1, Vacancy::Cancel);
            plan.quorum = 3;
            let hub = Hub::<Token, Error>::new(plan);
            let seated = Arc::new(std::sync::Mutex::new(None));
            let keeps = seated.clone();
            hub.on_quorum(move |hub| {
                let subscription = Subscription::new(Arc::new(Idle));
                *keeps.lock().unwrap() = Some(hub.distributor().on_subscribe(subscription));
            });
            let [first, second, third] = [(); 3].map(|()| frail(&hub));
            let mut distributor = seated.lock().unwrap().take().unwrap();
            let oracle = Oracle::new();
            // Items seat them; the first two are rung by theirs, and panic.
            let sent =
                catch_unwind(AssertUnwindSafe(|| distributor.on_next(Token(0, oracle.alive()))));
            assert!(sent.is_err());
            drop(first.1);
            let payload = Box::new(17_u32);
            let fault = Fault::Panicked(Panic::new(payload));
            let failed = catch_unwind(AssertUnwindSafe(|| distributor.on_fault(fault)));
            assert!(failed.is_err(), "the panic of the host is raised again");
            let payload = panicked(&second.0.0).into_payload();
            assert_eq!(payload.downcast_ref(), Some(&17_u32));
            assert!(panicked(&third.0.0).into_payload().downcast_ref::<u32>().is_none(), "an echo");
        });
    }

    struct Idle;

    impl Upstream for Idle {
        fn request(&self, _: Demand) {}
        fn cancel(&self) {}
    }
}
