//! Models of `window`: items race requests and cancellations of the open window and of downstream.

use std::sync::{Arc, Mutex};

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::chunk::Window;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Item};
use crate::oracle::{Error, Hand, Oracle, Signal, Source, Token};
use crate::placed::Placed;

/// A source by hand, and who is sent the windows, each as its number.
pub(crate) struct Windowed {
    pub(crate) source: Oracle,
    pub(crate) hand: Hand,
    pub(crate) out: Oracle,
    windows: Arc<Mutex<Vec<Oracle>>>,
}

/// Windows of two items, each read by an oracle of its own, which asks for nothing.
fn windowed() -> Windowed {
    windowed_by(|source| source.window(2))
}

/// The same, of windows that are cut so.
pub(crate) fn windowed_by<W>(cut: impl FnOnce(Source) -> W) -> Windowed
where
    W: Publisher<Item = Window<Token, Error>, Error = Error>,
{
    let (source, hand, out) = (Oracle::new(), Hand::default(), Oracle::new());
    let windows: Arc<Mutex<Vec<Oracle>>> = Arc::default();
    let (read, alive) = (windows.clone(), source.alive());
    cut(Source::Hand(source.alive(), hand.clone()))
        .map(move |window: Window<Token, Error>| {
            let oracle = Oracle::new();
            let mut read = read.lock().unwrap();
            read.push(oracle.clone());
            let n = read.len() as u32 - 1;
            drop(read);
            window.subscribe(oracle.probe(|_| More::NONE));
            Token(n, alive.clone())
        })
        .subscribe(out.probe(|_| More::NONE));
    Windowed { source, hand, out, windows }
}

impl Windowed {
    pub(crate) fn token(&self, n: u32) -> Token {
        Token(n, self.source.alive())
    }

    pub(crate) fn window(&self, n: usize) -> Oracle {
        self.windows.lock().unwrap()[n].clone()
    }

    /// Sends these, and then perhaps completion, on another thread.
    pub(crate) fn send(
        &self,
        numbers: std::ops::Range<u32>,
        completes: bool,
    ) -> thread::JoinHandle<()> {
        let hand = self.hand.clone();
        let items: Vec<_> = numbers.map(|n| self.token(n)).collect();
        thread::spawn(move || {
            items.into_iter().for_each(|item| hand.send(item));
            if completes {
                hand.complete();
            }
        })
    }

    /// The logs of downstream and of each window, where all is over.
    pub(crate) fn finish(self) -> (Vec<Signal>, Vec<Vec<Signal>>) {
        let windows = std::mem::take(&mut *self.windows.lock().unwrap());
        let out = self.out.finish();
        let windows = windows.into_iter().map(|window| window.finish()).collect();
        assert_eq!(self.source.count(), 0, "the source or an item is still alive");
        (out, windows)
    }
}

#[test]
fn items_race_a_request_of_their_window() {
    model("window: items_race_a_request_of_their_window", || {
        let windowed = windowed();
        windowed.out.request(1);
        windowed.hand.send(windowed.token(0));
        let producer = windowed.send(1..2, true);
        windowed.window(0).request(9);
        producer.join().unwrap();
        let (out, windows) = windowed.finish();
        assert_eq!(out, [Item(0), Complete]);
        assert_eq!(windows, [[Item(0), Item(1), Complete]]);
    });
}

/// Downstream goes while the window that is open is asked for items, and these come.
#[test]
fn the_open_window_outlives_downstream() {
    model("window: the_open_window_outlives_downstream", || {
        let windowed = windowed();
        windowed.out.request(9);
        windowed.hand.send(windowed.token(0));
        let producer = windowed.send(1..2, false);
        let (out, window) = (windowed.out.clone(), windowed.window(0));
        let canceller = thread::spawn(move || out.cancel());
        window.request(9);
        producer.join().unwrap();
        canceller.join().unwrap();
        // It is complete, and so upstream was let go of.
        assert_eq!(window.log().as_deref(), Some(&[Item(0), Item(1), Complete][..]));
        assert_eq!(windowed.source.count(), 0, "the source is still alive");
        let (out, windows) = windowed.finish();
        assert_eq!(out, [Item(0)]);
        assert_eq!(windows.len(), 1);
    });
}

/// The last two who want anything go at a time: then upstream is let go of.
#[test]
fn downstream_and_the_open_window_are_cancelled_at_a_time() {
    model("window: downstream_and_the_open_window_are_cancelled_at_a_time", || {
        let windowed = windowed();
        windowed.out.request(9);
        windowed.hand.send(windowed.token(0));
        let out = windowed.out.clone();
        let canceller = thread::spawn(move || out.cancel());
        windowed.window(0).cancel();
        canceller.join().unwrap();
        assert_eq!(windowed.source.count(), 0, "the source is still alive");
        let (out, windows) = windowed.finish();
        assert_eq!(out, [Item(0)]);
        assert_eq!(windows, [[]]);
    });
}

