//! Claims about the operators between two that do not keep pace: what is kept, dropped, merged or
//! made up, at each rate of demand, wherever the stream ends.
//!
//! The second half compares them with models on plain vectors, over random schedules.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Debug;
use std::iter::repeat_with;
use std::num::NonZeroU64;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millstream::board::{Board, State};
use millstream::executor::{Pool, Threads};
use millstream::overflow::{Backpressure, DropReason, Overflow, Valve};
use millstream::prelude::*;
use millstream::{Demand, More, Publisher};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{
    Answer, Behaviour, Faulted, Ledger, Probe, ProbeHandle, ScriptedPublisher, Token, probe,
};
use proptest::prelude::*;

type Hand = ScriptedPublisher<Token, TestError>;
type Handle<T = Token> = ProbeHandle<T, TestError>;

/// A probe that is told of discarded items as well, and asks for nothing by itself.
fn noting<P: Publisher<Error = TestError>>(publisher: P) -> Handle<P::Item>
where
    P::Item: Clone,
{
    let (probe, handle) = Probe::with(Behaviour::new());
    publisher.subscribe(probe.noting_discards());
    handle
}

fn values(items: &[Token]) -> Vec<i64> {
    items.iter().map(Token::value).collect()
}

fn push(mut batch: Vec<Token>, item: Token) -> Vec<Token> {
    batch.push(item);
    batch
}

fn sum(a: Token, b: Token) -> Token {
    a.map(|a| a + b.value())
}

fn asks_for_all(upstream: &Hand) {
    assert_eq!(upstream.requested(), More::UNBOUNDED);
}

/// Sends these numbers.
fn send(upstream: &Hand, ledger: &Ledger, numbers: impl IntoIterator<Item = i64>) {
    numbers.into_iter().for_each(|n| upstream.next(ledger.token(n)));
}

// ---- buffered_queue ---------------------------------------------------------------------------

type Told = Arc<Mutex<Vec<(i64, DropReason)>>>;

fn telling(overflow: Overflow<Token, TestError>) -> (Overflow<Token, TestError>, Told) {
    let told = Told::default();
    let tells = told.clone();
    let overflow =
        overflow.on_drop(move |item: Token, why| tells.lock().unwrap().push((item.value(), why)));
    (overflow, told)
}

fn dropping() -> [Overflow<Token, TestError>; 4] {
    [Overflow::drop_newest(), Overflow::drop_oldest(), Overflow::drop_all(), Overflow::reduce(sum)]
}

#[test]
fn each_policy_keeps_what_it_says_and_tells_of_what_it_drops() {
    use DropReason::{Newest, Oldest, Superseded};
    let cases = [
        (Overflow::drop_newest(), vec![1, 2], vec![(3, Newest), (4, Newest), (5, Newest)]),
        (Overflow::drop_oldest(), vec![4, 5], vec![(1, Oldest), (2, Oldest), (3, Oldest)]),
        (
            Overflow::drop_all(),
            vec![5],
            vec![(1, Superseded), (2, Superseded), (3, Superseded), (4, Superseded)],
        ),
        (Overflow::reduce(sum), vec![1, 2 + 3 + 4 + 5], vec![]),
    ];
    for (overflow, kept, dropped) in cases {
        let (overflow, told) = telling(overflow);
        let case = format!("{overflow:?}");
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let handle = noting(upstream.clone().buffered_queue(2, overflow));
        asks_for_all(&upstream);
        send(&upstream, &ledger, 1..=5);
        assert_eq!(*told.lock().unwrap(), dropped, "{case}");
        handle.request(1);
        assert_eq!(values(&handle.items()), kept[..1], "{case}: one was asked for");
        handle.request(9);
        assert_eq!(values(&handle.items()), kept, "{case}");
        send(&upstream, &ledger, [6]);
        upstream.complete();
        assert_eq!(handle.items().last().map(Token::value), Some(6), "{case}");
        handle.assert_completed();
        handle.assert_no_violation();
        assert_eq!(handle.discarded().len(), 0, "{case}: it was told to the function instead");
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn without_a_function_what_is_dropped_goes_to_the_hook_downstream() {
    for overflow in dropping() {
        let merges = format!("{overflow:?}").contains("merges");
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let handle = noting(upstream.clone().buffered_queue(1, overflow));
        send(&upstream, &ledger, 1..=4);
        assert_eq!(handle.discarded().len(), if merges { 0 } else { 3 });
        handle.cancel();
        upstream.assert_cancelled();
        assert_eq!(handle.discarded().len(), if merges { 1 } else { 4 }, "and what is queued");
        drop((handle, upstream));
        ledger.assert_settled();
    }
}

#[test]
fn an_error_comes_behind_what_is_queued_and_cancels_upstream_at_once() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let overflow = Overflow::error(|item: Token| TestError(item.value() as u64));
    let handle = noting(upstream.clone().buffered_queue(2, overflow));
    send(&upstream, &ledger, 1..=2);
    upstream.assert_not_cancelled();
    send(&upstream, &ledger, [3]);
    upstream.assert_cancelled();
    handle.assert_no_end();
    handle.request(1);
    handle.assert_no_end();
    handle.request(1);
    assert_eq!(values(&handle.items()), [1, 2]);
    handle.assert_failed(&TestError(3));
    assert_eq!(handle.discarded(), [], "the error has it");
    handle.assert_no_violation();
    drop((handle, upstream));
    ledger.assert_settled();
}

#[test]
fn with_demand_nothing_overflows() {
    let fails = Overflow::error(|_| TestError(0));
    for overflow in dropping().into_iter().chain([fails]) {
        for asked in [3, u64::MAX] {
            let (ledger, upstream) = (Ledger::new(), Hand::new());
            let handle = noting(upstream.clone().buffered_queue(1, overflow.clone()));
            handle.request(asked);
            send(&upstream, &ledger, 1..=3);
            assert_eq!(values(&handle.items()), [1, 2, 3], "{overflow:?}");
            upstream.complete();
            handle.assert_completed();
            assert_eq!(handle.discarded(), []);
        }
    }
}

/// What a source sends while it is asked finds the demand that is there by then.
#[test]
fn a_source_that_sends_all_at_once_finds_the_demand_that_was_there_before() {
    let fails = Overflow::error(|_| TestError(0));
    for overflow in dropping().into_iter().chain([fails]) {
        let ledger = Ledger::new();
        let tokens = ledger.clone();
        let source = millstream::range(1..2_000).map(move |n| tokens.token(n));
        let queue = source.map_err(|never| match never {}).buffered_queue(2, overflow.clone());
        let handle = probe(queue.clone(), Behaviour::new().initially(u64::MAX));
        assert_eq!(handle.delivered(), 1_999, "{overflow:?}");
        handle.assert_completed();
        let handle = probe(queue.boxed(), Behaviour::new().initially(u64::MAX));
        assert_eq!(handle.delivered(), 1_999, "{overflow:?}: boxed");
        drop(handle);
    }
}

/// It would hold the thread that subscribes.
#[test]
fn a_synchronous_source_without_end_is_not_asked_for_all_of_it() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let endless = millstream::from_fn(move || Some(count.fetch_add(1, Ordering::Relaxed) + 1));
    let handle = probe(endless.buffered_queue(4, Overflow::drop_oldest()), Behaviour::new());
    assert_eq!(asked.load(Ordering::Relaxed), 1024);
    handle.request(3);
    handle.assert_items(&[1021, 1022, 1023]);
    assert_eq!(asked.load(Ordering::Relaxed), 1027, "one more for each that left");
    handle.request(5_000);
    assert_eq!(handle.delivered(), 5_003);
    assert_eq!(asked.load(Ordering::Relaxed), 1024 + 5_003);
    handle.assert_no_violation();
}

