//! Models of the island and of the emission in it: exact counts, one end, nothing after it,
//! nothing left alive.

mod oracle;

use std::sync::Arc;

use millstream_blocks::emission::Emission;
use millstream_blocks::island::emit;
use millstream_core::{
    ActiveSubscriber, Credit, Demand, End, Fault, More, Pull, Pulled, Rest, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::{AtomicUsize, Ordering, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Handle, Items, Oracle, Probe, Signal, Token, begins, broken, items};

fn beside(oracle: &Oracle, act: impl FnOnce(&Oracle) + Send + 'static) -> thread::JoinHandle<()> {
    let oracle = oracle.clone();
    thread::spawn(move || act(&oracle))
}

/// Sends `numbers` to a subscriber that answers by `react`, and asks for `n` of them.
fn island(
    numbers: std::ops::Range<u32>,
    react: impl FnMut(u32) -> More + Send + 'static,
) -> Oracle {
    let oracle = Oracle::new();
    emit(oracle.items(numbers), oracle.probe(react));
    oracle
}

#[test]
fn request_races_request() {
    model("island: request_races_request", || {
        let oracle = island(0..9, |_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(2));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1, 2], "as many as were asked for, in order");
    });
}

#[test]
fn request_races_two_requests() {
    model("island: request_races_two_requests", || {
        let oracle = island(0..9, |_| More::NONE);
        let others = [beside(&oracle, |o| o.request(1)), beside(&oracle, |o| o.request(1))];
        oracle.request(1);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(items(&oracle.finish()), [0, 1, 2]);
    });
}

#[test]
fn request_races_the_last_item() {
    model("island: request_races_the_last_item", || {
        let oracle = island(0..2, |_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the end frees source and subscriber");
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
}

#[test]
fn exact_demand_races_the_end() {
    model("island: exact_demand_races_the_end", || {
        let oracle = island(0..2, |_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        // The end needs no demand.
        assert_eq!(oracle.log(), Some(vec![Item(0), Item(1), Complete]));
        oracle.finish();
    });
}

#[test]
fn unbounded_request_races_request() {
    model("island: unbounded_request_races_request", || {
        let oracle = island(0..3, |_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(u64::MAX));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(1), Item(2), Complete]);
    });
}

#[test]
fn answers_race_request() {
    model("island: answers_race_request", || {
        // Each of the first two items is answered by one more.
        let oracle = island(0..9, |seen| if seen <= 2 { More::ONE } else { More::NONE });
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1, 2, 3]);
    });
}

#[test]
fn cancel_races_emission() {
    model("island: cancel_races_emission", || {
        let oracle = island(0..3, |_| More::NONE);
        let other = beside(&oracle, Oracle::cancel);
        oracle.request(u64::MAX);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "somebody dropped it all");
        let log = oracle.finish();
        assert!(begins(&[Item(0), Item(1), Item(2), Complete], &log), "{log:?}");
    });
}

#[test]
fn cancel_races_an_idle_island() {
    model("island: cancel_races_an_idle_island", || {
        let oracle = island(0..9, |_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.cancel();
        assert!(other.join().is_ok());
        assert_eq!(oracle.count(), 0, "somebody dropped it all");
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
    });
}

#[test]
fn cancel_races_cancel() {
    model("island: cancel_races_cancel", || {
        let oracle = island(0..9, |_| More::NONE);
        oracle.request(1);
        let other = beside(&oracle, Oracle::cancel);
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

#[test]
fn fault_races_emission() {
    model("island: fault_races_emission", || {
        let oracle = island(0..2, |_| More::NONE);
        let other = beside(&oracle, Oracle::fail);
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the fault ended it");
        let log = oracle.finish();
        assert!(log == [broken()] || log == [Item(0), broken()], "{log:?}");
    });
}

/// The source goes because of what broke the stream, and before that is told.
#[test]
fn the_first_of_two_faults_stands() {
    model("island: the_first_of_two_faults_stands", || {
        let oracle = Oracle::new();
        let inside = oracle.clone();
        let probe = oracle.probe(move |_| {
            inside.fail();
            inside.lose_the_source();
            More::NONE
        });
        emit(oracle.items(0..2), probe);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), broken()]);
    });
}

#[test]
fn fault_races_cancel() {
    model("island: fault_races_cancel", || {
        let oracle = island(0..9, |_| More::NONE);
        let other = beside(&oracle, Oracle::fail);
        oracle.cancel();
        other.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [broken()], "{log:?}");
    });
}

