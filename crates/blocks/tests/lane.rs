//! Models of a lane that an island empties: every item arrives, in order, before the end; nobody
//! waits for ever; nothing is left.

mod oracle;

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::island::join;
use millstream_blocks::lane::{Outlet, lane};
use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Publisher, Pull, Pulled,
    Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, lock, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{
    Alive, Error, Hand, Late, Oracle, Signal, Source, Start, Token, begins, broken, items,
};

fn beside(oracle: &Oracle, act: impl FnOnce(&Oracle) + Send + 'static) -> thread::JoinHandle<()> {
    let oracle = oracle.clone();
    thread::spawn(move || act(&oracle))
}

/// `source` into a lane of `capacity`, and what comes out to a subscriber that answers by `react`.
fn through(
    oracle: &Oracle,
    capacity: usize,
    source: impl Publisher<Item = Token, Error = Error>,
    react: impl FnMut(u32) -> More + Send + 'static,
) {
    join(
        |bell, context| {
            let capacity = NonZeroUsize::new(capacity).unwrap();
            let (inlet, outlet) = lane(capacity, bell.clone(), context, None);
            source.subscribe(inlet);
            outlet
        },
        oracle.probe(react),
    );
}

/// A source that begins when `Start` says so, on the thread that does.
fn late(oracle: &Oracle, capacity: usize, n: u32) -> Start {
    let start = Start::default();
    through(oracle, capacity, Source::Late(oracle.items(0..n), start.clone()), |_| More::NONE);
    start
}

fn by_hand(oracle: &Oracle, capacity: usize) -> Hand {
    let hand = Hand::default();
    through(oracle, capacity, Source::Hand(oracle.alive(), hand.clone()), |_| More::NONE);
    hand
}

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

#[test]
fn items_race_a_request() {
    model("lane: items_race_a_request", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 2, 2);
        let other = thread::spawn(move || start.go());
        oracle.request(1);
        other.join().unwrap();
        oracle.request(5);
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn items_race_replenishing() {
    model("lane: items_race_replenishing", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 1, 2);
        oracle.request(9);
        let other = thread::spawn(move || start.go());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn a_sender_races_a_request() {
    model("lane: a_sender_races_a_request", || {
        let oracle = Oracle::new();
        let hand = by_hand(&oracle, 2);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(1));
    });
}

/// An item comes while the outlet finds that there was no other.
#[test]
fn an_item_races_the_last_before_it() {
    model("lane: an_item_races_the_last_before_it", || {
        let oracle = Oracle::new();
        let hand = by_hand(&oracle, 2);
        hand.send(Token(0, oracle.alive()));
        let other = beside(&oracle, move |oracle| hand.send(Token(1, oracle.alive())));
        oracle.request(9);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1]);
    });
}

/// An end needs no demand.
#[test]
fn the_end_races_nothing() {
    model("lane: the_end_races_nothing", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 2, 0);
        let other = thread::spawn(move || start.go());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Complete]);
    });
}

#[test]
fn the_end_comes_without_demand() {
    model("lane: the_end_comes_without_demand", || {
        let oracle = Oracle::new();
        let hand = by_hand(&oracle, 1);
        let other = beside(&oracle, move |_| hand.complete());
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Complete]);
    });
}

#[test]
fn cancel_races_items() {
    model("lane: cancel_races_items", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 2, 3);
        oracle.request(2);
        let other = thread::spawn(move || start.go());
        oracle.cancel();
        other.join().unwrap();
        assert!(begins(&all(3), &oracle.finish()));
    });
}

#[test]
fn cancel_races_a_sender() {
    model("lane: cancel_races_a_sender", || {
        let oracle = Oracle::new();
        let hand = by_hand(&oracle, 2);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.send(Token(1, oracle.alive()));
        });
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn cancel_races_a_subscription() {
    model("lane: cancel_races_a_subscription", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let forget = Start::default();
        let deaf = Source::Deaf(oracle.alive(), forget.clone());
        let source = Late(start.clone(), deaf);
        through(&oracle, 1, source, |_| More::NONE);
        let other = thread::spawn(move || start.go());
        oracle.cancel();
        other.join().unwrap();
        forget.forget();
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn a_source_gone_races_a_request() {
    model("lane: a_source_gone_races_a_request", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 1, 1);
        let other = thread::spawn(move || start.forget());
        oracle.request(1);
        other.join().unwrap();
        let dropped = Signal::Fault(Fault::SourceDropped.to_string());
        assert_eq!(oracle.finish(), [dropped]);
    });
}

#[test]
fn a_source_gone_later_races_a_request() {
    model("lane: a_source_gone_later_races_a_request", || {
        let oracle = Oracle::new();
        let forget = Start::default();
        through(&oracle, 1, Source::Deaf(oracle.alive(), forget.clone()), |_| More::NONE);
        let other = thread::spawn(move || forget.go());
        oracle.request(1);
        other.join().unwrap();
        let dropped = Signal::Fault(Fault::SourceDropped.to_string());
        assert_eq!(oracle.finish(), [dropped]);
    });
}

#[test]
fn a_fault_races_items() {
    model("lane: a_fault_races_items", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 2, 2);
        oracle.request(9);
        let other = thread::spawn(move || start.go());
        oracle.fail();
        other.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert!(begins(&[Item(0), Item(1)], before), "{log:?}");
        assert!(*last == broken() || (*last == Complete && before.len() == 2), "{log:?}");
    });
}