#[test]
fn backpressure_asks_for_the_capacity_and_then_one_for_each_item_that_leaves() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().buffered_queue(3, Backpressure));
    upstream.assert_requested(3);
    send(&upstream, &ledger, 1..=3);
    upstream.assert_requested(3);
    handle.request(1);
    upstream.assert_requested(4);
    assert_eq!(values(&handle.items()), [1]);
    handle.request(5);
    upstream.assert_requested(6);
    send(&upstream, &ledger, 4..=6);
    assert_eq!(values(&handle.items()), [1, 2, 3, 4, 5, 6]);
    upstream.assert_requested(9);
    upstream.complete();
    handle.assert_completed();
    assert_eq!(handle.discarded(), []);
}

#[test]
fn the_ends_of_upstream_wait_for_what_is_queued_but_not_for_demand() {
    for overflow in dropping() {
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let handle = noting(upstream.clone().buffered_queue(2, overflow.clone()));
        send(&upstream, &ledger, 1..=2);
        upstream.error(TestError(7));
        handle.assert_no_end();
        handle.request(1);
        handle.assert_no_end();
        handle.request(1);
        assert_eq!(values(&handle.items()), [1, 2]);
        handle.assert_failed(&TestError(7));
        assert_eq!(upstream.requests_after_end(), 0);
        upstream.assert_not_cancelled();

        let upstream = Hand::new();
        let handle = noting(upstream.clone().buffered_queue(2, overflow.clone()));
        upstream.complete();
        handle.assert_completed();

        let upstream = Hand::new();
        let handle = noting(upstream.clone().buffered_queue(2, overflow.clone()));
        send(&upstream, &ledger, 1..=2);
        upstream.fault(millstream::Fault::SourceDropped);
        handle.assert_faulted(&Faulted::SourceDropped);
        assert_eq!(handle.discarded().len(), 2, "a fault does not wait");

        let upstream = Hand::new();
        let handle = noting(upstream.clone().buffered_queue(2, overflow));
        upstream.vanish();
        handle.assert_faulted(&Faulted::SourceDropped);
    }
}

#[test]
fn a_panic_in_a_function_of_a_policy_is_a_fault_and_cancels_upstream() {
    fn ouch() -> ! {
        resume_unwind(Box::new("ouch"))
    }
    let policies: [Overflow<Token, TestError>; 3] = [
        Overflow::drop_newest().on_drop(|_: Token, _| ouch()),
        Overflow::error(|_| ouch()),
        Overflow::reduce(|_, _| ouch()),
    ];
    for overflow in policies {
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let handle = noting(upstream.clone().buffered_queue(1, overflow.clone()));
        send(&upstream, &ledger, 1..=2);
        handle.assert_faulted(&Faulted::Panicked(Some("ouch".to_owned())));
        upstream.assert_cancelled();
        drop((handle, upstream));
        ledger.assert_settled();
    }
}

