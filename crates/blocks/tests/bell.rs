//! Models of bells and marks: who rings is heard, and what came before is seen.

use std::sync::Arc;

use millstream_blocks::bell::{Bell, Host, Marks};
use millstream_core::Fault;
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock, model, thread};

/// Counts what reaches it.
struct Counting {
    rung: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Host for Counting {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::AcqRel);
    }

    fn fail(&self, fault: Fault) {
        lock(&self.faults).push(fault.to_string());
    }
}

fn host() -> Arc<Counting> {
    Arc::new(Counting { rung: AtomicUsize::new(0), faults: Mutex::new(Vec::new()) })
}

fn taken(marks: &Marks) -> Vec<usize> {
    let mut taken = Vec::new();
    marks.take(|n| taken.push(n));
    taken
}

#[test]
fn a_mark_publishes() {
    model("bell: a_mark_publishes", || {
        let marks = Marks::new(2);
        let written = Arc::new(AtomicUsize::new(0));
        let (theirs, writes) = (marks.clone(), written.clone());
        let other = thread::spawn(move || {
            writes.store(7, Ordering::Relaxed);
            theirs.set(1);
        });
        if taken(&marks) == [1] {
            assert_eq!(written.load(Ordering::Relaxed), 7, "what came before the mark");
        }
        other.join().unwrap();
    });
}

#[test]
fn set_races_set_and_take() {
    model("bell: set_races_set_and_take", || {
        let marks = Marks::new(70);
        let (one, two) = (marks.clone(), marks.clone());
        let one = thread::spawn(move || one.set(3));
        let two = thread::spawn(move || two.set(65));
        let mut all = taken(&marks);
        one.join().unwrap();
        two.join().unwrap();
        all.extend(taken(&marks));
        all.sort_unstable();
        assert_eq!(all, [3, 65], "each once");
    });
}

#[test]
fn set_races_take_of_the_same() {
    model("bell: set_races_take_of_the_same", || {
        let marks = Marks::new(1);
        marks.set(0);
        let news = Arc::new(AtomicUsize::new(0));
        let (theirs, noted) = (marks.clone(), news.clone());
        let other = thread::spawn(move || {
            noted.store(1, Ordering::Relaxed);
            theirs.set(0);
        });
        assert_eq!(taken(&marks), [0]);
        let seen = news.load(Ordering::Relaxed) == 1;
        other.join().unwrap();
        let after = taken(&marks);
        assert!(seen || after == [0], "news that were not seen are marked");
        assert_eq!(taken(&marks), []);
    });
}

/// The host hears the bell after the mark is there: it finds it.
#[test]
fn a_bell_marks_before_it_rings() {
    model("bell: a_bell_marks_before_it_rings", || {
        let host = host();
        let marks = Marks::new(2);
        let bell = Bell::new(host.clone()).marked(&marks, 1);
        let other = thread::spawn(move || bell.ring());
        if host.rung.load(Ordering::Acquire) == 1 {
            assert_eq!(taken(&marks), [1]);
        }
        other.join().unwrap();
        assert_eq!(host.rung.load(Ordering::Acquire), 1);
    });
}

#[test]
fn a_waker_of_a_bell_rings() {
    model("bell: a_waker_of_a_bell_rings", || {
        let host = host();
        let marks = Marks::new(4);
        let waker = Bell::new(host.clone()).marked(&marks, 2).into_waker();
        let theirs = waker.clone();
        let other = thread::spawn(move || theirs.wake());
        waker.wake_by_ref();
        other.join().unwrap();
        assert_eq!(host.rung.load(Ordering::Acquire), 2);
        assert_eq!(taken(&marks), [2]);
        drop(waker);
        assert_eq!(Arc::strong_count(&host), 1, "a waker that is gone holds nobody");
    });
}

#[test]
fn a_fault_goes_to_the_host() {
    model("bell: a_fault_goes_to_the_host", || {
        let host = host();
        let bell = Bell::new(host.clone());
        let theirs = bell.marked(&Marks::new(1), 0);
        let other = thread::spawn(move || theirs.fail(Fault::SourceDropped));
        bell.fail(Fault::ExecutorGone);
        other.join().unwrap();
        assert_eq!(lock(&host.faults).len(), 2);
        assert_eq!(host.rung.load(Ordering::Acquire), 0);
    });
}

#[test]
fn a_host_that_knows_no_others_looks_again() {
    model("bell: a_host_that_knows_no_others_looks_again", || {
        let host = host();
        let bell = Bell::new(host.clone());
        let marks = Marks::new(70);
        assert!(marks.is_empty());
        bell.marked(&marks, 69).linger();
        assert_eq!(host.rung.load(Ordering::Acquire), 1);
        assert!(marks.is_empty(), "nothing came");
        marks.set(69);
        assert!(!marks.is_empty());
    });
}
