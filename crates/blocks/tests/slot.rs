//! Models of the slot. Under `--cfg millstream_loom` every schedule is explored; else each body
//! runs once on threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use millstream_blocks::slot::{Filler, slot};
use millstream_core::{Demand, End, Subscription, Upstream};
use millstream_sync::{model, thread};

/// What the publisher was asked; std's atomics, since only the totals count.
#[derive(Default)]
struct Asked {
    demand: AtomicU64,
    cancelled: AtomicUsize,
}

struct Source(Arc<Asked>);

impl Upstream for Source {
    fn request(&self, demand: Demand) {
        self.0.demand.fetch_add(demand.get(), Ordering::SeqCst);
    }

    fn cancel(&self) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn attach(filler: &Filler<Arc<()>, ()>, asked: &Arc<Asked>) {
    filler.attach(Subscription::new(Arc::new(Source(asked.clone()))));
}

/// An item is asked for once, whether the subscription comes before or after; who is told to
/// wait is woken; the item arrives.
#[test]
fn slot_asks_once_and_wakes() {
    model("slot_asks_once_and_wakes", || {
        let asked = Arc::new(Asked::default());
        let (filler, mut slot) = slot::<Arc<()>, ()>();
        let publisher = {
            let asked = asked.clone();
            thread::spawn(move || {
                attach(&filler, &asked);
                // The item goes out once it is asked for; here or by whoever asks later.
                if asked.demand.load(Ordering::SeqCst) == 1 {
                    filler.put(Arc::new(()));
                    None
                } else {
                    Some(filler)
                }
            })
        };
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let first = slot.poll(&mut Context::from_waker(&waker));
        let left = publisher.join().unwrap();
        assert_eq!(asked.demand.load(Ordering::SeqCst), 1);
        match (first, left) {
            (Poll::Ready(Ok(_)), None) => {}
            (Poll::Pending, None) => {
                assert_eq!(woken.0.load(Ordering::SeqCst), 1, "who waits is woken");
                let again = slot.poll(&mut Context::from_waker(&waker));
                assert!(matches!(again, Poll::Ready(Ok(_))));
            }
            (Poll::Pending, Some(filler)) => {
                filler.put(Arc::new(()));
                assert_eq!(woken.0.load(Ordering::SeqCst), 1, "who waits is woken");
                let again = slot.poll(&mut Context::from_waker(&waker));
                assert!(matches!(again, Poll::Ready(Ok(_))));
            }
            // The filler was dropped on the other thread after `put`: the item comes first.
            other => panic!("{other:?}"),
        }
        assert_eq!(asked.demand.load(Ordering::SeqCst), 1);
    });
}

/// An item that races with the drop of the slot is dropped, and the stream is cancelled once.
#[test]
fn slot_drop_races_with_an_item() {
    model("slot_drop_races_with_an_item", || {
        let asked = Arc::new(Asked::default());
        let (filler, mut slot) = slot::<Arc<()>, ()>();
        attach(&filler, &asked);
        let waker = Waker::from(Arc::new(Woken::default()));
        assert!(slot.poll(&mut Context::from_waker(&waker)).is_pending());
        let live = Arc::new(());
        let publisher = {
            let item = live.clone();
            thread::spawn(move || {
                filler.put(item);
                filler
            })
        };
        drop(slot);
        let filler = publisher.join().unwrap();
        assert_eq!(Arc::strong_count(&live), 1);
        assert_eq!(asked.cancelled.load(Ordering::SeqCst), 1);
        drop(filler);
    });
}

/// The drop of the slot races with the subscription that comes: it is cancelled once.
#[test]
fn slot_drop_races_with_the_subscription() {
    model("slot_drop_races_with_the_subscription", || {
        let asked = Arc::new(Asked::default());
        let (filler, slot) = slot::<Arc<()>, ()>();
        let publisher = {
            let asked = asked.clone();
            thread::spawn(move || {
                attach(&filler, &asked);
                filler
            })
        };
        drop(slot);
        let filler = publisher.join().unwrap();
        assert_eq!(asked.cancelled.load(Ordering::SeqCst), 1);
        drop(filler);
    });
}

/// The end races with a poll: it is told, after the item.
#[test]
fn slot_end_comes_after_the_item() {
    model("slot_end_comes_after_the_item", || {
        let asked = Arc::new(Asked::default());
        let (filler, mut slot) = slot::<Arc<()>, ()>();
        attach(&filler, &asked);
        let publisher = thread::spawn(move || {
            filler.put(Arc::new(()));
            filler.end(End::Failed(()));
        });
        assert!(slot.wait().is_ok());
        assert!(matches!(slot.wait(), Err(End::Failed(()))));
        assert!(matches!(slot.wait(), Err(End::Completed)));
        publisher.join().unwrap();
    });
}