#[test]
fn fault_races_the_end() {
    model("island: fault_races_the_end", || {
        let oracle = island(0..1, |_| More::NONE);
        let other = beside(&oracle, Oracle::fail);
        oracle.request(1);
        other.join().unwrap();
        let log = oracle.finish();
        let ended = [vec![broken()], vec![Item(0), Complete], vec![Item(0), broken()]];
        assert!(ended.contains(&log), "{log:?}");
    });
}

/// A subscriber that asks through its subscription from inside of the first signal.
fn asking(oracle: &Oracle) -> Probe<impl FnMut(u32) -> More + Send + 'static> {
    let inside = oracle.clone();
    oracle.probe(move |seen| {
        if seen == 1 {
            inside.request(1);
        }
        More::NONE
    })
}

#[test]
fn request_inside_a_signal_races_request() {
    model("island: request_inside_a_signal_races_request", || {
        let oracle = Oracle::new();
        emit(oracle.items(0..9), asking(&oracle));
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1, 2]);
    });
}

#[test]
fn cancel_inside_a_signal_races_request() {
    model("island: cancel_inside_a_signal_races_request", || {
        for demand in [2, u64::MAX] {
            let oracle = Oracle::new();
            let inside = oracle.clone();
            let probe = oracle.probe(move |_| {
                inside.cancel();
                More::NONE
            });
            emit(oracle.items(0..9), probe);
            let other = beside(&oracle, |oracle| oracle.request(1));
            oracle.request(demand);
            other.join().unwrap();
            assert_eq!(oracle.count(), 0);
            assert_eq!(items(&oracle.finish()), [0], "nothing follows a cancellation inside");
        }
    });
}

