//! Models of the place for a waker: whoever has work wakes, or the task sees the work.

mod wakers;

use std::sync::{Arc, OnceLock};

use millstream_blocks::waker::WakerSlot;
use millstream_sync::{AtomicUsize, Ordering, model, thread};
use wakers::{foreign, waker};

/// The task registers and looks for work; the other notes work and wakes.
#[test]
fn register_races_wake() {
    model("waker: register_races_wake", || {
        let slot = Arc::new(WakerSlot::new());
        let work = Arc::new(AtomicUsize::new(0));
        let (woken, waker) = waker();
        let (theirs, noted) = (slot.clone(), work.clone());
        let other = thread::spawn(move || {
            noted.store(1, Ordering::Release);
            theirs.wake();
        });
        slot.register(&waker);
        let seen = work.load(Ordering::Acquire) == 1;
        other.join().unwrap();
        assert!(seen || woken.count() == 1, "neither seen nor woken");
        assert!(woken.count() <= 1);
    });
}

#[test]
fn two_wake_once() {
    model("waker: two_wake_once", || {
        let slot = Arc::new(WakerSlot::new());
        let (woken, waker) = waker();
        slot.register(&waker);
        let theirs = slot.clone();
        let other = thread::spawn(move || theirs.wake());
        slot.wake();
        other.join().unwrap();
        assert_eq!(woken.count(), 1, "it is taken by one of them");
    });
}

/// A poll by another waker, which nobody asked for, races with the wake-up.
#[test]
fn register_again_races_wake() {
    model("waker: register_again_races_wake", || {
        let slot = Arc::new(WakerSlot::new());
        let ((first, before), (second, after)) = (waker(), waker());
        slot.register(&before);
        let theirs = slot.clone();
        let other = thread::spawn(move || theirs.wake());
        slot.register(&after);
        other.join().unwrap();
        assert_eq!(first.count() + second.count(), 1, "one of them, once");
        slot.wake();
        let left = first.count() == 1;
        assert_eq!(second.count(), 1, "the newer is there until it is called: {left}");
    });
}

/// A foreign waker calls back when it is dropped, having been cloned in peace.
#[test]
fn a_waker_is_dropped_outside_of_the_lock() {
    model("waker: a_waker_is_dropped_outside_of_the_lock", || {
        let slot = Arc::new(WakerSlot::new());
        let home = slot.clone();
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let one = foreign(move || {
            if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
                home.wake();
            }
        });
        let (woken, other) = waker();
        slot.register(&one);
        slot.register(&other);
        assert_eq!(woken.count(), 1, "the old one was dropped, and called back");
    });
}

/// A foreign waker calls back whenever it is cloned or dropped.
#[test]
fn a_waker_is_called_outside_of_the_lock() {
    model("waker: a_waker_is_called_outside_of_the_lock", || {
        let slot = Arc::new(WakerSlot::new());
        let home = Arc::new(OnceLock::<Arc<WakerSlot>>::new());
        let reentrant = || {
            let home = home.clone();
            foreign(move || {
                if let Some(slot) = home.get() {
                    slot.wake();
                }
            })
        };
        let (one, other) = (reentrant(), reentrant());
        assert!(home.set(slot.clone()).is_ok());
        slot.register(&one);
        slot.register(&other);
        slot.register(&one);
        slot.wake();
    });
}
