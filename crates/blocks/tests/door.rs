//! Models of a door: an item goes past the queue of its lane only to whoever asks for it on the same
//! stack, in its order, against demand; nobody waits for ever; nothing is left.

mod oracle;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use millstream_blocks::bell::Bell;
use millstream_blocks::island::{emit, join};
use millstream_blocks::lane::{Outlet, open_lane};
use millstream_core::{
    ActiveSubscriber, Context, Demand, End, Fault, More, Panic, Publisher, Pull, Pulled,
    Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, UnsafeCell, lock, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{
    Alive, Error, Hand, Late, Oracle, Probe, Signal, Source, Start, Token, begins, items,
};

type Lane = Outlet<Token, Error>;

/// How many items a lane gives in its turn.
const TURN: u32 = 2;

/// Two lanes, in turns; or one.
struct Turns {
    lanes: [Option<Lane>; 2],
    next: usize,
}

impl Turns {
    fn over(&self) -> Pulled<Token, Error> {
        let over = self.lanes.iter().all(Option::is_none);
        if over { Pulled::Complete } else { Pulled::Pending }
    }
}

impl Pull for Turns {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        unreachable!("an island pulls as long as it can")
    }

    fn pull_while(&mut self, mut each: impl FnMut(Token) -> bool) -> Pulled<Token, Error> {
        for _ in 0..2 {
            self.next = 1 - self.next;
            let place = &mut self.lanes[self.next];
            let Some(lane) = place else { continue };
            match lane.pull_turn(&mut { TURN }, &mut each) {
                None => return Pulled::Skipped,
                Some(Pulled::Pending) => {}
                Some(Pulled::Complete) => *place = None,
                Some(other) => return other,
            }
        }
        self.over()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        for place in &mut self.lanes {
            let Some(lane) = place else { continue };
            match lane.look_ahead(started) {
                Pulled::Pending => {}
                Pulled::Complete => *place = None,
                other => return other,
            }
        }
        self.over()
    }
}

fn filled(
    source: impl Publisher<Item = Token, Error = Error>,
    capacity: usize,
    bell: &Bell,
    context: &Context,
) -> Option<Lane> {
    let capacity = NonZeroUsize::new(capacity).unwrap();
    let (inlet, outlet) = open_lane(capacity, bell.clone(), context);
    source.subscribe(inlet);
    Some(outlet)
}

fn through(
    oracle: &Oracle,
    capacity: usize,
    source: impl Publisher<Item = Token, Error = Error>,
    react: impl FnMut(u32) -> More + Send + 'static,
) {
    let lane = |bell: &Bell, context: &Context| filled(source, capacity, bell, context);
    join(
        |bell, context| Turns { lanes: [lane(bell, context), None], next: 0 },
        oracle.probe(react),
    );
}

/// As [`through`], where nine are asked for before the source is.
fn through_asking(
    oracle: &Oracle,
    capacity: usize,
    source: impl Publisher<Item = Token, Error = Error>,
    react: impl FnMut(u32) -> More + Send + 'static,
) {
    let lane = |bell: &Bell, context: &Context| filled(source, capacity, bell, context);
    join(
        |bell, context| Turns { lanes: [lane(bell, context), None], next: 0 },
        Asking(oracle.clone(), oracle.probe(react)),
    );
}

/// A subscriber that asks at once.
struct Asking<F>(Oracle, Probe<F>);

impl<F: FnMut(u32) -> More + Send + 'static> Subscriber<Token, Error> for Asking<F> {
    type Active = Probe<F>;

    fn on_subscribe(self, subscription: Subscription) -> Probe<F> {
        let active = self.1.on_subscribe(subscription);
        self.0.request(9);
        active
    }
}

/// A subscriber that is found out where two threads call it at a time, or one after the other without
/// an edge between them.
fn alone() -> impl FnMut(u32) -> More + Send + 'static {
    let cell = UnsafeCell::new(());
    move |_| {
        cell.with_mut(|_| ());
        More::NONE
    }
}

/// A thread for one door in another: what a thread of a model has by default is too little, where the
/// code is hardly optimised.
fn deep(act: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().stack_size(1 << 18).spawn(act).expect("a thread")
}

fn beside(oracle: &Oracle, act: impl FnOnce(&Oracle) + Send + 'static) -> thread::JoinHandle<()> {
    let oracle = oracle.clone();
    thread::spawn(move || act(&oracle))
}

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

/// What is done when it is asked, once, with its subscriber.
struct Script<F>(F, Alive);

struct Scripted<F, A> {
    script: F,
    active: Mutex<Option<A>>,
    alive: Alive,
}