#[test]
fn answered_cancel_races_request() {
    model("island: answered_cancel_races_request", || {
        let oracle = island(0..9, |_| More::CANCEL);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the answer frees source and subscriber");
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

/// Hands its subscription to another thread and asks before it is active.
struct Eager<F> {
    probe: Probe<F>,
    other: Arc<std::sync::Mutex<Option<thread::JoinHandle<()>>>>,
    act: fn(&dyn Upstream),
}

impl<F: FnMut(u32) -> More + Send + 'static> Subscriber<Token, Error> for Eager<F> {
    type Active = Probe<F>;

    fn on_subscribe(self, subscription: Subscription) -> Probe<F> {
        let upstream = subscription.into_upstream();
        let handed = upstream.clone();
        let act = self.act;
        *self.other.lock().unwrap() = Some(thread::spawn(move || act(&*handed)));
        let active = self.probe.on_subscribe(Subscription::new(Arc::new(Handle(upstream.clone()))));
        upstream.request(Demand::ONE);
        active
    }
}

fn eager(oracle: &Oracle, act: fn(&dyn Upstream)) {
    let other = Arc::new(std::sync::Mutex::new(None));
    let probe = oracle.probe(|_| More::NONE);
    // By the subscriber, and by whoever acts.
    oracle.asks(More::of(2));
    emit(oracle.items(0..9), Eager { probe, other: other.clone(), act });
    let other = other.lock().unwrap().take();
    other.unwrap().join().unwrap();
}

#[test]
fn request_races_on_subscribe() {
    model("island: request_races_on_subscribe", || {
        let oracle = Oracle::new();
        eager(&oracle, |upstream| upstream.request(Demand::ONE));
        assert_eq!(items(&oracle.finish()), [0, 1]);
    });
}

#[test]
fn cancel_races_on_subscribe() {
    model("island: cancel_races_on_subscribe", || {
        let oracle = Oracle::new();
        eager(&oracle, |upstream| upstream.cancel());
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
    });
}

/// Gives its subscription away: `act` is all that is ever done with it.
struct Generous<S> {
    subscriber: S,
    act: fn(Subscription),
    other: Arc<std::sync::Mutex<Option<thread::JoinHandle<()>>>>,
}

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Generous<S> {
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        let act = self.act;
        *self.other.lock().unwrap() = Some(thread::spawn(move || act(subscription)));
        self.subscriber.on_subscribe(Subscription::new(Arc::new(Nobody)))
    }
}

struct Nobody;

impl Upstream for Nobody {
    fn request(&self, _: Demand) {}
    fn cancel(&self) {}
}

fn generous(
    oracle: &Oracle,
    numbers: std::ops::Range<u32>,
    subscriber: impl Subscriber<Token, Error>,
    act: fn(Subscription),
) {
    let other = Arc::new(std::sync::Mutex::new(None));
    emit(oracle.items(numbers), Generous { subscriber, act, other: other.clone() });
    let other = other.lock().unwrap().take();
    other.unwrap().join().unwrap();
}

#[test]
fn asking_and_letting_go_race_on_subscribe() {
    model("island: asking_and_letting_go_race_on_subscribe", || {
        let oracle = Oracle::new();
        oracle.asks(More::of(2));
        generous(&oracle, 0..9, oracle.probe(|_| More::NONE), |subscription| {
            subscription.request(Demand::of(2));
            subscription.detach();
        });
        assert_eq!(oracle.count(), 0, "nobody could ever ask for more");
        assert_eq!(items(&oracle.finish()), [0, 1]);
    });
}

#[test]
fn asking_for_all_and_letting_go_race_on_subscribe() {
    model("island: asking_for_all_and_letting_go_race_on_subscribe", || {
        let oracle = Oracle::new();
        oracle.asks(More::UNBOUNDED);
        generous(&oracle, 0..2, oracle.probe(|_| More::NONE), |subscription| {
            subscription.request(Demand::UNBOUNDED);
            subscription.detach();
        });
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
}

#[test]
fn a_fault_before_letting_go_races_on_subscribe() {
    model("island: a_fault_before_letting_go_races_on_subscribe", || {
        let oracle = Oracle::new();
        oracle.asks(More::ONE);
        generous(&oracle, 0..9, oracle.probe(|_| More::NONE), |subscription| {
            subscription.request(Demand::ONE);
            subscription.request_raw(0);
            subscription.detach();
        });
        let log = oracle.finish();
        assert!(log == [broken()] || log == [Item(0), broken()], "{log:?}");
    });
}

#[test]
fn cancelling_races_on_subscribe() {
    model("island: cancelling_races_on_subscribe", || {
        let oracle = Oracle::new();
        oracle.asks(More::ONE);
        generous(&oracle, 0..9, oracle.probe(|_| More::NONE), |subscription| {
            subscription.request(Demand::ONE);
            subscription.cancel();
        });
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
    });
}

/// Asks, and lets go before it is active.
struct LetsGo<S>(S, Demand);

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for LetsGo<S> {
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        subscription.request(self.1);
        subscription.detach();
        self.0.on_subscribe(Subscription::new(Arc::new(Nobody)))
    }
}

#[test]
fn alone_answers_are_demand() {
    model("island: alone_answers_are_demand", || {
        let oracle = Oracle::new();
        oracle.asks(More::ONE);
        let probe = oracle.probe(|seen| if seen <= 2 { More::ONE } else { More::NONE });
        emit(oracle.items(0..9), LetsGo(probe, Demand::ONE));
        assert_eq!(oracle.count(), 0, "nobody could ever ask for more");
        assert_eq!(oracle.finish(), [Item(0), Item(1), Item(2)]);
    });
}

#[test]
fn alone_a_panic_is_told() {
    model("island: alone_a_panic_is_told", || {
        for demand in [Demand::ONE, Demand::UNBOUNDED] {
            let oracle = Oracle::new();
            oracle.asks(More::from(demand));
            let probe = oracle.probe(|_| std::panic::resume_unwind(Box::new("broken")));
            emit(oracle.items(0..9), LetsGo(probe, demand));
            let log = oracle.finish();
            assert!(matches!(&log[..], [Item(0), Signal::Fault(_)]), "{log:?}");
        }
    });
}

#[test]
fn alone_what_a_stage_holds_goes_where_nobody_can_ask_for_it() {
    model("island: alone_what_a_stage_holds_goes_where_nobody_can_ask_for_it", || {
        let oracle = Oracle::new();
        oracle.asks(More::ONE);
        let stage = Holding::new(oracle.items(7..8), oracle.probe(|_| More::NONE));
        emit(oracle.items(0..1), LetsGo(stage, Demand::ONE));
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

/// More than what the stage sends at once, at the end of its upstream.
#[test]
fn alone_what_a_stage_holds_is_sent_as_far_as_it_was_asked_for() {
    model("island: alone_what_a_stage_holds_is_sent_as_far_as_it_was_asked_for", || {
        let oracle = Oracle::new();
        oracle.asks(More::of(13));
        let mut stage = Holding::new(oracle.items(10..30), oracle.probe(|_| More::NONE));
        stage.owed.add(More::of(12));
        emit(oracle.items(0..1), LetsGo(stage, Demand::ONE));
        assert_eq!(oracle.count(), 0);
        let all: Vec<u32> = (0..1).chain(10..22).collect();
        assert_eq!(items(&oracle.finish()), all);
    });
}

#[test]
fn drop_of_the_subscription_races_completion() {
    model("island: drop_of_the_subscription_races_completion", || {
        let oracle = island(0..1, |_| More::NONE);
        let dropped = oracle.clone();
        let other = thread::spawn(move || {
            // What the only owner of a subscription can do beside a request of another stage.
            drop(Subscription::new(Arc::new(Both(dropped))));
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)] || log == [Item(0), Complete], "{log:?}");
    });
}

struct Both(Oracle);

impl Upstream for Both {
    fn request(&self, demand: Demand) {
        self.0.request(demand.get());
    }
    fn cancel(&self) {
        self.0.cancel();
    }
}

#[test]
fn panic_races_request() {
    model("island: panic_races_request", || {
        // Not a panic of its own: it would print in every schedule.
        let oracle = island(0..9, |_| std::panic::resume_unwind(Box::new("broken")));
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "a panic frees source and subscriber");
        let log = oracle.finish();
        assert!(matches!(&log[..], [Item(0), Signal::Fault(_)]), "{log:?}");
    });
}

/// A stage that holds an item past the end of its upstream.
struct Holding<S> {
    held: Items,
    below: S,
    /// What was asked for beyond the items of upstream.
    owed: Credit,
}

impl<S> Holding<S> {
    fn new(held: Items, below: S) -> Holding<S> {
        Holding { held, below, owed: Credit::NONE }
    }
}

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Holding<S> {
    type Active = Holding<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Holding<S::Active> {
        let Holding { held, below, owed } = self;
        Holding { held, below: below.on_subscribe(subscription), owed }
    }
}

impl<A: ActiveSubscriber<Token, Error>> ActiveSubscriber<Token, Error> for Holding<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.below.on_next(item)
    }

    fn on_request(&mut self, more: More) -> More {
        self.below.on_request(more)
    }

    fn on_end(self, _: End<Error>) -> Option<Box<dyn Rest>> {
        Emission::resumed(self.held, self.below, self.owed, None).run_within(8)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: Error) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }
}