/// What comes after a cancellation that upstream has not heard of yet.
#[test]
fn an_item_that_comes_too_late_is_discarded() {
    for overflow in dropping() {
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let slot = Arc::new(Mutex::new(None::<Handle>));
        let (cancels, items) = (slot.clone(), upstream.clone());
        // The cancellation comes while the item is on its way.
        let items = items.inspect(move |_| cancels.lock().unwrap().as_ref().unwrap().cancel());
        let handle = noting(items.buffered_queue(1, overflow));
        *slot.lock().unwrap() = Some(handle.clone());
        send(&upstream, &ledger, [1]);
        assert_eq!(values(&handle.discarded()), [1]);
        upstream.assert_cancelled();
        drop((handle, upstream, slot.lock().unwrap().take()));
        ledger.assert_settled();
    }
}

#[test]
fn the_row_on_a_board_counts_what_was_dropped_and_the_most_that_were_queued() {
    let cases = [
        (Overflow::drop_newest(), [5, 2, 0, 2, 3]),
        (Overflow::drop_oldest(), [5, 2, 0, 2, 3]),
        // The third takes the place of two, the fifth of two.
        (Overflow::drop_all(), [5, 1, 0, 2, 4]),
        // What is merged counts as one.
        (Overflow::reduce(sum), [2, 2, 0, 2, 0]),
        (Overflow::error(|_| TestError(0)), [3, 2, 0, 2, 1]),
    ];
    for (overflow, expected) in cases {
        let (ledger, upstream, board) = (Ledger::new(), Hand::new(), Board::new(4));
        let queue = upstream.clone().buffered_queue(2, overflow.clone()).named("orders");
        let handle = probe(queue.observed(&board), Behaviour::new());
        send(&upstream, &ledger, 1..=5);
        handle.request(9);
        upstream.complete();
        let snapshot = board.snapshot();
        let row = &snapshot.rows()[0];
        assert_eq!((row.kind, row.name.as_deref()), ("buffered_queue", Some("orders")));
        let counts = [row.received, row.sent, row.fill, row.high_water, row.discarded];
        assert_eq!(counts, expected, "{overflow:?}");
        assert!(matches!(row.state, State::Completed | State::Failed), "{overflow:?}");
        assert_eq!(row.capacity, 2);
    }
}

#[test]
#[should_panic(expected = "buffered_queue(0, policy): a queue holds at least 1 item")]
fn a_queue_for_nothing_is_refused() {
    let _queue = millstream::just(1).buffered_queue(0, Backpressure);
}

/// The consumer is slow on a thread of its own, and the producer is not held up.
#[test]
fn all_is_accounted_for_where_both_sides_run_on_threads_of_their_own() {
    for overflow in dropping() {
        let merges = format!("{overflow:?}").contains("merges");
        let dropped = Arc::new(AtomicU64::new(0));
        let counts = dropped.clone();
        let overflow = overflow.on_drop(move |item: Token, _| {
            counts.fetch_add(item.value() as u64, Ordering::Relaxed);
        });
        let ledger = Ledger::new();
        let tokens = ledger.clone();
        let items = millstream::range(1..20_001).map(move |n| tokens.token(n));
        let (threads, pool) = (Threads::new(1), Pool::new(2));
        let delivered = items
            .map_err(|never: Infallible| match never {})
            .subscribe_on(threads.handle())
            .buffered_queue(8, overflow)
            .publish_on(pool.handle(), 2)
            .fold(0, |sum, item| sum + item.value() as u64)
            .block()
            .unwrap();
        let all = delivered + dropped.load(Ordering::Relaxed);
        assert_eq!(all, 20_000 * 20_001 / 2, "merges: {merges}");
        ledger.assert_settled();
    }
}

// ---- an emitter with a policy that merges -------------------------------------------------------

#[test]
fn an_emitter_merges_what_does_not_fit() {
    let (emitter, items) = millstream::emitter(2, Overflow::reduce(|a, b| a + b));
    let handle = probe(items, Behaviour::new());
    for n in 1..=4 {
        emitter.emit(n).unwrap();
    }
    assert_eq!((emitter.len(), emitter.emitted(), emitter.dropped()), (2, 4, 0));
    emitter.complete();
    handle.request(9);
    handle.assert_items(&[1, 9]);
    handle.assert_completed();
}

#[test]
fn many_threads_emit_into_one_place_and_nothing_is_lost() {
    let (emitter, items) = millstream::emitter(1, Overflow::reduce(|a: u64, b| a + b));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let emitter = emitter.clone();
            std::thread::spawn(move || {
                for n in 1..=5_000 {
                    emitter.emit(n).unwrap();
                }
                emitter.complete();
            })
        })
        .collect();
    emitter.complete();
    let pool = Pool::new(1);
    let total = items.publish_on(pool.handle(), 1).fold(0, |sum, n| sum + n).block().unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(total, 4 * 5_000 * 5_001 / 2);
}

// ---- latest, conflate -------------------------------------------------------------------------

#[test]
fn the_latest_is_kept_and_the_others_are_discarded() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().latest());
    asks_for_all(&upstream);
    send(&upstream, &ledger, 1..=3);
    assert_eq!(values(&handle.discarded()), [1, 2]);
    handle.request(2);
    assert_eq!(values(&handle.items()), [3]);
    send(&upstream, &ledger, 4..=6);
    assert_eq!(values(&handle.items()), [3, 4], "it was asked for");
    upstream.complete();
    handle.assert_no_end();
    handle.request(1);
    assert_eq!(values(&handle.items()), [3, 4, 6]);
    handle.assert_completed();
    assert_eq!(values(&handle.discarded()), [1, 2, 5]);
}

