//! Claims about windows: a publisher for each stretch of items.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::chunk::Window;
use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::{BoxPublisher, End, More, Publisher};
use proptest::prelude::*;

use Ending::{Complete, Fail, Never};

type Error = &'static str;

/// Reads each window by a probe that asks for as much.
#[derive(Clone)]
struct Readers {
    probes: Arc<Mutex<Vec<Probe>>>,
    ask: More,
}

impl Readers {
    fn new(ask: More) -> Readers {
        Readers { probes: Arc::default(), ask }
    }

    /// The stream of the numbers of the windows, from 0, each of which is read when it comes.
    fn read<P>(&self, windows: P) -> BoxPublisher<u32, Error>
    where
        P: Publisher<Item = Window<Item, Error>, Error = Error>,
    {
        let readers = self.clone();
        let read = move |window: Window<Item, Error>| {
            let probe = Probe::new().asking(readers.ask);
            let mut probes = readers.probes.lock().unwrap();
            probes.push(probe.clone());
            let n = probes.len() as u32 - 1;
            drop(probes);
            probe.on(window);
            n
        };
        windows.map(read).boxed()
    }

    fn of(&self, n: usize) -> Probe {
        self.probes.lock().unwrap()[n].clone()
    }
}

type Kept = Arc<Mutex<Vec<Window<Item, Error>>>>;

/// Keeps the windows unread.
fn kept<P>(windows: P) -> (BoxPublisher<u32, Error>, Kept)
where
    P: Publisher<Item = Window<Item, Error>, Error = Error>,
{
    let kept = Kept::default();
    let keep = kept.clone();
    let windows = windows.map(move |window| {
        keep.lock().unwrap().push(window);
        keep.lock().unwrap().len() as u32 - 1
    });
    (windows.boxed(), kept)
}

#[test]
fn each_window_has_so_many_items_and_the_last_may_have_fewer() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(2)));
    for n in 1..=3 {
        hand.send(mint.item(n));
    }
    assert_eq!(out.take(), next([0, 1]));
    assert_eq!(readers.of(0).take(), next_then([1, 2], Told::Complete));
    assert_eq!(readers.of(1).take(), next([3]));
    hand.end(End::Completed);
    assert_eq!(readers.of(1).take(), [Told::Complete]);
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_window_is_sent_with_its_first_item_and_none_is_empty() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(2)));
    assert_eq!(out.take(), []);
    (1..=2).for_each(|n| hand.send(mint.item(n)));
    assert_eq!(out.take(), next([0]));
    hand.end(End::Completed);
    assert_eq!(out.take(), [Told::Complete]);
}

#[test]
fn items_are_taken_only_while_somebody_wants_what_there_is_not() {
    let mint = Mint::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let source = script(&mint, 0, 40, Never).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let readers = Readers::new(More::of(2));
    let out = Probe::new().on(readers.read(source.window(4)));
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nobody asked for a window");
    out.request(1);
    assert_eq!((out.take(), readers.of(0).take()), (next([0]), next([1, 2])));
    assert_eq!(taken.load(Ordering::Relaxed), 2);
    readers.of(0).request(1);
    assert_eq!(readers.of(0).take(), next([3]));
    assert_eq!(taken.load(Ordering::Relaxed), 3);
    // The next is asked for: what is between is for the first, where it waits.
    out.request(1);
    assert_eq!((out.take(), readers.of(1).take()), (next([1]), next([5, 6])));
    assert_eq!(taken.load(Ordering::Relaxed), 6);
    assert_eq!(readers.of(0).take(), []);
    readers.of(0).request(9);
    assert_eq!(readers.of(0).take(), next_then([4], Told::Complete));
    // The first is over, whatever was asked of it.
    assert_eq!(taken.load(Ordering::Relaxed), 6);
    out.cancel();
    readers.of(1).cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_upstream_that_pushes_is_asked_for_a_window_and_no_further_while_nobody_wants_any() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let out = Probe::new().on(Readers::new(More::NONE).read(source.window(4)));
    assert_eq!(hand.asked(), [4]);
    (1..=4).for_each(|n| hand.send(mint.item(n)));
    assert_eq!((out.take(), hand.asked()), (vec![], vec![]));
    out.request(1);
    // The first is in the window, and three wait for somebody who wants them.
    assert_eq!((out.take(), hand.asked()), (next([0]), vec![]));
    out.request(1);
    assert_eq!(hand.asked(), [3]);
    hand.end(End::Completed);
    out.cancel();
}