/// One item, then a stage holds two more.
fn with_rest() -> Oracle {
    let oracle = Oracle::new();
    let below = oracle.probe(|_| More::NONE);
    emit(oracle.items(0..1), Holding::new(oracle.items(10..12), below));
    oracle
}

#[test]
fn request_races_the_rest() {
    model("island: request_races_the_rest", || {
        let oracle = with_rest();
        oracle.request(1);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Item(0), Item(10), Item(11), Complete]));
        oracle.finish();
    });
}

#[test]
fn cancel_races_the_rest() {
    model("island: cancel_races_the_rest", || {
        let oracle = with_rest();
        oracle.request(1);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log == [Item(0)] || log == [Item(0), Item(10)], "{log:?}");
    });
}

#[test]
fn fault_races_the_rest() {
    model("island: fault_races_the_rest", || {
        let oracle = with_rest();
        oracle.request(1);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.fail();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log == [Item(0), broken()] || log == [Item(0), Item(10), broken()], "{log:?}");
    });
}

#[test]
fn what_came_before_a_request_is_seen_in_the_signal() {
    model("island: what_came_before_a_request_is_seen_in_the_signal", || {
        let data = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (read, written, recorded) = (data.clone(), data, seen.clone());
        let oracle = island(0..9, move |_| {
            recorded.store(read.load(Ordering::Relaxed), Ordering::Relaxed);
            More::NONE
        });
        let other = beside(&oracle, move |oracle| {
            written.store(1, Ordering::Relaxed);
            oracle.request(1);
        });
        oracle.request(1);
        other.join().unwrap();
        // There is no second item before both have asked.
        assert_eq!(items(&oracle.finish()), [0, 1]);
        assert_eq!(seen.load(Ordering::Relaxed), 1, "an old value");
    });
}

