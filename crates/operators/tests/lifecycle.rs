//! Claims about what ends streams from outside.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::common::{Ended, Mint, Token, scripted, watch};
use millstream::effect::FinallyReason;
use millstream::executor::{CurrentThread, Pool};
use millstream::lifecycle::{DrainHandle, DrainReport, KillSwitch};
use millstream::prelude::*;
use millstream::{Cause, Demand, Failure, Fault, More, Subscription};
use millstream_testkit::VirtualTime;

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

// ---- received_by, delivered_by ----------------------------------------------------------------

fn aborted<E>() -> Option<Ended<E>> {
    Some(Ended::Fault(Fault::Aborted.to_string()))
}

fn counts(report: DrainReport) -> (u64, u64, u64, u64) {
    let DrainReport { received, delivered, discarded, aborted, .. } = report;
    assert_eq!(received, delivered + discarded + aborted);
    (received, delivered, discarded, aborted)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_stop_cancels_the_source_and_what_is_on_its_way_runs_out_by_demand() {
    let (executor, drain) = (CurrentThread::new(), DrainHandle::new());
    let (source, control) = scripted::<u32, Infallible>();
    let stream = source.received_by(&drain).publish_on(executor.handle(), 8).delivered_by(&drain);
    let seen = watch(stream);
    seen.request(1);
    (0..3).for_each(|n| assert!(control.next(n)));
    executor.run_until_idle();
    let mut joined = Box::pin(drain.join());
    assert!(poll(&mut joined).is_pending(), "it stops, and two are on their way");
    assert!(control.is_cancelled() && drain.is_stopped());
    executor.run_until_idle();
    assert_eq!((seen.items(), seen.end()), (vec![0], None), "nobody asked for them");
    seen.request(2);
    executor.run_until_idle();
    assert_eq!((seen.items(), seen.end()), (vec![1, 2], Some(Ended::Complete)));
    let Poll::Ready(report) = poll(&mut joined) else { panic!("all is over") };
    assert_eq!(counts(report), (3, 3, 0, 0));
}

#[test]
fn what_has_not_run_out_at_the_deadline_is_aborted() {
    let (time, drain) = (VirtualTime::new(1), DrainHandle::new());
    let (source, control) = scripted::<u32, Infallible>();
    let stream = source
        .received_by(&drain)
        .filter(|n| *n != 1)
        .map_async(time.clone(), 2, |n| async move {
            if n > 2 {
                std::future::pending::<()>().await;
            }
            n
        })
        .delivered_by(&drain);
    let seen = watch(stream);
    seen.request(9);
    time.run_until_idle();
    for n in 0..5 {
        assert!(control.next(n));
        time.run_until_idle();
    }
    let report = time.run_until(drain.join_within(time.clone(), Duration::from_secs(3)));
    assert_eq!(counts(report), (5, 2, 1, 2));
    assert_eq!(report.to_string(), "5 received: 2 delivered, 1 discarded, 2 aborted");
    assert_eq!((seen.items(), seen.end()), (vec![0, 2], aborted()));
    assert_eq!(time.clock().timers(), 0);
    let now = millstream::time::Clock::now(&time);
    assert_eq!(now.since(millstream::time::Moment::START), Duration::from_secs(3));
}

#[test]
fn a_drain_that_is_done_in_time_does_not_wait_for_its_deadline() {
    let (time, drain) = (VirtualTime::new(1), DrainHandle::new());
    let stream = millstream::range(0..3).received_by(&drain).delivered_by(&drain);
    assert_eq!(time.run_until(stream.count()).unwrap(), 3);
    let report = time.run_until(drain.join_within(time.clone(), Duration::from_secs(3)));
    assert_eq!(counts(report), (3, 3, 0, 0));
    assert_eq!(time.clock().timers(), 0);
    assert_eq!(millstream::time::Clock::now(&time), millstream::time::Moment::START);
}

/// Nobody would wake it.
#[test]
fn a_clock_that_goes_aborts_at_once() {
    let (time, drain) = (VirtualTime::new(1), DrainHandle::new());
    let stream = millstream::pending::<u32>().received_by(&drain);
    let seen = watch(stream.publish_on(time.clone(), 1).delivered_by(&drain));
    let (source, _control) = scripted::<u32, Infallible>();
    let stuck = watch(source.delivered_by(&drain));
    time.clock().shut_down();
    let report = time.run_until(drain.join_within(time.clone(), Duration::from_secs(3)));
    assert_eq!(counts(report), (0, 0, 0, 0));
    assert_eq!(seen.end(), aborted(), "its executor had not run yet");
    assert_eq!(stuck.end(), aborted());
}

#[test]
fn what_is_discarded_above_is_not_counted_and_the_hook_below_hears_of_all() {
    let (executor, drain) = (CurrentThread::new(), DrainHandle::new());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let (source, control) = scripted::<u32, Infallible>();
    let stream = source
        .filter(|n| n % 2 == 0)
        .received_by(&drain)
        .filter(|n| n % 4 == 0)
        .publish_on(executor.handle(), 8)
        .delivered_by(&drain)
        .on_discard(move |n: u32| hears.lock().unwrap().push(n));
    let seen = watch(stream);
    seen.request(1);
    (0..9).for_each(|n| assert!(control.next(n)));
    executor.run_until_idle();
    assert!(drain.abort() && !drain.abort() && !drain.stop());
    executor.run_until_idle();
    let Poll::Ready(report) = poll(&mut Box::pin(drain.join())) else { panic!("all is over") };
    // 0, 2, 4, 6, 8 came in; 2 and 6 were dropped; 0 came out; 4 and 8 were in the queue.
    assert_eq!(counts(report), (5, 1, 2, 2));
    assert_eq!((seen.items(), seen.end()), (vec![0], aborted()));
    let mut heard = heard.lock().unwrap().clone();
    heard.sort_unstable();
    assert_eq!(heard, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_downstream_does_not_take_is_discarded() {
    let drain = DrainHandle::new();
    let stream = millstream::range(0..9).received_by(&drain).filter(|n| n % 3 == 0);
    assert_eq!(stream.delivered_by(&drain).take(2).count().block().unwrap(), 2);
    let failing = millstream::range(0..9)
        .received_by(&drain)
        .try_map(|n| if n == 4 { Err("four") } else { Ok(n) });
    assert!(failing.delivered_by(&drain).count().block().is_err());
    let Poll::Ready(report) = poll(&mut Box::pin(drain.join())) else { panic!("all is over") };
    assert_eq!(counts(report), (4 + 5, 2 + 4, 2 + 1, 0));
}

#[test]
fn several_sources_and_several_streams_are_one_drain() {
    let (pool, drain) = (Pool::new(2), DrainHandle::new());
    let (started, starts) = std::sync::mpsc::channel();
    let runs = (0..3).map(|_| {
        let source = || millstream::from_iter(0_u64..).received_by(&drain);
        let started = started.clone();
        let stream = source()
            .async_boundary(pool.handle(), 4)
            .merge(source().async_boundary(pool.handle(), 4), 4)
            .map_async(pool.handle(), 2, |n| async move { n })
            .delivered_by(&drain)
            .inspect_first(move |_| started.send(()).unwrap());
        std::thread::spawn(move || stream.count().block().unwrap())
    });
    let runs = runs.collect::<Vec<_>>();
    for _ in 0..3 {
        starts.recv().unwrap();
    }
    let report = CurrentThread::new().run_until(drain.join());
    let counted = runs.into_iter().map(|run| run.join().unwrap()).sum::<u64>();
    assert_eq!(counts(report), (counted, counted, 0, 0), "nothing was lost");
}

/// The same, broken off in the middle.
#[test]
fn the_counts_are_exact_whenever_it_is_aborted() {
    for n in 0..200_u64 {
        let (pool, drain) = (Pool::new(2), DrainHandle::new());
        let passes = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (counts_in, aborts) = (passes.clone(), drain.clone());
        let stream = millstream::from_iter(0_u64..)
            .received_by(&drain)
            .inspect(move |_| {
                counts_in.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            })
            .async_boundary(pool.handle(), 4)
            .filter(|n| n % 3 != 0)
            .map_async(pool.handle(), 2, |n| async move { n })
            .delivered_by(&drain)
            .inspect(move |item| {
                if *item > n {
                    aborts.abort();
                }
            });
        let end = stream.count().block();
        assert!(matches!(end, Err(Failure::Fault(Fault::Aborted))), "{end:?}");
        let report = CurrentThread::new().run_until(drain.join());
        let (received, delivered, _, _) = counts(report);
        assert_eq!(received, passes.load(std::sync::atomic::Ordering::Relaxed));
        // All that no filter drops up to the first above n, which is the last.
        assert_eq!(delivered, (0..).filter(|n| n % 3 != 0).position(|m| m > n).unwrap() as u64 + 1);
    }
}

#[test]
fn a_drain_of_nothing_is_over_at_once_and_what_comes_later_completes() {
    let drain = DrainHandle::new();
    let Poll::Ready(report) = poll(&mut Box::pin(drain.join())) else { panic!("nobody is here") };
    assert_eq!(counts(report), (0, 0, 0, 0));
    let late = millstream::range(0..3).received_by(&drain).delivered_by(&drain);
    assert_eq!(late.count().block().unwrap(), 0);
}

#[test]
fn whoever_waits_for_a_drain_can_give_up() {
    let drain = DrainHandle::new();
    let (source, control) = scripted::<u32, Infallible>();
    let (above, below) = (source.received_by(&drain), DrainHandle::new());
    let seen = watch(above.delivered_by(&below));
    let mut joined = Box::pin(below.join());
    assert!(poll(&mut joined).is_pending());
    drop(joined);
    assert!(!control.is_cancelled(), "that drain has no source");
    drain.stop();
    assert_eq!(seen.end(), Some(Ended::Complete));
}

// ---- watch_end --------------------------------------------------------------------------------

#[test]
fn the_end_is_told_when_it_is_there_whatever_it_is() {
    for (expected, act) in [
        (FinallyReason::Completed, 0),
        (FinallyReason::Failed, 1),
        (FinallyReason::Cancelled(Cause::NoMoreNeeded), 2),
        (FinallyReason::Fault, 3),
    ] {
        let (source, control) = scripted::<u32, &str>();
        let (stream, end) = source.map(|n| if n == 3 { panic!("three") } else { n }).watch_end();
        let mut end = Box::pin(end);
        let seen = watch(stream);
        assert!(poll(&mut end).is_pending());
        match act {
            0 => control.complete(),
            1 => control.error("no"),
            2 => seen.cancel(),
            _ => {
                let source = millstream::range(3..4).map_err(|never| -> &str { match never {} });
                let broken = source.map(|n: u32| if n == 3 { panic!("three") } else { n });
                let (stream, other) = broken.watch_end();
                assert!(matches!(stream.count().block(), Err(Failure::Fault(_))));
                end = Box::pin(other);
            }
        }
        assert_eq!(poll(&mut end), Poll::Ready(expected));
    }
}

#[test]
fn a_publisher_that_nobody_subscribes_to_counts_as_cancelled() {
    let (stream, end) = millstream::range(0..3).watch_end();
    let mut end = Box::pin(end);
    assert!(poll(&mut end).is_pending());
    drop(stream);
    assert_eq!(poll(&mut end), Poll::Ready(FinallyReason::Cancelled(Cause::NoMoreNeeded)));
}

#[test]
fn to_drop_the_future_does_not_touch_the_stream() {
    let (stream, end) = millstream::range(0..3).watch_end();
    drop(end);
    assert_eq!(stream.count().block().unwrap(), 3);
}
