//! Every end, driven by hand: it is lazy, asks for what it documents, and stops upstream as soon
//! as it knows; errors, faults and drops at every point leave nothing behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::eager::Eager;
use millstream::end::SingleError;
use millstream::prelude::*;
use millstream::shape::end::{Gather, Run};
use millstream::{Demand, Failure, Fault, More};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Behaviour, Ledger, ScriptedPublisher, Token};

type Upstream = ScriptedPublisher<Token, TestError>;

/// How an end may close.
#[derive(Debug, PartialEq, Eq)]
enum Closed {
    Gave,
    Failed,
    Faulted,
}

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const UNBOUNDED: u64 = u64::MAX;

/// `knows`: the item with which the end knows its result, where there is one.
fn check<R, T, E>(begin: impl Fn(Upstream) -> R, asks: u64, knows: Option<u64>)
where
    R: Future<Output = Result<T, Failure<E>>>,
{
    for items in 0..=3 {
        for ending in ["complete", "error", "fault", "vanish", "drop"] {
            let case = format!("{items} items, then {ending}");
            let ledger = Ledger::new();
            let upstream = Upstream::new();
            let end = begin(upstream.clone());
            assert!(!upstream.is_subscribed(), "{case}: an end is lazy");
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let mut context = Context::from_waker(&waker);
            let closed = {
                let mut end = pin!(end);
                assert!(end.as_mut().poll(&mut context).is_pending(), "{case}");
                assert!(upstream.is_subscribed(), "{case}");
                let asked = upstream.requested();
                assert_eq!(asked == More::UNBOUNDED, asks == UNBOUNDED, "{case}: {asked:?}");
                if asks != UNBOUNDED {
                    assert_eq!(asked.count(), asks, "{case}");
                }
                for n in 1..=items {
                    if upstream.is_over() {
                        break;
                    }
                    upstream.next(ledger.token(n));
                    let known = knows == Some(n as u64);
                    assert_eq!(upstream.is_cancelled(), known, "{case}: after item {n}");
                }
                let known = upstream.is_cancelled();
                match ending {
                    _ if known => {}
                    "complete" => upstream.complete(),
                    "error" => upstream.error(TestError(items as u64)),
                    "fault" => upstream.fault(Fault::BlockedExecutor),
                    "vanish" => upstream.vanish(),
                    _ => {}
                }
                if ending == "drop" && !known {
                    None
                } else {
                    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "{case}: woken once");
                    let Poll::Ready(result) = end.poll(&mut context) else {
                        panic!("{case}: it did not come")
                    };
                    let closed = match &result {
                        Ok(_) => Closed::Gave,
                        Err(Failure::Error(_)) => Closed::Failed,
                        Err(Failure::Fault(_)) => Closed::Faulted,
                    };
                    drop(result);
                    Some((closed, known))
                }
            };
            match (ending, closed) {
                (_, None) => upstream.assert_cancelled(),
                ("complete", Some((closed, _))) => assert_ne!(closed, Closed::Faulted, "{case}"),
                (_, Some((closed, true))) => assert_ne!(closed, Closed::Faulted, "{case}"),
                ("error", Some((closed, _))) => assert_eq!(closed, Closed::Failed, "{case}"),
                (_, Some((closed, _))) => assert_eq!(closed, Closed::Faulted, "{case}"),
            }
            assert_eq!(upstream.panics(), 0, "{case}");
            assert_eq!(upstream.requests_after_end(), 0, "{case}: rule 2.3");
            drop(waker);
            assert_eq!(Arc::strong_count(&woken), 1, "{case}: the waker is kept");
            ledger.assert_settled();
        }
    }
}

macro_rules! ends {
    ($($name:ident: $begin:expr, asks $asks:expr, knows $knows:expr;)*) => {$(
        #[test]
        fn $name() {
            check($begin, $asks, $knows);
        }
    )*};
}