#[test]
fn a_window_is_filled_for_the_next_although_nobody_reads_it() {
    let mint = Mint::new();
    let (windows, kept) = kept(script(&mint, 0, 5, Complete).window(2));
    let out = Probe::new().asking(More::UNBOUNDED).on(windows);
    assert_eq!(out.take(), next_then([0, 1, 2], Told::Complete));
    for (n, window) in std::mem::take(&mut *kept.lock().unwrap()).into_iter().enumerate() {
        let items = [vec![1, 2], vec![3, 4], vec![5]][n].clone();
        let read = Probe::new().asking(More::UNBOUNDED).on(window);
        assert_eq!(read.take(), next_then(items, Told::Complete));
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn when_downstream_is_cancelled_the_open_window_runs_on_and_no_other_opens() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(3)));
    hand.send(mint.item(1));
    out.cancel();
    assert!(!hand.is_cancelled());
    hand.send(mint.item(2));
    assert_eq!(readers.of(0).take(), next([1, 2]));
    assert!(!hand.is_cancelled());
    hand.send(mint.item(3));
    assert_eq!(readers.of(0).take(), next_then([3], Told::Complete));
    assert!(hand.is_cancelled(), "the last window is complete");
    assert_eq!(readers.probes.lock().unwrap().len(), 1);
    assert_eq!(mint.live(), 0);
}

#[test]
fn upstream_is_cancelled_when_downstream_and_the_open_window_are() {
    for window_first in [true, false] {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let readers = Readers::new(More::NONE);
        let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(3)));
        (1..=2).for_each(|n| hand.send(mint.item(n)));
        if window_first {
            readers.of(0).cancel();
            assert!(!hand.is_cancelled(), "there may be another");
            out.cancel();
        } else {
            out.cancel();
            assert!(!hand.is_cancelled(), "it may be read");
            readers.of(0).cancel();
        }
        assert!(hand.is_cancelled());
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn a_window_that_is_complete_is_read_to_its_end_whatever_became_of_the_rest() {
    let mint = Mint::new();
    let (windows, kept) = kept(script(&mint, 0, 9, Fail("x")).window(2));
    let out = Probe::new().asking(More::ONE).on(windows);
    out.request(1);
    out.cancel();
    let mut windows = std::mem::take(&mut *kept.lock().unwrap());
    drop(windows.pop());
    let read = Probe::new().on(windows.pop().unwrap());
    assert!(windows.is_empty());
    read.request(1);
    assert_eq!(read.take(), next([1]));
    read.request(1);
    assert_eq!(read.take(), next_then([2], Told::Complete));
    assert_eq!(mint.live(), 0);
}

/// Row 87: windows that nobody reads keep nothing alive, once they are dropped.
#[test]
fn row_87_windows_that_are_dropped_unread_keep_nothing_alive() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let (windows, kept) = kept(source.window(3));
    let out = Probe::new().asking(More::UNBOUNDED).on(windows);
    hand.send(mint.item(1));
    out.cancel();
    assert!(!hand.is_cancelled(), "somebody has it, and may read it");
    kept.lock().unwrap().clear();
    assert!(hand.is_cancelled());
    assert_eq!(mint.live(), 0);
}

/// Row 87 again: the source ends as well, where downstream goes on.
#[test]
fn a_window_that_is_dropped_unread_discards_its_items_and_is_counted_on() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let mut n = 0;
    let odd = source.window(3).filter_map(move |window| {
        n += 1;
        // The first and the third are dropped.
        (n % 2 == 0).then_some(window)
    });
    let readers = Readers::new(More::UNBOUNDED);
    let odd = readers.read(odd).on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let out = Probe::new().asking(More::UNBOUNDED).on(odd);
    let mut asked: u64 = hand.asked().iter().sum();
    for n in 1..=8 {
        assert!(asked > 0, "it stands still at {n}");
        hand.send(mint.item(n));
        asked = asked - 1 + hand.asked().iter().sum::<u64>();
    }
    assert_eq!(readers.of(0).take(), next_then([4, 5, 6], Told::Complete));
    hand.end(End::Completed);
    assert_eq!(out.take(), next_then([0], Told::Complete));
    assert_eq!(*discarded.lock().unwrap(), [1, 2, 3, 7, 8]);
    assert_eq!(mint.live(), 0);
}