#[test]
fn what_is_conflated_is_merged_in_order_and_asked_for_items_pass_alone() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().conflate_with(|item| vec![item], push));
    asks_for_all(&upstream);
    let seen = |handle: &Handle<Vec<Token>>| -> Vec<Vec<i64>> {
        handle.items().iter().map(|batch| values(batch)).collect()
    };
    handle.request(1);
    send(&upstream, &ledger, 1..=4);
    assert_eq!(seen(&handle), [vec![1]]);
    handle.request(2);
    assert_eq!(seen(&handle), [vec![1], vec![2, 3, 4]]);
    send(&upstream, &ledger, [5, 6, 7]);
    upstream.error(TestError(1));
    assert_eq!(seen(&handle), [vec![1], vec![2, 3, 4], vec![5]]);
    handle.assert_no_end();
    handle.request(1);
    assert_eq!(seen(&handle)[3], [6, 7]);
    handle.assert_failed(&TestError(1));
    handle.assert_no_violation();
    assert_eq!(handle.discarded().len(), 0);
    drop(handle);
    ledger.assert_settled();
}

#[test]
fn what_is_conflated_is_discarded_as_one_when_it_is_cancelled() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().conflate(sum));
    send(&upstream, &ledger, 1..=3);
    handle.cancel();
    upstream.assert_cancelled();
    assert_eq!(values(&handle.discarded()), [6]);
    drop((handle, upstream));
    ledger.assert_settled();
}

#[test]
fn a_panic_while_items_are_merged_is_a_fault_and_keeps_nothing() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let ouch = |_: Token, _: Token| -> Token { resume_unwind(Box::new("ouch")) };
    let handle = noting(upstream.clone().conflate(ouch));
    send(&upstream, &ledger, 1..=2);
    handle.assert_faulted(&Faulted::Panicked(Some("ouch".to_owned())));
    upstream.assert_cancelled();
    drop((handle, upstream));
    ledger.assert_settled();
}

// ---- drop_unwanted, error_on_overflow -----------------------------------------------------------

#[test]
fn what_nobody_asks_for_is_dropped() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let told = dropped.clone();
    let drops = move |item: Token| told.lock().unwrap().push(item.value());
    let handle = noting(upstream.clone().drop_unwanted(drops));
    asks_for_all(&upstream);
    send(&upstream, &ledger, 1..=2);
    handle.request(2);
    send(&upstream, &ledger, 3..=5);
    assert_eq!(values(&handle.items()), [3, 4]);
    assert_eq!(*dropped.lock().unwrap(), [1, 2, 5]);
    handle.request_unbounded();
    send(&upstream, &ledger, 6..=9);
    assert_eq!(handle.delivered(), 6);
    upstream.complete();
    handle.assert_completed();
    handle.assert_no_violation();
    assert_eq!(handle.discarded(), [], "the function has them");
}

#[test]
fn row_21_two_and_then_the_maximum_is_without_bound() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().drop_unwanted(|_| panic!("all are asked for")));
    handle.request(2);
    handle.request(u64::MAX - 1);
    send(&upstream, &ledger, 1..=5);
    assert_eq!(handle.delivered(), 5);
    handle.assert_no_violation();
}

/// What downstream has of its own to send, after the end too, goes by what it asked for, once.
#[test]
fn what_a_stage_below_holds_at_the_end_is_sent_as_it_is_asked_for() {
    let items = millstream::range(1..4).drop_unwanted(drop).concat_map_iter(|n| [n, n, n]);
    let handle = probe(items, Behaviour::new().initially(1));
    handle.assert_items(&[1]);
    handle.assert_no_end();
    handle.request(1);
    handle.assert_items(&[1, 1]);
    handle.request(9);
    handle.assert_items(&[1, 1, 1]);
    handle.assert_completed();
    handle.assert_no_violation();
}

#[test]
fn a_panic_where_nobody_asks_is_a_fault() {
    fn ouch() -> ! {
        resume_unwind(Box::new("ouch"))
    }
    let expected = Faulted::Panicked(Some("ouch".to_owned()));
    let handle = noting(millstream::just(1).map_err(never).drop_unwanted(|_| ouch()));
    handle.assert_faulted(&expected);
    let handle =
        noting(millstream::just(1).map_err(never).error_on_overflow(|_| -> TestError { ouch() }));
    handle.assert_faulted(&expected);
}

fn never(never: Infallible) -> TestError {
    match never {}
}

/// From inside of the item before.
#[test]
fn what_is_asked_for_inside_of_an_item_is_there_for_the_next() {
    for each in [Answer::ONE, Answer::Request(Demand::ONE)] {
        let (ledger, upstream) = (Ledger::new(), Hand::new());
        let items = upstream.clone().drop_unwanted(drop);
        let handle = probe(items, Behaviour::new().initially(1).each(each));
        send(&upstream, &ledger, 1..=5);
        assert_eq!(handle.delivered(), 5);
    }
}

