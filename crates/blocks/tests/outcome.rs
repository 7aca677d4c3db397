//! Models of the outcome: it comes once, wakes whoever waits, and is dropped by whoever is last.

mod wakers;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::cause::{current, within};
use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_core::{Cause, Demand, Subscription, Upstream};
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock, model, thread};
use wakers::{foreign, waker};

/// A result whose life is counted, by an `Arc` of `std` that loom does not see.
type Alive = Arc<()>;

fn complete_beside(completer: Completer<Alive>, result: &Alive) -> thread::JoinHandle<()> {
    let result = result.clone();
    thread::spawn(move || completer.complete(result))
}

fn count(alive: &Alive) -> usize {
    Arc::strong_count(alive) - 1
}

#[test]
fn complete_races_wait() {
    model("outcome: complete_races_wait", || {
        let alive = Alive::default();
        let (completer, outcome) = outcome();
        let other = complete_beside(completer, &alive);
        assert!(outcome.wait().is_some(), "the result comes");
        other.join().unwrap();
        assert_eq!(count(&alive), 0);
    });
}

#[test]
fn drop_of_the_completer_races_wait() {
    model("outcome: drop_of_the_completer_races_wait", || {
        let (completer, outcome) = outcome::<Alive>();
        let other = thread::spawn(move || drop(completer));
        assert!(outcome.wait().is_none(), "who waits learns that nothing comes");
        other.join().unwrap();
    });
}

fn poll(outcome: &mut Outcome<Alive>, waker: &Waker) -> Poll<Option<Alive>> {
    pin!(outcome).poll(&mut Context::from_waker(waker))
}

#[test]
fn complete_races_poll() {
    model("outcome: complete_races_poll", || {
        let alive = Alive::default();
        let (completer, mut outcome) = outcome();
        let (woken, waker) = waker();
        let other = complete_beside(completer, &alive);
        let first = poll(&mut outcome, &waker);
        other.join().unwrap();
        match first {
            Poll::Ready(result) => assert!(result.is_some(), "the result was lost"),
            Poll::Pending => {
                assert_eq!(woken.count(), 1, "who waits is woken");
                assert!(matches!(poll(&mut outcome, &waker), Poll::Ready(Some(_))));
            }
        }
        assert!(matches!(poll(&mut outcome, &waker), Poll::Ready(None)), "it comes once");
        assert_eq!((count(&alive), Arc::strong_count(&woken)), (0, 2));
    });
}

#[test]
fn complete_races_another_waker() {
    model("outcome: complete_races_another_waker", || {
        let alive = Alive::default();
        let (completer, mut outcome) = outcome();
        let (woken, waker_of_one) = waker();
        let (woken_then, waker_then) = waker();
        assert!(poll(&mut outcome, &waker_of_one).is_pending());
        let other = complete_beside(completer, &alive);
        let second = poll(&mut outcome, &waker_then);
        other.join().unwrap();
        if second.is_pending() {
            assert_eq!(woken_then.count(), 1, "the last waker is woken");
            assert_eq!(woken.count(), 0, "and it alone");
            assert!(matches!(poll(&mut outcome, &waker_then), Poll::Ready(Some(_))));
        }
        drop(second);
        assert_eq!(count(&alive), 0);
    });
}

#[test]
fn drop_of_the_completer_races_poll() {
    model("outcome: drop_of_the_completer_races_poll", || {
        let (completer, mut outcome) = outcome::<Alive>();
        let (woken, waker) = waker();
        let other = thread::spawn(move || drop(completer));
        let first = poll(&mut outcome, &waker);
        other.join().unwrap();
        assert!(first.is_ready() || woken.count() == 1, "who waits is woken");
        assert!(matches!(poll(&mut outcome, &waker), Poll::Ready(None)));
    });
}

#[test]
fn drop_of_the_outcome_races_complete() {
    model("outcome: drop_of_the_outcome_races_complete", || {
        let alive = Alive::default();
        let (completer, outcome) = outcome();
        let other = complete_beside(completer, &alive);
        drop(outcome);
        other.join().unwrap();
        assert_eq!(count(&alive), 0, "nobody wants the result: it is dropped");
    });
}

/// What is told for which cause it is dropped.
struct Told(Arc<Mutex<Option<Cause>>>);

impl Drop for Told {
    fn drop(&mut self) {
        *lock(&self.0) = Some(current());
    }
}

