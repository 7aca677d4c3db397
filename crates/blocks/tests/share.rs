//! Models of a shared stream: whoever comes connects or is told, upstream is subscribed to once at
//! a time, and nothing is left when all have gone.

mod oracle;

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::gauge::Site;
use millstream_blocks::hub::{Plan, Slow, Vacancy, keep};
use millstream_blocks::island::join;
use millstream_blocks::share::Share;
use millstream_core::{Fault, More, Publisher, Subscriber};
use millstream_sync::{Mutex, lock, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Oracle, Signal, Source, Start, Token, items};

fn plan(vacancy: Vacancy) -> Plan<Token, Error> {
    Plan {
        site: Site::here("test"),
        capacity: NonZeroUsize::new(2).unwrap(),
        slow: Slow::Wait,
        vacancy,
        quorum: 1,
        replay: None,
        keep_end: None,
    }
}

/// What the runs of a source have in common.
struct Runs {
    oracle: Oracle,
    /// The hand of each run, in order; without, a run sends two items.
    hands: Option<Mutex<Vec<Hand>>>,
    count: Mutex<u32>,
    /// What a `Clone` waits for, or whether it panics.
    on_clone: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// A source that runs again.
struct Again(Arc<Runs>);

impl Clone for Again {
    fn clone(&self) -> Again {
        let act = lock(&self.0.on_clone).take();
        if let Some(act) = act {
            act();
        }
        Again(self.0.clone())
    }
}

impl Publisher for Again {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Runs { oracle, hands, count, .. } = &*self.0;
        *lock(count) += 1;
        match hands {
            None => Source::Items(oracle.items(0..2)).subscribe(subscriber),
            Some(hands) => {
                let hand = Hand::default();
                lock(hands).push(hand.clone());
                Source::Hand(oracle.alive(), hand).subscribe(subscriber);
            }
        }
    }
}

impl Runs {
    fn of_two_items() -> Arc<Runs> {
        Runs::new(None)
    }

    fn by_hand() -> Arc<Runs> {
        Runs::new(Some(Mutex::new(Vec::new())))
    }

    fn new(hands: Option<Mutex<Vec<Hand>>>) -> Arc<Runs> {
        let (count, on_clone) = (Mutex::new(0), Mutex::new(None));
        Arc::new(Runs { oracle: Oracle::new(), hands, count, on_clone })
    }

    fn again(self: &Arc<Runs>, vacancy: Vacancy) -> Share<Again> {
        Share::again(Again(self.clone()), plan(vacancy))
    }

    fn count(&self) -> u32 {
        *lock(&self.count)
    }

    /// Sends to the run that is the last.
    fn send(&self, n: u32) {
        let hand = lock(self.hands.as_ref().unwrap()).last().cloned();
        hand.unwrap().send(Token(n, self.oracle.alive()));
    }

    fn complete(&self) {
        let hand = lock(self.hands.as_ref().unwrap()).last().cloned();
        hand.unwrap().complete();
    }

    fn nothing_left(&self) {
        assert_eq!(self.oracle.count(), 0, "still alive at the end");
    }
}

fn subscribe<P>(share: &Share<P>) -> Oracle
where
    P: Publisher<Item = Token, Error = Error>,
{
    let oracle = Oracle::new();
    let share = share.clone();
    join(|bell, context| share.attach(bell, context), oracle.probe(|_| More::NONE));
    oracle
}

fn gone() -> Signal {
    Signal::Fault(Fault::SourceDropped.to_string())
}

fn all() -> Vec<Signal> {
    vec![Item(0), Item(1), Complete]
}

#[test]
fn two_who_come_first_share_one_run() {
    model("share: two_who_come_first_share_one_run", || {
        let runs = Runs::by_hand();
        let share = runs.again(Vacancy::Cancel);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        let a = subscribe(&share);
        let b = other.join().unwrap();
        a.request(9);
        b.request(9);
        runs.send(0);
        assert_eq!(runs.count(), 1);
        assert_eq!(items(&a.finish()), [0]);
        assert_eq!(items(&b.finish()), [0]);
        drop(share);
        runs.nothing_left();
    });
}

/// Who comes while the run ends is told its end, or gets a run of its own.
#[test]
fn one_comes_while_the_run_ends() {
    model("share: one_comes_while_the_run_ends", || {
        let runs = Runs::of_two_items();
        let share = runs.again(Vacancy::Cancel);
        let a = subscribe(&share);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        a.request(9);
        let b = other.join().unwrap();
        b.request(9);
        let (a, b) = (a.finish(), b.finish());
        match runs.count() {
            1 => {
                // The first two were asked for when the first came.
                assert_eq!(a, all());
                assert!(b == [Complete] || b == all()[1..] || b == all(), "{b:?}");
            }
            2 => assert_eq!((a, b), (all(), all())),
            n => panic!("{n} runs"),
        }
        drop(share);
        runs.nothing_left();
    });
}

/// Who comes while the last one goes is there in time, or gets a run of its own.
#[test]
fn one_comes_while_the_last_goes() {
    model("share: one_comes_while_the_last_goes", || {
        let runs = Runs::by_hand();
        let share = runs.again(Vacancy::Cancel);
        let a = subscribe(&share);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        a.cancel();
        let b = other.join().unwrap();
        b.request(9);
        runs.send(0);
        runs.complete();
        assert!(runs.count() <= 2);
        assert_eq!(a.finish(), []);
        assert_eq!(b.finish(), [Item(0), Complete]);
        drop(share);
        runs.nothing_left();
    });
}