impl<F> Publisher for Script<F>
where
    F: Fn(Demand, &mut dyn FnMut(u32) -> More) + Send + Sync + 'static,
{
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Script(script, alive) = self;
        let active = Mutex::new(None);
        let scripted = Arc::new(Scripted { script, active, alive });
        let active = subscriber.on_subscribe(Subscription::new(scripted.clone()));
        *lock(&scripted.active) = Some(active);
    }
}

impl<F, A> Upstream for Scripted<F, A>
where
    F: Fn(Demand, &mut dyn FnMut(u32) -> More) + Send + Sync,
    A: ActiveSubscriber<Token, Error>,
{
    fn request(&self, demand: Demand) {
        let Some(active) = lock(&self.active).take() else { return };
        let mut home = Home(&self.active, Some(active));
        (self.script)(demand, &mut |n| {
            home.1.as_mut().unwrap().on_next(Token(n, self.alive.clone()))
        });
    }

    fn cancel(&self) {
        let active = lock(&self.active).take();
        drop(active);
    }
}

/// Goes back when the script is over.
struct Home<'a, A>(&'a Mutex<Option<A>>, Option<A>);

impl<A> Drop for Home<'_, A> {
    fn drop(&mut self) {
        *lock(self.0) = self.1.take();
    }
}

/// A source that sends in the call, and one on another thread; one subscriber.
#[test]
fn an_item_passes_alone() {
    model("door: an_item_passes_alone", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let (a, b) =
            (Source::Items(oracle.items(0..3)), Source::Hand(oracle.alive(), hand.clone()));
        join(
            |bell, context| Turns {
                lanes: [filled(a, 2, bell, context), filled(b, 2, bell, context)],
                next: 0,
            },
            oracle.probe(alone()),
        );
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(10, oracle.alive()));
            hand.complete();
        });
        oracle.request(9);
        other.join().unwrap();
        let log = oracle.finish();
        let (last, sent) = log.split_last().unwrap();
        assert_eq!(*last, Complete);
        let sent = items(sent);
        let of_a: Vec<u32> = sent.iter().copied().filter(|n| *n < 10).collect();
        assert_eq!((of_a, sent.len()), (vec![0, 1, 2], 4));
    });
}

/// The one source sends on both threads.
#[test]
fn a_source_elsewhere_finds_nothing_lent() {
    model("door: a_source_elsewhere_finds_nothing_lent", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        through(&oracle, 2, Source::Hand(oracle.alive(), hand.clone()), alone());
        let other = beside(&oracle, move |oracle| {
            for n in 0..3 {
                hand.send(Token(n, oracle.alive()));
            }
            hand.complete();
        });
        oracle.request(1);
        oracle.request(9);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(3));
    });
}

/// When it is asked for the first time, sends an item, another on another thread, which it waits for, and
/// a third.
struct Wandering(Alive);

struct Wanders<A>(Mutex<Option<A>>, Alive);

impl Publisher for Wandering {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let wanders = Arc::new(Wanders(Mutex::new(None), self.0));
        let active = subscriber.on_subscribe(Subscription::new(wanders.clone()));
        *lock(&wanders.0) = Some(active);
    }
}

impl<A: ActiveSubscriber<Token, Error>> Upstream for Wanders<A> {
    fn request(&self, _: Demand) {
        let Some(mut active) = lock(&self.0).take() else { return };
        let _ = active.on_next(Token(0, self.1.clone()));
        let item = Token(1, self.1.clone());
        let other = thread::spawn(move || {
            let _ = active.on_next(item);
            active
        });
        let mut active = other.join().unwrap();
        let _ = active.on_next(Token(2, self.1.clone()));
        drop(active.on_end(End::Completed));
    }

    fn cancel(&self) {}
}

/// What is sent elsewhere does not pass, though the one who lends waits for it.
#[test]
fn nothing_is_lent_to_another_thread() {
    model("door: nothing_is_lent_to_another_thread", || {
        let oracle = Oracle::new();
        let here = thread::current().id();
        let elsewhere = Arc::new(std::sync::Mutex::new(0));
        let counted = elsewhere.clone();
        let react = move |_| {
            *counted.lock().unwrap() += u32::from(thread::current().id() != here);
            More::NONE
        };
        join(
            |bell, context| Long(filled(Wandering(oracle.alive()), 4, bell, context).unwrap()),
            Asking(oracle.clone(), oracle.probe(react)),
        );
        assert_eq!(oracle.finish(), all(3));
        assert_eq!(*elsewhere.lock().unwrap(), 0, "on the thread that asks");
    });
}