ends! {
    collect: |p| p.collect::<Vec<_>>(), asks UNBOUNDED, knows None;
    collect_max: |p| p.collect_max::<Vec<_>>(2), asks 3, knows Some(3);
    fold: |p| p.fold(Vec::new(), |mut all, n| { all.push(n); all }), asks UNBOUNDED, knows None;
    try_fold: |p| p.try_fold(0, |sum, n| Ok(sum + n.value())), asks UNBOUNDED, knows None;
    try_fold_that_fails: |p| p.try_fold(0, |sum, n| {
            if n.value() == 2 { Err(TestError(2)) } else { Ok(sum + n.value()) }
        }), asks UNBOUNDED, knows Some(2);
    reduce: |p| p.reduce(|a, b| if a.value() > b.value() { a } else { b }), asks UNBOUNDED, knows None;
    for_each: |p| p.for_each(drop), asks UNBOUNDED, knows None;
    try_for_each: |p| p.try_for_each(|n| if n.value() == 3 { Err(TestError(3)) } else { Ok(()) }),
        asks UNBOUNDED, knows Some(3);
    for_each_concurrent: |p| p.for_each_concurrent(Eager::default(), 4, |n| async move { drop(n) }),
        asks 4, knows None;
    try_for_each_concurrent: |p| p.try_for_each_concurrent(Eager::default(), 4, |n| async move {
            if n.value() == 3 { Err(TestError(3)) } else { Ok(()) }
        }), asks 4, knows Some(3);
    drain: |p| p.drain(), asks UNBOUNDED, knows None;
    count: |p| p.count(), asks UNBOUNDED, knows None;
    all: |p| p.all(|n| n.value() < 2), asks UNBOUNDED, knows Some(2);
    sequence_equal: |p| {
            let others = millstream::from_iter([1, 2, 9]).map_err(|never| match never {});
            p.sequence_equal(others, 4, |n, other| n.value() == *other)
        }, asks 4, knows Some(3);
    any: |p| p.any(|n| n.value() == 2), asks UNBOUNDED, knows Some(2);
    min: |p| p.min(), asks UNBOUNDED, knows None;
    max: |p| p.max(), asks UNBOUNDED, knows None;
    last: |p| p.last(), asks UNBOUNDED, knows None;
    first: |p| p.first(), asks 1, knows Some(1);
    nth: |p| p.nth(1), asks 2, knows Some(2);
    single: |p| p.single(), asks 2, knows Some(2);
    single_or_none: |p| p.single_or_none(), asks 2, knows Some(2);
    is_empty: |p| p.is_empty(), asks 1, knows Some(1);
}

fn waker() -> Waker {
    Waker::noop().clone()
}

#[test]
fn cursor() {
    for ending in ["complete", "error", "fault", "vanish", "drop"] {
        let (ledger, upstream) = (Ledger::new(), Upstream::new());
        let mut cursor = upstream.clone().cursor();
        assert!(!upstream.is_subscribed(), "a cursor is lazy");
        let waker = waker();
        let mut context = Context::from_waker(&waker);
        for n in 1..=3_u64 {
            let mut next = pin!(cursor.next());
            assert!(next.as_mut().poll(&mut context).is_pending());
            assert_eq!(upstream.requested().count(), n, "one for each next");
            upstream.next(ledger.token(n.cast_signed()));
            let Poll::Ready(Ok(Some(item))) = next.poll(&mut context) else { panic!("no item") };
            assert_eq!(item.value().unsigned_abs(), n);
        }
        {
            let mut next = pin!(cursor.next());
            assert!(next.as_mut().poll(&mut context).is_pending());
            match ending {
                "complete" => upstream.complete(),
                "error" => upstream.error(TestError(3)),
                "fault" => upstream.fault(Fault::BlockedExecutor),
                "vanish" => upstream.vanish(),
                _ => upstream.next(ledger.token(4)),
            }
            if ending != "drop" {
                let Poll::Ready(told) = next.poll(&mut context) else { panic!("no end") };
                match ending {
                    "complete" => assert!(matches!(told, Ok(None))),
                    "error" => assert!(matches!(told, Err(Failure::Error(TestError(3))))),
                    _ => assert!(matches!(told, Err(Failure::Fault(_)))),
                }
            }
        }
        drop(cursor);
        assert_eq!(upstream.is_cancelled(), ending == "drop", "{ending}");
        ledger.assert_settled();
    }
}