#[test]
fn what_nobody_asks_for_is_an_error() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let error = |item: Token| TestError(item.value() as u64);
    let handle = noting(upstream.clone().error_on_overflow(error));
    handle.request(2);
    send(&upstream, &ledger, 1..=2);
    handle.assert_no_end();
    send(&upstream, &ledger, [3]);
    assert_eq!(values(&handle.items()), [1, 2]);
    handle.assert_failed(&TestError(3));
    upstream.assert_cancelled();
    drop((handle, upstream));
    ledger.assert_settled();
}

#[test]
fn a_synchronous_source_without_end_does_not_hold_whoever_drops_what_it_sends() {
    let dropped = Arc::new(AtomicU64::new(0));
    let counts = dropped.clone();
    let drops = move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
    };
    let handle = probe(millstream::from_iter(1..).drop_unwanted(drops), Behaviour::new());
    assert_eq!(dropped.load(Ordering::Relaxed), 1024);
    handle.request(2);
    handle.request(2_000);
    assert_eq!(handle.delivered(), 2_002, "what is asked for comes");
    assert_eq!(dropped.load(Ordering::Relaxed), 1024);
}

// ---- batch --------------------------------------------------------------------------------------

fn batches(handle: &Handle<Vec<Token>>) -> Vec<Vec<i64>> {
    handle.items().iter().map(|batch| values(batch)).collect()
}

#[test]
fn a_batch_that_is_full_makes_upstream_wait() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().batch(3, |item| vec![item], push));
    upstream.assert_requested(1);
    for n in 1..=3 {
        send(&upstream, &ledger, [n]);
        upstream.assert_requested(n as u64 + 1);
    }
    send(&upstream, &ledger, [4]);
    upstream.assert_requested(4);
    handle.request(1);
    assert_eq!(batches(&handle), [vec![1, 2, 3]]);
    upstream.assert_requested(5);
    handle.request(3);
    assert_eq!(batches(&handle), [vec![1, 2, 3], vec![4]]);
    send(&upstream, &ledger, 5..=6);
    assert_eq!(batches(&handle)[2..], [vec![5], vec![6]], "each alone, where it is asked for");
    upstream.complete();
    handle.assert_completed();
    handle.assert_no_violation();
    drop(handle);
    ledger.assert_settled();
}

#[test]
fn an_item_that_is_too_heavy_is_a_batch_of_its_own() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let cost = |item: &Token| item.value() as u64;
    let handle = noting(upstream.clone().batch_weighted(5, cost, |item| vec![item], push));
    // What weighs nothing weighs 1: a batch is bounded.
    send(&upstream, &ledger, [2, 0, 2]);
    send(&upstream, &ledger, [9]);
    upstream.assert_requested(4);
    handle.request(1);
    send(&upstream, &ledger, [1]);
    upstream.complete();
    handle.assert_no_end();
    handle.request(2);
    assert_eq!(batches(&handle), [vec![2, 0, 2], vec![9], vec![1]]);
    handle.assert_completed();
}

#[test]
fn what_a_batch_holds_comes_before_a_failure_and_is_discarded_by_a_cancellation() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().batch(2, |item| item, sum));
    send(&upstream, &ledger, 1..=3);
    upstream.error(TestError(3));
    handle.assert_no_end();
    handle.request(2);
    assert_eq!(values(&handle.items()), [3, 3]);
    handle.assert_failed(&TestError(3));
    drop((handle, upstream));

    let upstream = Hand::new();
    let handle = noting(upstream.clone().batch(2, |item| item, sum));
    send(&upstream, &ledger, 1..=3);
    handle.cancel();
    upstream.assert_cancelled();
    assert_eq!(values(&handle.discarded()), [3, 3], "the batch, and the item that waits");
    drop((handle, upstream));
    ledger.assert_settled();
}

/// The end waits for the batch, but not for demand of its own.
#[test]
fn a_batch_that_was_the_last_is_followed_by_the_end_without_demand() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().batch(2, |item| item, sum));
    send(&upstream, &ledger, [1]);
    upstream.complete();
    handle.assert_no_end();
    handle.request(1);
    assert_eq!(values(&handle.items()), [1]);
    handle.assert_completed();
}

#[test]
fn a_batch_of_a_source_without_end_is_bounded() {
    let endless =
        millstream::from_iter(1_u64..).batch_weighted(u64::MAX, |_| 0, |_| 1, |n, _| n + 1);
    let handle = probe(endless, Behaviour::new());
    handle.request(1);
    assert!(handle.items()[0] > 1_000, "{:?}", handle.items());
    handle.request(1);
    assert_eq!(handle.delivered(), 2);
}

// ---- expand_last, detach, cap_demand --------------------------------------------------------------

#[test]
fn demand_beyond_upstream_is_served_from_the_last_item() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let tokens = ledger.clone();
    let handle = noting(upstream.clone().expand_last(move |item| {
        let (mut next, tokens) = (item.value() * 10, tokens.clone());
        repeat_with(move || {
            next += 1;
            tokens.token(next)
        })
    }));
    handle.request(2);
    assert_eq!(handle.delivered(), 0, "there is no last");
    upstream.assert_requested(1);
    send(&upstream, &ledger, [1]);
    assert_eq!(values(&handle.items()), [1, 11]);
    upstream.assert_requested(2);
    handle.request(2);
    assert_eq!(values(&handle.items())[2..], [12, 13]);
    send(&upstream, &ledger, [2]);
    upstream.assert_requested(2);
    handle.request(2);
    assert_eq!(values(&handle.items())[4..], [2, 21], "the real one goes first");
    send(&upstream, &ledger, [3]);
    upstream.complete();
    handle.assert_no_end();
    handle.request(1);
    assert_eq!(values(&handle.items())[6..], [3], "it is sent before the end");
    handle.assert_completed();
    handle.assert_no_violation();
    drop(handle);
    ledger.assert_settled();
}

