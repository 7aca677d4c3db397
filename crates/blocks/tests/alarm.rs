//! Models of an alarm: no ring is lost, however late the thread goes to sleep, and what came
//! before a ring is visible to whoever waited for it.

use std::sync::Arc;

use millstream_blocks::alarm::{Alarm, block_on};
use millstream_sync::{AtomicU64, Mutex, Ordering, UnsafeCell, lock, model, thread};

#[test]
fn a_ring_races_going_to_sleep() {
    model("alarm: a_ring_races_going_to_sleep", || {
        let alarm = Arc::new(Alarm::new());
        let bell = alarm.clone();
        let ringer = thread::spawn(move || bell.ring());
        alarm.wait(0);
        ringer.join().unwrap();
    });
}

#[test]
fn a_ring_races_looking() {
    model("alarm: a_ring_races_looking", || {
        let alarm = Arc::new(Alarm::new());
        let bell = alarm.clone();
        let ringer = thread::spawn(move || bell.ring());
        alarm.wait(2);
        ringer.join().unwrap();
    });
}

/// Each of the rings is either waited for or came before one that was.
#[test]
fn two_rings_race_going_to_sleep() {
    model("alarm: two_rings_race_going_to_sleep", || {
        let alarm = Arc::new(Alarm::new());
        let todo = Arc::new(Mutex::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, todo) = (alarm.clone(), todo.clone());
                thread::spawn(move || {
                    *lock(&todo) += 1;
                    bell.ring();
                })
            })
            .collect();
        let mut done = 0;
        while done < 2 {
            alarm.wait(0);
            done += std::mem::take(&mut *lock(&todo));
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

/// One that was taken back is no news any more: the next wait is for the next.
#[test]
fn a_ring_is_waited_for_once() {
    model("alarm: a_ring_is_waited_for_once", || {
        let alarm = Arc::new(Alarm::new());
        alarm.ring();
        alarm.ring();
        alarm.wait(1);
        let (bell, rung) = (alarm.clone(), Arc::new(AtomicU64::new(0)));
        let told = rung.clone();
        let ringer = thread::spawn(move || {
            told.store(1, Ordering::Release);
            bell.ring();
        });
        alarm.wait(1);
        assert_eq!(rung.load(Ordering::Acquire), 1, "it did not wait");
        ringer.join().unwrap();
    });
}

/// What came before a ring, guarded by nothing else.
struct Plain(UnsafeCell<u32>);

// SAFETY: the models write before they ring and read after they waited.
unsafe impl Sync for Plain {}

impl Plain {
    fn set(&self, n: u32) {
        // SAFETY: nobody reads before the ring that follows.
        self.0.with_mut(|value| unsafe { *value = n });
    }

    fn get(&self) -> u32 {
        // SAFETY: whoever writes has rung.
        self.0.with_mut(|value| unsafe { *value })
    }
}

#[test]
fn a_ring_publishes() {
    model("alarm: a_ring_publishes", || {
        let alarm = Arc::new(Alarm::new());
        let plain = Arc::new(Plain(UnsafeCell::new(0)));
        let (bell, written) = (alarm.clone(), plain.clone());
        let ringer = thread::spawn(move || {
            written.set(1);
            bell.ring();
        });
        // It looks until it has rung, so that nothing but the state makes the edge.
        alarm.wait(1_000);
        assert_eq!(plain.get(), 1);
        ringer.join().unwrap();
    });
}

/// Whoever finds it rung publishes what came before all the same.
#[test]
fn both_rings_publish() {
    model("alarm: both_rings_publish", || {
        let alarm = Arc::new(Alarm::new());
        let plain = Arc::new(Plain(UnsafeCell::new(0)));
        let second = Arc::new(AtomicU64::new(0));
        let (bell, written, told) = (alarm.clone(), plain.clone(), second.clone());
        alarm.ring();
        let ringer = thread::spawn(move || {
            written.set(1);
            bell.ring();
            // Relaxed: it tells that the ring is over, and publishes nothing.
            told.store(1, Ordering::Relaxed);
        });
        let over = second.load(Ordering::Relaxed) == 1;
        alarm.wait(1_000);
        if over {
            assert_eq!(plain.get(), 1);
        }
        ringer.join().unwrap();
    });
}

/// It is polled at once, and again when it was woken: not before, and not more often.
#[test]
fn a_future_is_waited_for() {
    model("alarm: a_future_is_waited_for", || {
        let (mut other, mut polls) = (None, 0);
        let news = Arc::new(AtomicU64::new(0));
        let future = std::future::poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                // Relaxed: waking and waiting make the edge.
                return std::task::Poll::Ready(news.load(Ordering::Relaxed));
            }
            let (waker, news) = (cx.waker().clone(), news.clone());
            other = Some(thread::spawn(move || {
                news.store(42, Ordering::Relaxed);
                waker.wake();
            }));
            std::task::Poll::Pending
        });
        assert_eq!((block_on(future, 0), polls), (42, 2));
        other.take().unwrap().join().unwrap();
    });
}