#[test]
fn an_item_passes_none_that_is_queued() {
    model("door: an_item_passes_none_that_is_queued", || {
        let oracle = Oracle::new();
        join(
            |bell, context| {
                let capacity = NonZeroUsize::new(4).unwrap();
                let (inlet, outlet) = open_lane(capacity, bell.clone(), context);
                Wandering(oracle.alive()).subscribe(inlet);
                Long(outlet)
            },
            Asking(oracle.clone(), oracle.probe(alone())),
        );
        assert_eq!(oracle.finish(), all(3));
    });
}

/// One lane, whose turn is long.
struct Long(Lane);

impl Pull for Long {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        self.0.pull()
    }

    fn pull_while(&mut self, mut each: impl FnMut(Token) -> bool) -> Pulled<Token, Error> {
        self.0.pull_turn(&mut 8, &mut each).unwrap_or(Pulled::Skipped)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        self.0.look_ahead(started)
    }
}

/// A turn ends in the middle of a call: what follows is queued, and comes before what is asked for
/// next.
#[test]
fn what_is_left_of_a_call_is_queued() {
    model("door: what_is_left_of_a_call_is_queued", || {
        for capacity in 1..5 {
            for at_once in 1..4 {
                let oracle = Oracle::new();
                through(&oracle, capacity, Source::Items(oracle.items(0..9)), |_| More::NONE);
                for _ in 0..10 {
                    oracle.request(at_once);
                }
                assert_eq!(oracle.finish(), all(9), "{at_once} of {capacity}");
            }
        }
    });
}

#[test]
fn cancel_races_what_passes() {
    model("door: cancel_races_what_passes", || {
        let oracle = Oracle::new();
        through(&oracle, 4, Source::Items(oracle.items(0..9)), alone());
        let other = beside(&oracle, |oracle| oracle.request(9));
        oracle.cancel();
        other.join().unwrap();
        assert!(begins(&all(9), &oracle.finish()));
    });
}

#[test]
fn a_fault_races_what_passes() {
    model("door: a_fault_races_what_passes", || {
        let oracle = Oracle::new();
        through(&oracle, 4, Source::Items(oracle.items(0..9)), alone());
        let other = beside(&oracle, |oracle| oracle.request(9));
        oracle.fail();
        other.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert!(begins(&all(9), before), "{log:?}");
        assert!(*last == oracle::broken() || (*last == Complete && before.len() == 9), "{log:?}");
    });
}

#[test]
fn requests_race_what_passes() {
    model("door: requests_race_what_passes", || {
        let oracle = Oracle::new();
        through(&oracle, 4, Source::Items(oracle.items(0..9)), alone());
        let other = beside(&oracle, |oracle| oracle.request(5));
        oracle.request(2);
        other.join().unwrap();
        oracle.request(2);
        oracle.request(1);
        assert_eq!(oracle.finish(), all(9));
    });
}

#[test]
fn detach_races_what_passes() {
    model("door: detach_races_what_passes", || {
        let oracle = Oracle::new();
        through(&oracle, 4, Source::Items(oracle.items(0..9)), alone());
        let other = beside(&oracle, |oracle| {
            oracle.request(6);
            oracle.detach();
        });
        other.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0, 1, 2, 3, 4, 5]);
    });
}

/// The answer that cancels closes the door.
#[test]
fn nothing_passes_an_answer_that_cancels() {
    model("door: nothing_passes_an_answer_that_cancels", || {
        let oracle = Oracle::new();
        let react = |n| if n == 1 { More::CANCEL } else { More::NONE };
        through_asking(&oracle, 4, Source::Items(oracle.items(0..9)), react);
        assert_eq!(items(&oracle.finish()), [0]);
    });
}

/// Credit of one: of what comes in a call, one passes.
#[test]
fn nothing_passes_without_demand() {
    model("door: nothing_passes_without_demand", || {
        let oracle = Oracle::new();
        through_asking(&oracle, 4, Source::Items(oracle.items(0..20)), |_| More::NONE);
        assert_eq!(oracle.log(), None, "it goes on");
        oracle.request(1);
        oracle.request(1);
        assert_eq!(items(&oracle.finish()), (0..11).collect::<Vec<_>>());
    });
}