#[test]
fn an_iterator_that_is_at_its_end_gives_nothing_until_the_next_item() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let tokens = ledger.clone();
    let handle = noting(upstream.clone().expand_last(move |_| [tokens.token(0)]));
    handle.request(4);
    send(&upstream, &ledger, [1]);
    assert_eq!(values(&handle.items()), [1, 0]);
    send(&upstream, &ledger, [2]);
    assert_eq!(values(&handle.items()), [1, 0, 2, 0]);
    upstream.error(TestError(2));
    handle.assert_failed(&TestError(2));
}

#[test]
fn detach_asks_for_one_ahead() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let handle = noting(upstream.clone().detach());
    upstream.assert_requested(1);
    send(&upstream, &ledger, [1]);
    upstream.assert_requested(1);
    handle.request(2);
    upstream.assert_requested(2);
    send(&upstream, &ledger, [2]);
    upstream.assert_requested(3);
    assert_eq!(values(&handle.items()), [1, 2]);
    upstream.complete();
    handle.assert_completed();
}

#[test]
fn demand_is_capped_and_the_rest_is_asked_for_later() {
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let half = |demand: Demand| NonZeroU64::new(demand.get().div_ceil(2)).unwrap();
    let handle = noting(upstream.clone().cap_demand(half));
    handle.request(7);
    upstream.assert_requested(4);
    handle.request(1);
    upstream.assert_requested(4);
    send(&upstream, &ledger, 1..=4);
    upstream.assert_requested(6);
    send(&upstream, &ledger, 5..=6);
    upstream.assert_requested(7);
    send(&upstream, &ledger, [7]);
    upstream.assert_requested(8);
    send(&upstream, &ledger, [8]);
    upstream.assert_requested(8);
    assert_eq!(handle.delivered(), 8);
    handle.assert_no_violation();
}

#[test]
fn more_than_downstream_asks_for_is_never_asked() {
    let upstream = Hand::new();
    let many = NonZeroU64::new(100).unwrap();
    let handle = noting(upstream.clone().cap_demand(move |_| many));
    handle.request(3);
    upstream.assert_requested(3);
}

// ---- pausable -----------------------------------------------------------------------------------

#[test]
fn while_a_valve_is_shut_requests_are_kept() {
    let (ledger, upstream, valve) = (Ledger::new(), Hand::new(), Valve::new());
    let handle = noting(upstream.clone().pausable(&valve, 2));
    handle.request(1);
    upstream.assert_requested(1);
    valve.pause();
    assert!(valve.is_paused());
    handle.request(4);
    upstream.assert_requested(1);
    send(&upstream, &ledger, [1]);
    assert_eq!(handle.delivered(), 1, "what was asked for before still comes");
    upstream.assert_requested(1);
    valve.resume();
    upstream.assert_requested(3);
    send(&upstream, &ledger, 2..=3);
    upstream.assert_requested(5);
    send(&upstream, &ledger, 4..=5);
    upstream.assert_requested(5);
    assert_eq!(values(&handle.items()), [1, 2, 3, 4, 5]);
    valve.pause();
    upstream.complete();
    handle.assert_completed();
    handle.assert_no_violation();
}

#[test]
fn a_valve_stops_unbounded_demand_and_those_of_many_streams() {
    let (ledger, valve) = (Ledger::new(), Valve::new());
    let streams: Vec<_> = (0..3)
        .map(|_| {
            let upstream = Hand::new();
            (upstream.clone(), noting(upstream.pausable(&valve, 1)))
        })
        .collect();
    for (upstream, handle) in &streams {
        handle.request_unbounded();
        send(upstream, &ledger, 1..=2);
        upstream.assert_requested(3);
    }
    valve.pause();
    for (upstream, _) in &streams {
        send(upstream, &ledger, [3]);
        upstream.assert_requested(3);
    }
    valve.clone().resume();
    for (upstream, handle) in &streams {
        upstream.assert_requested(4);
        handle.cancel();
        upstream.assert_cancelled();
    }
}

#[test]
fn a_valve_that_nobody_can_open_any_more_is_open() {
    let (upstream, valve) = (Hand::new(), Valve::new());
    let handle = noting(upstream.clone().pausable(&valve, 3));
    valve.pause();
    handle.request(2);
    upstream.assert_requested(0);
    drop(valve);
    upstream.assert_requested(2);
}

#[test]
fn a_valve_stops_and_starts_a_source_on_another_thread_and_nothing_is_lost() {
    let (valve, threads) = (Valve::new(), Threads::new(1));
    let switch = valve.clone();
    let opens = std::thread::spawn(move || {
        for n in 0..200 {
            if n % 2 == 0 {
                switch.pause()
            } else {
                switch.resume()
            }
            std::thread::yield_now();
        }
        switch.resume();
    });
    let numbers = millstream::range(0..20_000_u64).subscribe_on(threads.handle());
    let items = numbers.pausable(&valve, 4).collect::<Vec<_>>().block().unwrap();
    opens.join().unwrap();
    assert!(items.into_iter().eq(0..20_000));
}

