//! Models of the purse: what is asked for is seen before the next item, once, and by nobody who
//! does not see what came before it; what is not asked for goes to the function.

mod oracle;

use std::sync::Arc;

use millstream_blocks::purse::{Unwanted, hasty};
use millstream_core::{
    ActiveSubscriber, Demand, More, Publisher, Subscriber, Subscription, Upstream,
};
use millstream_sync::{UnsafeCell, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Oracle, Signal, Source, Token, begins};

type Numbers = Arc<std::sync::Mutex<Vec<u32>>>;

/// `source` by a hasty stage, to `subscriber`: what was dropped.
fn through<S: Subscriber<Token, Error>>(source: Source, ahead: Demand, subscriber: S) -> Numbers {
    let dropped = Numbers::default();
    let drops = dropped.clone();
    let unwanted = move |item: Token| {
        drops.lock().unwrap().push(item.0);
        Unwanted::Dropped
    };
    source.subscribe(hasty(subscriber, ahead, unwanted, |error| error));
    dropped
}

fn by_hand(oracle: &Oracle) -> (Hand, Numbers) {
    let hand = Hand::default();
    let source = Source::Hand(oracle.alive(), hand.clone());
    let dropped = through(source, Demand::UNBOUNDED, oracle.probe(|_| More::NONE));
    (hand, dropped)
}

fn delivered(log: &[Signal]) -> Vec<u32> {
    log.iter()
        .filter_map(|signal| match signal {
            Item(n) => Some(*n),
            _ => None,
        })
        .collect()
}

#[test]
fn items_race_a_request() {
    model("purse: items_race_a_request", || {
        let oracle = Oracle::new();
        let (hand, dropped) = by_hand(&oracle);
        let alive = oracle.alive();
        let other = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        let log = oracle.finish();
        let mut all = delivered(&log);
        assert!(all.len() <= 1, "one was asked for: {log:?}");
        all.extend(dropped.lock().unwrap().iter());
        all.sort_unstable();
        assert_eq!(all, [0, 1], "each once: {log:?}");
        assert_eq!(log.last(), Some(&Complete));
        assert!(!log.contains(&Signal::Unasked), "{log:?}");
    });
}

#[test]
fn two_requests_race() {
    model("purse: two_requests_race", || {
        let oracle = Oracle::new();
        let (hand, dropped) = by_hand(&oracle);
        let theirs = oracle.clone();
        let other = thread::spawn(move || theirs.request(1));
        oracle.request(1);
        other.join().unwrap();
        for n in 0..3 {
            hand.send(Token(n, oracle.alive()));
        }
        assert_eq!(oracle.finish(), [Item(0), Item(1)]);
        assert_eq!(*dropped.lock().unwrap(), [2]);
    });
}

/// Adds up what it is told of requests, and answers with it.
struct Listening {
    told: Arc<std::sync::Mutex<u64>>,
    upstream: Arc<std::sync::Mutex<Option<Arc<dyn Upstream>>>>,
    seen: Option<Arc<Published>>,
}

impl Subscriber<Token, Error> for Listening {
    type Active = Listening;

    fn on_subscribe(self, subscription: Subscription) -> Listening {
        *self.upstream.lock().unwrap() = Some(subscription.into_upstream());
        self
    }
}

impl ActiveSubscriber<Token, Error> for Listening {
    fn on_next(&mut self, _: Token) -> More {
        if let Some(seen) = &self.seen {
            seen.look();
        }
        More::NONE
    }

    fn on_request(&mut self, more: More) -> More {
        *self.told.lock().unwrap() += more.count();
        more
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}
}

/// Whether there are items or not: a stage below may have some of its own.
#[test]
fn what_is_asked_is_told_downstream_once() {
    model("purse: what_is_asked_is_told_downstream_once", || {
        let oracle = Oracle::new();
        let (told, upstream) = (Arc::default(), Arc::<std::sync::Mutex<_>>::default());
        let listening =
            Listening { told: Arc::clone(&told), upstream: upstream.clone(), seen: None };
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let _dropped = through(source, Demand::UNBOUNDED, listening);
        let upstream: Arc<dyn Upstream> = upstream.lock().unwrap().take().unwrap();
        let alive = oracle.alive();
        let other = thread::spawn(move || hand.send(Token(0, alive)));
        upstream.request(Demand::of(2));
        other.join().unwrap();
        assert_eq!(*told.lock().unwrap(), 2);
        upstream.cancel();
        assert_eq!(oracle.count(), 0);
    });
}

/// Written by whoever asks, read by whoever is sent an item for it.
struct Published(UnsafeCell<u32>);

