//! Claims of acknowledgement: each item is settled once on every path, the window is never
//! exceeded, commits are a prefix, and the end waits for the last of them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::common::{Ended, Watch, panic_message, scripted, watch, watch_until};
use crate::eager::Eager;
use millstream::ack::{
    Ack, AckError, Acked, AckedPublisher, Acknowledge, Nack, OnNack, PolledBatch, PolledClient,
    Settled, Verdict, from_polled_client,
};
use millstream::executor::{CurrentThread, Executor, Refused, Seeded, Task, Threads};
use millstream::prelude::*;
use millstream::{BoxPublisher, Failure, Fault};
use millstream_testkit::{Behaviour, ProbeHandle, probe};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// A list that a pipeline writes.
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}

impl<T> Log<T> {
    fn new() -> Log<T> {
        Log(Arc::new(Mutex::new(Vec::new())))
    }

    fn push(&self, entry: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A commit that writes down what it was told.
fn committing(log: &Log<u32>) -> impl FnMut(u32) -> Result<(), String> + Send + use<> {
    let log = log.clone();
    move |tag| {
        log.push(tag);
        Ok(())
    }
}

/// Numbers that cannot fail, behind a queue: as a source that pushes.
fn numbers(n: u32) -> impl Publisher<Item = u32, Error = Infallible> {
    millstream::from_iter(0..n)
}

type Envelopes<E> = Watch<Acked<u32>, AckError<E>>;

fn guarded(
    n: u32,
    window: usize,
    deferred: usize,
    log: &Log<u32>,
) -> AckedPublisher<impl Publisher<Item = Acked<u32>, Error = AckError<Infallible>> + use<>> {
    numbers(n).acked(window, |n| *n).commit_in_order(deferred, committing(log))
}

fn tags(envelopes: &[Acked<u32>]) -> Vec<u32> {
    envelopes.iter().map(|envelope| *envelope.get()).collect()
}

fn acknowledge(envelope: Acked<u32>) {
    let _number = envelope.ack();
}

/// Panics without a word on the terminal.
fn ouch() -> ! {
    resume_unwind(Box::new("ouch"))
}

fn error<E: std::fmt::Debug>(end: Option<Ended<AckError<E>>>) -> AckError<E> {
    match end {
        Some(Ended::Error(error)) => error,
        other => panic!("not an error: {other:?}"),
    }
}

// ---- the window -----------------------------------------------------------------------------

#[test]
fn upstream_is_asked_for_the_window_and_for_another_as_each_is_settled() {
    let log = Log::new();
    let (source, control) = scripted::<u32, Infallible>();
    let acked = source.acked(3, |n| *n).commit_in_order(9, committing(&log));
    let watch: Envelopes<Infallible> = watch(acked.into_unguarded());
    assert_eq!(control.asked_in_all(), 3, "the window, whatever downstream asks");
    watch.request_all();
    assert_eq!(control.asked_in_all(), 0);
    (0..3).for_each(|n| assert!(control.next(n)));
    let mut open = watch.items();
    assert_eq!((tags(&open), control.asked_in_all()), (vec![0, 1, 2], 0));
    open.remove(1).ack();
    assert_eq!(control.asked_in_all(), 1);
    acknowledge(open.remove(0));
    assert_eq!(control.asked_in_all(), 1);
    assert_eq!(log.take(), [1], "both, in one commit");
    assert!(control.next(3));
    assert_eq!((tags(&watch.items()), control.asked_in_all()), (vec![3], 0));
}

#[test]
fn a_synchronous_source_is_pulled_as_there_is_room() {
    let log = Log::new();
    let watch = watch(guarded(10, 2, 9, &log).into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    assert_eq!(tags(&open), [0, 1]);
    open.remove(1).ack();
    assert_eq!(tags(&watch.items()), [2], "one more, without a request");
    assert_eq!(log.take(), [], "the 0 is open");
}

#[test]
fn downstreams_demand_is_respected_whatever_room_there_is() {
    let log = Log::new();
    let watch = watch(guarded(10, 8, 0, &log).into_unguarded());
    watch.request(1);
    let open = watch.items();
    assert_eq!(tags(&open), [0]);
    open.into_iter().for_each(acknowledge);
    assert_eq!(watch.items().len(), 0);
    watch.request(2);
    assert_eq!(tags(&watch.items()), [1, 2]);
}

#[test]
fn what_waits_behind_a_hole_is_bounded() {
    let log = Log::new();
    let watch = watch(guarded(10, 2, 1, &log).into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    let hole = open.remove(0);
    open.remove(0).ack();
    let mut open = watch.items();
    assert_eq!(tags(&open), [2]);
    open.remove(0).ack();
    assert_eq!(watch.items().len(), 0, "two open or deferred behind the 0, and no more");
    hole.ack();
    assert_eq!(log.take(), [2]);
    assert_eq!(tags(&watch.items()), [3, 4]);
}

#[test]
fn what_waits_behind_a_hole_without_bound_takes_no_room() {
    let log = Log::new();
    let kept = Log::new();
    let keeps = kept.clone();
    let end = guarded(100_000, 2, usize::MAX, &log).into_unguarded().for_each(move |envelope| {
        if *envelope.get() == 0 { keeps.push(envelope) } else { acknowledge(envelope) }
    });
    end.block().unwrap();
    assert_eq!(log.take(), []);
    kept.take().into_iter().for_each(acknowledge);
    assert_eq!(log.take(), [99_999]);
}

#[test]
fn an_ack_on_another_thread_asks_again_and_what_follows_runs_there() {
    let log = Log::new();
    let (threads, here) = (Log::new(), std::thread::current().id());
    let seen = threads.clone();
    let acked = numbers(2).acked(1, |n| *n).commit_in_order(0, committing(&log));
    let envelopes = acked.into_unguarded().inspect(move |_| seen.push(std::thread::current().id()));
    let watch = watch(envelopes);
    watch.request_all();
    let first = watch.items().remove(0);
    let there = std::thread::spawn(move || {
        first.ack();
        std::thread::current().id()
    });
    let there = there.join().unwrap();
    assert_eq!(tags(&watch.items()), [1]);
    assert_eq!(threads.take(), [here, there]);
    assert_eq!(log.take(), [0]);
}

#[test]
fn completion_needs_neither_demand_nor_room() {
    let log = Log::new();
    let (source, control) = scripted::<u32, Infallible>();
    let acked = source.acked(1, |n| *n).commit_in_order(0, committing(&log));
    let watch = watch(acked.into_unguarded());
    watch.request(1);
    assert!(control.next(0));
    let open = watch.items();
    control.complete();
    assert!(matches!(watch.end(), Some(Ended::Complete)));
    open.into_iter().for_each(acknowledge);
    assert_eq!(log.take(), [0], "committed after the end of the stream");
}

#[test]
fn a_failure_of_upstream_comes_after_its_items() {
    let log = Log::new();
    let (source, control) = scripted::<u32, &'static str>();
    let acked = source.acked(4, |n| *n).commit_in_order(0, committing(&log));
    let watch = watch(acked.into_unguarded());
    assert!(control.next(0));
    control.error("broken");
    watch.request_all();
    assert_eq!(tags(&watch.items()), [0]);
    assert!(matches!(error(watch.end()), AckError::Stream("broken")));
}

#[test]
fn no_window_at_all_is_refused() {
    let refused = std::panic::catch_unwind(|| numbers(1).acked(0, |_| ()));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "acked(0, tag): a queue holds at least 1 item, and 0 was asked for");
}

#[test]
fn a_chunk_that_can_never_be_full_is_refused() {
    let refused = std::panic::catch_unwind(|| {
        let acked = numbers(9).acked(11, |n| *n).commit_in_order(0, |_| Ok::<_, String>(()));
        acked.chunks(3).map(|chunk| chunk.len()).chunks(4)
    });
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("up to 12 items of the source, and at most 11 may be open"),
        "{message}"
    );
    let log = Log::new();
    let end =
        guarded(24, 12, 0, &log).chunks(3).chunks(4).for_each(|chunks| assert_eq!(chunks.len(), 4));
    end.block().unwrap();
    assert_eq!(log.take(), [2, 5, 8, 11, 14, 17, 20, 23], "a chunk at a time");
}

// ---- commits --------------------------------------------------------------------------------

#[test]
fn items_are_committed_in_order_whichever_is_acknowledged_first() {
    let log = Log::new();
    let watch = watch(guarded(4, 4, 0, &log).into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    open.remove(3).ack();
    open.remove(1).ack();
    assert_eq!(log.take(), []);
    open.remove(0).ack();
    assert_eq!(log.take(), [1], "up to the hole");
    open.remove(0).ack();
    assert_eq!(log.take(), [3]);
}

#[test]
fn a_refused_item_fails_the_stream_and_nothing_behind_it_is_committed() {
    let log = Log::new();
    let watch = watch(guarded(9, 3, 9, &log).into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    let last = open.remove(2);
    open.remove(1).nack("poison");
    let AckError::Nacked { position: 1, nack: Nack::Refused(reason) } = error(watch.end()) else {
        panic!("another error");
    };
    assert_eq!(reason.to_string(), "poison");
    last.ack();
    open.remove(0).ack();
    assert_eq!(log.take(), [0], "what is before it is committed, also after the end");
    assert_eq!(watch.items().len(), 0);
}

#[test]
fn an_envelope_that_is_forgotten_fails_the_stream_also_where_items_may_be_skipped() {
    let log = Log::new();
    let acked = numbers(9).acked(2, |n| *n).on_nack(OnNack::Skip);
    let watch = watch(acked.commit_in_order(0, committing(&log)).into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    open.remove(0).nack("poison");
    assert_eq!(log.take(), [0], "skipped");
    drop(open);
    let end = error(watch.end());
    assert!(matches!(end, AckError::Nacked { position: 1, nack: Nack::Dropped }));
    assert_eq!(end.to_string(), "item 1 was not acknowledged: its envelope was dropped");
    assert_eq!(log.take(), []);
}

#[test]
fn an_open_item_that_is_refused_stops_a_stream_that_has_room() {
    let log = Log::new();
    let (source, control) = scripted::<u32, Infallible>();
    let acked = source.acked(64, |n| *n).commit_in_order(0, committing(&log));
    let watch = watch(acked.into_unguarded());
    watch.request(1);
    assert!(control.next(0));
    watch.items().remove(0).nack("poison");
    assert!(matches!(error(watch.end()), AckError::Nacked { position: 0, .. }));
    assert!(control.is_cancelled());
}

#[test]
fn a_commit_that_fails_ends_the_stream() {
    let acked = numbers(9).acked(2, |n| *n).commit_in_order(0, |n| match n {
        0 => Ok(()),
        _ => Err("the disk is full"),
    });
    let seen = Log::new();
    let sees = seen.clone();
    let end = acked.for_each(move |n| sees.push(n)).block();
    let Err(Failure::Error(AckError::Commit(error))) = end else { panic!("{end:?}") };
    assert_eq!(error.to_string(), "the disk is full");
    assert!(seen.take().len() < 5, "it did not go on for long");
}

#[test]
fn the_last_commit_is_waited_for_and_its_failure_told() {
    let executor = CurrentThread::new();
    let log = Log::new();
    let commits = log.clone();
    let acked = numbers(3).acked(4, |n| *n).commit_in_order_async(0, executor.handle(), move |n| {
        let commits = commits.clone();
        async move {
            let mut polls = 3;
            std::future::poll_fn(move |cx| {
                polls -= 1;
                cx.waker().wake_by_ref();
                if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            commits.push(n);
            if n == 2 { Err("late") } else { Ok(()) }
        }
    });
    let end = executor.run_until(acked.for_each(|_| ()));
    assert!(matches!(end, Err(Failure::Error(AckError::Commit(_)))), "{end:?}");
    assert_eq!(log.take().last(), Some(&2));
}

#[test]
fn what_is_acknowledged_during_a_commit_is_one_commit() {
    // Commits are ready when told to be.
    let gates: Log<std::sync::mpsc::Receiver<()>> = Log::new();
    let log = Log::new();
    let (commits, opens) = (log.clone(), gates.clone());
    let wakers: Log<Waker> = Log::new();
    let wakes = wakers.clone();
    let acked = numbers(6).acked(6, |n| *n).commit_in_order_async(0, Eager::default(), move |n| {
        commits.push(n);
        let gate = opens.take().pop();
        let wakes = wakes.clone();
        std::future::poll_fn(move |cx: &mut Context<'_>| match &gate {
            Some(gate) if gate.try_recv().is_err() => {
                wakes.push(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Ok::<_, String>(())),
        })
    });
    let (opener, gate) = std::sync::mpsc::channel();
    gates.push(gate);
    let watch = watch(acked.into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    open.remove(0).ack();
    assert_eq!(log.take(), [0]);
    open.drain(..4).for_each(acknowledge);
    assert_eq!(log.take(), [], "one at a time");
    opener.send(()).unwrap();
    wakers.take().into_iter().for_each(Waker::wake);
    assert_eq!(log.take(), [4]);
}

#[test]
fn the_end_waits_for_open_items_that_come_back_out_of_order() {
    let executor = Seeded::new(7);
    let log = Log::new();
    let acked = guarded(40, 8, 8, &log);
    let end = acked.for_each_concurrent(executor.clone(), 5, |n| async move {
        let mut polls = 1 + n % 3;
        std::future::poll_fn(move |cx| {
            polls -= 1;
            cx.waker().wake_by_ref();
            if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    let ended = Log::new();
    let tells = ended.clone();
    executor.spawn(Box::pin(async move { tells.push(end.await.is_ok()) })).unwrap();
    executor.run_until_idle();
    assert_eq!(ended.take(), [true]);
    let commits = log.take();
    assert!(commits.is_sorted(), "{commits:?}");
    assert_eq!(commits.last(), Some(&39));
}

#[test]
fn a_commit_that_panics_breaks_the_stream() {
    let acked = numbers(9).acked(2, |n| *n).commit_in_order(0, |n| -> Result<(), String> {
        if n == 1 { ouch() } else { Ok(()) }
    });
    assert_eq!(panic_message(acked.for_each(|_| ()).block()), "ouch");
}

#[test]
fn a_commit_that_panics_after_the_last_item_breaks_the_end() {
    let executor = CurrentThread::new();
    let acked =
        numbers(1).acked(2, |n| *n).commit_in_order(0, |_| -> Result<(), String> { ouch() });
    let end = acked.for_each_concurrent(executor.handle(), 1, |_| {
        let mut polled = false;
        std::future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    assert_eq!(panic_message(executor.run_until(end)), "ouch");
}

/// Takes no task.
#[derive(Clone)]
struct NoExecutor;

impl Executor for NoExecutor {
    fn spawn(&self, _: Task) -> Result<(), Refused> {
        Err(Refused::new("nobody", "never"))
    }
}

/// Takes tasks, and drops them.
#[derive(Clone)]
struct Forgetful;

impl Executor for Forgetful {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        drop(task);
        Ok(())
    }
}

#[test]
fn an_executor_that_will_not_commit_ends_the_stream() {
    let acked = |executor| {
        numbers(9)
            .acked(2, |n| *n)
            .commit_in_order_async(0, executor, |_| async { Ok::<_, String>(()) })
    };
    let end = acked(Box::new(NoExecutor) as Box<dyn Executor>).for_each(|_| ()).block();
    assert!(matches!(end, Err(Failure::Fault(Fault::Refused(_)))), "{end:?}");
    let end = acked(Box::new(Forgetful)).for_each(|_| ()).block();
    assert!(matches!(end, Err(Failure::Fault(Fault::ExecutorGone))), "{end:?}");
    let settled =
        numbers(9).acked(2, |n| *n).settle_batches(NoExecutor, |_| async { Ok::<_, String>(()) });
    let end = settled.drain().block();
    assert!(matches!(end, Err(Failure::Fault(Fault::Refused(_)))), "{end:?}");
}

#[test]
fn each_item_is_told_of_as_it_is_settled() {
    let log = Log::new();
    let told = log.clone();
    let acked = numbers(5).acked(3, |n| *n).settle_each(move |n, verdict: Verdict| {
        told.push((n, verdict.map_err(|nack| nack.to_string())));
        Ok::<_, String>(())
    });
    let watch = watch(acked.into_unguarded());
    watch.request_all();
    let mut open = watch.items();
    open.remove(2).ack();
    open.remove(0).nack("not today");
    open.clear();
    let dropped = "its envelope was dropped".to_owned();
    let settled = [(2, Ok(())), (0, Err("not today".to_owned())), (1, Err(dropped))];
    assert_eq!(log.take(), settled, "and the stream goes on");
    assert_eq!(tags(&watch.items()), [3, 4]);
    assert!(matches!(watch.end(), Some(Ended::Complete)));
}

#[test]
fn a_batch_is_told_of_at_once_and_its_items_are_open_until_then() {
    let log = Log::new();
    let told = log.clone();
    let executor = CurrentThread::new();
    let acked = numbers(50).acked(4, |n| *n).settle_batches(
        executor.handle(),
        move |batch: Vec<Settled<u32>>| {
            let told = told.clone();
            async move {
                let mut polled = false;
                std::future::poll_fn(move |cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut polled, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                told.push(batch.iter().map(|settled| settled.tag).collect::<Vec<_>>());
                Ok::<_, String>(())
            }
        },
    );
    executor.run_until(acked.for_each(|_| ())).unwrap();
    let batches = log.take();
    assert!(batches.iter().all(|batch| (1..=4).contains(&batch.len())), "{batches:?}");
    assert!(batches.iter().any(|batch| batch.len() > 1), "{batches:?}");
    assert_eq!(batches.concat(), (0..50).collect::<Vec<_>>());
}

#[test]
fn items_that_are_not_taken_are_not_committed_and_the_end_is_clean() {
    let log = Log::new();
    let executor = Eager::default();
    guarded(50, 16, 0, &log).publish_on(executor, 8).take(3).for_each(|_| ()).block().unwrap();
    assert_eq!(log.take(), [0, 1, 2]);
}

#[test]
fn a_stream_that_is_dropped_commits_what_was_acknowledged_and_no_more() {
    let log = Log::new();
    let watch = watch(guarded(9, 4, 0, &log).into_unguarded());
    watch.request(3);
    let mut open = watch.items();
    watch.cancel();
    open.remove(1).ack();
    open.remove(0).ack();
    assert_eq!(log.take(), [1], "also after the cancellation");
    drop(open);
    assert_eq!(log.take(), []);
    assert!(matches!(watch.end(), Some(Ended::Dropped)));
}

#[test]
fn the_books_are_closed_when_the_last_envelope_is() {
    let alive = Arc::new(());
    for acknowledged in [true, false] {
        let (tag, commit) = (alive.clone(), alive.clone());
        let acked = numbers(5).acked(2, move |_| tag.clone()).commit_in_order(0, move |_| {
            let _held = &commit;
            Ok::<_, String>(())
        });
        let watch = watch(acked.into_unguarded());
        watch.request_all();
        let mut open = watch.items();
        watch.cancel();
        assert!(Arc::strong_count(&alive) > 1, "an item is open");
        let last = open.remove(1);
        drop(open);
        if acknowledged {
            last.ack();
        } else {
            drop(last);
        }
        assert_eq!(Arc::strong_count(&alive), 1, "nothing is kept");
    }
}

#[test]
fn a_tag_that_can_not_be_made_breaks_the_stream() {
    let acked = numbers(5).acked(2, |n| if *n == 1 { ouch() } else { *n });
    let log = Log::new();
    let acked = acked.commit_in_order(0, committing(&log));
    assert_eq!(panic_message(acked.for_each(|_| ()).block()), "ouch");
    assert_eq!(log.take(), [0]);
}

// ---- each envelope is settled once ----------------------------------------------------------

/// What became of each item that was put into an envelope.
#[derive(Clone)]
struct Account(Arc<Mutex<BTreeMap<u32, Vec<Told>>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Acked,
    Refused,
    Dropped,
}

impl Acknowledge for Account {
    fn settle(&self, id: u64, verdict: Verdict) {
        let told = match verdict {
            Ok(()) => Told::Acked,
            Err(nack) if nack.is_refused() => Told::Refused,
            Err(_) => Told::Dropped,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&(id as u32))
            .unwrap()
            .push(told);
    }
}

impl Account {
    fn new() -> Account {
        Account(Arc::new(Mutex::new(BTreeMap::new())))
    }

    fn envelope(&self, n: u32) -> Acked<u32> {
        self.0.lock().unwrap().insert(n, Vec::new());
        Acked::new(n, Ack::new(Arc::new(self.clone()), u64::from(n)))
    }

    /// What became of each; each was settled once.
    fn settled(&self, case: &str) -> BTreeMap<u32, Told> {
        let account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let once = |(n, told): (&u32, &Vec<Told>)| {
            assert_eq!(told.len(), 1, "{case}: item {n} was told of {told:?}");
            (*n, told[0])
        };
        account.iter().map(once).collect()
    }
}

/// An item on its way: what it became.
type Values = Vec<u32>;
type Way = AckedPublisher<BoxPublisher<Acked<Values>, AckError<&'static str>>>;

fn boxed<P>(acked: AckedPublisher<P>) -> Way
where
    P: Publisher<Item = Acked<Values>, Error = AckError<&'static str>>,
{
    AckedPublisher::from_envelopes(acked.into_unguarded().boxed())
}

/// Envelopes of `0..n`, and a failure behind them if there is to be one.
fn envelopes(account: &Account, n: u32, failure: Option<&'static str>) -> Way {
    let account = account.clone();
    let items = millstream::from_iter(0..n + u32::from(failure.is_some()));
    let items = items.try_map(move |item| match failure {
        Some(failure) if item == n => Err(failure),
        _ => Ok(account.envelope(item).map(|n| vec![n])),
    });
    AckedPublisher::from_envelopes(items.map_err(AckError::Stream).boxed())
}

fn sum(values: &Values) -> u32 {
    values.iter().sum()
}

/// One operator, in what it does to items.
#[derive(Debug, Clone)]
enum Op {
    Map,
    Inspect,
    TryMap,
    Filter(u32),
    FilterMap(u32),
    MapOrNack(u32),
    Chunks(usize),
    Concat(u32),
    MapAsync(usize),
    Then,
    PublishOn(usize),
    SubscribeOn,
    Take(u64),
    TakeWhile(u32),
}

impl Op {
    fn on(&self, way: Way) -> Way {
        let executor = Eager::default();
        match *self {
            Op::Map => boxed(way.map(|values| values)),
            Op::Inspect => boxed(way.inspect(|values| assert!(values.len() < 1000))),
            Op::TryMap => boxed(way.try_map(Ok::<_, &'static str>)),
            Op::Filter(k) => boxed(way.filter(move |values| !sum(values).is_multiple_of(k))),
            Op::FilterMap(k) => {
                boxed(way.filter_map(move |v| (!sum(&v).is_multiple_of(k)).then_some(v)))
            }
            Op::MapOrNack(k) => boxed(way.map_or_nack(move |v| {
                if sum(&v).is_multiple_of(k) { Err("refused") } else { Ok(v) }
            })),
            Op::Chunks(k) => boxed(way.chunks(k).map(|chunk| chunk.concat())),
            Op::Concat(k) => boxed(way.concat_map_iter(move |values| children(&values, k))),
            Op::MapAsync(limit) => boxed(way.map_async(executor, limit, |v| async move { v })),
            Op::Then => boxed(way.then(executor, |v| async move { v })),
            Op::PublishOn(capacity) => boxed(way.publish_on(executor, capacity)),
            Op::SubscribeOn => boxed(way.subscribe_on(executor)),
            Op::Take(n) => boxed(way.take(n)),
            Op::TakeWhile(limit) => boxed(way.take_while(move |values| sum(values) < limit)),
        }
    }

    fn ends_early(&self) -> bool {
        matches!(self, Op::Take(_) | Op::TakeWhile(_))
    }
}

/// As many as its sum says, so that there may be none.
fn children(values: &Values, k: u32) -> Vec<Values> {
    (0..sum(values) % k).map(|child| vec![sum(values) + child]).collect()
}

/// An item of the model, and which items of the source it stands for.
type Modelled = (Values, Vec<u32>);

/// What plain lists say becomes of the items of the source when all is taken: `refused`, and whatever
/// arrives at the end.
struct Model {
    items: Vec<Modelled>,
    refused: Vec<u32>,
}

impl Model {
    fn of(n: u32, ops: &[Op]) -> Model {
        let items = (0..n).map(|n| (vec![n], vec![n])).collect();
        ops.iter().fold(Model { items, refused: Vec::new() }, Model::through)
    }

    fn through(self, op: &Op) -> Model {
        let Model { items, mut refused } = self;
        let items: Vec<Modelled> = match *op {
            Op::Filter(k) | Op::FilterMap(k) => {
                items.into_iter().filter(|(values, _)| !sum(values).is_multiple_of(k)).collect()
            }
            Op::MapOrNack(k) => {
                let (bad, good) =
                    items.into_iter().partition(|(values, _)| sum(values).is_multiple_of(k));
                let bad: Vec<Modelled> = bad;
                refused.extend(bad.into_iter().flat_map(|(_, of)| of));
                good
            }
            Op::Chunks(k) => items
                .chunks(k)
                .map(|chunk| {
                    let (values, of): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
                    (values.concat(), of.concat())
                })
                .collect(),
            Op::Concat(k) => (items.into_iter())
                .flat_map(|(values, of)| {
                    children(&values, k).into_iter().map(move |child| (child, of.clone()))
                })
                .collect(),
            Op::Take(n) => items.into_iter().take(n as usize).collect(),
            Op::TakeWhile(limit) => {
                items.into_iter().take_while(|(values, _)| sum(values) < limit).collect()
            }
            _ => items,
        };
        Model { items, refused }
    }

    fn values(&self) -> Vec<Values> {
        self.items.iter().map(|(values, _)| values.clone()).collect()
    }

    /// What becomes of an item where nothing ends early.
    fn told(&self, n: u32) -> Told {
        if self.refused.contains(&n) { Told::Refused } else { Told::Acked }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        Just(Op::Map),
        Just(Op::Inspect),
        Just(Op::TryMap),
        (2_u32..5).prop_map(Op::Filter),
        (2_u32..5).prop_map(Op::FilterMap),
        (2_u32..7).prop_map(Op::MapOrNack),
        (1_usize..4).prop_map(Op::Chunks),
        (1_u32..4).prop_map(Op::Concat),
        (1_usize..4).prop_map(Op::MapAsync),
        Just(Op::Then),
        (1_usize..4).prop_map(Op::PublishOn),
        Just(Op::SubscribeOn),
        (0_u64..9).prop_map(Op::Take),
        (1_u32..30).prop_map(Op::TakeWhile),
    ];
    prop::collection::vec(op, 0..6)
}

/// How the stream is watched.
#[derive(Debug, Clone, Copy)]
enum Asking {
    All,
    OneByOne,
}

fn pipeline(way: Way, ops: &[Op]) -> Way {
    ops.iter().fold(way, |way, op| op.on(way))
}

/// Runs to the end, each envelope acknowledged as it comes: what came.
fn run(way: Way, asking: Asking) -> (Vec<Values>, Option<Ended<AckError<&'static str>>>) {
    let watch = watch(way.into_unguarded().map(Acked::ack));
    match asking {
        Asking::All => watch.request_all(),
        Asking::OneByOne => (0..200).for_each(|_| watch.request(1)),
    }
    (watch.items(), watch.end())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn pipelines_settle_each_item_once_and_as_plain_lists_say(
        ops in ops(),
        n in 0_u32..20,
        one_by_one in any::<bool>(),
    ) {
        let asking = if one_by_one { Asking::OneByOne } else { Asking::All };
        let account = Account::new();
        let (items, end) = run(pipeline(envelopes(&account, n, None), &ops), asking);
        let model = Model::of(n, &ops);
        prop_assert_eq!(&items, &model.values());
        prop_assert!(matches!(end, Some(Ended::Complete)), "{:?}", end);
        let settled = account.settled("run");
        if !ops.iter().any(Op::ends_early) {
            prop_assert_eq!(settled.len(), n as usize);
            for (item, told) in settled {
                prop_assert_eq!(told, model.told(item), "item {}", item);
            }
            return Ok(());
        }
        // What was not taken may have been skipped or refused above; else it was dropped.
        let whole: Vec<Op> = ops.iter().filter(|op| !op.ends_early()).cloned().collect();
        let without_end = Model::of(n, &whole);
        for (item, told) in settled {
            let arrives = without_end.items.iter().any(|(_, of)| of.contains(&item));
            let possible = told == Told::Dropped || told == without_end.told(item)
                || model.refused.contains(&item) && told == Told::Refused
                || !arrives;
            prop_assert!(possible, "item {item} was told of as {told:?}");
        }
    }

    #[test]
    fn a_pipeline_that_is_cut_at_any_point_settles_each_item_once(
        ops in ops(),
        n in 1_u32..12,
        cut in 1_usize..12,
        fails in any::<bool>(),
    ) {
        let account = Account::new();
        let way = pipeline(envelopes(&account, n, fails.then_some("broken")), &ops);
        let watch = watch_until(way.into_unguarded(), (!fails).then_some(cut));
        watch.request(cut as u64);
        let taken = watch.items();
        watch.cancel();
        prop_assert!(taken.len() <= cut);
        drop(taken);
        for (item, told) in account.settled("cut") {
            let whole = Model::of(n, &ops);
            // Nobody acknowledged what arrived: what is acknowledged was skipped.
            let skipped = !whole.items.iter().any(|(_, of)| of.contains(&item))
                || ops.iter().any(|op| matches!(op, Op::Concat(_)) || op.ends_early());
            prop_assert!(told != Told::Acked || skipped, "item {item} was lost");
        }
    }

    #[test]
    fn commits_are_a_prefix_and_stop_at_the_first_item_that_was_not_acknowledged(
        ops in ops(),
        n in 0_u32..20,
        window in 1_usize..8,
        deferred in 0_usize..4,
        skip in any::<bool>(),
    ) {
        // A chunk that can never be full is refused.
        let stands_for = ops.iter().map(|op| if let Op::Chunks(k) = op { *k } else { 1 }).product::<usize>();
        let window = window.max(stands_for);
        let deferred = if stands_for > 1 { usize::MAX } else { deferred };
        let (log, account) = (Log::new(), Log::new());
        let policy = if skip { OnNack::Skip } else { OnNack::Stop };
        let tags = account.clone();
        let mut open = Peak::default();
        let peak = open.clone();
        let source = millstream::from_iter(0..n).map_err(|never: Infallible| match never {});
        let acked = source
            .acked(window, move |n| { tags.push(*n); *n })
            .on_nack(policy)
            .commit_in_order(deferred, committing(&log));
        // Each envelope inside another, which counts how many are open.
        let counted = acked.into_unguarded().map(move |envelope| peak.around(envelope));
        let way: Way = AckedPublisher::from_envelopes(counted.map(|e| e.map(|n| vec![n])).boxed());
        let (_, end) = run(pipeline(way, &ops), Asking::All);
        let issued = account.take();
        prop_assert!(open.most() <= window, "{} open at a time, of {window}", open.most());
        prop_assert_eq!(&issued, &(0..issued.len() as u32).collect::<Vec<_>>());
        let model = Model::of(n, &ops);
        let commits = log.take();
        prop_assert!(commits.is_sorted(), "{commits:?}");
        if ops.iter().any(Op::ends_early) {
            return Ok(());
        }
        let hole = (0..n).find(|item| model.told(*item) == Told::Refused && !skip);
        match (hole, end) {
            (None, Some(Ended::Complete)) => prop_assert_eq!(commits.last().copied(), n.checked_sub(1)),
            (Some(hole), Some(Ended::Error(AckError::Nacked { .. }) | Ended::Complete)) => {
                prop_assert!(commits.last().is_none_or(|last| *last < hole), "{commits:?}, {hole}");
            }
            (hole, end) => return Err(TestCaseError::fail(format!("{hole:?}, {end:?}"))),
        }
    }
}

/// How many envelopes are open, and were at most.
#[derive(Clone, Default)]
struct Peak(Arc<Mutex<(usize, usize)>>);

impl Peak {
    fn around<T: Send + 'static>(&self, envelope: Acked<T>) -> Acked<T> {
        {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
        }
        let (item, ack) = envelope.split();
        let counts = self.clone();
        Acked::new(
            item,
            Ack::with(move |verdict| {
                counts.0.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
                ack.settle(verdict);
            }),
        )
    }

    fn most(&mut self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// What is on the way, and where it panics.
type Panicking = (&'static str, fn(Way) -> Way);

/// Each operator, with a function that panics at item 2.
fn panicking() -> Vec<Panicking> {
    fn at_two(values: Values) -> Values {
        if values.contains(&2) { ouch() } else { values }
    }
    vec![
        ("map", |way| boxed(way.map(at_two))),
        ("try_map", |way| boxed(way.try_map(|v| Ok::<_, &'static str>(at_two(v))))),
        ("map_or_nack", |way| boxed(way.map_or_nack(|v| Ok::<_, &'static str>(at_two(v))))),
        ("filter", |way| boxed(way.filter(|v| at_two(v.clone()).len() == 1))),
        ("filter_map", |way| boxed(way.filter_map(|v| Some(at_two(v))))),
        ("inspect", |way| boxed(way.inspect(|v| drop(at_two(v.clone()))))),
        ("take_while", |way| boxed(way.take_while(|v| at_two(v.clone()).len() == 1))),
        ("concat_map_iter", |way| boxed(way.concat_map_iter(|v| [at_two(v)]))),
        ("the iterator", |way| boxed(way.concat_map_iter(|v| std::iter::once(v).map(at_two)))),
        ("map_async", |way| {
            boxed(way.map_async(Eager::default(), 2, |v| std::future::ready(at_two(v))))
        }),
        ("the future", |way| boxed(way.map_async(Eager::default(), 2, |v| async { at_two(v) }))),
        ("then", |way| boxed(way.then(Eager::default(), |v| async { at_two(v) }))),
        ("below a queue", |way| boxed(way.publish_on(Eager::default(), 2).map(at_two))),
        ("below a chunk", |way| boxed(way.chunks(3).map(|chunk| at_two(chunk.concat())))),
    ]
}

#[test]
fn a_panic_in_any_function_drops_its_item_and_breaks_the_stream() {
    for (case, operator) in panicking() {
        for asking in [Asking::All, Asking::OneByOne] {
            let account = Account::new();
            let (items, end) = run(operator(envelopes(&account, 6, None)), asking);
            assert!(
                matches!(&end, Some(Ended::Fault(message)) if message == "ouch"),
                "{case}: {end:?}"
            );
            for (item, told) in account.settled(case) {
                let arrived = items.iter().any(|values| values.contains(&item));
                let expected = if arrived { Told::Acked } else { Told::Dropped };
                assert_eq!(told, expected, "{case}: item {item}");
            }
            assert!(!items.concat().contains(&2), "{case}");
        }
    }
}

#[test]
fn ends_acknowledge_what_their_function_returned_from() {
    let at_two = |values: Values| {
        if values == [2] {
            ouch()
        }
    };
    type End = fn(Way, fn(Values)) -> Result<(), Failure<AckError<&'static str>>>;
    let ends: [(&str, End); 3] = [
        ("for_each", |way, f| way.for_each(f).block()),
        ("try_for_each", |way, f| {
            way.try_for_each(move |v| {
                f(v);
                Ok(())
            })
            .block()
        }),
        ("for_each_concurrent", |way, f| {
            way.for_each_concurrent(Eager::default(), 1, move |v| async move { f(v) }).block()
        }),
    ];
    for (case, end) in ends {
        let account = Account::new();
        let ended = end(envelopes(&account, 6, None), at_two);
        assert_eq!(panic_message(ended), "ouch", "{case}");
        let acked = |(n, told): (u32, Told)| (told == Told::Acked).then_some(n);
        let acked: Vec<u32> = account.settled(case).into_iter().filter_map(acked).collect();
        assert_eq!(acked, [0, 1], "{case}");
        let account = Account::new();
        end(envelopes(&account, 6, None), |_| ()).unwrap();
        assert!(account.settled(case).values().all(|told| *told == Told::Acked), "{case}");
    }
}

#[test]
fn a_failure_of_the_function_drops_its_item() {
    let account = Account::new();
    let fails = |v: Values| if v == [1] { Err("broken") } else { Ok(()) };
    let end = envelopes(&account, 3, None).try_for_each(fails).block();
    assert!(matches!(end, Err(Failure::Error(AckError::Stream("broken")))), "{end:?}");
    let settled: Vec<Told> = account.settled("try_for_each").into_values().collect();
    assert_eq!(settled, [Told::Acked, Told::Dropped]);
    let account = Account::new();
    let way = envelopes(&account, 3, None).try_map(move |v| fails(v.clone()).map(|()| v));
    let end = way.drain().block();
    assert!(matches!(end, Err(Failure::Error(AckError::Stream("broken")))), "{end:?}");
    let settled: Vec<Told> = account.settled("try_map").into_values().collect();
    assert_eq!(settled, [Told::Acked, Told::Dropped]);
}

#[test]
fn a_discard_hook_that_keeps_nothing_refuses() {
    let account = Account::new();
    let kept = Log::new();
    let keeps = kept.clone();
    let way = envelopes(&account, 9, None).publish_on(Eager::default(), 4).into_unguarded();
    let discarding =
        way.on_discard(move |envelope: Acked<Values>| keeps.push(envelope.nack("late")));
    let watch = watch(discarding.map(Acked::ack));
    watch.request(2);
    watch.cancel();
    let lost = kept.take().len();
    let settled = account.settled("discarded");
    assert_eq!(settled.values().filter(|told| **told == Told::Refused).count(), lost);
    assert_eq!(settled.values().filter(|told| **told == Told::Acked).count(), 2);
}

#[test]
fn a_stack_of_a_million_acks_is_flat() {
    let run = || {
        let log = Log::new();
        let acked = millstream::from_iter(0..1_000_000_u32).acked(1, |n| *n);
        let last = log.clone();
        acked
            .commit_in_order(0, move |n| {
                if n % 1000 == 999 {
                    last.push(n)
                }
                Ok::<_, String>(())
            })
            .for_each(|_| ())
            .block()
            .unwrap();
        assert_eq!(log.take().len(), 1000);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

// ---- a client that is polled on -------------------------------------------------------------

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Poll,
    Pause,
    Resume,
    Gone,
}

/// A client that gives batches of `size` while it is not paused, and waits to be woken where it has
/// nothing.
struct Client {
    calls: Log<Call>,
    next: u32,
    end: u32,
    size: u32,
    paused: bool,
    /// Gives items although it is paused.
    deaf: bool,
    fails: Option<&'static str>,
    wakers: Log<Waker>,
}

impl Client {
    fn new(calls: &Log<Call>, wakers: &Log<Waker>, size: u32, end: u32) -> Client {
        let (calls, wakers) = (calls.clone(), wakers.clone());
        Client { calls, next: 0, end, size, paused: false, deaf: false, fails: None, wakers }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.calls.push(Call::Gone);
    }
}

impl PolledClient for Client {
    type Item = u32;
    type Error = &'static str;

    fn poll(&mut self, context: &mut Context<'_>) -> PolledBatch<u32, &'static str> {
        self.calls.push(Call::Poll);
        if self.paused && !self.deaf {
            self.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        if self.next == self.end {
            return Poll::Ready(self.fails.map_or(Ok(None), Err));
        }
        let batch = self.next..(self.next + self.size).min(self.end);
        self.next = batch.end;
        Poll::Ready(Ok(Some(batch.collect())))
    }

    fn pause(&mut self) -> Result<(), &'static str> {
        self.calls.push(Call::Pause);
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), &'static str> {
        self.calls.push(Call::Resume);
        self.paused = false;
        Ok(())
    }
}

#[test]
fn a_client_is_paused_without_demand_and_polled_on() {
    let (calls, wakers) = (Log::new(), Log::new());
    let client = Client::new(&calls, &wakers, 3, 6);
    let watch = watch(from_polled_client(Eager::default(), client));
    assert_eq!(calls.take(), [], "nothing before the first demand");
    watch.request(2);
    assert_eq!(watch.items(), [0, 1]);
    assert_eq!(calls.take(), [Call::Poll, Call::Pause, Call::Poll]);
    // Time goes by: heart-beats.
    wakers.take().into_iter().for_each(Waker::wake);
    assert_eq!(calls.take(), [Call::Poll]);
    watch.request(1);
    assert_eq!(watch.items(), [2]);
    assert!(!calls.take().contains(&Call::Resume), "there was one left");
    watch.request(1);
    assert_eq!(watch.items(), [3], "demand wakes it");
    assert_eq!(calls.take(), [Call::Resume, Call::Poll, Call::Pause, Call::Poll]);
    watch.request_all();
    assert_eq!((watch.items(), watch.end()), (vec![4, 5], Some(Ended::Complete)));
    assert_eq!(calls.take(), [Call::Resume, Call::Poll, Call::Gone]);
}

#[test]
fn the_failure_of_a_client_comes_after_its_items() {
    let (calls, wakers) = (Log::new(), Log::new());
    let mut client = Client::new(&calls, &wakers, 2, 4);
    client.fails = Some("gone");
    let watch = watch(from_polled_client(Eager::default(), client));
    watch.request_all();
    assert_eq!((watch.items(), watch.end()), (vec![0, 1, 2, 3], Some(Ended::Error("gone"))));
}

#[test]
fn what_is_left_of_a_batch_is_discarded_when_the_stream_is_cancelled() {
    let (calls, wakers) = (Log::new(), Log::new());
    let lost = Log::new();
    let loses = lost.clone();
    let client = Client::new(&calls, &wakers, 3, 6);
    let source = from_polled_client(Eager::default(), client);
    let watch = watch(source.on_discard(move |n: u32| loses.push(n)));
    watch.request(1);
    watch.cancel();
    assert_eq!((watch.items(), lost.take()), (vec![0], vec![1, 2]));
    assert_eq!(calls.take().last(), Some(&Call::Gone));
}

#[test]
fn a_client_that_does_not_pause_breaks_the_stream_before_it_fills_the_memory() {
    let (calls, wakers) = (Log::new(), Log::new());
    let mut client = Client::new(&calls, &wakers, 3, 30);
    client.deaf = true;
    let watch = watch(from_polled_client(Eager::default(), client));
    watch.request(1);
    let Some(Ended::Fault(message)) = watch.end() else { panic!("it goes on") };
    assert!(
        message.contains("a paused client gave 3 items while 2 of its last batch"),
        "{message}"
    );
}

/// Blocks until the broker answers, as a consumer does.
struct Blocking {
    broker: std::sync::mpsc::Receiver<Vec<u32>>,
    calls: Log<Call>,
}

impl PolledClient for Blocking {
    type Item = u32;
    type Error = Infallible;

    fn poll(&mut self, _: &mut Context<'_>) -> PolledBatch<u32, Infallible> {
        Poll::Ready(Ok(self.broker.recv().ok()))
    }

    fn pause(&mut self) -> Result<(), Infallible> {
        self.calls.push(Call::Pause);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Infallible> {
        self.calls.push(Call::Resume);
        Ok(())
    }
}

#[test]
fn a_client_that_blocks_is_polled_on_where_tasks_may_block() {
    let threads = Threads::new(1);
    let calls = Log::new();
    // An answer is taken by a poll, or nobody takes it.
    let (answers, broker) = std::sync::mpsc::sync_channel(0);
    let client = Blocking { broker, calls: calls.clone() };
    let handle = probe(from_polled_client(threads.handle(), client), Behaviour::new());
    handle.request(1);
    answers.send(vec![0, 1]).unwrap();
    (0..3).for_each(|_| answers.send(vec![]).unwrap());
    handle.request(2);
    let mut told = Vec::new();
    while !told.contains(&Call::Resume) {
        answers.send(vec![]).unwrap();
        told.extend(calls.take());
    }
    answers.send(vec![2]).unwrap();
    drop(answers);
    assert!(handle.wait_until(Duration::from_secs(60), ProbeHandle::is_ended));
    handle.assert_items(&[0, 1, 2]);
    handle.assert_completed();
    handle.assert_no_violation();
    assert_eq!(told, [Call::Pause, Call::Resume]);
}