#[test]
#[should_panic(expected = "pausable(&valve, 0): upstream is asked for at least 1 item at a time")]
fn a_valve_that_lets_nothing_through_is_refused() {
    let _stopped = millstream::just(1).pausable(&Valve::new(), 0);
}

// ---- against models -------------------------------------------------------------------------------

/// What happens to a stage.
#[derive(Debug, Clone, Copy)]
enum Step {
    Item,
    Request(u64),
    Complete,
    Fail,
    Cancel,
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => Just(Step::Item),
        4 => Just(Step::Request(1)),
        2 => (2_u64..5).prop_map(Step::Request),
        1 => Just(Step::Request(u64::MAX)),
    ];
    let end = prop_oneof![
        2 => Just(Vec::new()),
        2 => Just(vec![Step::Complete]),
        1 => Just(vec![Step::Fail]),
        1 => Just(vec![Step::Cancel]),
    ];
    let after = prop_oneof![Just(Vec::new()), Just(vec![Step::Request(3)])];
    (prop::collection::vec(step, 0..40), end, after)
        .prop_map(|(steps, end, after)| [steps, end, after, vec![Step::Request(u64::MAX)]].concat())
}

/// How a stage ended, or was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed(u64),
}

/// What a stage does with an item that nobody asks for: the model of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Newest,
    Oldest,
    All,
    Reduce,
    Error,
    /// Items wait in upstream.
    Wait,
    /// As many as fit become one, and then upstream waits.
    Batch,
    /// The place holds nothing.
    Unwanted,
    UnwantedFails,
}

struct Model {
    rule: Rule,
    capacity: usize,
    queue: VecDeque<i64>,
    /// How many items each of the queue is made of, for batches.
    counts: VecDeque<usize>,
    /// Those that upstream has and was not asked for.
    upstream: VecDeque<i64>,
    demand: u64,
    delivered: Vec<i64>,
    dropped: Vec<i64>,
    end: Option<End>,
    over: Option<End>,
    cancelled: bool,
}

impl Model {
    fn new(rule: Rule, capacity: usize) -> Model {
        Model {
            rule,
            capacity,
            queue: VecDeque::new(),
            counts: VecDeque::new(),
            upstream: VecDeque::new(),
            demand: 0,
            delivered: Vec::new(),
            dropped: Vec::new(),
            end: None,
            over: None,
            cancelled: false,
        }
    }

    fn item(&mut self, n: i64) {
        if self.end.is_some() || self.cancelled {
            return;
        }
        if self.queue.is_empty() && self.demand > 0 {
            self.deliver(n);
            return;
        }
        let room = self.queue.len() < self.capacity;
        match self.rule {
            Rule::Batch => match self.counts.back_mut() {
                // The last that waits is alone until it begins a batch.
                Some(count) if self.queue.len() == 1 && *count < self.capacity => {
                    *count += 1;
                    self.queue[0] += n;
                }
                _ if self.queue.len() < 2 => {
                    self.queue.push_back(n);
                    self.counts.push_back(1);
                }
                _ => self.upstream.push_back(n),
            },
            Rule::Wait if !room => self.upstream.push_back(n),
            Rule::Unwanted => self.dropped.push(n),
            Rule::UnwantedFails => self.over = Some(End::Failed(n as u64)),
            _ if room => self.queue.push_back(n),
            Rule::Newest => self.dropped.push(n),
            Rule::Oldest => {
                self.dropped.extend(self.queue.pop_front());
                self.queue.push_back(n);
            }
            Rule::All => {
                self.dropped.extend(self.queue.drain(..));
                self.queue.push_back(n);
            }
            Rule::Reduce => *self.queue.back_mut().unwrap() += n,
            Rule::Error => self.end = Some(End::Failed(n as u64)),
            Rule::Wait => unreachable!("there is room"),
        }
        if self.over.is_some() {
            self.end = self.over;
        }
    }

    fn deliver(&mut self, n: i64) {
        if self.demand != u64::MAX {
            self.demand -= 1;
        }
        self.delivered.push(n);
    }

    fn step(&mut self, step: Step, n: &mut i64) {
        match step {
            Step::Item => {
                *n += 1;
                self.item(*n);
            }
            Step::Request(more) => self.demand = self.demand.saturating_add(more),
            Step::Complete => {
                self.end.get_or_insert(End::Completed);
            }
            Step::Fail => {
                self.end.get_or_insert(End::Failed(0));
            }
            Step::Cancel => {
                if self.over.is_none() {
                    self.cancelled = true;
                    self.dropped.extend(self.queue.drain(..));
                    self.counts.clear();
                }
            }
        }
        while self.demand > 0
            && !self.cancelled
            && let Some(next) = self.queue.pop_front()
        {
            self.counts.pop_front();
            self.deliver(next);
        }
        self.refill();
        if self.queue.is_empty() && self.upstream.is_empty() && !self.cancelled {
            self.over = self.over.or(self.end);
        }
    }