#[test]
fn blocking_iter() {
    for ending in ["complete", "error", "fault", "vanish", "drop"] {
        let (ledger, upstream) = (Ledger::new(), Upstream::new());
        let mut items = upstream.clone().blocking_iter(2);
        assert!(!upstream.is_subscribed(), "an iterator is lazy");
        let (feeds, tokens) = (upstream.clone(), ledger.clone());
        // Each item is waited for, and so is the end.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let feeder = std::thread::spawn(move || {
            while feeds.outstanding() == More::NONE {
                std::thread::yield_now();
            }
            for n in 1..=3 {
                feeds.next(tokens.token(n));
                wait.recv().unwrap();
            }
            match ending {
                "complete" => feeds.complete(),
                "error" => feeds.error(TestError(3)),
                "fault" => feeds.fault(Fault::BlockedExecutor),
                "vanish" => feeds.vanish(),
                _ => feeds.next(tokens.token(4)),
            }
        });
        for n in 1..=3 {
            assert_eq!(items.next().unwrap().unwrap().value(), n);
            assert!(upstream.requested().count() <= 2 + n.unsigned_abs(), "two ahead, no more");
            go.send(()).unwrap();
        }
        match (ending, (ending != "drop").then(|| items.next())) {
            ("complete", Some(told)) => assert!(told.is_none()),
            ("error", Some(told)) => {
                assert!(matches!(told, Some(Err(Failure::Error(TestError(3))))));
            }
            (_, Some(told)) => assert!(matches!(told, Some(Err(Failure::Fault(_)))), "{ending}"),
            (_, None) => {}
        }
        if ending != "drop" {
            assert!(items.next().is_none(), "{ending}: it stays over");
        }
        feeder.join().unwrap();
        drop(items);
        // A fault does not come along the lane, which may still be cancelled then.
        if !["fault", "vanish"].contains(&ending) {
            assert_eq!(upstream.is_cancelled(), ending == "drop", "{ending}");
        }
        ledger.assert_settled();
    }
}

#[test]
fn subscribe_with() {
    for ending in ["complete", "error", "vanish", "drop", "detach"] {
        for (how, first, third) in
            [("unbounded", None, None), ("batch", Some(2), Some(4)), ("manual", Some(0), Some(3))]
        {
            let (ledger, upstream) = (Ledger::new(), Upstream::new());
            let token = ledger.token(0);
            let with = upstream.clone().subscribe_with(move |_| drop(token.clone()), |_| (), || ());
            assert!(!upstream.is_subscribed(), "it is lazy");
            let handle = match how {
                "unbounded" => with.unbounded(),
                "batch" => with.batch(2),
                _ => with.manual(),
            };
            let asked = |asks: Option<u64>| match asks {
                None => assert!(upstream.requested() == More::UNBOUNDED),
                Some(n) => assert_eq!(upstream.requested().count(), n, "{how}"),
            };
            asked(first);
            if how == "manual" {
                handle.request(Demand::of(3));
            }
            for n in 1..=3 {
                upstream.next(ledger.token(n));
            }
            asked(third);
            match ending {
                "complete" => upstream.complete(),
                "error" => upstream.error(TestError(3)),
                "vanish" => upstream.vanish(),
                "detach" => handle.detach(),
                _ => handle.cancel(),
            }
            if ending == "detach" {
                assert!(!upstream.is_over(), "{how}: it runs on");
                upstream.complete();
            }
            ledger.assert_settled();
        }
    }
}

#[test]
fn the_subscriber_of_an_end_keeps_the_rules_of_subscribers_whatever_upstream_does() {
    use millstream_testkit::Breach;
    for breach in [Breach::IgnoresCancel, Breach::IgnoresDemand, Breach::EmitsBeforeRequest] {
        let ledger = Ledger::new();
        let upstream = Upstream::new().breaking(breach);
        let result = {
            let mut end = pin!(upstream.clone().first());
            let waker = waker();
            let mut context = Context::from_waker(&waker);
            assert!(end.as_mut().poll(&mut context).is_pending());
            upstream.next_unasked(ledger.token(1));
            upstream.next_unasked(ledger.token(2));
            upstream.complete();
            end.poll(&mut context)
        };
        assert!(matches!(result, Poll::Ready(Ok(Some(_)))), "{breach:?}: {result:?}");
        assert_eq!(upstream.panics(), 0, "{breach:?}");
    }
}

