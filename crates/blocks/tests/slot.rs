//! Models of the slot: an item is asked for once for each await, comes to whoever awaits, and is
//! dropped by whoever is last.
//!
//! What the source was told is an ordered log behind a lock of `std`, and what is alive is
//! counted by an `Arc` of `std`: loom sees neither, so they hide no edge that the slot lacks.
//! What loom does see is that the source is told something, so that others come in between.

mod wakers;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::slot::{Filler, Slot, slot};
use millstream_core::{Demand, End, Fault, Subscription, Upstream};
use millstream_sync::{AtomicUsize, Ordering, model, thread};
use wakers::{foreign, waker};

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Request(u64),
    Cancel,
    Detach,
}

use Told::{Cancel, Detach, Request};

/// An item.
#[derive(Debug)]
struct Token(u32, #[expect(dead_code, reason = "held, to be counted")] Arc<()>);

type Error = &'static str;

/// Follows one stream.
#[derive(Clone, Default)]
struct Source(Arc<Records>);

#[derive(Default)]
struct Records {
    log: std::sync::Mutex<Vec<Told>>,
    /// Where the source answers from inside: gone when it is cancelled.
    inside: std::sync::Mutex<Option<Arc<Filler<Token, Error>>>>,
    alive: Arc<()>,
}

impl Source {
    /// A slot, and a filler that has no subscription yet.
    fn open() -> (Source, Filler<Token, Error>, Slot<Token, Error>) {
        let (filler, slot) = slot();
        (Source::default(), filler, slot)
    }

    /// A stream that runs, and whose taker waits for its first item.
    fn awaited(waker: &Waker) -> (Source, Filler<Token, Error>, Slot<Token, Error>) {
        let (source, filler, mut slot) = Source::open();
        filler.attach(source.subscription());
        assert!(poll(&mut slot, waker).is_pending());
        (source, filler, slot)
    }

    fn subscription(&self) -> Subscription {
        let (source, alive) = (self.clone(), self.0.alive.clone());
        Subscription::new(Arc::new(Stream { source, calls: AtomicUsize::new(0), _alive: alive }))
    }

    /// From here on the source sends what is asked for while it is asked, and drops its filler
    /// when it is cancelled.
    fn answers(&self, filler: &Arc<Filler<Token, Error>>) {
        *self.0.inside.lock().unwrap() = Some(filler.clone());
    }

    fn item(&self, n: u32) -> Token {
        Token(n, self.0.alive.clone())
    }

    fn log(&self) -> Vec<Told> {
        self.0.log.lock().unwrap().clone()
    }

    /// How many items and subscriptions there are.
    fn count(&self) -> usize {
        Arc::strong_count(&self.0.alive) - 1
    }
}

struct Stream {
    source: Source,
    calls: AtomicUsize,
    _alive: Arc<()>,
}

impl Stream {
    fn told(&self, what: Told) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.source.0.log.lock().unwrap().push(what);
    }
}

impl Upstream for Stream {
    fn request(&self, demand: Demand) {
        self.told(Request(demand.get()));
        let filler = self.source.0.inside.lock().unwrap().clone();
        if let Some(filler) = filler {
            filler.put(self.source.item(0));
        }
    }

    fn cancel(&self) {
        self.told(Cancel);
        let filler = self.source.0.inside.lock().unwrap().take();
        drop(filler);
    }

    fn detach(&self) {
        self.told(Detach);
    }
}

fn poll(slot: &mut Slot<Token, Error>, waker: &Waker) -> Poll<Result<Token, End<Error>>> {
    slot.poll(&mut Context::from_waker(waker))
}

/// The number of an item that is there.
fn number(polled: Poll<Result<Token, End<Error>>>) -> Option<u32> {
    match polled {
        Poll::Ready(Ok(item)) => Some(item.0),
        _ => None,
    }
}

#[test]
fn next_races_the_subscription() {
    model("slot: next_races_the_subscription", || {
        let (source, filler, mut slot) = Source::open();
        let filler = Arc::new(filler);
        source.answers(&filler);
        let subscription = source.subscription();
        let other = thread::spawn(move || filler.attach(subscription));
        let (woken, waker) = waker();
        let first = poll(&mut slot, &waker);
        other.join().unwrap();
        assert_eq!(source.log(), [Request(1)], "an await asks once");
        if first.is_pending() {
            assert_eq!(woken.count(), 1, "who waits is woken");
            assert_eq!(number(poll(&mut slot, &waker)), Some(0));
        } else {
            assert_eq!(number(first), Some(0));
        }
        assert_eq!(source.log(), [Request(1)], "to take what came asks for nothing");
        drop(slot);
        assert_eq!((source.log(), source.count()), (vec![Request(1), Cancel], 0));
    });
}

