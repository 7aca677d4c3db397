//! Claims about what ends streams from outside.

mod common;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use common::{Ended, Mint, Token, scripted, watch};
use millstream::executor::{CurrentThread, Pool};
use millstream::lifecycle::KillSwitch;
use millstream::prelude::*;
use millstream::{Demand, Failure, More, Subscription};

// ---- kill_switch, stopped_by ------------------------------------------------------------------

#[test]
fn a_shutdown_cancels_upstream_and_completes_downstream_without_demand() {
    let (source, control) = scripted::<u32, Infallible>();
    let (stream, switch) = source.kill_switch();
    let seen = watch(stream);
    assert!(!switch.is_thrown());
    assert!(switch.shutdown());
    assert!(control.is_cancelled());
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
    assert!(switch.is_thrown());
}

#[test]
fn an_abort_cancels_upstream_and_fails_downstream_without_demand() {
    let (source, control) = scripted::<u32, &str>();
    let (stream, switch) = source.kill_switch();
    let seen = watch(stream);
    assert!(switch.abort("stop"));
    assert!(control.is_cancelled());
    assert_eq!(seen.end(), Some(Ended::Error("stop")));
}

#[test]
fn the_first_call_counts() {
    for abort_first in [true, false] {
        let (source, _control) = scripted::<u32, &str>();
        let (stream, switch) = source.kill_switch();
        let seen = watch(stream);
        let expected = if abort_first {
            assert!(switch.abort("stop") && !switch.shutdown() && !switch.abort("again"));
            Ended::Error("stop")
        } else {
            assert!(switch.shutdown() && !switch.abort("stop"));
            Ended::Complete
        };
        assert_eq!(seen.end(), Some(expected));
    }
}

#[test]
fn demand_passes_as_it_is_until_it_is_thrown() {
    let (source, control) = scripted::<u32, Infallible>();
    let (stream, switch) = source.kill_switch();
    let seen = watch(stream);
    seen.request(3);
    seen.request(2);
    assert_eq!(control.asked(), [More::of(3), More::of(2)]);
    control.next(1);
    switch.shutdown();
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Complete)));
    seen.request(5);
    assert_eq!(control.asked(), []);
}

#[test]
fn a_stream_that_is_over_before_does_not_hear_of_it() {
    for end in [Ended::Complete, Ended::Error("no"), Ended::Dropped] {
        let (source, control) = scripted::<u32, &str>();
        let (stream, switch) = source.kill_switch();
        let seen = watch(stream);
        match end {
            Ended::Complete => control.complete(),
            Ended::Error(error) => control.error(error),
            _ => seen.cancel(),
        }
        assert_eq!(seen.end(), Some(end));
        assert!(switch.abort("late"));
        assert_eq!(seen.end(), None);
    }
}

#[test]
fn all_streams_of_a_switch_end_and_those_that_come_later_as_well() {
    let switch = KillSwitch::<&str>::new();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let (source, control) = scripted::<u32, &str>();
        streams.push((watch(source.stopped_by(&switch)), control));
    }
    streams[1].1.complete();
    assert_eq!(streams[1].0.end(), Some(Ended::Complete));
    switch.clone().abort("all");
    for n in [0, 2] {
        assert_eq!(streams[n].0.end(), Some(Ended::Error("all")));
        assert!(streams[n].1.is_cancelled());
    }
    let (source, control) = scripted::<u32, &str>();
    let late = watch(source.stopped_by(&switch));
    assert_eq!(late.end(), Some(Ended::Error("all")));
    assert_eq!(control.asked(), [], "upstream is not subscribed to");
}

/// Its upstream would say so.
#[test]
fn upstream_is_not_subscribed_to_where_it_was_thrown_before() {
    let switch = KillSwitch::new();
    switch.shutdown();
    let source = millstream::defer(|| -> millstream::BoxPublisher<u32, Infallible> {
        unreachable!("it is subscribed to")
    });
    assert_eq!(source.stopped_by(&switch).count().block().unwrap(), 0);
}

#[test]
fn it_is_thrown_from_inside_a_signal() {
    let (numbers, switch) = millstream::from_iter(0..).kill_switch();
    let some = numbers.inspect(move |n| {
        if *n == 2 {
            switch.shutdown();
        }
    });
    assert_eq!(some.collect::<Vec<_>>().block().unwrap(), [0, 1, 2], "the item itself passes");
}

/// A subscriber that throws while it is given its subscription.
struct Thrower(KillSwitch<&'static str>, Arc<Mutex<Vec<&'static str>>>);

impl Subscriber<u32, &'static str> for Thrower {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::UNBOUNDED);
        subscription.detach();
        self.0.abort("at once");
        self
    }
}

