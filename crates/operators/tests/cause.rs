//! Claims of cancellation with a cause: whatever stands between, what is above a failure is told that
//! it was one, and what is above an end that has enough is told so.

use std::convert::identity;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use millstream::board::State;
use millstream::combine::{combine_latest_conflated, zip};
use millstream::edge::AsyncTarget;
use millstream::effect::FinallyReason;
use millstream::executor::{CurrentThread, Executor, Pool};
use millstream::fan_out::Stalled;
use millstream::fault::Backoff;
use millstream::lifecycle::{DrainHandle, KillSwitch};
use millstream::overflow::{Overflow, Valve};
use millstream::prelude::*;
use millstream::time::SystemClock;
use millstream::timing::Rate;
use millstream::{Board, BoxPublisher, Cause, Failure, More, Subscription};
use millstream_testkit::{Behaviour, ProbeHandle, ScriptedPublisher, probe};

type Error = &'static str;
type Items = BoxPublisher<u32, Error>;

/// Five items, and then nothing, for as long as somebody wants more.
fn source() -> impl Publisher<Item = u32, Error = Error> {
    millstream::from_iter(0..5).chain(millstream::pending()).map_err(|never| match never {})
}

/// How a stream was told to end.
struct Watched(Receiver<FinallyReason>);

impl Watched {
    #[track_caller]
    fn why(&self) -> FinallyReason {
        // Long enough for a slow machine; one that hangs is to fail, not to hang.
        self.0.recv_timeout(Duration::from_secs(60)).expect("the stream ends, once")
    }

    #[track_caller]
    fn cause(&self) -> Cause {
        match self.why() {
            FinallyReason::Cancelled(cause) => cause,
            other => panic!("expected a cancellation, got {other:?}"),
        }
    }
}

impl Watched {
    /// As [`cause`](Watched::cause). What is subscribed to on an executor may be cancelled before it
    /// was, and then it is told nothing.
    #[track_caller]
    fn cause_or_untouched(&self, name: &str) -> Option<Cause> {
        let subscribes_elsewhere =
            ["subscribe_on", "async_boundary", "three boundaries"].contains(&name);
        match self.0.recv_timeout(Duration::from_secs(60)) {
            Err(RecvTimeoutError::Disconnected) if subscribes_elsewhere => None,
            Ok(FinallyReason::Cancelled(cause)) => Some(cause),
            other => panic!("expected a cancellation, got {other:?}"),
        }
    }
}

fn watched() -> (Items, Watched) {
    watching(source())
}

fn watching(source: impl Publisher<Item = u32, Error = Error>) -> (Items, Watched) {
    let (sender, reasons) = channel();
    let watched = source.finally(move |why| sender.send(why).unwrap());
    (watched.boxed(), Watched(reasons))
}

/// What lies between the place that is watched and the one that cancels.
type Crossing = fn(Items, &Pool) -> Items;