/// A source that has nothing for now.
struct Parked(#[expect(dead_code, reason = "held, to be counted")] oracle::Alive);

impl Pull for Parked {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        Pulled::Pending
    }
}

fn parked() -> Oracle {
    let oracle = Oracle::new();
    emit(Parked(oracle.alive()), oracle.probe(|_| More::NONE));
    oracle
}

#[test]
fn invalid_demand_races_a_request_to_a_parked_source() {
    model("island: invalid_demand_races_a_request_to_a_parked_source", || {
        let oracle = parked();
        let other = beside(&oracle, |oracle| oracle.request_raw(0));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "nobody wakes it, and still it ends");
        assert_eq!(oracle.finish(), [broken()]);
    });
}

#[test]
fn invalid_demand_races_invalid_demand() {
    model("island: invalid_demand_races_invalid_demand", || {
        let oracle = parked();
        oracle.request(1);
        let other = beside(&oracle, |oracle| oracle.request_raw(0));
        oracle.request_raw(0);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [broken()], "one end");
    });
}

#[test]
fn invalid_demand_inside_a_signal_races_request() {
    model("island: invalid_demand_inside_a_signal_races_request", || {
        let oracle = Oracle::new();
        let inside = oracle.clone();
        let probe = oracle.probe(move |_| {
            inside.request_raw(0);
            More::NONE
        });
        emit(oracle.items(0..9), probe);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0), broken()], "before the next item");
    });
}

/// A source that does `at_drop` when it is dropped.
struct Dropping(Items, fn(), Dropped);

/// Whether a source is gone. Of `std`: it is looked at on one thread.
#[derive(Clone, Default)]
struct Dropped(Arc<std::sync::atomic::AtomicBool>);

impl Pull for Dropping {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        self.0.pull()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        self.0.look_ahead(started)
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        self.2.0.store(true, std::sync::atomic::Ordering::Relaxed);
        (self.1)();
    }
}

/// A stage that fails the whole, at the end, if the source is still there.
struct Last<S>(S, Dropped);

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Last<S> {
    type Active = Last<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Last<S::Active> {
        Last(self.0.on_subscribe(subscription), self.1)
    }
}

impl<A: ActiveSubscriber<Token, Error>> ActiveSubscriber<Token, Error> for Last<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.0.on_next(item)
    }

    fn on_request(&mut self, more: More) -> More {
        self.0.on_request(more)
    }

    fn on_end(self, end: End<Error>) -> Option<Box<dyn Rest>> {
        let dropped = self.1.0.load(std::sync::atomic::Ordering::Relaxed);
        self.0.on_end(if dropped { end } else { End::Failed("the source is still there") })
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: Error) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }
}

/// Sends one item to a subscriber that looks whether the source is gone at the end.
fn dropping(at_drop: fn(), react: fn(u32) -> More) -> Oracle {
    let (oracle, dropped) = (Oracle::new(), Dropped::default());
    let source = Dropping(oracle.items(0..1), at_drop, dropped.clone());
    emit(source, Last(oracle.probe(react), dropped));
    oracle
}

// Not panics of their own: they would print.
fn panics<T>() -> T {
    std::panic::resume_unwind(Box::new("broken"))
}

