//! Models of `also_to`: the side leaves, has enough, fails or panics while an item is on its way, and
//! what belongs together ends together.

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::fan_out::Side;
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{self, Complete, Error as Failed, Item};
use crate::oracle::{Error, Hand, Oracle, Source, Token};
use crate::{all, fails_at, late, split};

/// A stream that also goes to a side, with room for one item for each: its main oracle, and that of
/// the side, which `leads` somewhere. Both are asked by hand.
fn both<P>(
    source: P,
    leads: impl FnOnce(Side<Token, Error>, Oracle) + Send + 'static,
) -> [Oracle; 2]
where
    P: Publisher<Item = Token, Error = Error>,
{
    let [main, side] = [Oracle::new(), Oracle::new()];
    let on_side = side.clone();
    source.also_to(1, move |also| leads(also, on_side)).subscribe(main.probe(|_| More::NONE));
    [main, side]
}

fn as_it_is(side: Side<Token, Error>, oracle: Oracle) {
    side.subscribe(oracle.probe(|_| More::NONE));
}

fn aborted() -> Signal {
    Signal::Fault(Fault::Aborted.to_string())
}

/// The log of a stream that is over without anybody's help.
fn over(oracle: &Oracle) -> Vec<Signal> {
    assert!(oracle.log().is_some(), "it is not over");
    oracle.finish()
}

/// The main stream is sent what is queued for it, and completes: nobody has to send anything for that.
#[test]
fn the_side_leaves_while_an_item_comes() {
    model("also_to: the_side_leaves_while_an_item_comes", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let [main, side] = both(Source::Hand(oracle.alive(), hand.clone()), as_it_is);
        main.request(9);
        side.request(9);
        let item = Token(0, oracle.alive());
        let upstream = thread::spawn(move || hand.send(item));
        side.cancel();
        upstream.join().unwrap();
        let log = over(&main);
        assert!(log == [Complete] || log == [Item(0), Complete], "{log:?}");
        let log = side.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// What there is room for when the side has gone is not asked for: the main stream gets no item that
/// could not have gone to both.
#[test]
fn a_side_that_leaves_makes_no_room() {
    model("also_to: a_side_that_leaves_makes_no_room", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let [main, side] = both(source, as_it_is);
        start.go();
        let leaving = thread::spawn({
            let side = side.clone();
            move || side.cancel()
        });
        main.request(9);
        leaving.join().unwrap();
        assert_eq!(over(&main), [Item(0), Complete]);
        assert_eq!(side.finish(), []);
        assert_eq!(oracle.count(), 0);
    });
}

/// It goes on, and nothing is lost: the room of the side that leaves is room.
#[test]
fn a_side_that_may_leave_does_while_items_come() {
    model("also_to: a_side_that_may_leave_does_while_items_come", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..2);
        let [main, side] = [Oracle::new(), Oracle::new()];
        let on_side = side.clone();
        source
            .also_to(1, move |also| as_it_is(also, on_side))
            .side_may_leave()
            .subscribe(main.probe(|_| More::NONE));
        main.request(9);
        let upstream = thread::spawn(move || start.go());
        side.cancel();
        upstream.join().unwrap();
        assert_eq!(over(&main), all(0..2));
        assert_eq!(side.finish(), []);
        assert_eq!(oracle.count(), 0);
    });
}

/// It has enough with its first item, on whichever thread that comes.
#[test]
fn a_side_that_has_enough_races_the_items() {
    model("also_to: a_side_that_has_enough_races_the_items", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let [main, side] = both(source, |side, oracle| {
            side.take(1).subscribe(oracle.probe(|_| More::NONE));
        });
        main.request(9);
        let upstream = thread::spawn(move || start.go());
        side.request(9);
        upstream.join().unwrap();
        assert_eq!(over(&side), all(0..1));
        let log = over(&main);
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent) && end == Some(&Complete), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// The main stream knows that its side has failed, and so does upstream.
#[test]
fn a_side_that_fails_races_the_items() {
    model("also_to: a_side_that_fails_races_the_items", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let [main, side] = both(source, |side, oracle| {
            side.try_map(fails_at(0, "broken")).subscribe(oracle.probe(|_| More::NONE));
        });
        main.request(9);
        let upstream = thread::spawn(move || start.go());
        side.request(9);
        upstream.join().unwrap();
        assert_eq!(over(&side), [Failed("broken")]);
        let log = over(&main);
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent) && end == Some(&aborted()), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_side_that_panics_races_the_items() {
    model("also_to: a_side_that_panics_races_the_items", || {
        let oracle = Oracle::new();
        let (source, start) = late(&oracle, 0..3);
        let [main, side] = both(source, |side, oracle| {
            let panics = side.map(|_| std::panic::resume_unwind(Box::new("ouch")));
            panics.subscribe(oracle.probe(|_| More::NONE));
        });
        main.request(9);
        let upstream = thread::spawn(move || start.go());
        side.request(9);
        upstream.join().unwrap();
        assert_eq!(over(&side), [Signal::Fault("user code panicked: ouch".to_owned())]);
        let log = over(&main);
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent) && end == Some(&aborted()), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// Either goes for its own sake, and both are gone.
#[test]
fn both_leave_at_a_time_while_an_item_comes() {
    model("also_to: both_leave_at_a_time_while_an_item_comes", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let [main, side] = both(Source::Hand(oracle.alive(), hand.clone()), as_it_is);
        main.request(9);
        side.request(9);
        let item = Token(0, oracle.alive());
        let upstream = thread::spawn(move || hand.send(item));
        let leaving = thread::spawn({
            let side = side.clone();
            move || side.cancel()
        });
        main.cancel();
        leaving.join().unwrap();
        upstream.join().unwrap();
        for log in [over(&main), over(&side)] {
            let (sent, end) = split(&log);
            assert!([0].starts_with(&sent) && matches!(end, None | Some(Complete)), "{log:?}");
        }
        assert_eq!(oracle.count(), 0);
    });
}

/// The side completes behind what is queued for it.
#[test]
fn the_main_stream_is_cancelled_while_an_item_comes() {
    model("also_to: the_main_stream_is_cancelled_while_an_item_comes", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let [main, side] = both(Source::Hand(oracle.alive(), hand.clone()), as_it_is);
        main.request(9);
        let item = Token(0, oracle.alive());
        let upstream = thread::spawn(move || hand.send(item));
        main.cancel();
        upstream.join().unwrap();
        side.request(1);
        let log = over(&side);
        assert!(log == [Complete] || log == [Item(0), Complete], "{log:?}");
        let log = main.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

/// The end of upstream is told to both, whoever leaves at its own.
#[test]
fn the_end_of_upstream_races_a_side_that_leaves() {
    model("also_to: the_end_of_upstream_races_a_side_that_leaves", || {
        let (oracle, hand) = (Oracle::new(), Hand::default());
        let source = Source::Hand(oracle.alive(), hand.clone());
        let [main, side] = both(source.try_map(fails_at(0, "broken")), as_it_is);
        main.request(9);
        let item = Token(0, oracle.alive());
        let upstream = thread::spawn(move || hand.send(item));
        side.cancel();
        upstream.join().unwrap();
        let log = over(&main);
        assert!(log == [Complete] || log == [Failed("broken")], "{log:?}");
        let log = side.finish();
        assert!(log.is_empty() || log == [Failed("broken")], "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}
