//! What executors do to a pipeline: one that refuses, drops, polls for nothing, panics or ends in
//! the middle, for each operator that is handed one; and where blocking is allowed.
//!
//! In all of it the end is told once, nothing hangs, and nothing is kept.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use futures::executor::block_on;
use millstream::control::Aimd;
use millstream::executor::{CurrentThread, Executor, Pool, Refused, Seeded, Task, Threads};
use millstream::limit::{Permits, Permitted};
use millstream::prelude::*;
use millstream::{BoxPublisher, End, Failure, Fault, More};
use millstream_testkit::VirtualClock;

type Any = Arc<dyn Executor>;
type Boxed = BoxPublisher<Item, &'static str>;

/// An operator that is handed an executor.
struct Boundary {
    name: &'static str,
    on: fn(Boxed, Any) -> Boxed,
    /// How many tasks it has.
    tasks: usize,
}

/// Pending once, and woken.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn later(item: Item) -> Item {
    Yield(false).await;
    item
}

async fn try_later(item: Item) -> Result<Item, &'static str> {
    Ok(later(item).await)
}

async fn yes_later() -> bool {
    Yield(false).await;
    true
}

/// All of them, each with room for four items.
const BOUNDARIES: &[Boundary] = &[
    Boundary { name: "publish_on", on: |up, x| up.publish_on(x, 4).boxed(), tasks: 1 },
    Boundary { name: "subscribe_on", on: |up, x| up.subscribe_on(x).boxed(), tasks: 1 },
    Boundary { name: "async_boundary", on: |up, x| up.async_boundary(x, 4).boxed(), tasks: 2 },
    Boundary { name: "map_async", on: |up, x| up.map_async(x, 4, later).boxed(), tasks: 1 },
    Boundary {
        name: "bulkhead",
        // One at a time; the room is above it.
        on: |up, x| up.prefetch(4).bulkhead(x, &Permits::new(4)).map(Permitted::into_inner).boxed(),
        tasks: 1,
    },
    Boundary {
        name: "scan_async",
        // One at a time; the room is above it.
        on: |up, x| {
            up.prefetch(4)
                .scan_async(x, 0, |count, item| async move { Some((later(item).await, count + 1)) })
                .boxed()
        },
        tasks: 1,
    },
    Boundary {
        name: "filter_async",
        on: |up, x| up.filter_async(x, 4, |_| yes_later()).boxed(),
        tasks: 1,
    },
    Boundary {
        name: "adaptive_concurrency",
        on: |up, x| {
            let time = x.with_clock(VirtualClock::new());
            up.adaptive_concurrency(time, Aimd::new(4.0..=4.0), later).boxed()
        },
        tasks: 1,
    },
    Boundary { name: "then", on: |up, x| up.then(x, later).boxed(), tasks: 1 },
    Boundary {
        name: "map_async_unordered",
        on: |up, x| up.map_async_unordered(x, 4, later).boxed(),
        tasks: 1,
    },
    Boundary {
        name: "map_async_partitioned",
        on: |up, x| up.map_async_partitioned(x, 4, |item| item.0 % 2, later).boxed(),
        tasks: 1,
    },
    Boundary {
        name: "try_map_async",
        on: |up, x| up.try_map_async(x, 4, try_later).boxed(),
        tasks: 1,
    },
    Boundary {
        name: "try_map_async_unordered",
        on: |up, x| up.try_map_async_unordered(x, 4, try_later).boxed(),
        tasks: 1,
    },
];

fn gone() -> Told {
    Told::Fault(Fault::ExecutorGone.to_string())
}

/// A synchronous source of `n` items behind the boundary.
fn items(boundary: &Boundary, mint: &Mint, n: u32, executor: impl Executor) -> Boxed {
    (boundary.on)(script(mint, 0, n, Ending::Complete).boxed(), Arc::new(executor))
}

