//! Models of the permits: none is lost or given twice, nobody is overtaken, and whoever waits is woken.

mod wakers;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::permits::{Acquire, Permit, Permits};
use millstream_sync::{UnsafeCell, model, thread};
use wakers::{foreign, waker};

fn poll(acquire: &mut Acquire, waker: &Waker) -> Option<Permit> {
    match Pin::new(acquire).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

/// The only one there is, taken.
fn one_that_is_out() -> (Permits, Permit) {
    let permits = Permits::new(1);
    let permit = permits.try_acquire().unwrap();
    (permits, permit)
}

fn gives_back(permit: Permit) -> thread::JoinHandle<()> {
    thread::spawn(move || drop(permit))
}

#[test]
fn giving_back_races_whoever_comes() {
    model("permits: giving_back_races_whoever_comes", || {
        let (permits, permit) = one_that_is_out();
        let (woken, waker) = waker();
        let mut acquire = permits.acquire();
        let other = gives_back(permit);
        let at_once = poll(&mut acquire, &waker);
        other.join().unwrap();
        assert_eq!(woken.count(), usize::from(at_once.is_none()), "who waits is woken, once");
        let has = at_once.or_else(|| poll(&mut acquire, &waker));
        assert!(has.is_some(), "and finds it");
        assert_eq!(permits.free(), 0);
        drop((has, acquire));
        assert_eq!(permits.free(), 1);
        assert_eq!(Arc::strong_count(&woken), 2, "no waker is kept");
    });
}

#[test]
fn giving_up_races_giving_back() {
    model("permits: giving_up_races_giving_back", || {
        let (permits, permit) = one_that_is_out();
        let ((_, gives_up), (woken, waits)) = (waker(), waker());
        let (mut first, mut second) = (permits.acquire(), permits.acquire());
        assert!(poll(&mut first, &gives_up).is_none());
        assert!(poll(&mut second, &waits).is_none());
        let other = gives_back(permit);
        drop(first);
        other.join().unwrap();
        assert_eq!(woken.count(), 1, "it is for the next");
        let has = poll(&mut second, &waits);
        assert!(has.is_some());
        drop((has, second));
        assert_eq!(permits.free(), 1);
    });
}

#[test]
fn two_that_wait_have_two_that_come_back() {
    model("permits: two_that_wait_have_two_that_come_back", || {
        let permits = Permits::new(2);
        let (one, other) = (permits.try_acquire().unwrap(), permits.try_acquire().unwrap());
        let ((a, wakes_a), (b, wakes_b)) = (waker(), waker());
        let (mut first, mut second) = (permits.acquire(), permits.acquire());
        assert!(poll(&mut first, &wakes_a).is_none());
        assert!(poll(&mut second, &wakes_b).is_none());
        let (one, other) = (gives_back(one), gives_back(other));
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!((a.count(), b.count(), permits.free()), (1, 1, 0), "one for each");
        let both = (poll(&mut second, &wakes_b), poll(&mut first, &wakes_a));
        assert!(matches!(both, (Some(_), Some(_))));
        drop(both);
        assert_eq!(permits.free(), 2);
    });
}

#[test]
fn nobody_overtakes_whoever_waits() {
    model("permits: nobody_overtakes_whoever_waits", || {
        let (permits, permit) = one_that_is_out();
        let ((woken, waits), (late, comes)) = (waker(), waker());
        let (mut first, mut last) = (permits.acquire(), permits.acquire());
        assert!(poll(&mut first, &waits).is_none());
        let other = gives_back(permit);
        assert!(permits.try_acquire().is_none());
        assert!(poll(&mut last, &comes).is_none());
        other.join().unwrap();
        assert_eq!((woken.count(), late.count(), permits.free()), (1, 0, 0));
        assert!(poll(&mut last, &comes).is_none(), "it is another's");
        let has = poll(&mut first, &waits);
        assert!(has.is_some());
        drop(has);
        assert_eq!(late.count(), 1, "and now it is its own");
        assert!(poll(&mut last, &comes).is_some());
    });
}

/// Who waits is polled once more, by another waker, while the permit comes back.
#[test]
fn polling_again_races_giving_back() {
    model("permits: polling_again_races_giving_back", || {
        let (permits, permit) = one_that_is_out();
        let ((before, first), (woken, second)) = (waker(), waker());
        let mut acquire = permits.acquire();
        assert!(poll(&mut acquire, &first).is_none());
        let other = gives_back(permit);
        let polled = poll(&mut acquire, &second);
        other.join().unwrap();
        let polled = polled.or_else(|| {
            assert_eq!((before.count(), woken.count()), (0, 1), "the last waker counts");
            poll(&mut acquire, &second)
        });
        assert!(polled.is_some());
        drop((polled, acquire));
        assert_eq!(permits.free(), 1);
        assert_eq!((Arc::strong_count(&before), Arc::strong_count(&woken)), (2, 2));
    });
}

/// A permit that is given up as it comes back is there for whoever comes then.
#[test]
fn giving_up_races_whoever_comes() {
    model("permits: giving_up_races_whoever_comes", || {
        let (permits, permit) = one_that_is_out();
        let ((_, gives_up), (woken, comes)) = (waker(), waker());
        let mut first = permits.acquire();
        assert!(poll(&mut first, &gives_up).is_none());
        let mut second = permits.acquire();
        let other = thread::spawn(move || drop(first));
        drop(permit);
        let polled = poll(&mut second, &comes);
        other.join().unwrap();
        let polled = polled.or_else(|| {
            assert_eq!(woken.count(), 1);
            poll(&mut second, &comes)
        });
        assert!(polled.is_some());
        drop(polled);
        assert_eq!(permits.free(), 1);
    });
}

/// Written by one that has the permit, and then by the other.
struct Guarded(UnsafeCell<u32>);

// SAFETY: only who has the one permit reaches it, which is what the model checks: loom tells of two
// accesses that are not ordered.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn work(&self, permit: Permit) {
        // SAFETY: there is one permit.
        self.0.with_mut(|n| unsafe { *n += 1 });
        drop(permit);
    }
}