fn crossings() -> Vec<(&'static str, Crossing)> {
    fn same(n: u32) -> impl Publisher<Item = u32, Error = Error> {
        millstream::just(n).map_err(|never| match never {})
    }
    fn other() -> impl Publisher<Item = u32, Error = Error> {
        millstream::repeat_value(7).map_err(|never| match never {})
    }
    vec![
        ("nothing", |p, _| p),
        ("a chain", |p, _| {
            p.map(|n| n).filter(|_| true).take(100).enumerate().map(|(_, n)| n).boxed()
        }),
        ("stages that hold", |p, _| p.skip_last(1).boxed()),
        ("chunks, a pump", |p, _| p.chunks(1).concat_map_iter(|chunk| chunk).boxed()),
        ("publish_on", |p, pool| p.publish_on(pool.handle(), 2).boxed()),
        ("subscribe_on", |p, pool| p.subscribe_on(pool.handle()).boxed()),
        ("async_boundary", |p, pool| p.async_boundary(pool.handle(), 2).boxed()),
        ("prefetch", |p, _| p.prefetch(2).boxed()),
        ("three boundaries", |p, pool| {
            p.publish_on(pool.handle(), 1)
                .prefetch(2)
                .map(|n| n)
                .async_boundary(pool.handle(), 1)
                .boxed()
        }),
        ("map_async", |p, pool| p.map_async(pool.handle(), 2, |n| async move { n }).boxed()),
        ("scan_async", |p, pool| {
            p.scan_async(pool.handle(), (), |(), n| async move { Some((n, ())) }).boxed()
        }),
        ("retry_item", |p, pool| {
            let time = pool.handle().with_clock(SystemClock::new().handle());
            let backoff = Backoff::new(Duration::from_secs(1));
            p.retry_item(time, backoff, |_| true, |n| std::future::ready(Ok::<_, Error>(*n)))
                .boxed()
        }),
        ("filter_async", |p, pool| p.filter_async(pool.handle(), 2, |_| async { true }).boxed()),
        ("map_async_unordered", |p, pool| {
            p.map_async_unordered(pool.handle(), 2, |n| async move { n }).boxed()
        }),
        ("concat_map", |p, _| p.concat_map(same).boxed()),
        ("flat_map_unordered", |p, _| p.flat_map_unordered(2, 1, same).boxed()),
        ("concat_map_delay_error", |p, _| {
            p.concat_map_delay_error(same).map_err(|failures| failures.errors()[0]).boxed()
        }),
        ("flat_map_unordered_delay_error", |p, _| {
            p.flat_map_unordered_delay_error(2, 1, same)
                .map_err(|failures| failures.errors()[0])
                .boxed()
        }),
        ("flat_map_ordered", |p, _| p.flat_map_ordered(2, 1, same).boxed()),
        ("switch_map", |p, _| p.switch_map(1, same).boxed()),
        ("exhaust_map", |p, _| p.exhaust_map(1, same).boxed()),
        ("zip", |p, _| p.zip(other(), 1).map(|(n, _)| n).boxed()),
        ("zip, second", |p, _| zip((other(), p), 1).map(|(_, n)| n).boxed()),
        ("interleave", |p, _| p.interleave(source(), 1).boxed()),
        ("combine_latest_conflated", |p, _| {
            combine_latest_conflated((p, other()), 1).map(|(n, _)| n).boxed()
        }),
        ("merge", |p, _| p.merge(source(), 1).boxed()),
        ("merge_preferred", |p, _| p.merge_preferred(source(), 1).boxed()),
        ("merge_prioritized", |p, _| p.merge_prioritized(source(), [2, 1], 1).boxed()),
        ("with_latest_from", |p, _| p.with_latest_from(other(), 1).map(|(n, _)| n).boxed()),
        ("take_until", |p, _| p.take_until(source().ignore_items()).boxed()),
        ("chain", |p, _| millstream::empty().map_err(|never| match never {}).chain(p).boxed()),
        ("on_error_resume", |p, _| p.on_error_resume(|_| source()).boxed()),
        ("stopped_by", |p, _| p.stopped_by(&KillSwitch::new()).boxed()),
        ("a drain", |p, _| {
            let drain = DrainHandle::new();
            p.received_by(&drain).delivered_by(&drain).boxed()
        }),
        ("throttle", |p, pool| {
            let time = pool.handle().with_clock(SystemClock::new().handle());
            p.throttle(time, 2, Rate::per_second(1_000_000)).boxed()
        }),
        ("timeout", |p, pool| {
            let time = pool.handle().with_clock(SystemClock::new().handle());
            p.timeout(time, 2, Duration::from_secs(3600)).map_err(|_| "timeout").boxed()
        }),
        ("buffered_queue", |p, _| p.buffered_queue(9, Overflow::drop_newest()).boxed()),
        ("conflate", |p, _| p.conflate(|_, n| n).boxed()),
        ("drop_unwanted", |p, _| p.drop_unwanted(drop).boxed()),
        ("pausable", |p, _| p.pausable(&Valve::new(), 2).boxed()),
        ("group_by", |p, _| {
            p.group_by(9, 2, Stalled::Fail, |n| *n).flat_map_unordered(9, 2, identity).boxed()
        }),
        ("window", |p, _| p.window(1).flat_map_unordered(2, 1, identity).boxed()),
        ("window_sliding", |p, _| {
            p.window_sliding(2, 1).flat_map_unordered(2, 1, identity).boxed()
        }),
        ("partition", |p, _| {
            let [all, _none] = p.partition::<2, _>(2, |_| 0);
            all.boxed()
        }),
        ("balance", |p, _| {
            let [one] = p.balance::<1>();
            one.boxed()
        }),
        ("also_to", |p, _| p.also_to(2, drop).side_may_leave().boxed()),
        ("wire_tap", |p, _| p.wire_tap(drop).boxed()),
        ("broadcast", |p, _| {
            let [one, _gone] = p.broadcast::<2>(2);
            one.boxed()
        }),
    ]
}

