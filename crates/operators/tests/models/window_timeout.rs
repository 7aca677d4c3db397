//! Models of `window_timeout`: its timer fires against items, the reader, a cancellation.

use std::time::Duration;

use millstream_core::{More, Publisher};
use millstream_executors::Executor;
use millstream_operators::PublisherExt;
use millstream_operators::chunk::Window;
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::{Desk, run};

use crate::clock::ManualClock;
use crate::oracle::Signal::{Complete, Item};
use crate::oracle::{Error, Hand, Oracle, Source, Token, begins};
use crate::{all, late};

const SECOND: Duration = Duration::from_secs(1);

/// A window is opened and read inside of a signal: more than the stack of a model's thread holds
/// where nothing is optimised.
fn on_a_larger_stack(body: impl FnOnce() + Send + 'static) {
    let larger = thread::Builder::new().stack_size(1 << 18);
    larger.spawn(body).unwrap().join().unwrap();
}

/// Runs what the timers have left, until there is none.
fn run_all(desk: &Desk) {
    while let Some(task) = desk.next() {
        run(Some(task));
    }
}

/// Nothing but the timer completes the window.
#[test]
fn the_timer_of_a_window_races_its_reader() {
    model("window_timeout: the_timer_of_a_window_races_its_reader", || {
        on_a_larger_stack(|| {
            let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
            let (hand, reader) = (Hand::default(), Oracle::new());
            let source = Source::Hand(oracle.alive(), hand.clone());
            let time = desk.clone().with_clock(clock.clone());
            let (reads, alive) = (reader.clone(), oracle.alive());
            let windows = source.window_timeout(time, 2, SECOND).map(move |window| {
                window.subscribe(reads.probe(|_| More::NONE));
                Token(0, alive.clone())
            });
            windows.subscribe(oracle.probe(|_| More::NONE));
            oracle.request(1);
            hand.send(Token(0, oracle.alive()));
            let passes = {
                let (clock, desk) = (clock.clone(), desk.clone());
                thread::spawn(move || {
                    clock.pass();
                    run_all(&desk);
                })
            };
            reader.request(1);
            passes.join().unwrap();
            run_all(&desk);
            assert_eq!(clock.timers(), 0);
            assert_eq!(reader.finish(), all(0..1));
            oracle.cancel();
            assert_eq!(oracle.finish(), [Item(0)]);
        });
    });
}

#[test]
fn the_timer_races_the_items() {
    model("window_timeout: the_timer_races_the_items", || {
        on_a_larger_stack(|| {
            let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
            let (source, start) = late(&oracle, 0..2);
            let time = desk.clone().with_clock(clock.clone());
            let windows = source.window_timeout(time, 2, SECOND);
            windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
            oracle.request(9);
            let producer = thread::spawn(move || start.go());
            clock.pass();
            run_all(&desk);
            producer.join().unwrap();
            run_all(&desk);
            assert_eq!(clock.timers(), 0);
            assert_eq!(oracle.finish(), all(0..2));
        });
    });
}

#[test]
fn the_timer_races_a_cancellation() {
    model("window_timeout: the_timer_races_a_cancellation", || {
        on_a_larger_stack(|| {
            let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
            let hand = Hand::default();
            let source = Source::Hand(oracle.alive(), hand.clone());
            let time = desk.clone().with_clock(clock.clone());
            let windows = source.window_timeout(time, 2, SECOND);
            windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
            oracle.request(9);
            hand.send(Token(0, oracle.alive()));
            let passes = {
                let (clock, desk) = (clock.clone(), desk.clone());
                thread::spawn(move || {
                    clock.pass();
                    run_all(&desk);
                })
            };
            oracle.cancel();
            passes.join().unwrap();
            run_all(&desk);
            assert_eq!(clock.timers(), 0);
            assert!(begins(&all(0..1), &oracle.finish()));
        });
    });
}

/// A synchronous upstream, whose items are handed: nobody else sets the timer.
#[test]
fn the_timer_races_what_is_handed() {
    model("window_timeout: the_timer_races_what_is_handed", || {
        on_a_larger_stack(|| {
            let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
            let (alive, time) = (oracle.alive(), desk.clone().with_clock(clock.clone()));
            let source = millstream_operators::source::from_iter(0..4);
            let source = source.map(move |n| Token(n, alive.clone()));
            let windows = source.map_err(|never| match never {}).window_timeout(time, 9, SECOND);
            windows.concat_map(|window| window).subscribe(oracle.probe(|_| More::NONE));
            oracle.request(1);
            assert_eq!(clock.timers(), 1, "it is set although the host does not come again");
            let asks = thread::spawn({
                let oracle = oracle.clone();
                move || oracle.request(9)
            });
            clock.pass();
            run_all(&desk);
            asks.join().unwrap();
            run_all(&desk);
            assert_eq!(clock.timers(), 0);
            assert_eq!(oracle.finish(), all(0..4));
        });
    });
}

/// The time comes while a host is handed items: the window ends with the one after which that is seen.
#[test]
fn the_time_comes_while_items_are_handed() {
    model("window_timeout: the_time_comes_while_items_are_handed", || {
        on_a_larger_stack(|| {
            let (oracle, desk, clock) = (Oracle::new(), Desk::default(), ManualClock::default());
            let (alive, time) = (oracle.alive(), desk.clone().with_clock(clock.clone()));
            let source = millstream_operators::source::from_iter(0..5);
            let passes = clock.clone();
            let source = source.inspect(move |n| {
                if *n == 2 {
                    passes.pass();
                }
            });
            let source = source.map(move |n| Token(n, alive.clone()));
            let windows = source.map_err(|never| match never {}).window_timeout(time, 9, SECOND);
            let last = |window: Window<Token, Error>| window.take_last(1);
            windows.concat_map(last).subscribe(oracle.probe(|_| More::NONE));
            let asks = thread::spawn({
                let oracle = oracle.clone();
                move || oracle.request(1)
            });
            oracle.request(1);
            asks.join().unwrap();
            run_all(&desk);
            assert_eq!(clock.timers(), 0);
            assert_eq!(oracle.finish(), [Item(2), Item(4), Complete]);
        });
    });
}