/// The last goes while the source is being cloned for the run, and others come.
#[test]
fn two_come_while_the_source_is_out() {
    model("share: two_come_while_the_source_is_out", || {
        let runs = Runs::by_hand();
        let plan = Plan { quorum: 2, ..plan(Vacancy::Cancel) };
        let share = Share::again(Again(runs.clone()), plan);
        let (a, other) = (subscribe(&share), Arc::new(Mutex::new(None)));
        let (first, second, handle) = (a.clone(), share.clone(), other.clone());
        *lock(&runs.on_clone) = Some(Box::new(move || {
            first.cancel();
            let two = move || (subscribe(&second), subscribe(&second));
            *lock(&handle) = Some(thread::spawn(two));
        }));
        share.connect();
        let other = lock(&other).take().expect("the source was cloned");
        let (b, c) = other.join().unwrap();
        b.request(9);
        c.request(9);
        runs.send(0);
        runs.complete();
        assert_eq!(a.finish(), []);
        assert_eq!(b.finish(), [Item(0), Complete]);
        assert_eq!(c.finish(), [Item(0), Complete]);
        drop(share);
        runs.nothing_left();
    });
}

#[test]
fn a_clone_that_panics_is_told_to_who_is_there_and_who_comes() {
    model("share: a_clone_that_panics_is_told_to_who_is_there_and_who_comes", || {
        let runs = Runs::of_two_items();
        *lock(&runs.on_clone) = Some(Box::new(|| std::panic::resume_unwind(Box::new("ouch"))));
        let mut plan = plan(Vacancy::Cancel);
        plan.quorum = 2;
        let share = Share::again(Again(runs.clone()), plan);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        let a = subscribe(&share);
        let b = other.join().unwrap();
        let ouch = || Signal::Fault("user code panicked: ouch".to_owned());
        assert_eq!([a.finish(), b.finish()], [[ouch()], [ouch()]]);
        assert_eq!(subscribe(&share).finish(), [gone()]);
        assert_eq!(runs.count(), 0);
        drop(share);
        runs.nothing_left();
    });
}

#[test]
fn who_comes_late_to_a_source_that_runs_once_is_told_its_end() {
    model("share: who_comes_late_to_a_source_that_runs_once_is_told_its_end", || {
        let runs = Runs::of_two_items();
        let plan = Plan { keep_end: Some(keep::<Error>), ..plan(Vacancy::Cancel) };
        let share = Share::once(Again(runs.clone()), plan);
        let a = subscribe(&share);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        a.request(9);
        let b = other.join().unwrap();
        b.request(9);
        assert_eq!(a.finish(), all());
        let log = b.finish();
        assert!(log == [Complete] || log == all()[1..] || log == all(), "{log:?}");
        assert_eq!(runs.count(), 1);
        drop(share);
        runs.nothing_left();
    });
}

#[test]
fn the_last_handle_goes_while_the_last_subscriber_does() {
    model("share: the_last_handle_goes_while_the_last_subscriber_does", || {
        let runs = Runs::by_hand();
        let share = runs.again(Vacancy::Pause);
        let a = subscribe(&share);
        runs.send(0);
        let other = thread::spawn(move || drop(share));
        a.cancel();
        other.join().unwrap();
        runs.nothing_left();
        assert_eq!(a.finish(), []);
    });
}

#[test]
fn the_last_handle_goes_before_anybody_came() {
    model("share: the_last_handle_goes_before_anybody_came", || {
        let runs = Runs::by_hand();
        let share = runs.again(Vacancy::Cancel);
        let other = thread::spawn({
            let share = share.clone();
            move || drop(share)
        });
        drop(share);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&runs), 1, "the source is kept");
    });
}

/// Both find the run over: one makes the next, and they share it.
#[test]
fn two_come_after_the_end() {
    model("share: two_come_after_the_end", || {
        let runs = Runs::by_hand();
        let share = runs.again(Vacancy::Cancel);
        let a = subscribe(&share);
        runs.complete();
        assert_eq!(a.finish(), [Complete]);
        let other = thread::spawn({
            let share = share.clone();
            move || subscribe(&share)
        });
        let a = subscribe(&share);
        let b = other.join().unwrap();
        a.request(9);
        b.request(9);
        runs.send(0);
        assert_eq!(runs.count(), 2);
        assert_eq!(items(&a.finish()), [0]);
        assert_eq!(items(&b.finish()), [0]);
        drop(share);
        runs.nothing_left();
    });
}

/// The source is subscribed to on another thread, while the one for whom it is goes.
#[test]
fn the_last_goes_while_the_source_is_subscribed_to() {
    model("share: the_last_goes_while_the_source_is_subscribed_to", || {
        let runs = Runs::by_hand();
        let start = Start::default();
        let share = Share::again(Later(start.clone(), Again(runs.clone())), plan(Vacancy::Cancel));
        let a = subscribe(&share);
        let other = thread::spawn({
            let start = start.clone();
            move || start.go()
        });
        a.cancel();
        other.join().unwrap();
        assert_eq!(a.finish(), []);
        let b = subscribe(&share);
        start.go();
        b.request(9);
        runs.send(0);
        assert_eq!(items(&b.finish()), [0]);
        drop(share);
        runs.nothing_left();
    });
}

/// Subscribes when its start says so.
#[derive(Clone)]
struct Later(Start, Again);

impl Publisher for Later {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Later(start, source) = self;
        start.set(move || source.subscribe(subscriber));
    }
}