#[test]
fn item_races_next() {
    model("slot: item_races_next", || {
        let (woken, waker) = waker();
        let (source, filler, mut slot) = Source::open();
        filler.attach(source.subscription());
        // As `subscribe_with` may: the items it asks for itself need no await.
        slot.request(Demand::ONE);
        let item = source.item(0);
        let other = thread::spawn(move || {
            filler.put(item);
            filler
        });
        let first = poll(&mut slot, &waker);
        let filler = other.join().unwrap();
        match first {
            Poll::Pending => {
                assert_eq!(woken.count(), 1, "who waits is woken");
                assert_eq!(number(poll(&mut slot, &waker)), Some(0));
            }
            first => assert_eq!(number(first), Some(0)),
        }
        drop((filler, slot));
        assert_eq!((source.count(), Arc::strong_count(&woken)), (0, 2));
    });
}

#[test]
fn item_races_another_waker() {
    model("slot: item_races_another_waker", || {
        let (woken, first) = waker();
        let (woken_then, second) = waker();
        let (source, filler, mut slot) = Source::awaited(&first);
        let item = source.item(0);
        let other = thread::spawn(move || {
            filler.put(item);
            filler
        });
        let polled = poll(&mut slot, &second);
        let filler = other.join().unwrap();
        match polled {
            Poll::Pending => {
                assert_eq!(woken_then.count(), 1, "the last waker is woken");
                assert_eq!(woken.count(), 0, "and it alone");
                assert_eq!(number(poll(&mut slot, &second)), Some(0));
            }
            polled => assert_eq!(number(polled), Some(0)),
        }
        assert_eq!(source.log(), [Request(1)]);
        drop((filler, slot));
        assert_eq!(source.count(), 0);
    });
}