#[test]
fn the_source_is_dropped_before_each_end() {
    model("island: the_source_is_dropped_before_each_end", || {
        let completed = dropping(|| {}, |_| More::NONE);
        completed.request(1);
        assert_eq!(completed.finish(), [Item(0), Complete]);
        let failed = dropping(|| {}, |_| More::NONE);
        failed.fail();
        assert_eq!(failed.finish(), [broken()]);
        let panicked = dropping(|| {}, |_| panics());
        panicked.request(1);
        let log = panicked.finish();
        assert!(matches!(&log[..], [Item(0), Signal::Fault(_)]), "{log:?}");
    });
}

#[test]
fn an_end_is_told_although_the_source_panics_as_it_is_dropped() {
    model("island: an_end_is_told_although_the_source_panics_as_it_is_dropped", || {
        let completed = dropping(panics, |_| More::NONE);
        completed.request(1);
        let log = completed.finish();
        assert!(matches!(&log[..], [Item(0), Signal::Fault(_)]), "{log:?}");
        let failed = dropping(panics, |_| More::NONE);
        failed.fail();
        assert_eq!(failed.finish(), [broken()], "the first fault stands");
    });
}

/// One item, then some that are skipped, then the end.
struct Skipping(Option<Token>, std::ops::Range<u32>);

impl Pull for Skipping {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match (self.0.take(), self.1.next()) {
            (Some(item), _) => Pulled::Item(item),
            (None, Some(_)) => Pulled::Skipped,
            (None, None) => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        if started { self.pull() } else { Pulled::Pending }
    }
}

fn skipping(skipped: u32) -> Oracle {
    let oracle = Oracle::new();
    let source = Skipping(Some(Token(0, oracle.alive())), 0..skipped);
    emit(source, oracle.probe(|_| More::NONE));
    oracle
}

#[test]
fn an_end_behind_skipped_items_needs_no_demand() {
    model("island: an_end_behind_skipped_items_needs_no_demand", || {
        let oracle = skipping(3);
        oracle.request(1);
        assert_eq!(oracle.log(), Some(vec![Item(0), Complete]));
        oracle.finish();
    });
}