// SAFETY: the request publishes the write to whoever sends the item, which is what the model
// checks: loom tells of two accesses that are not ordered.
unsafe impl Sync for Published {}

impl Published {
    fn look(&self) {
        // SAFETY: as above.
        assert_eq!(self.0.with_mut(|n| unsafe { *n }), 7);
    }
}

#[test]
fn a_request_publishes() {
    model("purse: a_request_publishes", || {
        let oracle = Oracle::new();
        let seen = Arc::new(Published(UnsafeCell::new(0)));
        let upstream = Arc::<std::sync::Mutex<_>>::default();
        let listening = Listening {
            told: Arc::default(),
            upstream: Arc::clone(&upstream),
            seen: Some(seen.clone()),
        };
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let _dropped = through(source, Demand::UNBOUNDED, listening);
        let upstream: Arc<dyn Upstream> = upstream.lock().unwrap().take().unwrap();
        let alive = oracle.alive();
        let other = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
        });
        // SAFETY: nobody reads before it is asked for an item.
        seen.0.with_mut(|n| unsafe { *n = 7 });
        upstream.request(Demand::ONE);
        other.join().unwrap();
        upstream.cancel();
    });
}

#[test]
fn cancel_races_items() {
    model("purse: cancel_races_items", || {
        let oracle = Oracle::new();
        let (hand, _dropped) = by_hand(&oracle);
        oracle.request(1);
        let alive = oracle.alive();
        let other = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
        });
        oracle.cancel();
        other.join().unwrap();
        assert!(begins(&[Item(0)], &oracle.finish()));
    });
}

/// Asks for one item when it is subscribed.
struct Asking<S>(S, Oracle);

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Asking<S> {
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        let active = self.0.on_subscribe(subscription);
        self.1.request(1);
        active
    }
}

/// Upstream runs, and does not look at what is asked.
#[test]
fn what_is_asked_inside_of_an_item_is_there_for_the_next() {
    model("purse: what_is_asked_inside_of_an_item_is_there_for_the_next", || {
        let oracle = Oracle::new();
        let asks = oracle.clone();
        let react = move |_| {
            asks.request(1);
            More::NONE
        };
        let source = Source::Items(oracle.items(0..3));
        let asking = Asking(oracle.probe(react), oracle.clone());
        let dropped = through(source, Demand::UNBOUNDED, asking);
        assert_eq!(oracle.finish(), [Item(0), Item(1), Item(2), Complete]);
        assert_eq!(*dropped.lock().unwrap(), []);
    });
}

/// One without end that sends where it is asked stops, and sends what downstream asks for.
#[test]
fn a_bounded_upstream_sends_what_is_asked_for() {
    model("purse: a_bounded_upstream_sends_what_is_asked_for", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..9));
        let dropped = through(source, Demand::of(2), oracle.probe(|_| More::NONE));
        assert_eq!(*dropped.lock().unwrap(), [0, 1]);
        let theirs = oracle.clone();
        let other = thread::spawn(move || theirs.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(2), Item(3)]);
        assert_eq!(dropped.lock().unwrap().len(), 2);
    });
}

/// Nobody can ask any more, and nothing comes: what runs the stream and the stage do not keep each
/// other.
#[test]
fn a_stream_that_is_let_go_is_dropped() {
    model("purse: a_stream_that_is_let_go_is_dropped", || {
        let oracle = Oracle::new();
        let upstream = Arc::<std::sync::Mutex<_>>::default();
        let listening =
            Listening { told: Arc::default(), upstream: Arc::clone(&upstream), seen: None };
        let source = Source::Items(oracle.items(0..9));
        let _dropped = through(source, Demand::of(2), listening);
        let upstream: Arc<dyn Upstream> = upstream.lock().unwrap().take().unwrap();
        let theirs = upstream.clone();
        let other = thread::spawn(move || theirs.request(Demand::ONE));
        upstream.detach();
        drop(upstream);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "still alive");
    });
}

#[test]
fn the_first_that_is_unwanted_fails_the_stream() {
    model("purse: the_first_that_is_unwanted_fails_the_stream", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let unwanted = |_: Token| Unwanted::Fails("unwanted");
        source.subscribe(hasty(
            oracle.probe(|_| More::NONE),
            Demand::UNBOUNDED,
            unwanted,
            |error: Error| error,
        ));
        let alive = oracle.alive();
        let other = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        let log = oracle.finish();
        let failed = Signal::Error("unwanted");
        assert!(log == [failed.clone()] || log == [Item(0), failed], "{log:?}");
    });
}