    /// What upstream has goes on into the place, where there is room.
    fn refill(&mut self) {
        let ended = self.end.take();
        while let Some(next) = self.upstream.pop_front() {
            let waiting = self.upstream.len();
            self.item(next);
            if self.upstream.len() > waiting {
                // It came back.
                let back = self.upstream.pop_back().unwrap();
                self.upstream.push_front(back);
                break;
            }
        }
        self.end = ended;
    }
}

/// An upstream that sends what it is told to when it is asked for it.
struct Fed {
    upstream: Hand,
    ledger: Ledger,
    waiting: VecDeque<i64>,
    end: Option<End>,
}

impl Fed {
    fn flow(&mut self) {
        while !self.waiting.is_empty()
            && (self.upstream.outstanding() != More::NONE || self.upstream.is_cancelled())
        {
            let n = self.waiting.pop_front().unwrap();
            self.upstream.next(self.ledger.token(n));
        }
        if self.waiting.is_empty() {
            match self.end.take() {
                Some(End::Completed) => self.upstream.complete(),
                Some(End::Failed(n)) => self.upstream.error(TestError(n)),
                None => {}
            }
        }
    }
}

fn compare<P>(
    rule: Rule,
    capacity: usize,
    steps: &[Step],
    build: impl FnOnce(Hand) -> P,
    value: impl Fn(&P::Item) -> i64,
) -> Result<(), TestCaseError>
where
    P: Publisher<Error = TestError>,
    P::Item: Clone + PartialEq + Debug,
{
    let (ledger, upstream) = (Ledger::new(), Hand::new());
    let (probe, handle) = Probe::with(Behaviour::new());
    build(upstream.clone()).subscribe(probe.noting_discards());
    let mut fed = Fed { upstream, ledger: ledger.clone(), waiting: VecDeque::new(), end: None };
    let mut model = Model::new(rule, capacity);
    let (mut n, mut theirs) = (0, 0);
    for (at, step) in steps.iter().enumerate() {
        model.step(*step, &mut n);
        match step {
            Step::Item => {
                theirs += 1;
                if fed.end.is_none() && !fed.upstream.is_over() {
                    fed.waiting.push_back(theirs);
                }
            }
            Step::Request(u64::MAX) => handle.request_unbounded(),
            Step::Request(more) => handle.request(*more),
            Step::Complete => fed.end = Some(End::Completed),
            Step::Fail => fed.end = Some(End::Failed(0)),
            Step::Cancel => handle.cancel(),
        }
        fed.flow();
        let case = format!("{rule:?} of {capacity}, after step {at} of {steps:?}");
        let delivered: Vec<i64> = handle.items().iter().map(&value).collect();
        prop_assert_eq!(&delivered, &model.delivered, "{}", case);
        prop_assert!(handle.violations().is_empty(), "{}: {:?}", case, handle.violations());
        let end = handle.end().map(|end| match end {
            millstream_testkit::Event::Failed(TestError(n)) => End::Failed(n),
            _ => End::Completed,
        });
        prop_assert_eq!(end, model.over, "{}", case);
        if !matches!(rule, Rule::Unwanted) {
            let discarded: Vec<i64> = handle.discarded().iter().map(&value).collect();
            prop_assert_eq!(&discarded, &model.dropped, "{}", case);
        }
    }
    drop((handle, fed));
    prop_assert_eq!(ledger.live(), 0, "{:?} of {}: items are kept: {:?}", rule, capacity, steps);
    Ok(())
}

fn failing(item: Token) -> TestError {
    TestError(item.value() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn buffered_queue_is_its_model(steps in schedule(), capacity in 1_usize..5) {
        let policies = [
            (Rule::Newest, Overflow::drop_newest()),
            (Rule::Oldest, Overflow::drop_oldest()),
            (Rule::All, Overflow::drop_all()),
            (Rule::Reduce, Overflow::reduce(sum)),
            (Rule::Error, Overflow::error(failing)),
        ];
        for (rule, overflow) in policies {
            let build = |items: Hand| items.buffered_queue(capacity, overflow);
            compare(rule, capacity, &steps, build, Token::value)?;
        }
        let build = |items: Hand| items.buffered_queue(capacity, Backpressure);
        compare(Rule::Wait, capacity, &steps, build, Token::value)?;
    }

    #[test]
    fn latest_conflate_and_detach_are_their_models(steps in schedule()) {
        compare(Rule::All, 1, &steps, |items| items.latest(), Token::value)?;
        compare(Rule::Reduce, 1, &steps, |items| items.conflate(sum), Token::value)?;
        let with = |items: Hand| items.conflate_with(|item| item, sum);
        compare(Rule::Reduce, 1, &steps, with, Token::value)?;
        compare(Rule::Wait, 1, &steps, |items| items.detach(), Token::value)?;
    }

    #[test]
    fn batch_is_its_model(steps in schedule(), max in 1_usize..5) {
        let build = |items: Hand| items.batch(max, |item| item, sum);
        compare(Rule::Batch, max, &steps, build, Token::value)?;
        let build = |items: Hand| items.batch_weighted(max as u64, |_| 1, |item| item, sum);
        compare(Rule::Batch, max, &steps, build, Token::value)?;
    }

    #[test]
    fn drop_unwanted_and_error_on_overflow_are_their_models(steps in schedule()) {
        compare(Rule::Unwanted, 0, &steps, |items| items.drop_unwanted(drop), Token::value)?;
        compare(Rule::UnwantedFails, 0, &steps, |items| items.error_on_overflow(failing), Token::value)?;
    }
}
