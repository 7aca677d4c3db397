//! Models of `wire_tap`: the side asks, leaves or panics while items come, and is told the end; the
//! main stream does not notice.

use std::ops::Range;

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::source::Emissions;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{self, Complete, Error as Failed};
use crate::oracle::{Error, Hand, Oracle, Source, Start, Token, begins};
use crate::{all, fails_at, split};

/// A tapped stream whose main oracle has asked for all: whose items they are, what sends them and
/// completes, the main oracle, and that of the side, which `leads` somewhere.
fn tapped(
    numbers: Range<u32>,
    leads: impl FnOnce(Emissions<Token, Error>, Oracle) + Send + 'static,
) -> (Oracle, impl FnOnce() + Send + 'static, [Oracle; 2]) {
    let (oracle, hand) = (Oracle::new(), Hand::default());
    let source = Source::Hand(oracle.alive(), hand.clone());
    let [main, side] = [Oracle::new(), Oracle::new()];
    let on_side = side.clone();
    let tapped = source.try_map(fails_at(7, "broken")).wire_tap(move |tap| leads(tap, on_side));
    tapped.subscribe(main.probe(|_| More::NONE));
    main.request(9);
    let items: Vec<_> = numbers.map(|n| Token(n, oracle.alive())).collect();
    let send = move || {
        items.into_iter().for_each(|item| hand.send(item));
        hand.complete();
    };
    (oracle, send, [main, side])
}

fn as_it_is(tap: Emissions<Token, Error>, oracle: Oracle) {
    tap.subscribe(oracle.probe(|_| More::NONE));
}

/// The log of a stream that is over without anybody's help.
fn over(oracle: &Oracle) -> Vec<Signal> {
    assert!(oracle.log().is_some(), "it is not over");
    oracle.finish()
}

/// It may miss items, but not the newest, which waits for it.
#[test]
fn the_side_asks_while_items_come() {
    model("wire_tap: the_side_asks_while_items_come", || {
        let (oracle, send, [main, side]) = tapped(0..3, as_it_is);
        let upstream = thread::spawn(send);
        side.request(1);
        side.request(2);
        upstream.join().unwrap();
        assert_eq!(over(&main), all(0..3));
        let log = over(&side);
        let (seen, end) = split(&log);
        assert!(seen.is_sorted() && seen.last() == Some(&2) && end == Some(&Complete), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn the_side_leaves_while_items_come() {
    model("wire_tap: the_side_leaves_while_items_come", || {
        let (oracle, send, [main, side]) = tapped(0..2, as_it_is);
        let upstream = thread::spawn(send);
        side.request(1);
        side.cancel();
        upstream.join().unwrap();
        assert_eq!(over(&main), all(0..2));
        let log = side.finish();
        let (seen, end) = split(&log);
        assert!([&[][..], &[0], &[1]].contains(&&seen[..]), "{log:?}");
        assert!(matches!(end, None | Some(Complete)), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// On whichever thread it does.
#[test]
fn the_side_panics_while_items_come() {
    model("wire_tap: the_side_panics_while_items_come", || {
        let (oracle, send, [main, side]) = tapped(0..2, |tap, oracle| {
            let panics = tap.map(|_| std::panic::resume_unwind(Box::new("ouch")));
            panics.subscribe(oracle.probe(|_| More::NONE));
        });
        let upstream = thread::spawn(send);
        side.request(1);
        upstream.join().unwrap();
        assert_eq!(over(&main), all(0..2));
        assert_eq!(over(&side), [Signal::Fault("user code panicked: ouch".to_owned())]);
        assert_eq!(oracle.count(), 0);
    });
}

/// The failure comes to the side behind the item that is kept for it.
#[test]
fn a_failure_races_a_side_that_asks() {
    model("wire_tap: a_failure_races_a_side_that_asks", || {
        let (oracle, send, [main, side]) = tapped(6..8, as_it_is);
        let upstream = thread::spawn(send);
        side.request(1);
        upstream.join().unwrap();
        assert_eq!(over(&main), [Signal::Item(6), Failed("broken")]);
        assert_eq!(over(&side), [Signal::Item(6), Failed("broken")]);
        assert_eq!(oracle.count(), 0);
    });
}

/// There is nothing left to see then: the side completes, behind what is kept for it.
#[test]
fn a_cancellation_races_the_items_and_a_side_that_asks() {
    model("wire_tap: a_cancellation_races_the_items_and_a_side_that_asks", || {
        let (oracle, send, [main, side]) = tapped(0..2, as_it_is);
        let upstream = thread::spawn(send);
        let asking = thread::spawn({
            let side = side.clone();
            move || side.request(9)
        });
        main.cancel();
        upstream.join().unwrap();
        asking.join().unwrap();
        let log = over(&side);
        let (seen, end) = split(&log);
        assert!([&[][..], &[0], &[1], &[0, 1]].contains(&&seen[..]), "{log:?}");
        assert_eq!(end, Some(&Complete), "{log:?}");
        let log = over(&main);
        assert!(begins(&all(0..2), &log), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// Where what is above goes, both are told, and neither keeps the other.
#[test]
fn a_source_that_goes_races_a_side_that_leaves() {
    model("wire_tap: a_source_that_goes_races_a_side_that_leaves", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Deaf(oracle.alive(), start.clone());
        let [main, side] = [Oracle::new(), Oracle::new()];
        let on_side = side.clone();
        source
            .prefetch(1)
            .wire_tap(move |tap| as_it_is(tap, on_side))
            .subscribe(main.probe(|_| More::NONE));
        let going = thread::spawn(move || start.forget());
        side.cancel();
        going.join().unwrap();
        let gone = Signal::Fault(Fault::SourceDropped.to_string());
        assert_eq!(over(&main), std::slice::from_ref(&gone));
        let log = side.finish();
        assert!(log.is_empty() || log == [gone], "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}