#[test]
fn every_boundary_runs_on_every_order_of_ready_work() {
    for boundary in BOUNDARIES {
        for seed in 0..20 {
            let (mint, executor) = (Mint::new(), Seeded::new(seed));
            let probe = Probe::new().on(items(boundary, &mint, 9, executor.clone()));
            for demand in [1, 2, 3, 4] {
                probe.request(demand);
                executor.run_until_idle();
            }
            let mut told = probe.take();
            if boundary.name.ends_with("unordered") {
                told[..9].sort_by_key(|told| format!("{told:?}"));
            }
            assert_eq!(told, next_then(1..=9, Told::Complete), "{} {seed}", boundary.name);
            assert!(!probe.is_held());
            assert_eq!((mint.live(), executor.tasks()), (0, 0), "{} {seed}", boundary.name);
        }
    }
}

/// Row 70: an executor that refuses each k-th task. Whoever subscribes is told once, and why.
#[test]
fn row_70_a_refused_task_ends_its_stream_and_says_why() {
    let refused = "the seeded executor takes no more tasks: it was told to refuse";
    for boundary in BOUNDARIES {
        for k in 1..=3 {
            let (mint, executor) = (Mint::new(), Seeded::new(7));
            executor.refuse_every(k);
            for subscription in 0..6 {
                let probe = Probe::new().asking(More::UNBOUNDED).on(items(
                    boundary,
                    &mint,
                    3,
                    executor.clone(),
                ));
                executor.run_until_idle();
                let tasks = subscription * boundary.tasks + 1..=(subscription + 1) * boundary.tasks;
                let told = probe.take();
                if tasks.into_iter().any(|task| task % k == 0) {
                    assert_eq!(told, [Told::Fault(refused.to_owned())], "{}", boundary.name);
                } else {
                    assert_eq!(told.len(), 4, "{}: {told:?}", boundary.name);
                    assert_eq!(told.last(), Some(&Told::Complete));
                }
                assert!(!probe.is_held(), "{}", boundary.name);
            }
            assert_eq!((mint.live(), executor.tasks()), (0, 0), "{}", boundary.name);
        }
    }
}

/// The executor takes the task, and drops it before it runs.
#[test]
fn a_queued_task_that_is_dropped_ends_its_stream() {
    for boundary in BOUNDARIES {
        for seed in 0..4 {
            let (mint, executor) = (Mint::new(), Seeded::new(seed));
            let probe = Probe::new().asking(More::UNBOUNDED).on(items(
                boundary,
                &mint,
                3,
                executor.clone(),
            ));
            assert!(executor.drop_ready());
            executor.run_until_idle();
            assert_eq!(probe.take(), [gone()], "{}", boundary.name);
            assert!(!probe.is_held());
            assert_eq!((mint.live(), executor.tasks()), (0, 0), "{}", boundary.name);
        }
    }
}

/// Row 3: cancelled while the drain is scheduled, whether the executor runs it, drops it, or ends.
#[test]
fn row_03_a_cancellation_between_scheduling_and_running_a_drain_keeps_nothing() {
    for boundary in BOUNDARIES {
        for what in ["run", "drop", "end"] {
            let (mint, executor) = (Mint::new(), Seeded::new(3));
            let (hand, source) = Hand::new();
            let probe = Probe::new().on((boundary.on)(source, Arc::new(executor.clone())));
            probe.request(1);
            executor.run_until_idle();
            for n in 0..3 {
                hand.send(mint.item(n));
            }
            let before = probe.take();
            probe.cancel();
            match what {
                "run" => executor.run_until_idle(),
                "drop" => while executor.drop_ready() {},
                _ => executor.drop_all(),
            }
            let name = boundary.name;
            // Signals of `subscribe_on` do not wait for the executor.
            let at_once = if name == "subscribe_on" { next([0, 1, 2]) } else { next([]) };
            assert_eq!((before, probe.take()), (at_once, vec![]), "{name} {what}");
            assert!(hand.is_cancelled(), "{name} {what}");
            assert!(!probe.is_held(), "{name} {what}");
            assert_eq!(mint.live(), 0, "{name} {what}");
            // What rests does so for nobody, and goes with the executor.
            executor.run_until_idle();
            assert_eq!(executor.tasks(), 0, "{name} {what}");
        }
    }
}

