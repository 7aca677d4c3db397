//! Models of the valve: what is asked for while it is shut is asked upstream when it opens, once;
//! nobody waits for ever, and nothing is left.

mod oracle;

use std::num::NonZeroU64;
use std::sync::Arc;

use millstream_blocks::valve::{Valve, valved};
use millstream_core::{
    ActiveSubscriber, Demand, More, Publisher, Subscriber, Subscription, Upstream,
};
use millstream_sync::{UnsafeCell, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Oracle, Source, Token, begins};

fn through(oracle: &Oracle, source: Source, valve: &Valve, ahead: u64) {
    let probe = oracle.probe(|_| More::NONE);
    source.subscribe(valved(probe, valve, NonZeroU64::new(ahead).unwrap()));
}

#[test]
fn opening_races_a_request() {
    model("valve: opening_races_a_request", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..2)), &valve, 1);
        valve.pause();
        let opens = valve.clone();
        let other = thread::spawn(move || opens.resume());
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
}

/// The stage sees it shut while somebody opens it.
#[test]
fn opening_races_an_answer() {
    model("valve: opening_races_an_answer", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        let hand = Hand::default();
        through(&oracle, Source::Hand(oracle.alive(), hand.clone()), &valve, 1);
        oracle.request(2);
        valve.pause();
        let opens = valve.clone();
        let other = thread::spawn(move || opens.resume());
        hand.send(Token(0, oracle.alive()));
        hand.send(Token(1, oracle.alive()));
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(1)]);
    });
}

#[test]
fn two_who_open_count_nothing() {
    model("valve: two_who_open_count_nothing", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..9)), &valve, 3);
        oracle.request(1);
        let opens = valve.clone();
        let other = thread::spawn(move || opens.resume());
        valve.resume();
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0)], "nobody asked for more");
    });
}

#[test]
fn nothing_more_is_asked_once_it_is_shut() {
    model("valve: nothing_more_is_asked_once_it_is_shut", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..9)), &valve, 2);
        let theirs = oracle.clone();
        let other = thread::spawn(move || theirs.request(5));
        valve.pause();
        other.join().unwrap();
        // All that was asked while it was open, or what upstream owed when it was shut.
        let before = oracle.log();
        oracle.request(1);
        let log = oracle.finish();
        assert_eq!(before, None);
        assert!(log.len() <= 5, "what is asked then is kept: {log:?}");
    });
}

#[test]
fn cancel_races_who_opens() {
    model("valve: cancel_races_who_opens", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..2)), &valve, 2);
        valve.pause();
        oracle.request(2);
        let opens = valve.clone();
        let other = thread::spawn(move || opens.resume());
        oracle.cancel();
        other.join().unwrap();
        assert!(begins(&[Item(0), Item(1), Complete], &oracle.finish()));
        drop(valve);
    });
}

/// The last handle opens it.
#[test]
fn the_last_handle_races_a_request() {
    model("valve: the_last_handle_races_a_request", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..1)), &valve, 1);
        valve.pause();
        let other = thread::spawn(move || drop(valve));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Complete]);
    });
}

/// While it is shut too, what was asked for is kept; then the stream goes.
#[test]
fn what_was_asked_before_letting_go_comes() {
    model("valve: what_was_asked_before_letting_go_comes", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        through(&oracle, Source::Items(oracle.items(0..9)), &valve, 1);
        valve.pause();
        let theirs = oracle.clone();
        let other = thread::spawn(move || {
            theirs.request(2);
            theirs.detach();
        });
        valve.resume();
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Item(0), Item(1)]), "and then it is dropped");
        assert_eq!(oracle.count(), 0);
    });
}

/// Written by who opens, read by what is sent then.
struct Published(UnsafeCell<u32>);

// SAFETY: who opens publishes the write to whoever goes on, which is what the model checks: loom
// tells of two accesses that are not ordered.
unsafe impl Sync for Published {}

struct Looking(Arc<Published>, Arc<std::sync::Mutex<Option<Arc<dyn Upstream>>>>);

impl Subscriber<Token, Error> for Looking {
    type Active = Looking;

    fn on_subscribe(self, subscription: Subscription) -> Looking {
        *self.1.lock().unwrap() = Some(subscription.into_upstream());
        self
    }
}

impl ActiveSubscriber<Token, Error> for Looking {
    fn on_next(&mut self, _: Token) -> More {
        // SAFETY: as above.
        assert_eq!(self.0.0.with_mut(|n| unsafe { *n }), 7);
        More::NONE
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}
}

#[test]
fn who_opens_publishes() {
    model("valve: who_opens_publishes", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        let seen = Arc::new(Published(UnsafeCell::new(0)));
        let upstream = Arc::<std::sync::Mutex<_>>::default();
        let looking = Looking(seen.clone(), Arc::clone(&upstream));
        let source = Source::Items(oracle.items(0..1));
        valve.pause();
        source.subscribe(valved(looking, &valve, NonZeroU64::MIN));
        let upstream: Arc<dyn Upstream> = upstream.lock().unwrap().take().unwrap();
        let other = thread::spawn(move || upstream.request(Demand::ONE));
        // SAFETY: nobody reads before it is open.
        seen.0.with_mut(|n| unsafe { *n = 7 });
        valve.resume();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

/// The valve lives on, and holds nothing of it.
#[test]
fn a_stream_that_is_over_leaves_its_valve() {
    model("valve: a_stream_that_is_over_leaves_its_valve", || {
        let (oracle, valve) = (Oracle::new(), Valve::new());
        let upstream = Arc::<std::sync::Mutex<_>>::default();
        let looking = Looking(Arc::new(Published(UnsafeCell::new(7))), Arc::clone(&upstream));
        let source = Source::Empty(Box::new(oracle.alive()));
        let opens = valve.clone();
        let other = thread::spawn(move || opens.resume());
        source.subscribe(valved(looking, &valve, NonZeroU64::MIN));
        drop(upstream.lock().unwrap().take());
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "still held");
        drop(valve);
    });
}
