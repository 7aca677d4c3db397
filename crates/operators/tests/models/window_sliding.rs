//! Models of `window_sliding`: items race requests of windows that overlap, and of downstream for one
//! that waits.

use millstream_operators::PublisherExt;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Item};
use crate::window::{Windowed, windowed_by};

/// Windows of two items, of which one begins with each item.
fn overlapping() -> Windowed {
    windowed_by(|source| source.window_sliding(2, 1))
}

/// Each of two windows that are open has the item, whoever of their readers sends it.
#[test]
fn items_race_requests_of_two_windows() {
    model("window_sliding: items_race_requests_of_two_windows", || {
        let overlapping = overlapping();
        overlapping.out.request(9);
        overlapping.hand.send(overlapping.token(0));
        let producer = overlapping.send(1..2, true);
        overlapping.window(0).request(9);
        producer.join().unwrap();
        overlapping.window(1).request(9);
        let (out, windows) = overlapping.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert_eq!(windows, [vec![Item(0), Item(1), Complete], vec![Item(1), Complete]]);
    });
}

/// Downstream asks for the next window, while that begins or waits.
#[test]
fn a_request_for_a_window_races_its_beginning() {
    model("window_sliding: a_request_for_a_window_races_its_beginning", || {
        let overlapping = overlapping();
        overlapping.out.request(1);
        overlapping.hand.send(overlapping.token(0));
        overlapping.window(0).request(9);
        let producer = overlapping.send(1..2, false);
        overlapping.out.request(1);
        producer.join().unwrap();
        overlapping.window(1).request(9);
        overlapping.hand.complete();
        let (out, windows) = overlapping.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert_eq!(windows, [vec![Item(0), Item(1), Complete], vec![Item(1), Complete]]);
    });
}

/// A window waits for downstream while upstream is complete: it comes before the end.
#[test]
fn the_end_races_a_request_for_a_window_that_waits() {
    model("window_sliding: the_end_races_a_request_for_a_window_that_waits", || {
        let overlapping = overlapping();
        overlapping.out.request(1);
        overlapping.hand.send(overlapping.token(0));
        overlapping.window(0).request(9);
        overlapping.hand.send(overlapping.token(1));
        let completes = overlapping.send(2..2, true);
        overlapping.out.request(1);
        completes.join().unwrap();
        overlapping.window(1).request(9);
        let (out, windows) = overlapping.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert_eq!(windows, [vec![Item(0), Item(1), Complete], vec![Item(1), Complete]]);
    });
}

/// Downstream goes while a window begins that it did not ask for: that one goes with it, and the one
/// before it runs on.
#[test]
fn downstream_goes_while_a_window_begins_that_waits() {
    model("window_sliding: downstream_goes_while_a_window_begins_that_waits", || {
        let overlapping = overlapping();
        overlapping.out.request(1);
        overlapping.hand.send(overlapping.token(0));
        overlapping.window(0).request(9);
        let producer = overlapping.send(1..2, false);
        let out = overlapping.out.clone();
        let canceller = thread::spawn(move || out.cancel());
        producer.join().unwrap();
        canceller.join().unwrap();
        assert_eq!(overlapping.source.count(), 0, "the source or an item is still alive");
        let (out, windows) = overlapping.finish();
        assert_eq!(out, [Item(0)]);
        assert_eq!(windows, [[Item(0), Item(1), Complete]]);
    });
}

/// An item comes while the older of two windows is cancelled: it is for the other.
#[test]
fn a_window_is_cancelled_while_an_item_comes_for_two() {
    model("window_sliding: a_window_is_cancelled_while_an_item_comes_for_two", || {
        let overlapping = overlapping();
        overlapping.out.request(9);
        overlapping.hand.send(overlapping.token(0));
        let producer = overlapping.send(1..3, true);
        overlapping.window(0).cancel();
        producer.join().unwrap();
        (1..3).for_each(|n| overlapping.window(n).request(9));
        let (out, windows) = overlapping.finish();
        assert_eq!(out, [Item(0), Item(1), Item(2), Complete]);
        assert_eq!(windows[1], [Item(1), Item(2), Complete]);
        assert_eq!(windows[2], [Item(2), Complete]);
    });
}