#[test]
fn a_result_that_nobody_wants_goes_for_the_cause() {
    model("outcome: a_result_that_nobody_wants_goes_for_the_cause", || {
        let told = Arc::new(Mutex::new(None));
        let (completer, outcome) = outcome();
        let result = Told(told.clone());
        let other = thread::spawn(move || completer.complete(result));
        within(Cause::Failed, || drop(outcome));
        other.join().unwrap();
        assert_eq!(*lock(&told), Some(Cause::Failed), "on whatever thread it goes");
    });
}

/// A stream that counts its cancellations.
struct Stream(AtomicUsize, #[expect(dead_code, reason = "held, to be counted")] Alive);

impl Upstream for Stream {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn stream(alive: &Alive) -> (Arc<Stream>, Subscription) {
    let stream = Arc::new(Stream(AtomicUsize::new(0), alive.clone()));
    (stream.clone(), Subscription::new(stream))
}

#[test]
fn drop_of_the_outcome_races_attach() {
    model("outcome: drop_of_the_outcome_races_attach", || {
        let alive = Alive::default();
        let (completer, outcome) = outcome::<Alive>();
        let (stream, subscription) = stream(&alive);
        let other = thread::spawn(move || {
            completer.attach(subscription);
            completer
        });
        drop(outcome);
        let completer = other.join().unwrap();
        assert_eq!(stream.0.load(Ordering::Relaxed), 1, "the stream is cancelled");
        assert_eq!(Arc::strong_count(&stream), 1, "and not held");
        drop(completer);
    });
}

#[test]
fn attach_and_complete_race_drop_of_the_outcome() {
    model("outcome: attach_and_complete_race_drop_of_the_outcome", || {
        let alive = Alive::default();
        let (completer, outcome) = outcome::<Alive>();
        let (stream, subscription) = stream(&alive);
        let result = alive.clone();
        let other = thread::spawn(move || {
            completer.attach(subscription);
            completer.complete(result);
        });
        drop(outcome);
        other.join().unwrap();
        assert_eq!(stream.0.load(Ordering::Relaxed), 1, "its only handle is dropped, once");
        drop(stream);
        assert_eq!(count(&alive), 0);
    });
}

/// Attaches another subscription while it is cancelled.
struct Attaches(std::sync::Mutex<Option<(Arc<Completer<Alive>>, Subscription)>>);

impl Upstream for Attaches {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {
        let next = self.0.lock().unwrap().take();
        if let Some((completer, subscription)) = next {
            completer.attach(subscription);
        }
    }
}

#[test]
fn a_replaced_subscription_is_dropped_outside_of_the_lock() {
    model("outcome: a_replaced_subscription_is_dropped_outside_of_the_lock", || {
        let alive = Alive::default();
        let (completer, outcome) = outcome::<Alive>();
        let completer = Arc::new(completer);
        let (second, subscription) = stream(&alive);
        let (third, inside) = stream(&alive);
        let first = Attaches(std::sync::Mutex::new(Some((completer.clone(), inside))));
        completer.attach(Subscription::new(Arc::new(first)));
        completer.attach(subscription);
        drop((completer, outcome));
        let cancelled = [&second, &third].map(|stream| stream.0.load(Ordering::Relaxed));
        assert_eq!(cancelled, [1, 1]);
    });
}

#[test]
fn wakers_are_cloned_and_dropped_outside_of_the_lock() {
    model("outcome: wakers_are_cloned_and_dropped_outside_of_the_lock", || {
        let alive = Alive::default();
        let (completer, mut outcome) = outcome::<Alive>();
        let completer = Arc::new(completer);
        let weak = Arc::downgrade(&completer);
        let streams = Arc::downgrade(&alive);
        // What takes the lock, if it is free.
        let first = foreign(move || {
            if let (Some(completer), Some(alive)) = (weak.upgrade(), streams.upgrade()) {
                completer.attach(stream(&alive).1);
            }
        });
        assert!(poll(&mut outcome, &first).is_pending());
        let (woken, second) = waker();
        assert!(poll(&mut outcome, &second).is_pending(), "the first waker is dropped");
        drop(first);
        Arc::into_inner(completer).unwrap().complete(alive.clone());
        assert_eq!(woken.count(), 1);
        assert!(matches!(poll(&mut outcome, &second), Poll::Ready(Some(_))));
        assert_eq!(count(&alive), 0);
    });
}