/// Calls `check` for each crossing, and says which did not hold.
#[track_caller]
fn for_each_crossing(check: impl Fn(&'static str, Crossing, &Pool)) {
    let pool = Pool::new(2);
    let holds =
        |name, crossing| catch_unwind(AssertUnwindSafe(|| check(name, crossing, &pool))).is_ok();
    let failed = crossings().into_iter().filter(|(name, crossing)| !holds(name, *crossing));
    let failed: Vec<_> = failed.map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "where {failed:?} lies between");
}

fn ouch<T>() -> T {
    // Without the noise of the panic hook.
    std::panic::resume_unwind(Box::new("ouch"))
}

#[test]
fn what_has_enough_needs_no_more_whatever_lies_between() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        assert_eq!(crossing(source, pool).take(1).count().block().unwrap(), 1, "{name}");
        assert_eq!(watched.cause(), Cause::NoMoreNeeded, "{name}");

        let (source, watched) = self::watched();
        assert!(crossing(source, pool).first().block().unwrap().is_some(), "{name}");
        assert_eq!(watched.cause(), Cause::NoMoreNeeded, "{name}");
    });
}

#[test]
fn a_stage_that_fails_is_no_clean_cancel_whatever_lies_between() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        let failing = crossing(source, pool).try_map(|_| Err::<u32, _>("bad"));
        assert!(matches!(failing.count().block(), Err(Failure::Error("bad"))), "{name}");
        assert_eq!(watched.cause(), Cause::Failed, "{name}");
    });
}

#[test]
fn an_end_that_fails_is_no_clean_cancel_whatever_lies_between() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        let failing = crossing(source, pool).try_for_each(|_| Err("bad"));
        assert!(matches!(failing.block(), Err(Failure::Error("bad"))), "{name}");
        assert_eq!(watched.cause(), Cause::Failed, "{name}");
    });
}

#[test]
fn a_panic_is_no_clean_cancel_whatever_lies_between() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        let panics = crossing(source, pool).map(|_| ouch::<u32>());
        assert!(matches!(panics.count().block(), Err(Failure::Fault(_))), "{name}");
        // On the same island it is told as what it is.
        let why = watched.why();
        let told = matches!(why, FinallyReason::Cancelled(Cause::Failed) | FinallyReason::Fault);
        assert!(told, "{name}: {why:?}");
    });
}

#[test]
fn a_cause_that_is_given_arrives_whatever_lies_between() {
    for_each_crossing(|name, crossing, pool| {
        for asked in [0, 1, 100] {
            let (source, watched) = watched();
            let handle = asking(crossing(source, pool), asked);
            let cause = Cause::given(name);
            handle.cancel_because(cause.clone());
            assert!(watched.cause_or_untouched(name).is_none_or(|told| told == cause), "{name}");
        }
    });
}