/// A subscriber that panics ends the stream, and its source does not see it.
#[test]
fn a_panic_is_told_and_passes_no_source() {
    model("door: a_panic_is_told_and_passes_no_source", || {
        let oracle = Oracle::new();
        let through_the_source = Arc::new(std::sync::Mutex::new(true));
        let seen = through_the_source.clone();
        let script = move |demand: Demand, send: &mut dyn FnMut(u32) -> More| {
            for n in 0..demand.get() as u32 {
                let _ = send(n);
            }
            *seen.lock().unwrap() = false;
        };
        through_asking(&oracle, 2, Script(script, oracle.alive()), |n| {
            if n == 1 {
                std::panic::resume_unwind(Box::new("at the first"));
            }
            More::NONE
        });
        let panicked = Panic::new(Box::new("at the first"));
        let told = Signal::Fault(Fault::Panicked(panicked).to_string());
        assert_eq!(oracle.finish(), [Item(0), told]);
        assert!(!*through_the_source.lock().unwrap(), "its call was over");
    });
}

/// A source that has another stream run in its call: what was lent to it is there again.
#[test]
fn what_was_lent_before_is_there_again() {
    model("door: what_was_lent_before_is_there_again", || {
        let nested = deep(|| {
            let oracle = Oracle::new();
            let in_the_call = Arc::new(std::sync::Mutex::new(false));
            let seen = in_the_call.clone();
            let script = move |_: Demand, send: &mut dyn FnMut(u32) -> More| {
                let other = Oracle::new();
                through_asking(&other, 4, Source::Items(other.items(0..3)), |_| More::NONE);
                assert_eq!(other.finish(), all(3));
                *in_the_call.lock().unwrap() = true;
                let _ = send(0);
                *in_the_call.lock().unwrap() = false;
            };
            let passed = Arc::new(std::sync::Mutex::new(false));
            let noted = passed.clone();
            through_asking(&oracle, 1, Script(script, oracle.alive()), move |n| {
                *noted.lock().unwrap() = *seen.lock().unwrap();
                if n == 1 { More::CANCEL } else { More::NONE }
            });
            assert_eq!(items(&oracle.finish()), [0]);
            assert!(*passed.lock().unwrap(), "it passed");
        });
        nested.join().unwrap();
    });
}

/// What was lent in a call is not for what the same thread sends after it.
#[test]
fn what_was_lent_is_taken_back() {
    model("door: what_was_lent_is_taken_back", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        through_asking(&oracle, 4, Source::Hand(oracle.alive(), hand.clone()), |_| More::NONE);
        hand.send(Token(0, oracle.alive()));
        hand.send(Token(1, oracle.alive()));
        assert_eq!(items(&oracle.finish()), [0, 1]);
    });
}

/// Nor where its source broke down in the call.
#[test]
fn what_was_lent_is_taken_back_from_a_source_that_panics() {
    model("door: what_was_lent_is_taken_back_from_a_source_that_panics", || {
        let oracle = Oracle::new();
        let script = |_: Demand, send: &mut dyn FnMut(u32) -> More| {
            let _ = send(0);
            std::panic::resume_unwind(Box::new("a rude source"));
        };
        through_asking(&oracle, 2, Script(script, oracle.alive()), |_| More::NONE);
        let panicked = Panic::new(Box::new("a rude source"));
        let told = Signal::Fault(Fault::Panicked(panicked).to_string());
        assert_eq!(oracle.finish(), [Item(0), told]);
        let hand = Hand::default();
        let oracle = Oracle::new();
        through_asking(&oracle, 2, Source::Hand(oracle.alive(), hand.clone()), |_| More::NONE);
        hand.send(Token(0, oracle.alive()));
        assert_eq!(items(&oracle.finish()), [0]);
    });
}

/// More than it was asked for.
#[test]
fn an_item_too_many_ends_the_stream() {
    model("door: an_item_too_many_ends_the_stream", || {
        let oracle = Oracle::new();
        let script = |_: Demand, send: &mut dyn FnMut(u32) -> More| {
            for n in 0..9 {
                if send(n).is_cancel() {
                    return;
                }
            }
        };
        through_asking(&oracle, 3, Script(script, oracle.alive()), |_| More::NONE);
        let overflow = Signal::Fault(Fault::Overflow { capacity: 3 }.to_string());
        assert_eq!(oracle.finish(), [Item(0), Item(1), overflow]);
    });
}

/// What a source is asked for by a lane of `capacity`, where nine items are asked for, or none. It sends
/// as many in the call, or nothing.
fn asked_of(capacity: usize, wanted: bool, sends: bool) -> (Vec<u64>, Vec<u32>) {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (oracle, noted, next) = (Oracle::new(), asked.clone(), Mutex::new(0..));
    let script = move |demand: Demand, send: &mut dyn FnMut(u32) -> More| {
        noted.lock().unwrap().push(demand.get());
        for _ in 0..if sends { demand.get() } else { 0 } {
            let n = lock(&next).next().unwrap();
            let _ = send(n);
        }
    };
    let script = Script(script, oracle.alive());
    if wanted {
        through_asking(&oracle, capacity, script, |_| More::NONE);
    } else {
        through(&oracle, capacity, script, |_| More::NONE);
    }
    let log = items(&oracle.finish());
    let asked = asked.lock().unwrap().clone();
    (asked, log)
}