#[test]
fn a_panic_of_an_end_does_not_unwind_to_the_caller() {
    let upstream = Upstream::new();
    let ledger = Ledger::new();
    let token = ledger.token(0);
    let mut end = pin!(upstream.clone().fold(token, |_, _| panic!("ouch")));
    let waker = waker();
    let mut context = Context::from_waker(&waker);
    assert!(end.as_mut().poll(&mut context).is_pending());
    let sent = catch_unwind(AssertUnwindSafe(|| upstream.next(ledger.token(1))));
    assert!(sent.is_ok());
    let Poll::Ready(Err(Failure::Fault(Fault::Panicked(panic)))) = end.poll(&mut context) else {
        panic!("the panic did not come to the end")
    };
    assert_eq!(panic.message(), Some("ouch"));
    ledger.assert_settled();
}

/// Asks for one at a time, until what it has adds up to five.
struct Five(i64);

impl Gather<Token, TestError> for Five {
    type Output = i64;
    type Error = TestError;

    fn demand(&self) -> Demand {
        Demand::ONE
    }

    fn next(&mut self, item: Token) -> More {
        self.0 += item.value();
        if self.0 < 5 { More::ONE } else { More::CANCEL }
    }

    fn finish(self) -> Result<i64, TestError> {
        Ok(self.0)
    }

    fn error(self, _: TestError) -> Result<i64, TestError> {
        Ok(-self.0)
    }
}

#[test]
fn an_end_as_a_publisher_asks_what_the_end_asks_once_its_result_is_asked_for() {
    let begin = |upstream: &Upstream| {
        let five = Run::new(upstream.clone(), Five(0)).into_publisher();
        millstream_testkit::probe(five, Behaviour::new())
    };
    let ledger = Ledger::new();
    let (upstream, cancelled) = (Upstream::new(), Upstream::new());
    let (probe, other) = (begin(&upstream), begin(&cancelled));
    assert_eq!(upstream.requested(), More::NONE, "before its result is asked for");
    for (n, asked) in [(1, 1), (2, 2), (3, 3)] {
        probe.request(1);
        other.request(1);
        upstream.assert_requested(asked);
        upstream.next(ledger.token(n));
        cancelled.next(ledger.token(n - 1));
    }
    // By the third item it knows.
    upstream.assert_cancelled();
    probe.assert_items(&[6]);
    probe.assert_completed();
    other.cancel();
    cancelled.assert_cancelled();
    other.assert_items(&[]);
    ledger.assert_settled();

    // What comes of a failure, or of the end of upstream, waits until it is asked for.
    for fails in [true, false] {
        let upstream = Upstream::new();
        let probe = begin(&upstream);
        if fails {
            upstream.error(TestError(1))
        } else {
            upstream.complete()
        }
        probe.assert_no_end();
        probe.request(1);
        probe.assert_items(&[0]);
        probe.assert_completed();
    }
}

#[test]
fn an_end_as_a_publisher_is_pulled_in_place() {
    let sums = millstream::from_iter(1..=3)
        .concat_map(|n| millstream::from_iter(0..=n).fold(0, |sum, n| sum + n).into_publisher());
    assert_eq!(sums.collect::<Vec<_>>().block().unwrap(), [1, 3, 6]);
    let firsts = millstream::from_iter(1..=3).concat_map(|n| {
        let item = millstream::from_iter(n..).first().into_publisher();
        item.chain(millstream::empty::<u32>().count().into_publisher().map(|n| Some(n as i32)))
    });
    let firsts = firsts.collect::<Vec<_>>().block().unwrap();
    assert_eq!(firsts, [Some(1), Some(0), Some(2), Some(0), Some(3), Some(0)]);
    // Errors of the end itself.
    let two = millstream::from_iter([1, 2]).single().into_publisher();
    assert!(matches!(two.count().block(), Err(Failure::Error(SingleError::Many))));
}

#[test]
#[should_panic = "this end was polled"]
fn an_end_that_was_polled_is_no_publisher() {
    let mut end = Upstream::new().count();
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(&mut end).poll(&mut context).is_pending());
    let _ = end.into_publisher();
}