#[test]
fn a_handle_that_is_dropped_needs_no_more_but_by_a_panic() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        drop(crossing(source, pool).subscribe_with(drop, drop, || ()).manual());
        let told = watched.cause_or_untouched(name);
        assert!(told.is_none_or(|told| told == Cause::NoMoreNeeded), "{name}");

        let (source, watched) = self::watched();
        let handle = crossing(source, pool).subscribe_with(drop, drop, || ()).manual();
        let unwound = catch_unwind(AssertUnwindSafe(move || {
            let _handle = handle;
            ouch::<()>();
        }));
        assert!(unwound.is_err());
        let told = watched.cause_or_untouched(name);
        assert!(told.is_none_or(|told| told == Cause::Failed), "{name}");
    });
}

#[test]
fn an_executor_that_goes_is_no_clean_cancel() {
    let (source, watched) = watched();
    let pool = Pool::new(1);
    let handle = source.publish_on(pool.handle(), 2).subscribe_with(drop, drop, || ()).manual();
    drop(pool);
    assert!(handle.block().is_err());
    assert_eq!(watched.cause(), Cause::Failed);
}

// ---- inner streams, and others beside ---------------------------------------------------------

#[test]
fn an_inner_stream_is_told_why_it_is_cancelled() {
    let flattens: [fn(Items) -> Items; 7] = [
        |inner| once(inner).concat_map(|inner| inner).boxed(),
        |inner| once(inner).flat_map_unordered(1, 1, |inner| inner).boxed(),
        |inner| {
            once(inner).concat_map_delay_error(|inner| inner).map_err(|all| all.errors()[0]).boxed()
        },
        |inner| {
            once(inner)
                .flat_map_unordered_delay_error(1, 1, |inner| inner)
                .map_err(|all| all.errors()[0])
                .boxed()
        },
        |inner| once(inner).flat_map_ordered(1, 1, |inner| inner).boxed(),
        |inner| once(inner).switch_map(1, |inner| inner).boxed(),
        |inner| once(inner).exhaust_map(1, |inner| inner).boxed(),
    ];
    for (n, flatten) in flattens.into_iter().enumerate() {
        let (inner, watched) = watched();
        assert_eq!(flatten(inner).take(2).count().block().unwrap(), 2);
        assert_eq!(watched.cause(), Cause::NoMoreNeeded, "{n}");

        let (inner, watched) = self::watched();
        assert!(flatten(inner).try_map(|_| Err::<u32, _>("bad")).count().block().is_err());
        assert_eq!(watched.cause(), Cause::Failed, "{n}");
    }
}

/// A stream of one stream, which goes on.
fn once(inner: Items) -> impl Publisher<Item = Items, Error = Error> {
    millstream::just(inner).chain(millstream::pending()).map_err(|never| match never {})
}

#[test]
fn a_sibling_that_fails_is_no_clean_cancel_and_one_that_completes_is() {
    type Two = fn(Items, Items) -> Items;
    let twos: [(&str, Two); 8] = [
        ("zip", |a, b| a.zip(b, 1).map(|(n, _)| n).boxed()),
        ("merge", |a, b| a.merge(b, 1).boxed()),
        ("merge_preferred", |a, b| a.merge_preferred(b, 1).boxed()),
        ("merge_prioritized", |a, b| a.merge_prioritized(b, [1, 2], 1).boxed()),
        ("with_latest_from", |a, b| b.with_latest_from(a, 1).map(|(n, _)| n).boxed()),
        ("take_until", |a, b| a.take_until(b).boxed()),
        ("interleave", |a, b| a.interleave(b, 1).boxed()),
        ("combine_latest_conflated", |a, b| {
            combine_latest_conflated((a, b), 1).map(|(n, _)| n).boxed()
        }),
    ];
    for (name, two) in twos {
        let (one, watched) = watched();
        let fails = millstream::fail::<u32, Error>("bad").boxed();
        assert!(two(one, fails).count().block().is_err(), "{name}");
        assert_eq!(watched.cause(), Cause::Failed, "{name}");
    }
    let ends_with_either = ["zip", "with_latest_from", "take_until", "combine_latest_conflated"];
    for (name, two) in twos.into_iter().filter(|(name, _)| ends_with_either.contains(name)) {
        let (one, watched) = watched();
        let over = millstream::empty::<u32>().map_err(|never| match never {}).boxed();
        assert_eq!(two(one, over).count().block().unwrap(), 0, "{name}");
        assert_eq!(watched.cause(), Cause::NoMoreNeeded, "{name}");
    }
}