/// Downstream lets go of its handle: what it asked for comes, and then the island goes.
#[test]
fn detach_races_items() {
    model("lane: detach_races_items", || {
        let oracle = Oracle::new();
        let start = late(&oracle, 2, 3);
        oracle.request(1);
        let other = thread::spawn(move || start.go());
        oracle.detach();
        other.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
        assert_eq!(items(&oracle.finish()), [0]);
    });
}

#[test]
fn detach_races_a_request_before_it() {
    model("lane: detach_races_a_request_before_it", || {
        let oracle = Oracle::new();
        let hand = by_hand(&oracle, 2);
        let other = beside(&oracle, move |oracle| hand.send(Token(0, oracle.alive())));
        oracle.request(1);
        oracle.detach();
        other.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

#[test]
fn cancel_races_a_sender_that_subscribes() {
    model("lane: cancel_races_a_sender_that_subscribes", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        through(&oracle, 1, Late(start.clone(), source), |_| More::NONE);
        let other = thread::spawn(move || start.go());
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.finish(), []);
    });
}

/// Fails without an item.
struct Failing;

impl Publisher for Failing {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let active = subscriber.on_subscribe(Subscription::new(Arc::new(Deaf)));
        drop(active.on_end(End::Failed("failed")));
    }
}

#[test]
fn the_end_races_a_failure() {
    model("lane: the_end_races_a_failure", || {
        let oracle = Oracle::new();
        let start = Start::default();
        through(&oracle, 1, Late(start.clone(), Failing), |_| More::NONE);
        let other = thread::spawn(move || start.go());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Signal::Error("failed")]);
    });
}

/// What upstream drops when it is cancelled is not a source that went away.
#[test]
fn cancel_is_not_a_source_gone() {
    model("lane: cancel_is_not_a_source_gone", || {
        let told = Arc::new(Mutex::new(Vec::new()));
        let oracle = Oracle::new();
        let bell = Bell::new(Arc::new(Listening(told.clone())));
        let capacity = NonZeroUsize::new(1).unwrap();
        let (inlet, outlet) = lane::<Token, Error>(capacity, bell, &Context::default(), None);
        Source::Hand(oracle.alive(), Hand::default()).subscribe(inlet);
        drop(outlet);
        assert_eq!(*lock(&told), Vec::<String>::new(), "nobody was told of a fault");
        assert_eq!(oracle.count(), 0);
    });
}

/// Nor is one that subscribes while its outlet goes, and whose host goes on.
#[test]
fn a_late_subscription_is_not_a_source_gone() {
    model("lane: a_late_subscription_is_not_a_source_gone", || {
        let told = Arc::new(Mutex::new(Vec::new()));
        let oracle = Oracle::new();
        let bell = Bell::new(Arc::new(Listening(told.clone())));
        let capacity = NonZeroUsize::new(1).unwrap();
        let (inlet, outlet) = lane::<Token, Error>(capacity, bell, &Context::default(), None);
        let start = Start::default();
        Source::Late(oracle.items(0..2), start.clone()).subscribe(inlet);
        let other = thread::spawn(move || start.go());
        drop(outlet);
        other.join().unwrap();
        assert_eq!(*lock(&told), Vec::<String>::new(), "nobody was told of a fault");
        assert_eq!(oracle.count(), 0);
    });
}

/// A host that notes the faults it is told of.
struct Listening(Arc<Mutex<Vec<String>>>);

impl Host for Listening {
    fn ring(&self) {}

    fn fail(&self, fault: Fault) {
        lock(&self.0).push(fault.to_string());
    }
}

/// Sends `n` items that nobody asked for.
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

#[test]
fn an_item_too_many_ends_the_stream() {
    model("lane: an_item_too_many_ends_the_stream", || {
        let oracle = Oracle::new();
        through(&oracle, 2, Rude(3, oracle.alive()), |_| More::NONE);
        let overflow = Signal::Fault(Fault::Overflow { capacity: 2 }.to_string());
        assert_eq!(oracle.finish(), [overflow]);
    });
}