#[test]
fn an_executor_that_ends_in_the_middle_ends_the_stream() {
    for boundary in BOUNDARIES {
        let (mint, executor) = (Mint::new(), Seeded::new(3));
        let (hand, source) = Hand::new();
        let probe = Probe::new().on((boundary.on)(source, Arc::new(executor.clone())));
        probe.request(1);
        executor.run_until_idle();
        hand.send(mint.item(1));
        executor.run_until_idle();
        assert_eq!(probe.take(), next([1]), "{}", boundary.name);
        // One is queued, except by `subscribe_on`, which has no queue.
        let queued = boundary.name != "subscribe_on";
        if queued {
            hand.send(mint.item(2));
        }
        executor.drop_all();
        assert_eq!(probe.take(), [gone()], "{}", boundary.name);
        assert!(hand.is_cancelled(), "{}", boundary.name);
        assert!(!probe.is_held());
        assert_eq!((mint.live(), executor.tasks()), (0, 0), "{}", boundary.name);
        // Too late for anything.
        probe.request(1);
        hand.send(mint.item(3));
        hand.end(End::Completed);
        executor.run_until_idle();
        assert_eq!((probe.take(), mint.live()), (vec![], 0), "{}", boundary.name);
    }
}

#[test]
fn polls_that_nobody_asked_for_change_nothing() {
    for boundary in BOUNDARIES {
        for seed in 0..10 {
            let (mint, executor) = (Mint::new(), Seeded::new(seed));
            let probe = Probe::new().on(items(boundary, &mint, 5, executor.clone()));
            for _ in 0..6 {
                let _polled = executor.step_spuriously();
                probe.request(1);
                let _polled = executor.step_spuriously();
                while executor.step() {
                    let _polled = executor.step_spuriously();
                }
            }
            let mut told = probe.take();
            if boundary.name.ends_with("unordered") {
                told[..5].sort_by_key(|told| format!("{told:?}"));
            }
            assert_eq!(told, next_then(1..=5, Told::Complete), "{} {seed}", boundary.name);
            assert_eq!((mint.live(), executor.tasks()), (0, 0), "{} {seed}", boundary.name);
        }
    }
}

/// Has no thread for anybody.
struct Panics;

impl Executor for Panics {
    fn spawn(&self, _: Task) -> Result<(), Refused> {
        // Without the panic hook: it is on purpose.
        std::panic::resume_unwind(Box::new("no thread is left"))
    }
}

#[test]
fn an_executor_that_panics_is_told_downstream_and_not_to_whoever_subscribes() {
    for boundary in BOUNDARIES {
        let mint = Mint::new();
        let probe = Probe::new().asking(More::of(2)).on(items(boundary, &mint, 3, Panics));
        let panicked = Told::Fault("user code panicked: no thread is left".to_owned());
        assert_eq!(probe.take(), [panicked], "{}", boundary.name);
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0, "{}", boundary.name);
    }
}

#[test]
fn an_executor_that_ends_while_another_thread_asks_ends_the_stream_once() {
    for boundary in BOUNDARIES {
        for round in 0..50 {
            let mint = Mint::new();
            let pool = Pool::new(1 + round % 2);
            let probe = Probe::new().on(items(boundary, &mint, 1_000, pool.handle()));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        probe.request(1);
                    }
                });
                drop(pool);
            });
            let told = probe.take();
            let name = boundary.name;
            assert_eq!(told.last(), Some(&gone()), "{name}: {told:?}");
            assert!(told.len() <= 21, "{name}: {told:?}");
            assert!(told[..told.len() - 1].iter().all(|told| matches!(told, Told::Next(_))));
            assert!(!probe.is_held(), "{name}");
            assert_eq!(mint.live(), 0, "{name}");
        }
    }
}