#[test]
fn a_source_that_only_skips_is_left_alone_without_demand() {
    model("island: a_source_that_only_skips_is_left_alone_without_demand", || {
        let oracle = skipping(u32::MAX);
        oracle.request(1);
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

#[test]
fn cancel_races_skipped_items() {
    model("island: cancel_races_skipped_items", || {
        let oracle = skipping(3);
        let other = beside(&oracle, Oracle::cancel);
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(begins(&[Item(0), Complete], &log), "{log:?}");
    });
}

/// Skips without end, and is cancelled by its first look ahead.
struct Cancelling(Oracle, Arc<std::sync::atomic::AtomicUsize>);

impl Pull for Cancelling {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        Pulled::Item(Token(0, self.0.alive()))
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        if !started {
            return Pulled::Pending;
        }
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.cancel();
        Pulled::Skipped
    }
}

#[test]
fn cancel_inside_of_a_look_ahead_is_seen() {
    model("island: cancel_inside_of_a_look_ahead_is_seen", || {
        let (oracle, looks) = (Oracle::new(), Arc::default());
        emit(Cancelling(oracle.clone(), Arc::clone(&looks)), oracle.probe(|_| More::NONE));
        oracle.request(1);
        assert_eq!(looks.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

/// A source that is sure of its items, which are sent in blocks where enough are asked for.
struct Sure {
    items: Items,
    of: std::ops::Range<u32>,
    over: bool,
}

impl Sure {
    fn new(items: Items, of: std::ops::Range<u32>) -> Sure {
        Sure { items, of, over: false }
    }
}

impl Pull for Sure {
    type Item = Token;
    type Error = Error;

    const HINTS: bool = true;

    fn pull(&mut self) -> Pulled<Token, Error> {
        assert!(!self.over, "pulled after its end");
        self.of.next();
        let pulled = self.items.pull();
        self.over = matches!(pulled, Pulled::Complete);
        pulled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.of.size_hint()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        self.items.look_ahead(started)
    }
}

/// Enough for some blocks, and no whole number of them.
const BLOCKS: u32 = 35;

fn in_blocks(react: impl FnMut(u32) -> More + Send + 'static) -> Oracle {
    let oracle = Oracle::new();
    emit(Sure::new(oracle.items(0..2 * BLOCKS), 0..2 * BLOCKS), oracle.probe(react));
    oracle
}

#[test]
fn request_races_blocks() {
    model("island: request_races_blocks", || {
        let oracle = in_blocks(|_| More::NONE);
        let other = beside(&oracle, |oracle| oracle.request(2));
        oracle.request(u64::from(BLOCKS));
        other.join().unwrap();
        let log = oracle.finish();
        assert_eq!(items(&log), (0..BLOCKS + 2).collect::<Vec<_>>(), "as many as were asked for");
    });
}

#[test]
fn answers_in_a_block_are_demand() {
    model("island: answers_in_a_block_are_demand", || {
        // At the second, in the middle of the first block, and when it is nearly used up.
        let oracle = in_blocks(|seen| match seen {
            2 => More::ONE,
            5 => More::of(3),
            38 => More::of(4),
            _ => More::NONE,
        });
        oracle.request(u64::from(BLOCKS));
        assert_eq!(items(&oracle.finish()), (0..BLOCKS + 8).collect::<Vec<_>>());
        // For all: the source is over then.
        let oracle = in_blocks(|seen| if seen == 5 { More::UNBOUNDED } else { More::NONE });
        oracle.request(u64::from(BLOCKS));
        assert_eq!(oracle.finish().last(), Some(&Complete));
    });
}

#[test]
fn a_block_ends_where_the_source_does() {
    model("island: a_block_ends_where_the_source_does", || {
        let whole = |n| (0..n).map(Item).chain([Complete]).collect::<Vec<_>>();
        let oracle = in_blocks(|_| More::NONE);
        oracle.request(1000);
        assert_eq!(oracle.finish(), whole(2 * BLOCKS));
        // One that is sure of more than it has.
        let oracle = Oracle::new();
        emit(Sure::new(oracle.items(0..11), 0..100), oracle.probe(|_| More::NONE));
        oracle.request(1000);
        assert_eq!(oracle.finish(), whole(11));
    });
}

#[test]
fn cancel_inside_a_block_races_request() {
    model("island: cancel_inside_a_block_races_request", || {
        let oracle = Oracle::new();
        let inside = oracle.clone();
        let probe = oracle.probe(move |seen| {
            if seen == 3 {
                inside.cancel();
            }
            More::NONE
        });
        emit(Sure::new(oracle.items(0..2 * BLOCKS), 0..2 * BLOCKS), probe);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(u64::from(BLOCKS));
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(items(&oracle.finish()), [0, 1, 2], "nothing follows a cancellation inside");
    });
}

#[test]
fn cancel_before_a_block_is_seen() {
    model("island: cancel_before_a_block_is_seen", || {
        let oracle = Oracle::new();
        let inside = oracle.clone();
        // It asks for blocks in the same signal.
        let probe = oracle.probe(move |_| {
            inside.cancel();
            More::of(u64::from(BLOCKS))
        });
        emit(Sure::new(oracle.items(0..2 * BLOCKS), 0..2 * BLOCKS), probe);
        oracle.request(1);
        assert_eq!(oracle.count(), 0);
        assert_eq!(items(&oracle.finish()), [0], "nothing follows a cancellation inside");
    });
}

#[test]
fn answered_cancel_ends_a_block() {
    model("island: answered_cancel_ends_a_block", || {
        let oracle = in_blocks(|seen| if seen == 3 { More::CANCEL } else { More::NONE });
        oracle.request(u64::from(BLOCKS));
        assert_eq!(oracle.count(), 0, "the answer frees source and subscriber");
        assert_eq!(oracle.finish(), [Item(0), Item(1), Item(2)]);
    });
}

#[test]
fn a_panic_inside_a_block_races_request() {
    model("island: a_panic_inside_a_block_races_request", || {
        let oracle = in_blocks(|seen| if seen == 3 { panics() } else { More::NONE });
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(u64::from(BLOCKS));
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "a panic frees source and subscriber");
        let log = oracle.finish();
        assert!(matches!(&log[..], [Item(0), Item(1), Item(2), Signal::Fault(_)]), "{log:?}");
    });
}