#[test]
fn a_source_that_is_replaced_was_not_cancelled_by_a_failure() {
    let (first, watched) = watched();
    let (second, _) = self::watched();
    let outer = ScriptedPublisher::<Items, Error>::new();
    let handle = asking(outer.clone().switch_map(1, |inner: Items| inner), 99);
    outer.next(first);
    outer.next(second);
    assert_eq!(watched.cause(), Cause::NoMoreNeeded);
    drop(handle);
}

// ---- fan-out ----------------------------------------------------------------------------------

#[test]
fn the_last_that_leaves_a_stream_for_all_says_why() {
    let given = Cause::given("the last");
    for (first, last) in [
        (Cause::Failed, Cause::NoMoreNeeded),
        (Cause::NoMoreNeeded, Cause::Failed),
        (Cause::Failed, given),
    ] {
        let (source, watched) = watched();
        let [one, other] = source.broadcast::<2>(8);
        let (one, other) = (asking(one, 1), asking(other, 1));
        one.cancel_because(first);
        assert!(watched.0.try_recv().is_err(), "one is there");
        other.cancel_because(last.clone());
        assert_eq!(watched.cause(), last);
    }
}

#[test]
fn whoever_leaves_a_shared_stream_last_says_why() {
    for cause in [Cause::NoMoreNeeded, Cause::Failed, Cause::given("why")] {
        let (sender, reasons) = channel();
        let numbers = millstream::from_iter(0..).finally(move |why| sender.send(why).unwrap());
        let shared = numbers.map_err(|never| -> Error { match never {} }).share(4);
        let (one, other) = (asking(shared.clone(), 2), asking(shared, 2));
        one.cancel();
        other.cancel_because(cause.clone());
        assert_eq!(Watched(reasons).cause(), cause);
    }
}

#[test]
fn one_that_leaves_is_no_cause_for_those_that_stay() {
    let (source, watched) = watched();
    let [one, other] = source.broadcast::<2>(1);
    let (sender, reasons) = channel();
    let stays = asking(other.finally(move |why| sender.send(why).unwrap()).take(2), 5);
    let leaves = asking(one, 0);
    // What it held up comes now, while it is being dropped, and is enough for the other.
    leaves.cancel_because(Cause::Failed);
    assert_eq!(Watched(reasons).cause(), Cause::NoMoreNeeded);
    assert_eq!(watched.cause(), Cause::NoMoreNeeded);
    drop(stays);
}

#[test]
fn a_part_of_a_divided_stream_that_failed_is_remembered() {
    for (first, last, told) in [
        (Cause::Failed, Cause::NoMoreNeeded, Cause::Failed),
        (Cause::NoMoreNeeded, Cause::Failed, Cause::Failed),
        (Cause::NoMoreNeeded, Cause::NoMoreNeeded, Cause::NoMoreNeeded),
    ] {
        let (source, watched) = watched();
        let [even, odd] = source.partition::<2, _>(2, |n| *n as usize % 2);
        let (even, odd) = (asking(even, 1), asking(odd, 1));
        even.cancel_because(first);
        odd.cancel_because(last);
        assert_eq!(watched.cause(), told);
    }
}