/// A turn is asked for at a time, or as many as fit, and as many again when they have left; where it does
/// not send them, or nobody wants them, all that fit.
#[test]
fn upstream_is_asked_for_what_left() {
    model("door: upstream_is_asked_for_what_left", || {
        let nine: Vec<u32> = (0..9).collect();
        assert_eq!(asked_of(4, true, true), (vec![2; 5], nine.clone()));
        assert_eq!(asked_of(1, true, true), (vec![1; 9], nine));
        assert_eq!(asked_of(4, false, true), (vec![4], vec![]));
        assert_eq!(asked_of(8, true, false), (vec![2, 6], vec![]));
        assert_eq!(asked_of(2, true, false), (vec![2], vec![]));
    });
}

/// It subscribes while it is asked, or before, or after.
#[test]
fn a_late_subscription_races_the_first_request() {
    model("door: a_late_subscription_races_the_first_request", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Late(start.clone(), Source::Items(oracle.items(0..3)));
        through(&oracle, 4, source, alone());
        let other = thread::spawn(move || start.go());
        oracle.request(9);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(3));
    });
}

/// A source that sent in the call, and then sends later: it is asked, and its bell is heard.
#[test]
fn a_source_changes_its_mind() {
    model("door: a_source_changes_its_mind", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        through(&oracle, 4, Source::Hand(oracle.alive(), hand.clone()), alone());
        hand.send(Token(0, oracle.alive()));
        hand.send(Token(1, oracle.alive()));
        let other = beside(&oracle, move |oracle| {
            for n in 2..7 {
                hand.send(Token(n, oracle.alive()));
            }
            hand.complete();
        });
        oracle.request(3);
        oracle.request(9);
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(7));
    });
}

/// A stream with lanes, as a source.
struct Inner(Range<u32>, Oracle);

impl Publisher for Inner {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Inner(range, oracle) = self;
        let middle = range.start + (range.end - range.start) / 2;
        let (a, b) = (oracle.items(range.start..middle), oracle.items(middle..range.end));
        join(
            |bell, context| Turns {
                lanes: [
                    filled(Source::Items(a), 4, bell, context),
                    filled(Source::Items(b), 4, bell, context),
                ],
                next: 1,
            },
            subscriber,
        );
    }
}

/// An item passes two doors, of which the nearer is not its next.
#[test]
fn doors_behind_doors() {
    model("door: doors_behind_doors", || {
        let nested = deep(|| {
            let oracle = Oracle::new();
            through(&oracle, 8, Inner(0..8, oracle.clone()), alone());
            let asking = oracle.clone();
            let other = deep(move || asking.request(3));
            oracle.request(2);
            other.join().unwrap();
            oracle.request(9);
            let log = oracle.finish();
            let (last, sent) = log.split_last().unwrap();
            assert_eq!(*last, Complete);
            let mut sent = items(sent);
            let ordered = |of: Range<u32>| sent.iter().filter(|n| of.contains(n)).is_sorted();
            assert!(ordered(0..4) && ordered(4..8), "{sent:?}");
            sent.sort_unstable();
            assert_eq!(sent, (0..8).collect::<Vec<_>>());
        });
        nested.join().unwrap();
    });
}

/// A failure comes behind what passed.
#[test]
fn the_end_comes_behind_what_passed() {
    struct Failing(u32, Alive);

    impl Pull for Failing {
        type Item = Token;
        type Error = Error;

        fn pull(&mut self) -> Pulled<Token, Error> {
            self.0 += 1;
            if self.0 > 3 {
                return Pulled::Error("failed");
            }
            Pulled::Item(Token(self.0 - 1, self.1.clone()))
        }
    }

    impl Publisher for Failing {
        type Item = Token;
        type Error = Error;

        fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
            emit(self, subscriber);
        }
    }

    model("door: the_end_comes_behind_what_passed", || {
        let oracle = Oracle::new();
        through(&oracle, 4, Failing(0, oracle.alive()), |_| More::NONE);
        oracle.request(9);
        assert_eq!(oracle.finish(), [Item(0), Item(1), Item(2), Signal::Error("failed")]);
    });
}