/// Sends `n` items through each boundary, and waits for the end.
fn all_boundaries_run_on(executor: impl Fn() -> Any, run: impl Fn(Boxed) -> Vec<Item>) {
    for boundary in BOUNDARIES {
        let mint = Mint::new();
        let source = script(&mint, 0, 300, Ending::Complete).boxed();
        let mut items: Vec<u32> =
            run((boundary.on)(source, executor())).iter().map(|item| item.0).collect();
        items.sort_unstable();
        assert!(items.iter().copied().eq(1..=300), "{}: {items:?}", boundary.name);
        assert_eq!(mint.live(), 0, "{}", boundary.name);
    }
}

fn blocked_on(stream: Boxed) -> Vec<Item> {
    stream.collect::<Vec<_>>().block().unwrap()
}

#[test]
fn every_boundary_runs_on_pools() {
    for threads in 1..=2 {
        let pool = Pool::new(threads);
        all_boundaries_run_on(|| Arc::new(pool.handle()), blocked_on);
    }
}

#[test]
fn every_boundary_runs_on_threads() {
    let threads = Threads::new(64);
    all_boundaries_run_on(|| Arc::new(threads.handle()), blocked_on);
}

#[test]
fn every_boundary_runs_on_the_current_thread() {
    let executor = CurrentThread::new();
    all_boundaries_run_on(
        || Arc::new(executor.handle()),
        |stream| executor.run_until(stream.collect::<Vec<_>>()).unwrap(),
    );
}

/// An endless stream is going on when `end` is called; what it ends with.
fn ends_in_mid_run(boundary: &Boundary, executor: Any, end: impl FnOnce()) -> Vec<Told> {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().on((boundary.on)(source, executor));
    let (arrived, arrives) = channel();
    let probe = probe.answering(move |_, _| {
        arrived.send(()).unwrap();
        More::NONE
    });
    probe.request(3);
    // Sent from here on, as much as it is asked for.
    let mut sent = 0;
    while sent < 3 {
        for n in hand.asked() {
            for _ in 0..n.min(3 - sent) {
                sent += 1;
                hand.send(mint.item(sent as u32));
            }
        }
        thread::yield_now();
    }
    for _ in 0..3 {
        arrives.recv().unwrap();
    }
    end();
    // Threads are not waited for.
    while probe.is_held() || mint.live() > 0 {
        thread::yield_now();
    }
    assert!(hand.is_cancelled(), "{}", boundary.name);
    let mut told = probe.take();
    assert!(told.len() > 3, "{}: {told:?}", boundary.name);
    told.split_off(3)
}

#[test]
fn a_pool_that_is_dropped_in_mid_run_ends_the_stream() {
    for boundary in BOUNDARIES {
        for threads in 1..=2 {
            let pool = Pool::new(threads);
            let told = ends_in_mid_run(boundary, Arc::new(pool.handle()), || drop(pool));
            assert_eq!(told, [gone()], "{}", boundary.name);
        }
    }
}

#[test]
fn threads_that_are_dropped_in_mid_run_end_the_stream() {
    for boundary in BOUNDARIES {
        let threads = Threads::new(2);
        let told = ends_in_mid_run(boundary, Arc::new(threads.handle()), || drop(threads));
        assert_eq!(told, [gone()], "{}", boundary.name);
    }
}

/// A worker drops its own pool, from inside an item.
#[test]
fn a_pipeline_can_drop_the_pool_that_it_runs_on() {
    for boundary in BOUNDARIES {
        let mint = Mint::new();
        let pool = Pool::new(2);
        let stream = items(boundary, &mint, 10, pool.handle());
        let pool = Mutex::new(Some(pool));
        let end = stream.inspect(move |_| drop(pool.lock().unwrap().take())).count().block();
        // The stream is over before the poll is, or the task is dropped after it.
        match end {
            Ok(10) | Err(Failure::Fault(Fault::ExecutorGone)) => {}
            other => panic!("{}: {other:?}", boundary.name),
        }
        while mint.live() > 0 {
            thread::yield_now();
        }
    }
}