fn asking<P>(publisher: P, n: u64) -> ProbeHandle<P::Item, P::Error>
where
    P: Publisher<Item: Clone + Debug + PartialEq, Error: Clone + Debug + PartialEq>,
{
    let handle = probe(publisher, Behaviour::new());
    if n > 0 {
        handle.request(n);
    }
    handle
}

// ---- from outside -----------------------------------------------------------------------------

#[test]
fn a_kill_switch_says_why() {
    let given = Cause::given("maintenance");
    type Throw = Box<dyn Fn(&KillSwitch<Error>) -> bool>;
    let why = given.clone();
    let throws: [(Throw, Cause); 3] = [
        (Box::new(KillSwitch::shutdown), Cause::NoMoreNeeded),
        (Box::new(move |switch| switch.shutdown_because(why.clone())), given),
        (Box::new(|switch| switch.abort("told to")), Cause::Failed),
    ];
    for (throw, cause) in throws {
        for crossing in [|p: Items| p, |p: Items| p.prefetch(2).boxed()] {
            let (source, watched) = watched();
            let (stream, switch) = crossing(source).kill_switch();
            let handle = asking(stream, 1);
            assert!(throw(&switch));
            assert_eq!(watched.cause(), cause);
            drop(handle);
        }
    }
}

#[test]
fn what_is_told_its_end_by_a_switch_has_a_cause_of_its_own() {
    let (stream, switch) =
        millstream::pending::<u32>().map_err(|never| -> Error { match never {} }).kill_switch();
    // The stream that follows begins while the switch is thrown, and has enough.
    let (next, watched) = watched();
    let handle = asking(stream.on_error_resume(move |_| next).take(2), 2);
    switch.abort("told to");
    drop(handle);
    assert_eq!(watched.cause(), Cause::NoMoreNeeded);
}

#[test]
fn a_drain_that_is_aborted_is_no_clean_cancel() {
    let (source, watched) = watched();
    let drain = DrainHandle::new();
    let handle = asking(source.prefetch(2).delivered_by(&drain), 1);
    drain.abort();
    assert_eq!(watched.cause(), Cause::Failed);
    drop(handle);
    let report = CurrentThread::new().run_until(drain.join());
    assert_eq!(report.failed, 0, "it was told, and did not fail below");
}

#[test]
fn a_drain_counts_the_streams_that_failed_below() {
    let drain = DrainHandle::new();
    let pool = Pool::new(1);
    let served = |watched: Items| watched.received_by(&drain).prefetch(2).delivered_by(&drain);
    let fails = served(watched().0).try_map(|_| Err::<u32, _>("bad"));
    assert!(fails.count().block().is_err());
    let fails = served(watched().0).publish_on(pool.handle(), 1).try_for_each(|_| Err("bad"));
    assert!(fails.block().is_err());
    assert_eq!(served(watched().0).take(1).count().block().unwrap(), 1);
    let report = CurrentThread::new().run_until(drain.join());
    assert_eq!(report.failed, 2);
    assert!(report.to_string().ends_with("; 2 cancelled by a failure below"), "{report}");
}

#[test]
fn a_board_tells_an_abandoned_boundary_from_one_that_was_cancelled() {
    for (cause, state) in [
        (Cause::NoMoreNeeded, State::Cancelled),
        (Cause::Failed, State::Abandoned),
        (Cause::given("why"), State::Abandoned),
    ] {
        let board = Board::new(8);
        let (source, _watched) = watched();
        let handle = asking(source.prefetch(2).observed(&board), 1);
        handle.cancel_because(cause);
        let snapshot = board.snapshot();
        let row = snapshot.into_iter().find(|row| row.label() == "prefetch").unwrap();
        assert_eq!(row.state, state);
    }
}

#[test]
fn a_target_that_fails_is_no_clean_cancel() {
    let (source, watched) = watched();
    let broken = Broken;
    let bytes = source.map(|n| n.to_le_bytes().to_vec());
    assert!(CurrentThread::new().run_until(bytes.into_target(broken)).is_err());
    assert_eq!(watched.cause(), Cause::Failed);
}