/// Row 38: windows that are cut short, and separators, are asked for again.
#[test]
fn row_38_what_no_window_gives_is_asked_for_again() {
    type Firsts = BoxPublisher<Item, Error>;
    let firsts: [fn(BoxPublisher<Item, Error>) -> Firsts; 4] = [
        |source| source.window(4).concat_map(|window| window.take(1)).boxed(),
        |source| {
            let windows = source.window_until(4, |n| n.0 % 3 == 0);
            windows.concat_map(|window| window.take(1)).boxed()
        },
        |source| {
            let windows = source.window_while(4, |n| n.0 % 3 != 0);
            windows.concat_map(|window| window.take(1)).boxed()
        },
        |source| {
            let windows = source.window_by_key(4, |n| n.0 / 3);
            windows.flat_map_unordered(1, 1, |window| window.take(1)).boxed()
        },
    ];
    for (of, build) in firsts.into_iter().enumerate() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let probe = Probe::new().asking(More::UNBOUNDED).on(build(source));
        let mut asked: u64 = hand.asked().iter().sum();
        for n in 0..100 {
            assert!(asked > 0, "{of} stands still at {n}");
            hand.send(mint.item(n));
            asked = asked - 1 + hand.asked().iter().sum::<u64>();
        }
        assert!(probe.take().len() >= 25);
        hand.end(End::Completed);
        assert_eq!(probe.take(), [Told::Complete]);
        assert_eq!(mint.live(), 0);
    }
}

/// Row 28: no window without demand, and no more open than were asked for.
#[test]
fn row_28_no_window_is_sent_or_opened_that_was_not_asked_for() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let (windows, kept) = kept(source.window(2));
    let out = Probe::new().on(windows);
    for asked in 1..=5_u32 {
        out.request(1);
        (0..2).for_each(|_| hand.send(mint.item(asked)));
        assert_eq!(out.take(), next([asked - 1]));
    }
    assert_eq!(kept.lock().unwrap().len(), 5);
    // Row 29: with nobody who wants anything, no more is asked for than one window.
    assert!(hand.asked().iter().sum::<u64>() <= 2 * 5 + 2);
    hand.end(End::Completed);
    out.cancel();
    kept.lock().unwrap().clear();
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_error_goes_to_the_open_window_behind_its_items_and_to_downstream() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::NONE);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(2)));
    (1..=3).for_each(|n| hand.send(mint.item(n)));
    hand.end(End::Failed("no"));
    let error = Told::Error("\"no\"".into());
    assert_eq!(out.take(), next_then([0, 1], error.clone()));
    readers.of(0).request(9);
    assert_eq!(readers.of(0).take(), next_then([1, 2], Told::Complete));
    readers.of(1).request(9);
    assert_eq!(readers.of(1).take(), next_then([3], error));
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_source_that_goes_away_is_a_fault_for_the_open_window_and_for_downstream() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window(2)));
    hand.send(mint.item(1));
    hand.go_away();
    assert!(matches!(out.take()[..], [Told::Next(0), Told::Fault(_)]));
    assert!(matches!(readers.of(0).take()[..], [Told::Next(1), Told::Fault(_)]));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_empty_upstream_completes_or_fails_without_demand() {
    let mint = Mint::new();
    for (ending, told) in [(Complete, Told::Complete), (Fail("x"), Told::Error("\"x\"".into()))] {
        let readers = Readers::new(More::UNBOUNDED);
        let source = script(&mint, 0, 0, ending).window(1);
        assert_eq!(Probe::new().on(readers.read(source)).take(), [told]);
    }
}

#[test]
fn windows_in_hand_are_complete_without_demand_of_downstream() {
    let mint = Mint::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().on(readers.read(script(&mint, 0, 2, Complete).window(2)));
    out.request(1);
    assert_eq!(readers.of(0).take(), next_then([1, 2], Told::Complete));
    assert_eq!(out.take(), next_then([0], Told::Complete));
}