/// An item comes for the window that is just being cancelled: it is counted, and the next window
/// begins behind it.
#[test]
fn a_window_that_is_cancelled_is_counted_on() {
    model("window: a_window_that_is_cancelled_is_counted_on", || {
        let windowed = windowed();
        windowed.out.request(9);
        windowed.hand.send(windowed.token(0));
        windowed.window(0).request(9);
        let producer = windowed.send(1..3, true);
        windowed.window(0).cancel();
        producer.join().unwrap();
        windowed.window(1).request(9);
        let (out, windows) = windowed.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert!(
            [&[Item(0)][..], &[Item(0), Item(1)], &[Item(0), Item(1), Complete]]
                .contains(&&windows[0][..]),
            "{windows:?}"
        );
        assert_eq!(windows[1], [Item(2), Complete]);
    });
}

/// Downstream asks for the next window while the items of the open one come, which nobody reads.
#[test]
fn a_request_for_a_window_races_the_items_before_it() {
    model("window: a_request_for_a_window_races_the_items_before_it", || {
        let windowed = windowed();
        windowed.out.request(1);
        windowed.hand.send(windowed.token(0));
        let producer = windowed.send(1..3, true);
        windowed.out.request(1);
        producer.join().unwrap();
        windowed.window(0).request(9);
        windowed.window(1).request(9);
        let (out, windows) = windowed.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert_eq!(windows, [vec![Item(0), Item(1), Complete], vec![Item(2), Complete]]);
    });
}

/// Who runs `window` for the windows that are in place is asked by two.
#[test]
fn requests_race_each_other_for_windows_in_place() {
    model("window: requests_race_each_other_for_windows_in_place", || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..5)
            .window(2)
            .concat_map(|window: Window<Token, Error>| window)
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        assert_eq!(out.finish(), [Item(0), Item(1), Item(2), Item(3), Item(4), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// A window in place is over with the last of its items, and what comes then is for another.
#[test]
fn a_window_in_place_ends_with_its_last_item() {
    model("window: a_window_in_place_ends_with_its_last_item", || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..5)
            .window(2)
            .concat_map(|window: Window<Token, Error>| window.take_last(1))
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        assert_eq!(out.finish(), [Item(1), Item(3), Item(4), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// A host that has no place for a window is sent none, and the item which would begin it stays upstream.
#[test]
fn a_host_without_room_is_sent_no_window() {
    model("window: a_host_without_room_is_sent_no_window", || {
        let (source, out, other) = (Oracle::new(), Oracle::new(), Oracle::new());
        let read = other.clone();
        crate::pulled(&source, 0..6)
            .window(2)
            .flat_map_unordered(1, 1, move |window: Window<Token, Error>| {
                window.subscribe(read.probe(|_| More::NONE));
                Placed::Idle::<Window<Token, Error>>
            })
            .subscribe(out.probe(|_| More::NONE));
        out.request(1);
        let asking = thread::spawn({
            let out = out.clone();
            move || out.request(9)
        });
        other.request(9);
        asking.join().unwrap();
        assert_eq!(other.log().as_deref(), Some(&[Item(0), Item(1), Complete][..]));
        assert_eq!(source.count(), 1, "beside what makes the items there is one");
        out.cancel();
        assert_eq!(out.finish(), []);
        assert_eq!(other.finish(), [Item(0), Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// Windows of one item for two places, which are complete when they are begun: one after another is on
/// its way.
#[test]
fn requests_race_each_other_for_windows_in_two_places() {
    model("window: requests_race_each_other_for_windows_in_two_places", || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..3)
            .window(1)
            .flat_map_unordered(2, 1, |window: Window<Token, Error>| window)
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        let log = out.finish();
        let (mut items, end) = crate::split(&log);
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2]);
        assert_eq!(end, Some(&Complete));
        assert_eq!(source.count(), 0);
    });
}

/// The same, where a rule cuts them: an item that begins a window has ended a run for another.
#[test]
fn requests_race_each_other_for_windows_that_a_rule_cuts() {
    model("window: requests_race_each_other_for_windows_that_a_rule_cuts", || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..6)
            .window_by_key(9, |item: &Token| item.0 / 3)
            .concat_map(|window: Window<Token, Error>| window.map(|item| item).take_last(2))
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        assert_eq!(out.finish(), [Item(1), Item(2), Item(4), Item(5), Complete]);
        assert_eq!(source.count(), 0);
    });
}