/// The first await was given up; the item it asked for comes to the second.
#[test]
fn item_races_a_second_next_after_a_dropped_one() {
    model("slot: item_races_a_second_next_after_a_dropped_one", || {
        let (_, dropped) = waker();
        let (source, filler, mut slot) = Source::awaited(&dropped);
        drop(dropped);
        let item = source.item(0);
        let other = thread::spawn(move || {
            filler.put(item);
            filler
        });
        assert!(matches!(slot.wait(), Ok(Token(0, _))));
        let filler = other.join().unwrap();
        assert_eq!(source.log(), [Request(1)], "what was asked for is not asked for again");
        let (woken, waker) = waker();
        assert!(poll(&mut slot, &waker).is_pending());
        assert_eq!(source.log(), [Request(1), Request(1)], "another item is asked for");
        filler.put(source.item(1));
        assert_eq!(woken.count(), 1);
        assert_eq!(number(poll(&mut slot, &waker)), Some(1));
        drop((filler, slot));
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn end_races_next() {
    model("slot: end_races_next", || {
        let (_, before) = waker();
        let (source, filler, mut slot) = Source::awaited(&before);
        let other = thread::spawn(move || filler.end(End::Failed("broken")));
        let (woken, waker) = waker();
        let mut polled = poll(&mut slot, &waker);
        other.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "who waits is woken");
            polled = poll(&mut slot, &waker);
        }
        assert!(matches!(polled, Poll::Ready(Err(End::Failed("broken")))));
        assert!(matches!(poll(&mut slot, &waker), Poll::Ready(Err(End::Completed))));
        assert_eq!(source.count(), 0, "an ended stream is not held");
        drop(slot);
        assert_eq!(source.log(), [Request(1)], "nor cancelled");
    });
}

#[test]
fn item_and_end_race_next() {
    model("slot: item_and_end_race_next", || {
        let (_, before) = waker();
        let (source, filler, mut slot) = Source::awaited(&before);
        let item = source.item(0);
        let other = thread::spawn(move || {
            filler.put(item);
            filler.end(End::Failed("broken"));
        });
        assert!(matches!(slot.wait(), Ok(Token(0, _))), "the item comes before the end");
        assert!(matches!(slot.wait(), Err(End::Failed("broken"))));
        other.join().unwrap();
        assert!(matches!(slot.wait(), Err(End::Completed)), "the end comes once");
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn drop_of_the_filler_races_next() {
    model("slot: drop_of_the_filler_races_next", || {
        let (_, before) = waker();
        let (source, filler, mut slot) = Source::awaited(&before);
        let other = thread::spawn(move || drop(filler));
        assert!(matches!(slot.wait(), Err(End::Fault(Fault::SourceDropped))));
        other.join().unwrap();
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn drop_of_the_slot_races_an_item() {
    model("slot: drop_of_the_slot_races_an_item", || {
        let (woken, waker) = waker();
        let (source, filler, slot) = Source::awaited(&waker);
        let item = source.item(0);
        let other = thread::spawn(move || {
            filler.put(item);
            filler
        });
        drop(slot);
        let filler = other.join().unwrap();
        assert_eq!(source.count(), 0, "nobody wants the item: it is dropped");
        assert_eq!(source.log(), [Request(1), Cancel]);
        assert_eq!(Arc::strong_count(&woken), 2, "nor is the waker held");
        drop(filler);
    });
}

#[test]
fn drop_of_the_slot_races_the_end() {
    model("slot: drop_of_the_slot_races_the_end", || {
        let (_, waker) = waker();
        let (source, filler, slot) = Source::awaited(&waker);
        let other = thread::spawn(move || filler.end(End::Completed));
        drop(slot);
        other.join().unwrap();
        assert_eq!(source.count(), 0);
        let log = source.log();
        assert!(log == [Request(1)] || log == [Request(1), Cancel], "{log:?}");
    });
}

#[test]
fn drop_of_the_slot_races_the_subscription() {
    model("slot: drop_of_the_slot_races_the_subscription", || {
        let (source, filler, mut slot) = Source::open();
        let (_, waker) = waker();
        assert!(poll(&mut slot, &waker).is_pending());
        let subscription = source.subscription();
        let other = thread::spawn(move || {
            filler.attach(subscription);
            filler
        });
        drop(slot);
        let filler = other.join().unwrap();
        assert_eq!(source.count(), 0, "the stream is not held");
        let log = source.log();
        let cancelled = log.iter().filter(|told| **told == Cancel).count();
        assert_eq!(cancelled, 1, "cancelled once: {log:?}");
        assert!(log.len() <= 2, "{log:?}");
        drop(filler);
    });
}

#[test]
fn detach_races_the_subscription() {
    model("slot: detach_races_the_subscription", || {
        let (source, filler, slot) = Source::open();
        slot.request(Demand::UNBOUNDED);
        let subscription = source.subscription();
        let other = thread::spawn(move || {
            filler.attach(subscription);
            filler
        });
        slot.detach();
        let filler = other.join().unwrap();
        assert_eq!(source.count(), 0, "the filler does not hold what it runs on");
        let asked = Request(Demand::UNBOUNDED.get());
        assert_eq!(source.log(), [asked, Detach], "let go of once, and not before it was asked");
        drop(filler);
    });
}

/// Who was told of the end where the slot goes: exactly one.
fn end_races(go: fn(Slot<Token, &'static str>) -> Option<End<&'static str>>) {
    let (source, filler, slot) = Source::open();
    filler.attach(source.subscription());
    let other = thread::spawn(move || filler.end(End::Failed("broken")));
    let gone = go(slot);
    let given_back = other.join().unwrap();
    assert!(gone.is_some() ^ given_back.is_some(), "{gone:?} {given_back:?}");
    assert_eq!(source.count(), 0, "the stream is not held");
}

#[test]
fn end_races_detach() {
    model("slot: end_races_detach", || end_races(Slot::detach));
}

#[test]
fn end_races_close() {
    model("slot: end_races_close", || end_races(Slot::close));
}

#[test]
fn a_source_answers_from_inside_of_each_call() {
    model("slot: a_source_answers_from_inside_of_each_call", || {
        let (source, filler, mut slot) = Source::open();
        let filler = Arc::new(filler);
        source.answers(&filler);
        filler.attach(source.subscription());
        let (woken, waker) = waker();
        assert_eq!(number(poll(&mut slot, &waker)), Some(0));
        assert!(matches!(slot.wait(), Ok(Token(0, _))));
        assert_eq!(woken.count(), 0, "nobody waited");
        drop(filler);
        drop(slot);
        assert_eq!((source.log(), source.count()), (vec![Request(1), Request(1), Cancel], 0));
    });
}

#[test]
fn wakers_are_cloned_and_dropped_outside_of_the_lock() {
    model("slot: wakers_are_cloned_and_dropped_outside_of_the_lock", || {
        let (source, filler, mut slot) = Source::open();
        let filler = Arc::new(filler);
        let (weak, inside) = (Arc::downgrade(&filler), source.clone());
        // What takes the lock, if it is free.
        let first = foreign(move || {
            if let Some(filler) = weak.upgrade() {
                filler.attach(inside.subscription());
            }
        });
        assert!(poll(&mut slot, &first).is_pending());
        let (woken, second) = waker();
        assert!(poll(&mut slot, &second).is_pending(), "the first waker is dropped");
        drop(first);
        filler.put(source.item(0));
        assert_eq!(woken.count(), 1);
        assert_eq!(number(poll(&mut slot, &second)), Some(0));
        drop((slot, filler));
        assert_eq!(source.count(), 0);
    });
}