#[test]
fn an_item_that_begins_a_window_waits_until_one_is_asked_for() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let windows = source.window_by_key(4, |n| n.0 / 10);
    let out = Probe::new().asking(More::ONE).on(readers.read(windows));
    for n in [1, 2, 11] {
        hand.send(mint.item(n));
    }
    // It completes the window before it all the same.
    assert_eq!((out.take(), readers.of(0).take()), (next([0]), next_then([1, 2], Told::Complete)));
    hand.end(End::Completed);
    assert_eq!(out.take(), [], "an item is held");
    out.request(1);
    assert_eq!(out.take(), next_then([1], Told::Complete));
    assert_eq!(readers.of(1).take(), next_then([11], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_item_that_waits_for_its_window_is_discarded_with_downstream() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let readers = Readers::new(More::UNBOUNDED);
    let windows = readers.read(source.window_by_key(4, |n| n.0 / 10));
    let windows = windows.on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let out = Probe::new().asking(More::ONE).on(windows);
    for n in [1, 11] {
        hand.send(mint.item(n));
    }
    out.cancel();
    assert!(hand.is_cancelled());
    assert_eq!(*discarded.lock().unwrap(), [11]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn separators_are_discarded_and_open_no_window() {
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let numbers = millstream::from_iter([0, 1, 2, 0, 0, 3_u32]);
    let windows = numbers.window_while(9, |n| *n != 0);
    let lists = windows.concat_map(|window| window.chunks(9));
    let lists = lists.on_discard(move |n: u32| told.lock().unwrap().push(n));
    assert_eq!(lists.collect::<Vec<_>>().block().unwrap(), [vec![1, 2], vec![3]]);
    assert_eq!(*discarded.lock().unwrap(), [0, 0, 0]);
}

#[test]
fn what_is_between_two_windows_is_taken_for_the_next_and_discarded() {
    let mint = Mint::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let source = script(&mint, 0, 8, Complete).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let readers = Readers::new(More::UNBOUNDED);
    let windows = readers.read(source.window_skip(2, 5));
    let windows = windows.on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let out = Probe::new().asking(More::ONE).on(windows);
    assert_eq!((out.take(), readers.of(0).take()), (next([0]), next_then([1, 2], Told::Complete)));
    // One more may have been taken, to see whether it is over.
    assert!(taken.load(Ordering::Relaxed) <= 3, "nobody wants another window");
    out.request(1);
    assert_eq!((out.take(), readers.of(1).take()), (next([1]), next_then([6, 7], Told::Complete)));
    assert_eq!(*discarded.lock().unwrap(), [3, 4, 5]);
    out.request(1);
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(*discarded.lock().unwrap(), [3, 4, 5, 8]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn windows_that_overlap_have_each_item_of_their_own() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED).on(readers.read(source.window_sliding(3, 2)));
    (1..=4).for_each(|n| hand.send(mint.item(n)));
    assert_eq!(out.take(), next([0, 1]));
    assert_eq!(readers.of(0).take(), next_then([1, 2, 3], Told::Complete));
    assert_eq!(readers.of(1).take(), next([3, 4]));
    hand.send(mint.item(5));
    assert_eq!(out.take(), next([2]));
    assert_eq!(readers.of(1).take(), next_then([5], Told::Complete));
    hand.end(End::Completed);
    assert_eq!(readers.of(2).take(), next_then([5], Told::Complete));
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

/// Else windows that are read one after another would wait for each other.
#[test]
fn a_window_that_begins_unasked_waits_with_its_items_and_holds_nobody_up() {
    let mint = Mint::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let source = script(&mint, 0, 99, Never).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().on(readers.read(source.window_sliding(4, 1)));
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nobody asked for a window");
    out.request(1);
    assert_eq!(
        (out.take(), readers.of(0).take()),
        (next([0]), next_then([1, 2, 3, 4], Told::Complete))
    );
    assert!(taken.load(Ordering::Relaxed) <= 5, "three windows wait, and none is open and read");
    // The oldest, as it is; and then what it wants.
    out.request(1);
    assert_eq!(
        (out.take(), readers.of(1).take()),
        (next([1]), next_then([2, 3, 4, 5], Told::Complete))
    );
    out.request(2);
    assert_eq!(out.take(), next([2, 3]));
    assert_eq!(readers.of(2).take(), next_then([3, 4, 5, 6], Told::Complete));
    assert_eq!(readers.of(3).take(), next_then([4, 5, 6, 7], Told::Complete));
    assert!(taken.load(Ordering::Relaxed) <= 8);
    out.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_overlapping_window_is_filled_for_another_although_nobody_reads_it() {
    let mint = Mint::new();
    let (windows, kept) = kept(script(&mint, 0, 4, Complete).window_sliding(3, 1));
    let out = Probe::new().asking(More::UNBOUNDED).on(windows);
    assert_eq!(out.take(), next_then([0, 1, 2, 3], Told::Complete));
    for (n, window) in std::mem::take(&mut *kept.lock().unwrap()).into_iter().enumerate() {
        let items = [vec![1, 2, 3], vec![2, 3, 4], vec![3, 4], vec![4]][n].clone();
        let read = Probe::new().asking(More::UNBOUNDED).on(window);
        assert_eq!(read.take(), next_then(items, Told::Complete));
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn windows_that_wait_at_the_end_are_sent_as_they_are_asked_for() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::ONE).on(readers.read(source.window_sliding(3, 1)));
    (1..=3).for_each(|n| hand.send(mint.item(n)));
    hand.end(End::Completed);
    assert_eq!(
        (out.take(), readers.of(0).take()),
        (next([0]), next_then([1, 2, 3], Told::Complete))
    );
    out.request(1);
    assert_eq!((out.take(), readers.of(1).take()), (next([1]), next_then([2, 3], Told::Complete)));
    out.request(1);
    assert_eq!(readers.of(2).take(), next_then([3], Told::Complete));
    assert_eq!(out.take(), next_then([2], Told::Complete), "the end needs no demand");
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_error_ends_overlapping_windows_and_discards_those_that_wait() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let readers = Readers::new(More::UNBOUNDED);
    let windows = readers.read(source.window_sliding(3, 1));
    let windows = windows.on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let out = Probe::new().asking(More::of(2)).on(windows);
    (1..=3).for_each(|n| hand.send(mint.item(n)));
    hand.send(mint.item(4));
    hand.end(End::Failed("no"));
    let error = Told::Error("\"no\"".into());
    assert_eq!(out.take(), next_then([0, 1], error.clone()));
    assert_eq!(readers.of(0).take(), next_then([1, 2, 3], Told::Complete));
    assert_eq!(readers.of(1).take(), next_then([2, 3, 4], Told::Complete));
    assert_eq!(*discarded.lock().unwrap(), [3, 4, 4], "of the two that waited");
    assert_eq!(mint.live(), 0);
    // One that is open has it behind its items.
    let (hand, source) = Hand::new();
    let readers = Readers::new(More::UNBOUNDED);
    let out = Probe::new().asking(More::of(2)).on(readers.read(source.window_sliding(3, 1)));
    (1..=2).for_each(|n| hand.send(mint.item(n)));
    hand.end(End::Failed("no"));
    assert_eq!(out.take(), next_then([0, 1], error.clone()));
    assert_eq!(readers.of(0).take(), next_then([1, 2], error.clone()));
    assert_eq!(readers.of(1).take(), next_then([2], error));
    assert_eq!(mint.live(), 0);
}

#[test]
fn when_downstream_is_cancelled_open_windows_run_on_and_those_that_wait_go() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let told = discarded.clone();
    let readers = Readers::new(More::UNBOUNDED);
    let windows = readers.read(source.window_sliding(4, 1));
    let windows = windows.on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let out = Probe::new().asking(More::of(2)).on(windows);
    (1..=3).for_each(|n| hand.send(mint.item(n)));
    out.cancel();
    assert_eq!(*discarded.lock().unwrap(), [3], "the third window waited");
    assert_eq!(mint.live(), 0);
    hand.send(mint.item(4));
    assert_eq!(readers.of(0).take(), next_then([1, 2, 3, 4], Told::Complete));
    assert!(!hand.is_cancelled(), "the second is open");
    readers.of(1).cancel();
    assert!(hand.is_cancelled());
    assert_eq!(readers.of(1).take(), next([2, 3, 4]));
    assert_eq!(readers.probes.lock().unwrap().len(), 2);
    assert_eq!(mint.live(), 0);
}

#[test]
fn no_item_is_cloned_for_a_window_whose_reader_has_gone() {
    /// Counts its clones.
    struct Counting(Arc<AtomicUsize>);
    impl Clone for Counting {
        fn clone(&self) -> Counting {
            self.0.fetch_add(1, Ordering::Relaxed);
            Counting(self.0.clone())
        }
    }
    let clones = Arc::new(AtomicUsize::new(0));
    let count = clones.clone();
    let items = || {
        millstream::range(0..10_u32).map({
            let count = count.clone();
            move |_| Counting(count.clone())
        })
    };
    let all = items().window_sliding(2, 1).concat_map(|window| window.take(9));
    assert_eq!(all.count().block().unwrap(), 19);
    assert_eq!(clones.swap(0, Ordering::Relaxed), 9, "the last window has the item itself");
    let firsts = items().window_sliding(2, 1).concat_map(|window| window.take(1));
    assert_eq!(firsts.count().block().unwrap(), 10);
    assert_eq!(clones.swap(0, Ordering::Relaxed), 0);
    let gone = items().window_sliding(2, 1).map(drop);
    assert_eq!(gone.count().block().unwrap(), 10);
    assert_eq!(clones.load(Ordering::Relaxed), 0);
}

#[test]
#[should_panic(expected = "window_sliding(0, step)")]
fn window_sliding_refuses_windows_of_nothing() {
    let _ = millstream::range(0..1).window_sliding(0, 1);
}

#[test]
#[should_panic(expected = "window_sliding(2, 0): a window begins at least 1 item after")]
fn window_sliding_refuses_windows_that_begin_at_a_time() {
    let _ = millstream::range(0..1).window_sliding(2, 0);
}

#[test]
#[should_panic(expected = "window_skip(0, step)")]
fn window_skip_refuses_windows_of_nothing() {
    let _ = millstream::range(0..1).window_skip(0, 1);
}

#[test]
#[should_panic(expected = "overlap; `window_sliding(3, 2)`")]
fn window_skip_refuses_windows_that_overlap() {
    let _ = millstream::range(0..1).window_skip(3, 2);
}

#[test]
#[should_panic(expected = "window(0)")]
fn a_window_of_nothing_is_refused() {
    let _ = millstream::range(0..1).window(0);
}

#[test]
#[should_panic(expected = "window_until(0, f)")]
fn window_until_refuses_zero() {
    let _ = millstream::range(0..1).window_until(0, |_| true);
}

#[test]
#[should_panic(expected = "window_while(0, f)")]
fn window_while_refuses_zero() {
    let _ = millstream::range(0..1).window_while(0, |_| true);
}

#[test]
#[should_panic(expected = "window_by_key(0, f)")]
fn window_by_key_refuses_zero() {
    let _ = millstream::range(0..1).window_by_key(0, |_| ());
}

/// The items of each window, which are read one after another.
fn lists<P>(windows: P) -> Vec<Vec<u32>>
where
    P: Publisher<Item = Window<u32, Infallible>, Error = Infallible>,
{
    let lists = windows.concat_map(|window| window.chunks(usize::MAX));
    lists.collect::<Vec<_>>().block().unwrap()
}

proptest! {
    #[test]
    fn the_windows_of_a_rule_are_the_chunks_of_it(
        items in prop::collection::vec(0_u32..10, 0..40),
        max in 1_usize..8,
        step in 1_usize..8,
    ) {
        let all = || millstream::from_iter(items.clone());
        let chunks = items.chunks(max).map(<[u32]>::to_vec).collect::<Vec<_>>();
        prop_assert_eq!(lists(all().window(max)), chunks);
        let until = all().chunk_until(max, |n| n % 3 == 0).collect::<Vec<_>>().block().unwrap();
        prop_assert_eq!(lists(all().window_until(max, |n| n % 3 == 0)), until);
        let whilst = all().chunk_while(max, |n| n % 3 != 0).collect::<Vec<_>>().block().unwrap();
        prop_assert_eq!(lists(all().window_while(max, |n| n % 3 != 0)), whilst);
        let by_key = all().chunk_by_key(max, |n| n / 4).collect::<Vec<_>>().block().unwrap();
        prop_assert_eq!(lists(all().window_by_key(max, |n| n / 4)), by_key);
        let overlapping = all().sliding(max, step).collect::<Vec<_>>().block().unwrap();
        prop_assert_eq!(lists(all().window_sliding(max, step)), overlapping);
        let step = max + step - 1;
        let with_gaps = all().chunks_skip(max, step).collect::<Vec<_>>().block().unwrap();
        prop_assert_eq!(lists(all().window_skip(max, step)), with_gaps);
    }

    /// Whatever is read, dropped, cancelled and asked for in whatever order, each item is in its
    /// window or discarded, once.
    #[test]
    fn each_item_is_in_its_window_or_discarded(
        seed in any::<u64>(),
        n in 0_u32..40,
        size in 1_usize..5,
        reads in prop::collection::vec(0_usize..6, 1..12),
        ahead in 1_usize..5,
    ) {
        let mint = Mint::new();
        let executor = Seeded::new(seed);
        let (on, inner) = (executor.clone(), executor.clone());
        let items: Vec<Item> = (0..n).map(|n| mint.item(n)).collect();
        let discarded = Arc::new(Mutex::new(Vec::new()));
        let told = discarded.clone();
        let mut which = 0;
        let read = millstream::from_iter(items)
            .publish_on(on, 4)
            .window(size)
            .flat_map_unordered(ahead, 2, move |window| {
                which += 1;
                let reads = reads[which % reads.len()];
                if reads == 0 {
                    // Dropped unread.
                    return millstream::empty().boxed();
                }
                window.take(reads as u64).publish_on(inner.clone(), 1).boxed()
            })
            .on_discard(move |item: Item| told.lock().unwrap().push(item.0));
        let read = executor.run_until(read.collect::<Vec<_>>()).unwrap();
        let mut all: Vec<u32> = read.into_iter().map(|item| item.0).collect();
        all.append(&mut discarded.lock().unwrap());
        all.sort_unstable();
        prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        prop_assert_eq!(mint.live(), 0);
    }
    /// Whatever is read, dropped, cancelled and asked for in whatever order, a window that overlaps
    /// others has its items, and none that is not its own.
    #[test]
    fn each_overlapping_window_has_its_items_and_no_others(
        seed in any::<u64>(),
        n in 0_u32..30,
        size in 1_usize..5,
        step in 1_usize..5,
        reads in prop::collection::vec(0_usize..6, 1..12),
        ahead in 1_usize..5,
    ) {
        let mint = Mint::new();
        let executor = Seeded::new(seed);
        let (on, inner) = (executor.clone(), executor.clone());
        let items: Vec<Item> = (0..n).map(|n| mint.item(n)).collect();
        let windows = groups(n, size, step).len();
        let mut begun = 0;
        let of = move |window: usize| reads[window % reads.len()];
        let wanted = of.clone();
        let read = millstream::from_iter(items)
            .publish_on(on, 4)
            .window_sliding(size, step)
            .flat_map_unordered(ahead, 2, move |window| {
                let number = begun;
                begun += 1;
                match of(number) {
                    // Dropped unread.
                    0 => millstream::empty().boxed(),
                    reads => {
                        let read = window.take(reads as u64).publish_on(inner.clone(), 1);
                        read.map(move |item| (number, item)).boxed()
                    }
                }
            });
        let read = executor.run_until(read.collect::<Vec<_>>()).unwrap();
        let mut by_window = vec![Vec::new(); windows];
        for (window, item) in read {
            by_window[window].push(item.0);
        }
        let mut expected = groups(n, size, step);
        for (window, items) in expected.iter_mut().enumerate() {
            items.truncate(wanted(window));
        }
        prop_assert_eq!(by_window, expected);
        prop_assert_eq!(mint.live(), 0);
    }
}

/// The numbers up to `n` in groups, one beginning every `step` of them.
fn groups(n: u32, size: usize, step: usize) -> Vec<Vec<u32>> {
    let begin = (0..n).step_by(step);
    begin.map(|first| (first..n.min(first + size as u32)).collect()).collect()
}
