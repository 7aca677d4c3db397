//! Models of the census: whoever waits is woken by the last that goes, and finds all that was
//! counted.

mod wakers;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::census::{Census, Member};
use millstream_sync::{model, thread};
use wakers::{foreign, waker};

fn poll(census: &Census<2>, number: &mut Option<u64>, waker: &Waker) -> Poll<()> {
    census.poll_empty(number, &Context::from_waker(waker))
}

fn counts(mut member: Member<2>, n: u64) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        (0..n).for_each(|_| member.count());
        drop(member);
    })
}

#[test]
fn the_last_that_goes_races_whoever_waits() {
    model("census: the_last_that_goes_races_whoever_waits", || {
        let census = Census::new();
        let (woken, waker) = waker();
        let other = counts(census.enter(0), 2);
        let mut number = None;
        let first = poll(&census, &mut number, &waker);
        if first.is_ready() {
            assert_eq!(census.sums(), [2, 0], "who finds nobody finds all that was counted");
        }
        other.join().unwrap();
        assert_eq!(woken.count(), usize::from(first.is_pending()), "who waits is woken");
        assert!(poll(&census, &mut number, &waker).is_ready());
        assert_eq!(census.sums(), [2, 0]);
        census.forget(number);
        assert_eq!(Arc::strong_count(&woken), 2, "no waker is kept");
    });
}

#[test]
fn two_that_go_race_whoever_waits() {
    model("census: two_that_go_race_whoever_waits", || {
        let census = Census::new();
        let (woken, waker) = waker();
        let first = counts(census.enter(0), 1);
        let second = counts(census.enter(1), 3);
        let mut number = None;
        let polled = poll(&census, &mut number, &waker);
        if polled.is_ready() {
            assert_eq!(census.sums(), [1, 3]);
        }
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(woken.count(), usize::from(polled.is_pending()), "by the last alone");
        assert_eq!(census.sums(), [1, 3]);
        assert!(poll(&census, &mut number, &waker).is_ready());
    });
}

#[test]
fn one_that_goes_and_is_not_the_last_wakes_nobody() {
    model("census: one_that_goes_and_is_not_the_last_wakes_nobody", || {
        let census = Census::new();
        let (woken, waker) = waker();
        let (first, last) = (census.enter(0), census.enter(0));
        assert!(poll(&census, &mut None, &waker).is_pending());
        counts(first, 1).join().unwrap();
        assert_eq!(woken.count(), 0);
        counts(last, 1).join().unwrap();
        assert_eq!(woken.count(), 1);
    });
}

#[test]
fn one_that_comes_races_one_that_goes() {
    model("census: one_that_comes_races_one_that_goes", || {
        let census = Census::new();
        let leaves = counts(census.enter(0), 1);
        let theirs = census.clone();
        let comes = thread::spawn(move || {
            let mut member = theirs.enter(0);
            member.count();
            theirs.note(1);
        });
        leaves.join().unwrap();
        comes.join().unwrap();
        let (_, waker) = waker();
        assert!(poll(&census, &mut None, &waker).is_ready());
        assert_eq!(census.sums(), [2, 1]);
    });
}

#[test]
fn two_that_wait_are_woken_and_one_that_has_gone_is_not() {
    model("census: two_that_wait_are_woken_and_one_that_has_gone_is_not", || {
        let census = Census::new();
        let member = census.enter(0);
        let ((a, wakes_a), (b, wakes_b), (gone, wakes_gone)) = (waker(), waker(), waker());
        let mut numbers = [None; 3];
        for (number, waker) in numbers.iter_mut().zip([&wakes_a, &wakes_b, &wakes_gone]) {
            assert!(poll(&census, number, waker).is_pending());
        }
        census.forget(numbers[2]);
        let other = counts(member, 1);
        other.join().unwrap();
        assert_eq!((a.count(), b.count(), gone.count()), (1, 1, 0));
        assert_eq!(Arc::strong_count(&gone), 2);
    });
}

/// A waker that looks at the census when it is cloned, called and dropped.
#[test]
fn wakers_are_used_outside_of_the_lock() {
    model("census: wakers_are_used_outside_of_the_lock", || {
        let census = Census::<2>::new();
        let member = census.enter(1);
        let looks = {
            let census = census.clone();
            foreign(move || {
                let _sums = census.sums();
            })
        };
        let mut number = None;
        assert!(poll(&census, &mut number, &looks).is_pending());
        assert!(poll(&census, &mut number, &looks).is_pending());
        let other = counts(member, 1);
        other.join().unwrap();
        assert_eq!(census.sums(), [0, 1]);
        census.forget(number);
    });
}