/// What upstream learns, in this order. Behind a lock that loom sees: else it would not try both orders
/// of what is noted by two threads.
#[derive(Clone, Default)]
struct Learnt(Arc<Mutex<Vec<&'static str>>>);

impl Learnt {
    fn note(&self, what: &'static str) {
        lock(&self.0).push(what);
    }
}

/// An item that tells upstream when it is dropped.
struct Telling(Learnt);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

impl Upstream for Learnt {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {
        self.note("cancelled");
    }
}

/// The outlet goes with an item in the queue, while another is pushed: whoever sends knows that it is
/// over when either is dropped.
#[test]
fn what_is_dropped_is_no_news_to_an_upstream_that_is_cancelled() {
    model("lane: what_is_dropped_is_no_news_to_an_upstream_that_is_cancelled", || {
        let learnt = Learnt::default();
        let bell = Bell::new(Arc::new(Listening(Arc::default())));
        let capacity = NonZeroUsize::new(2).unwrap();
        let (inlet, outlet) = lane::<Telling, Error>(capacity, bell, &Context::default(), None);
        let mut inlet = inlet.on_subscribe(Subscription::new(Arc::new(learnt.clone())));
        assert!(!inlet.on_next(Telling(learnt.clone())).is_cancel());
        let told = learnt.clone();
        let sender = thread::spawn(move || {
            if inlet.on_next(Telling(told.clone())).is_cancel() {
                told.note("cancelled");
            }
            drop(inlet);
        });
        drop(outlet);
        sender.join().unwrap();
        let log = lock(&learnt.0);
        assert_eq!(log[0], "cancelled", "{log:?}");
        assert_eq!(log.iter().filter(|what| **what == "dropped").count(), 2, "{log:?}");
    });
}

/// Notes what it is asked for, and sends as many.
struct Asked(Arc<Mutex<Vec<u64>>>, u32, Alive);

struct Sending<A> {
    asked: Arc<Mutex<Vec<u64>>>,
    state: Mutex<(Credit, Option<A>, std::ops::Range<u32>)>,
    alive: Alive,
}

impl Publisher for Asked {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Asked(asked, n, alive) = self;
        let state = Mutex::new((Credit::NONE, None, 0..n));
        let sending = Arc::new(Sending { asked, state, alive });
        let active = subscriber.on_subscribe(Subscription::new(sending.clone()));
        lock(&sending.state).1 = Some(active);
        sending.go_on();
    }
}

impl<A: ActiveSubscriber<Token, Error>> Sending<A> {
    fn go_on(&self) {
        loop {
            let (mut active, n) = {
                let mut state = lock(&self.state);
                if state.0.is_empty() {
                    return;
                }
                let Some(active) = state.1.take() else { return };
                state.0.spend();
                (active, state.2.next())
            };
            match n {
                Some(n) => {
                    let _ = active.on_next(Token(n, self.alive.clone()));
                    lock(&self.state).1 = Some(active);
                }
                None => {
                    drop(active.on_end(End::Completed));
                    return;
                }
            }
        }
    }
}

impl<A: ActiveSubscriber<Token, Error>> Upstream for Sending<A> {
    fn request(&self, demand: Demand) {
        lock(&self.asked).push(demand.get());
        lock(&self.state).0.add(demand.into());
        self.go_on();
    }

    fn cancel(&self) {
        let active = lock(&self.state).1.take();
        drop(active);
    }
}

#[test]
fn upstream_is_asked_for_what_left() {
    let asked_of = |capacity: usize, n: u32| {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let oracle = Oracle::new();
        through(&oracle, capacity, Asked(asked.clone(), n, oracle.alive()), |_| More::NONE);
        for _ in 0..n {
            oracle.request(1);
        }
        oracle.request(1);
        assert_eq!(oracle.finish(), all(n), "capacity {capacity}");
        lock(&asked).clone()
    };
    model("lane: upstream_is_asked_for_what_left", move || {
        assert_eq!(asked_of(1, 3), [1, 1, 1, 1]);
        assert_eq!(asked_of(2, 4), [2, 2, 2]);
        assert_eq!(asked_of(4, 6), [4, 3, 3]);
        assert_eq!(asked_of(5, 8), [5, 4, 4]);
    });
}

/// An outlet that grants two when it is pulled for the first time.
struct Granting(Outlet<Token, Error>, bool);

impl Pull for Granting {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        let Granting(outlet, granted) = self;
        if !std::mem::replace(granted, true) {
            outlet.grant(2);
        }
        outlet.pull()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        self.0.look_ahead(started)
    }
}

#[test]
fn what_is_granted_races_the_subscription_and_is_asked_once() {
    model("lane: what_is_granted_races_the_subscription_and_is_asked_once", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let source = Late(start.clone(), Asked(asked.clone(), 1, oracle.alive()));
        join(
            |bell, context| {
                let capacity = NonZeroUsize::new(2).unwrap();
                let (inlet, outlet) = lane(capacity, bell.clone(), context, None);
                source.subscribe(inlet.asking_nothing());
                Granting(outlet.granting(), false)
            },
            oracle.probe(|_| More::NONE),
        );
        let other = thread::spawn(move || start.go());
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(1));
        assert_eq!(*lock(&asked), [2]);
    });
}