#[test]
fn one_permit_is_one_at_a_time() {
    model("permits: one_permit_is_one_at_a_time", || {
        let permits = Permits::new(1);
        let guarded = Arc::new(Guarded(UnsafeCell::new(0)));
        let comes = |permits: &Permits, guarded: &Guarded| {
            let mut acquire = permits.acquire();
            let (_, waker) = waker();
            match poll(&mut acquire, &waker) {
                Some(permit) => {
                    guarded.work(permit);
                    None
                }
                None => Some(acquire),
            }
        };
        let (theirs, their_guarded) = (permits.clone(), guarded.clone());
        let other = thread::spawn(move || comes(&theirs, &their_guarded));
        let mine = comes(&permits, &guarded);
        for mut waited in [mine, other.join().unwrap()].into_iter().flatten() {
            let (_, waker) = waker();
            guarded.work(poll(&mut waited, &waker).expect("it was given back"));
        }
        // SAFETY: nobody else is here.
        assert_eq!(guarded.0.with_mut(|n| unsafe { *n }), 2);
        assert_eq!(permits.free(), 1);
    });
}

/// Wakers that look at the permits when they are cloned, called and dropped.
#[test]
fn wakers_are_used_outside_of_the_lock() {
    model("permits: wakers_are_used_outside_of_the_lock", || {
        let (permits, permit) = one_that_is_out();
        let looks = || {
            let permits = permits.clone();
            foreign(move || assert!(permits.free() <= permits.size()))
        };
        let (mut first, mut second) = (permits.acquire(), permits.acquire());
        for acquire in [&mut first, &mut second] {
            assert!(poll(acquire, &looks()).is_none());
            assert!(poll(acquire, &looks()).is_none(), "the one before is dropped");
        }
        let other = gives_back(permit);
        drop(second);
        other.join().unwrap();
        assert!(poll(&mut first, &looks()).is_some());
        assert_eq!(permits.free(), 1);
    });
}

#[cfg(not(any(millstream_loom, millstream_shuttle)))]
mod on_one_thread {
    use super::*;
    use std::task::Wake;

    #[test]
    fn they_are_let_through_in_the_order_in_which_they_came() {
        let (permits, mut permit) = one_that_is_out();
        let mut line: Vec<_> = (0..5).map(|_| (permits.acquire(), waker())).collect();
        for (acquire, (_, waker)) in &mut line {
            assert!(poll(acquire, waker).is_none());
        }
        // One in the middle goes.
        drop(line.remove(2));
        for (mut acquire, (woken, waker)) in line {
            assert_eq!(woken.count(), 0);
            drop(permit);
            assert_eq!(woken.count(), 1);
            permit = poll(&mut acquire, &waker).unwrap();
        }
        assert_eq!(permits.free(), 0);
    }

    /// Where many come, wait, give up and give back at random, the sum stays what it is.
    #[test]
    fn none_is_lost_and_none_is_made() {
        let permits = Permits::new(3);
        let (mut waiting, mut out) = (Vec::new(), Vec::new());
        let (_, waker) = waker();
        let mut state = 7_u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize;
            match state >> 61 {
                0 | 1 if waiting.len() < 20 => waiting.push(permits.acquire()),
                2 | 3 if !out.is_empty() => drop(out.swap_remove(at % out.len())),
                4 if !waiting.is_empty() => drop(waiting.swap_remove(at % waiting.len())),
                5 => out.extend(permits.try_acquire()),
                _ if !waiting.is_empty() => {
                    let place = at % waiting.len();
                    if let Some(permit) = poll(&mut waiting[place], &waker) {
                        out.push(permit);
                        drop(waiting.swap_remove(place));
                    }
                }
                _ => {}
            }
            assert!(out.len() + permits.free() <= 3);
        }
        drop(waiting);
        assert_eq!(out.len() + permits.free(), 3);
        drop(out);
        assert_eq!(permits.free(), 3);
    }

    struct Breaks;

    impl Wake for Breaks {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker"));
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_from_the_permit() {
        let (permits, permit) = one_that_is_out();
        let mut acquire = permits.acquire();
        assert!(poll(&mut acquire, &Waker::from(Arc::new(Breaks))).is_none());
        drop(permit);
        let (_, waker) = waker();
        assert!(poll(&mut acquire, &waker).is_some());
    }

    #[test]
    #[should_panic(expected = "Permits::new(0)")]
    fn none_at_all_are_refused() {
        drop(Permits::new(0));
    }
}