/// What a closure of a stage that runs on `executor` is told when it blocks on an end and on the
/// next item of another pipeline.
fn blocking_on(executor: Any) -> [Result<u64, Failure<std::convert::Infallible>>; 2] {
    let (send, receive) = channel();
    let inside = move |n: u64| {
        let inner = || millstream::from_iter(0..3_u64).map(move |m| m + n);
        send.send(inner().fold(0, |sum, m| sum + m).block()).unwrap();
        send.send(inner().cursor().block_next().map(Option::unwrap_or_default)).unwrap();
    };
    // From a push and from a pull: both are run by the task.
    let (go, outer) = channel();
    let stream = millstream::just(7).publish_on(executor, 1).map(inside).inspect(move |()| {
        let _nobody_waits = go.send(());
    });
    thread::spawn(move || stream.drain().block());
    let results = [receive.recv().unwrap(), receive.recv().unwrap()];
    outer.recv().unwrap();
    results
}

/// Row 71: blocking inside of a scheduler.
#[test]
fn row_71_blocking_is_refused_where_it_could_starve_others() {
    let pool = Pool::new(1);
    for result in blocking_on(Arc::new(pool.handle())) {
        assert!(matches!(result, Err(Failure::Fault(Fault::BlockedExecutor))), "{result:?}");
    }
}

#[test]
fn blocking_is_allowed_in_the_place_for_blocking_work() {
    let threads = Threads::new(1);
    let [sum, first] = blocking_on(Arc::new(threads.handle()));
    assert_eq!((sum.unwrap(), first.unwrap()), (24, 7));
}

/// Tokio does not tell a thread of its `spawn_blocking` apart from its workers: the thread says it.
#[cfg(feature = "tokio")]
#[test]
fn a_thread_of_spawn_blocking_may_block_where_it_says_so() {
    use millstream::executor::executor_thread::enter_blocking;

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let count = || millstream::from_iter(0..3).count().block();
    let [unmarked, marked] = runtime.block_on(async {
        let unmarked = tokio::task::spawn_blocking(count).await.unwrap();
        let marked = tokio::task::spawn_blocking(move || {
            let _may_block = enter_blocking();
            count()
        });
        [unmarked, marked.await.unwrap()]
    });
    assert!(matches!(unmarked, Err(Failure::Fault(Fault::BlockedExecutor))), "{unmarked:?}");
    assert_eq!(marked.unwrap(), 3);
}

/// Also in the future of a `map_async`, and in a closure of a pipeline that such a future awaits.
#[test]
fn blocking_is_allowed_in_futures_on_the_place_for_blocking_work() {
    let threads = Threads::new(1);
    let sums = millstream::from_iter(1..=3_u64).map_async(threads.handle(), 2, |n| async move {
        let inner = millstream::from_iter(0..n)
            .map(|m| millstream::from_iter(0..m).count().block().unwrap() as u64);
        inner.fold(0, |sum, m| sum + m).await.unwrap()
    });
    assert_eq!(sums.collect::<Vec<_>>().block().unwrap(), [0, 1, 3]);
}

/// One stage blocks on what another one does: with a pool of one thread it would wait for itself.
#[test]
fn a_stage_that_blocks_waits_for_a_stage_on_the_pool() {
    let (pool, threads) = (Pool::new(1), Threads::new(1));
    let handle = pool.handle();
    let sums = millstream::from_iter(1..=50_u64).publish_on(threads.handle(), 4).map(move |n| {
        millstream::from_iter(0..n).publish_on(handle.clone(), 2).count().block().unwrap()
    });
    assert_eq!(sums.fold(0, |sum, n| sum + n).block().unwrap(), 1275);
}

/// A source that writes down where it is subscribed to and asked.
struct Where(Arc<Mutex<BTreeSet<String>>>);

fn here(places: &Mutex<BTreeSet<String>>) {
    let name = thread::current().name().unwrap_or("?").to_owned();
    // The number of the worker is the scheduler's.
    let name = name.split('-').next().unwrap_or_default().to_owned();
    places.lock().unwrap().insert(name);
}

impl Publisher for Where {
    type Item = u64;
    type Error = std::convert::Infallible;