struct Broken;

impl AsyncTarget<Vec<u8>> for Broken {
    type Output = ();
    type Error = Error;

    async fn ready(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn send(&mut self, _: Vec<u8>) -> Result<(), Error> {
        Err("disk full")
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn an_overflow_that_fails_the_stream_is_no_clean_cancel() {
    let upstream = ScriptedPublisher::<u32, Error>::new();
    let policy = Overflow::error(|_| "too fast");
    let handle = asking(upstream.clone().buffered_queue(1, policy), 0);
    upstream.next(1);
    upstream.next(2);
    assert_eq!(upstream.cause(), Some(Cause::Failed));
    drop(handle);
}

// ---- by hand ----------------------------------------------------------------------------------

/// A subscriber that is written by hand, and fails at its first item.
struct Fails;

impl Subscriber<u32, Error> for Fails {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(millstream::Demand::of(3));
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<u32, Error> for Fails {
    fn on_next(&mut self, _: u32) -> More {
        More::CANCEL
    }

    fn cause(&self) -> Cause {
        Cause::Failed
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}
}

#[test]
fn a_subscriber_by_hand_says_why_it_answered_so() {
    for_each_crossing(|name, crossing, pool| {
        let (source, watched) = watched();
        crossing(source, pool).subscribe(Fails);
        assert_eq!(watched.cause(), Cause::Failed, "{name}");
    });
}

#[test]
fn a_publisher_by_hand_is_told_why() {
    let upstream = ScriptedPublisher::<u32, Error>::new();
    let handle = asking(upstream.clone().prefetch(2).map(|n| n).prefetch(1), 1);
    handle.cancel_because(Cause::given("why"));
    upstream.assert_cancelled_by_failure();

    let upstream = ScriptedPublisher::<u32, Error>::new();
    let handle = asking(upstream.clone().prefetch(2), 1);
    handle.cancel();
    assert_eq!(upstream.cause(), Some(Cause::NoMoreNeeded));
}

// ---- what looks -------------------------------------------------------------------------------

#[test]
fn all_that_look_agree() {
    for (cause, probe) in [Cause::NoMoreNeeded, Cause::Failed].into_iter().zip([false, true]) {
        let (sender, seen) = channel();
        let (source, end) = source().watch_end();
        let looks = source.inspect_cancel(move |cause| sender.send(cause).unwrap()).prefetch(1);
        let counted =
            looks.try_map(move |n| if probe { Err("bad") } else { Ok(n) }).take(1).count();
        assert_eq!(counted.block().is_err(), probe);
        assert_eq!(seen.recv().unwrap(), cause);
        let told = CurrentThread::new().run_until(end);
        assert_eq!(told, FinallyReason::Cancelled(cause));
    }
}

/// What a function does while a stream is cancelled is not done for the cause of that.
#[test]
fn a_stream_in_a_function_that_is_called_at_the_end_has_causes_of_its_own() {
    let (inner, watched) = watched();
    let handle = asking(inner, 1);
    let (outer, _) = self::watched();
    let outer = outer.finally(move |_| drop(handle));
    assert!(outer.try_map(|_| Err::<u32, _>("bad")).count().block().is_err());
    assert_eq!(watched.cause(), Cause::NoMoreNeeded);
}

/// One that knows nothing of this library: it is told, and does not look.
#[test]
fn a_cause_arrives_at_a_publisher_by_hand_above_publishers_that_are_pushed() {
    let upstream = ScriptedPublisher::<u32, Error>::new();
    let inner = |n| millstream::just(n).map_err(|never| match never {}).boxed();
    let probe = probe(upstream.clone().concat_map(inner), Behaviour::new());
    let cause = Cause::given("why");
    probe.cancel_because(cause.clone());
    assert_eq!(upstream.cause(), Some(cause));
}