impl ActiveSubscriber<u32, &'static str> for Thrower {
    fn on_next(&mut self, _: u32) -> More {
        self.1.lock().unwrap().push("item");
        More::NONE
    }

    fn on_complete(self) {
        self.1.lock().unwrap().push("complete");
    }

    fn on_error(self, error: &'static str) {
        self.1.lock().unwrap().push(error);
    }
}

#[test]
fn it_is_thrown_from_inside_the_subscription() {
    let (switch, log) = (KillSwitch::new(), Arc::default());
    let numbers = millstream::from_iter(0..3).map_err(|never| match never {});
    numbers.stopped_by(&switch).subscribe(Thrower(switch.clone(), Arc::clone(&log)));
    assert_eq!(*log.lock().unwrap(), ["at once"]);
}

/// A source that never rests holds the thread that it was subscribed on.
#[test]
fn it_stops_a_source_that_never_rests_from_another_thread() {
    let (numbers, switch) = millstream::from_iter(0_u64..).kill_switch();
    let (started, starts) = std::sync::mpsc::channel();
    let counting = std::thread::spawn(move || {
        numbers.inspect_first(move |_| started.send(()).unwrap()).count().block()
    });
    starts.recv().unwrap();
    switch.shutdown();
    assert!(counting.join().unwrap().unwrap() > 0);
}

#[test]
fn what_stages_below_hold_is_sent_and_what_those_above_hold_is_discarded() {
    let mint = Mint::default();
    let executor = CurrentThread::new();
    let (source, control) = scripted::<Token, Infallible>();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let discards = discarded.clone();
    let (stream, switch) = source.publish_on(executor.handle(), 8).kill_switch();
    let stream =
        stream.take_last(2).on_discard(move |item: Token| discards.lock().unwrap().push(item.0));
    let seen = watch(stream);
    for n in 0..3 {
        control.next(mint.token(n));
    }
    executor.run_until_idle();
    for n in 3..5 {
        control.next(mint.token(n));
    }
    switch.shutdown();
    executor.run_until_idle();
    seen.request(5);
    let values = seen.items().iter().map(|item: &Token| item.0).collect::<Vec<_>>();
    assert_eq!((values, seen.end()), (vec![1, 2], Some(Ended::Complete)));
    let mut discarded = discarded.lock().unwrap().clone();
    discarded.sort_unstable();
    assert_eq!(discarded, [0, 3, 4]);
}

#[test]
fn errors_that_cannot_be_cloned_are_made_for_each_stream() {
    let switch = KillSwitch::<io::Error>::new();
    let lines = |text: &'static str| millstream::lines(io::Cursor::new(text)).stopped_by(&switch);
    let (first, second) = (lines("a"), lines("b"));
    assert!(switch.abort_with(|| io::Error::other("told to stop")));
    for stream in [first, second] {
        let Err(Failure::Error(error)) = stream.count().block() else { panic!("it stops") };
        assert_eq!(error.to_string(), "told to stop");
    }
}

#[test]
fn a_switch_that_is_dropped_is_not_thrown() {
    let (stream, switch) = millstream::from_iter(0..3).kill_switch();
    drop(switch);
    assert_eq!(stream.count().block().unwrap(), 3);
}

/// A switch for the whole life of a program, and streams that come and go.
#[test]
fn a_stream_that_is_over_leaves_nothing_in_its_switch() {
    let switch = KillSwitch::new();
    let mint = Mint::default();
    for n in 0..1000 {
        let held = mint.token(n);
        let stream = millstream::from_iter(0..3).map(move |_| held.0).stopped_by(&switch);
        match n % 3 {
            0 => assert_eq!(stream.count().block().unwrap(), 3),
            1 => assert_eq!(stream.first().block().unwrap(), Some(n)),
            _ => drop(watch(stream)),
        }
    }
    assert_eq!(mint.alive(), 0);
}

#[test]
fn streams_on_many_threads_are_stopped_by_one_switch() {
    let pool = Pool::new(2);
    let switch = KillSwitch::new();
    let (started, starts) = std::sync::mpsc::channel();
    let runs = (0..8).map(|_| {
        let started = started.clone();
        let numbers = millstream::from_iter(0_u64..)
            .async_boundary(pool.handle(), 16)
            .stopped_by(&switch)
            .inspect_first(move |_| started.send(()).unwrap());
        std::thread::spawn(move || numbers.count().block())
    });
    let runs = runs.collect::<Vec<_>>();
    for _ in 0..8 {
        starts.recv().unwrap();
    }
    switch.shutdown();
    for run in runs {
        assert!(run.join().unwrap().unwrap() > 0);
    }
}