    fn subscribe<S: Subscriber<u64, Self::Error>>(self, subscriber: S) {
        here(&self.0);
        let places = self.0;
        // Two queues, so that what is asked arrives in many requests.
        millstream::from_iter(0..2_000_u64)
            .inspect_request(move |_| here(&places))
            .subscribe(subscriber);
    }
}

/// Requests run where the subscription runs, whoever asks.
fn asked_from_everywhere(asker: impl Executor, consumer: impl Executor) -> BTreeSet<String> {
    let places = Arc::new(Mutex::new(BTreeSet::new()));
    let mut items =
        Where(places.clone()).subscribe_on(asker).prefetch(8).publish_on(consumer, 4).cursor();
    let mut sum = 0;
    while let Some(n) = block_on(items.next()).unwrap() {
        sum += n;
    }
    assert_eq!(sum, 1_999_000);
    // The source may still hold it: it goes a moment after the end.
    places.lock().unwrap().clone()
}

#[test]
fn requests_run_where_the_subscription_runs() {
    let (asker, consumer) = (Pool::named("asker", 2), Pool::named("consumer", 2));
    let places = asked_from_everywhere(asker.handle(), consumer.handle());
    assert_eq!(places, BTreeSet::from(["asker".to_owned()]));
}

/// What a future waits for, and how often it was polled.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>, Arc<AtomicUsize>);

impl Gate {
    fn open(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn pass(self, item: Item) -> Item {
        std::future::poll_fn(|context| {
            self.1.fetch_add(1, SeqCst);
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        item
    }

    /// Opened by a task of `executor`, for which it is queued now.
    fn opened_on(executor: &impl Executor) -> Gate {
        let gate = Gate::default();
        let opened = gate.clone();
        executor.spawn(Box::pin(async move { opened.open() })).unwrap();
        gate
    }
}

/// An executor that counts how often its tasks are polled, and how often they are woken by others:
/// while no task is polled.
#[derive(Clone)]
struct Counted<X>(X, Arc<Counts>);

#[derive(Default)]
struct Counts {
    polls: AtomicUsize,
    woken: AtomicUsize,
    polling: AtomicBool,
}

impl<X: Executor> Executor for Counted<X> {
    fn spawn(&self, mut task: Task) -> Result<(), Refused> {
        let counts = self.1.clone();
        self.0.spawn(Box::pin(std::future::poll_fn(move |context| {
            let waker = Waker::from(Arc::new(Observed(context.waker().clone(), counts.clone())));
            counts.polls.fetch_add(1, SeqCst);
            counts.polling.store(true, SeqCst);
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            counts.polling.store(false, SeqCst);
            polled
        })))
    }
}

struct Observed(Waker, Arc<Counts>);

impl Wake for Observed {
    fn wake(self: Arc<Self>) {
        if !self.1.polling.load(SeqCst) {
            self.1.woken.fetch_add(1, SeqCst);
        }
        self.0.wake_by_ref();
    }
}

/// Where nothing comes of it, a stage of futures is polled once more than it would be, less and less
/// often.
#[test]
fn a_stage_of_futures_lets_others_run_before_it_rests_and_less_often_where_that_is_in_vain() {
    let (mint, executor) = (Mint::new(), CurrentThread::new());
    let gates: Vec<Gate> = (0..16).map(|_| Gate::default()).collect();
    let all = gates.clone();
    let mapped =
        script(&mint, 0, 16, Ending::Complete).map_async(executor.handle(), 1, move |item| {
            let gate = all[item.0 as usize - 1].clone();
            gate.pass(item)
        });
    let probe = Probe::new().asking(More::UNBOUNDED).on(mapped);
    let mut lingered = Vec::new();
    for (n, gate) in gates.iter().enumerate() {
        let mut steps = 0;
        while executor.step() {
            steps += 1;
        }
        assert_eq!(
            gate.1.load(SeqCst),
            1,
            "nobody woke the future {n}, and nobody polled it twice"
        );
        if steps == 2 {
            lingered.push(n);
        } else {
            assert_eq!(steps, 1, "{n}");
        }
        gate.open();
    }
    executor.run_until_idle();
    assert_eq!(lingered, [0, 2, 6, 14]);
    assert_eq!(probe.take(), next_then(1..=16, Told::Complete));
    assert_eq!(mint.live(), 0);
}

/// Each is a task in the queue behind the stage. Those that finish while it lingers wake nobody, and
/// their results are taken together: one poll for four items.
#[test]
fn futures_that_finish_while_a_stage_lingers_are_taken_together() {
    let (mint, executor) = (Mint::new(), CurrentThread::new());
    let counted = Counted(executor.handle(), Arc::default());
    let handle = executor.handle();
    let mapped =
        script(&mint, 0, 64, Ending::Complete)
            .map_async(counted.clone(), 4, move |item| Gate::opened_on(&handle).pass(item));
    let probe = Probe::new().asking(More::UNBOUNDED).on(mapped);
    executor.run_until_idle();
    assert_eq!(probe.take(), next_then(1..=64, Told::Complete));
    assert_eq!(mint.live(), 0);
    let Counts { polls, woken, .. } = &*counted.1;
    assert_eq!((polls.load(SeqCst), woken.load(SeqCst)), (1 + 64 / 4, 0));
}

/// Futures that were put off until others have run are polled then, though nothing wakes them.
#[test]
fn futures_that_are_put_off_are_polled_without_being_woken() {
    let (mint, executor) = (Mint::new(), CurrentThread::new());
    let handle = executor.handle();
    let mapped =
        script(&mint, 0, 12, Ending::Complete).map_async(executor.handle(), 4, move |item| {
            let gate = if item.0 <= 4 { Gate::opened_on(&handle) } else { Gate::default() };
            // Open, and nobody is told.
            gate.0.lock().unwrap().0 |= item.0 > 4;
            gate.pass(item)
        });
    let probe = Probe::new().asking(More::UNBOUNDED).on(mapped);
    executor.run_until_idle();
    assert_eq!(probe.take(), next_then(1..=12, Told::Complete));
    assert_eq!(mint.live(), 0);
}

/// Whatever runs first, and whatever is polled though nobody woke it: the stage before the tasks that it
/// lets run, between them, and after.
#[test]
fn a_stage_that_lingers_gives_all_results_in_whatever_order_tasks_run() {
    for seed in 0..200 {
        for spurious in [false, true] {
            let (mint, executor) = (Mint::new(), Seeded::new(seed));
            let tasks = executor.clone();
            let mapped = script(&mint, 0, 40, Ending::Complete).map_async(
                executor.clone(),
                4,
                move |item| Gate::opened_on(&tasks).pass(item),
            );
            let probe = Probe::new().on(mapped);
            for n in 1..=8 {
                probe.request(n);
                while executor.step() {
                    if spurious {
                        let _one_of_them = executor.step_spuriously();
                    }
                }
                assert_eq!(probe.take().len() as u64, n, "{seed}: all that was asked for");
            }
            probe.request(4);
            executor.run_until_idle();
            assert_eq!(probe.take(), next_then(37..=40, Told::Complete), "{seed}");
            assert_eq!((mint.live(), executor.tasks()), (0, 0), "{seed}");
        }
    }
}

/// It holds its turn then, so whoever cancels leaves it to the task.
#[test]
fn a_stage_that_is_cancelled_or_dropped_while_it_lingers_keeps_nothing() {
    for drops in [false, true] {
        let (mint, executor) = (Mint::new(), Seeded::new(0));
        let mapped = script(&mint, 0, 4, Ending::Complete)
            .map_async(executor.clone(), 4, |item| Gate::default().pass(item));
        let probe = Probe::new().asking(More::UNBOUNDED).on(mapped);
        assert!(executor.step(), "it launches four, and lingers");
        assert_eq!(mint.live(), 5, "four items, and their source");
        if drops {
            assert!(executor.drop_ready(), "it is ready, though nobody woke it");
            assert_eq!(probe.take(), [gone()]);
        } else {
            probe.cancel();
            executor.run_until_idle();
            assert_eq!(probe.take(), []);
        }
        assert!(!probe.is_held());
        assert_eq!((mint.live(), executor.tasks()), (0, 0));
    }
}

#[cfg(feature = "tokio")]
mod tokio_runtimes {
    use millstream::executor::{Tokio, TokioBlocking};
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn threads(name: &str) -> Runtime {
        Builder::new_multi_thread().worker_threads(2).thread_name(name).build().unwrap()
    }

    #[test]
    fn every_boundary_runs_on_tokio() {
        let runtime = threads("tokio");
        let executor: Any = Arc::new(Tokio::new(runtime.handle().clone()));
        all_boundaries_run_on(|| executor.clone(), blocked_on);
        let executor: Any = Arc::new(TokioBlocking::new(runtime.handle().clone()));
        all_boundaries_run_on(|| executor.clone(), blocked_on);
        let runtime = Builder::new_current_thread().build().unwrap();
        let executor: Any = Arc::new(Tokio::new(runtime.handle().clone()));
        all_boundaries_run_on(
            || executor.clone(),
            |stream| runtime.block_on(stream.collect::<Vec<_>>()).unwrap(),
        );
    }

    #[test]
    fn a_runtime_that_is_dropped_in_mid_run_ends_the_stream() {
        for boundary in BOUNDARIES {
            let runtime = threads("tokio");
            let executor = Tokio::new(runtime.handle().clone());
            let told = ends_in_mid_run(boundary, Arc::new(executor), || drop(runtime));
            assert_eq!(told, [gone()], "{}", boundary.name);
            let runtime = threads("tokio");
            let executor = TokioBlocking::new(runtime.handle().clone());
            let told = ends_in_mid_run(boundary, Arc::new(executor), || drop(runtime));
            assert_eq!(told, [gone()], "{}", boundary.name);
        }
    }

    #[test]
    fn a_runtime_of_the_current_thread_that_is_dropped_in_mid_run_ends_the_stream() {
        for boundary in BOUNDARIES {
            let runtime = Builder::new_current_thread().build().unwrap();
            let executor = Tokio::new(runtime.handle().clone());
            // Another thread is inside of it until it is to go.
            let (leave, left) = futures::channel::oneshot::channel::<()>();
            let driver = thread::spawn(move || {
                runtime.block_on(left).unwrap();
                drop(runtime);
            });
            let told = ends_in_mid_run(boundary, Arc::new(executor), || {
                leave.send(()).unwrap();
                driver.join().unwrap();
            });
            assert_eq!(told, [gone()], "{}", boundary.name);
        }
    }

    #[test]
    fn a_runtime_that_is_gone_takes_no_task() {
        for boundary in BOUNDARIES {
            let runtime = threads("tokio");
            let mint = Mint::new();
            let executor = Tokio::new(runtime.handle().clone());
            drop(runtime);
            let probe = Probe::new().on(items(boundary, &mint, 3, executor));
            assert_eq!(probe.take(), [gone()], "{}", boundary.name);
            assert_eq!(mint.live(), 0, "{}", boundary.name);
        }
    }

    #[test]
    fn blocking_is_refused_on_workers_and_allowed_on_blocking_threads() {
        let runtime = threads("tokio");
        for result in blocking_on(Arc::new(Tokio::new(runtime.handle().clone()))) {
            assert!(matches!(result, Err(Failure::Fault(Fault::BlockedExecutor))), "{result:?}");
        }
        let blocking = TokioBlocking::new(runtime.handle().clone());
        let [sum, first] = blocking_on(Arc::new(blocking));
        assert_eq!((sum.unwrap(), first.unwrap()), (24, 7));
    }

    #[test]
    fn requests_run_where_the_subscription_runs() {
        let (asker, consumer) = (threads("asker"), threads("consumer"));
        let places = asked_from_everywhere(
            Tokio::new(asker.handle().clone()),
            Tokio::new(consumer.handle().clone()),
        );
        assert_eq!(places, BTreeSet::from(["asker".to_owned()]));
    }
}
