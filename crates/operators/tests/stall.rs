//! Where a buffered stream stands still and a pipeline does not: the same work by
//! `futures::Stream` and by this library, on the same executor and the same clock.
//!
//! A stream is polled by its consumer. While the consumer does something else, nothing polls the
//! futures inside of `buffered`: their time-outs pass, and a lock that one of them holds is never
//! given back (futures-rs#2387, #2937). Here a stage drives its futures on a task of its own.
//!
//! Nothing sleeps and nothing depends on the machine: time is a number that the test advances when
//! no task is ready.

#![cfg(feature = "futures")]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::lock::Mutex as AsyncMutex;
use futures::{StreamExt, stream};
use millstream::executor::{Executor, Seeded};
use millstream::prelude::*;

/// A clock that stands still until it is told to go on.
#[derive(Clone, Default)]
struct Clock(Arc<Mutex<Time>>);

#[derive(Default)]
struct Time {
    now: u64,
    sleepers: BTreeMap<u64, Vec<Waker>>,
}

impl Clock {
    fn now(&self) -> u64 {
        self.0.lock().unwrap().now
    }

    fn until(&self, due: u64) -> impl Future<Output = ()> + Send + use<> {
        let clock = self.clone();
        poll_fn(move |cx| {
            let mut time = clock.0.lock().unwrap();
            if time.now >= due {
                return Poll::Ready(());
            }
            time.sleepers.entry(due).or_default().push(cx.waker().clone());
            Poll::Pending
        })
    }

    fn sleep(&self, ticks: u64) -> impl Future<Output = ()> + Send + use<> {
        self.until(self.now() + ticks)
    }

    fn advance(&self) {
        let mut time = self.0.lock().unwrap();
        time.now += 1;
        let later = time.now + 1;
        let later = time.sleepers.split_off(&later);
        let due = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        for waker in due.into_values().flatten() {
            waker.wake();
        }
    }
}

/// Runs `work` as a task beside whatever it starts, up to its end, or for so many ticks in which
/// it does not come: what it said.
fn run<T: Send + 'static>(
    executor: &Seeded,
    clock: &Clock,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let said = Arc::new(Mutex::new(None));
    let says = said.clone();
    executor
        .spawn(Box::pin(async move {
            let value = work.await;
            *says.lock().unwrap() = Some(value);
        }))
        .unwrap();
    for _ in 0..1000 {
        executor.run_until_idle();
        if let Some(value) = said.lock().unwrap().take() {
            return Some(value);
        }
        clock.advance();
    }
    None
}

/// Ticks until a server answers, ticks for which it keeps an answer that nobody reads, and ticks
/// that the consumer works on one.
const ANSWERS: u64 = 1;
const KEEPS: u64 = 5;
const WORKS: u64 = 10;

/// A request whose server closes the connection where its answer is not read in time.
struct Request {
    clock: Clock,
    n: u64,
    due: u64,
    answer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

fn request(clock: &Clock, n: u64) -> Request {
    Request { clock: clock.clone(), n, due: 0, answer: None }
}

impl Future for Request {
    type Output = Result<u64, &'static str>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let answer = this.answer.get_or_insert_with(|| {
            this.due = this.clock.now() + ANSWERS;
            Box::pin(this.clock.sleep(ANSWERS))
        });
        if answer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let in_time = this.clock.now() <= this.due + KEEPS;
        Poll::Ready(if in_time { Ok(this.n) } else { Err("the connection was closed") })
    }
}

const CLOSED: Result<u64, &str> = Err("the connection was closed");

#[test]
fn requests_in_flight_inside_of_buffered_time_out_while_the_consumer_works() {
    for unordered in [false, true] {
        let (executor, clock) = (Seeded::new(1), Clock::default());
        let at = clock.clone();
        let requests = stream::iter(0..6).map(move |n| request(&at, n));
        let mut answers = if unordered {
            requests.buffer_unordered(3).boxed()
        } else {
            requests.buffered(3).boxed()
        };
        let at = clock.clone();
        let got = run(&executor, &clock, async move {
            let mut got = Vec::new();
            while let Some(answer) = answers.next().await {
                got.push(answer);
                at.sleep(WORKS).await;
            }
            got
        });
        let got = got.unwrap();
        assert_eq!(got[0], Ok(0), "the first is read at once");
        assert_eq!(got.len(), 6);
        assert!(got.iter().filter(|answer| **answer == CLOSED).count() >= 4, "{got:?}");
    }
}

/// The same consumer, word for word, over the stages of this library.
#[test]
fn requests_in_flight_of_map_async_do_not_time_out_while_the_consumer_works() {
    for (seed, unordered) in [(1, false), (2, false), (3, true), (4, true)] {
        let (executor, clock) = (Seeded::new(seed), Clock::default());
        let (at, x) = (clock.clone(), executor.clone());
        let numbers = millstream::range(0..6_u64);
        let answers = if unordered {
            numbers.map_async_unordered(x, 3, move |n| request(&at, n)).boxed()
        } else {
            numbers.map_async(x, 3, move |n| request(&at, n)).boxed()
        };
        let at = clock.clone();
        let got = run(&executor, &clock, async move {
            let mut answers = answers.into_stream(1).or_panic();
            let mut got = Vec::new();
            while let Some(answer) = answers.next().await {
                got.push(answer);
                at.sleep(WORKS).await;
            }
            got
        });
        let mut got = got.unwrap();
        if unordered {
            got.sort();
        }
        assert_eq!(got, (0..6).map(Ok).collect::<Vec<_>>());
        assert_eq!(executor.tasks(), 0);
    }
}

/// Works on a thing that others share: takes its lock, keeps it for a while, and does something else
/// for a shorter while.
async fn with_the_lock(lock: Arc<AsyncMutex<u64>>, clock: Clock, n: u64) -> u64 {
    let mut count = lock.lock().await;
    clock.sleep(3).await;
    *count += 1;
    drop(count);
    clock.sleep(1).await;
    n
}

#[test]
fn a_lock_shared_with_the_consumer_deadlocks_buffered() {
    let (executor, clock) = (Seeded::new(1), Clock::default());
    let lock = Arc::new(AsyncMutex::new(0));
    let (inside, at) = (lock.clone(), clock.clone());
    let mut items =
        stream::iter(0..4).map(move |n| with_the_lock(inside.clone(), at.clone(), n)).buffered(2);
    let seen = Arc::new(AtomicU64::new(0));
    let (sees, outside) = (seen.clone(), lock.clone());
    let got = run(&executor, &clock, async move {
        while let Some(n) = items.next().await {
            sees.store(n + 1, Ordering::Relaxed);
            // Whoever holds it is inside of the stream, which nobody polls.
            *outside.lock().await += 1;
        }
    });
    assert_eq!(got, None, "it stands still for ever");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert!(lock.try_lock().is_none(), "the lock is held by a future that nobody polls");
}

#[test]
fn a_lock_shared_with_the_consumer_does_not_deadlock_map_async() {
    for seed in 0..8 {
        let (executor, clock) = (Seeded::new(seed), Clock::default());
        let lock = Arc::new(AsyncMutex::new(0));
        let (inside, at) = (lock.clone(), clock.clone());
        let items = millstream::range(0..4_u64)
            .map_async(executor.clone(), 2, move |n| with_the_lock(inside.clone(), at.clone(), n));
        let outside = lock.clone();
        let got = run(&executor, &clock, async move {
            let mut items = items.into_stream(1).or_panic();
            let mut got = Vec::new();
            while let Some(n) = items.next().await {
                got.push(n);
                *outside.lock().await += 1;
            }
            got
        });
        assert_eq!(got.unwrap(), [0, 1, 2, 3], "seed {seed}");
        assert_eq!(*lock.try_lock().unwrap(), 8);
        assert_eq!(executor.tasks(), 0);
    }
}

/// The same by an end of this library: the target works with the lock.
#[test]
fn a_lock_shared_with_the_target_does_not_deadlock_either() {
    use millstream::edge::AsyncTarget;

    struct Locking(Arc<AsyncMutex<u64>>);

    impl AsyncTarget<u64> for Locking {
        type Output = ();
        type Error = std::convert::Infallible;

        async fn send(&mut self, _: u64) -> Result<(), Self::Error> {
            *self.0.lock().await += 1;
            Ok(())
        }

        async fn close(self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    for seed in 0..8 {
        let (executor, clock) = (Seeded::new(seed), Clock::default());
        let lock = Arc::new(AsyncMutex::new(0));
        let (inside, at) = (lock.clone(), clock.clone());
        let end = millstream::range(0..4_u64)
            .map_async(executor.clone(), 2, move |n| with_the_lock(inside.clone(), at.clone(), n))
            .into_target(Locking(lock.clone()));
        run(&executor, &clock, end).expect("it ends").unwrap();
        assert_eq!(*lock.try_lock().unwrap(), 8);
    }
}

/// A pipeline that goes through a stream and back stands still no more than before.
#[test]
fn what_comes_before_a_stream_goes_on_while_the_consumer_works() {
    let (executor, clock) = (Seeded::new(1), Clock::default());
    let at = clock.clone();
    let answers = millstream::range(0..6_u64)
        .map_async(executor.clone(), 3, move |n| request(&at, n))
        .into_stream(2)
        .or_panic();
    let at = clock.clone();
    let slow =
        millstream::from_stream(executor.clone(), answers).then(executor.clone(), move |answer| {
            let slept = at.sleep(WORKS);
            async move {
                slept.await;
                answer
            }
        });
    let got = run(&executor, &clock, slow.collect::<Vec<_>>()).unwrap().unwrap();
    assert_eq!(got, (0..6).map(Ok).collect::<Vec<_>>());
    assert_eq!(executor.tasks(), 0);
}

/// Row 62: flattening inside of flattening, woken from two sides, hung there.
#[test]
fn row_62_nested_flattening_of_streams_ends() {
    for seed in 0..20 {
        let (executor, clock) = (Seeded::new(seed), Clock::default());
        let (x, at) = (executor.clone(), clock.clone());
        let nested = millstream::range(0..4_u64).flat_map_unordered(2, 1, move |n| {
            let (x, at) = (x.clone(), at.clone());
            millstream::range(0..3_u64).flat_map_unordered(2, 1, move |m| {
                let at = at.clone();
                let waits = stream::iter(0..2).then(move |k| {
                    let slept = at.sleep(n + m + k);
                    async move {
                        slept.await;
                        (n, m, k)
                    }
                });
                millstream::from_stream(x.clone(), waits)
            })
        });
        let mut got = run(&executor, &clock, nested.collect::<Vec<_>>()).unwrap().unwrap();
        got.sort_unstable();
        let all: Vec<_> =
            (0..4).flat_map(|n| (0..3).flat_map(move |m| (0..2).map(move |k| (n, m, k)))).collect();
        assert_eq!(got, all, "seed {seed}");
        assert_eq!(executor.tasks(), 0);
    }
}

/// Row 63: whoever was woken once, or in the middle of a poll, is woken again. Every order
/// of the wake-ups of two, with polls that nobody asked for in between.
#[test]
fn row_63_no_wake_up_is_lost_to_one_before_it() {
    for seed in 0..50 {
        let executor = Seeded::new(seed);
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let turns = Arc::new(AtomicU64::new(0));
        let (kept, taken) = (waker.clone(), turns.clone());
        // Ready at each third poll; wakes itself once in between, and is woken from outside once.
        let thirds = stream::poll_fn(move |cx| {
            let turn = taken.fetch_add(1, Ordering::Relaxed) + 1;
            if turn == 30 {
                return Poll::Ready(None);
            }
            match turn % 3 {
                0 => Poll::Ready(Some(turn)),
                1 => {
                    cx.waker().wake_by_ref();
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => {
                    *kept.lock().unwrap() = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let numbers = millstream::from_stream(executor.clone(), thirds);
        let (x, outside) = (executor.clone(), waker.clone());
        let end = std::sync::mpsc::channel();
        executor
            .spawn(Box::pin(async move {
                end.0.send(numbers.collect::<Vec<_>>().await.unwrap()).unwrap();
            }))
            .unwrap();
        let mut wakes = 0;
        loop {
            x.run_until_idle();
            let Some(waker) = outside.lock().unwrap().take() else { break };
            wakes += 1;
            waker.wake_by_ref();
            if wakes % 2 == 0 {
                waker.wake();
            }
        }
        assert_eq!(end.1.try_recv().unwrap(), (1..10).map(|n| n * 3).collect::<Vec<u64>>());
        assert_eq!(wakes, 10, "seed {seed}");
    }
}

/// Row 66: a destructor that reaches back into the pipeline deadlocked there.
#[test]
fn row_66_an_item_whose_destructor_reaches_back_does_not_deadlock() {
    /// Does so when it is dropped.
    struct Reaches(Option<Box<dyn FnOnce() + Send>>);

    impl Drop for Reaches {
        fn drop(&mut self) {
            if let Some(reach) = self.0.take() {
                reach();
            }
        }
    }

    for cancels in [false, true] {
        let executor = Seeded::new(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let other = Arc::new(Mutex::new(None::<Box<dyn std::any::Any + Send>>));
        let (counts, reached) = (dropped.clone(), other.clone());
        let items = stream::iter(0..5).map(move |_| {
            let (counts, reached) = (counts.clone(), reached.clone());
            Reaches(Some(Box::new(move || {
                counts.fetch_add(1, Ordering::Relaxed);
                // The other end of the same stream, or the stream itself.
                let end = reached.lock().unwrap().take();
                drop(end);
            })))
        });
        let mut stream = millstream::from_stream(executor.clone(), items)
            .publish_on(executor.clone(), 4)
            .into_stream(4)
            .or_panic();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_next_unpin(&mut cx).is_pending());
        executor.run_until_idle();
        let Poll::Ready(Some(first)) = stream.poll_next_unpin(&mut cx) else { panic!() };
        *other.lock().unwrap() = Some(Box::new(stream));
        if cancels {
            // Its destructor drops the stream, and with it the others.
            drop(first);
        } else {
            let stream = other.lock().unwrap().take();
            drop(stream);
            drop(first);
        }
        executor.run_until_idle();
        assert_eq!(executor.tasks(), 0);
        assert_eq!(dropped.load(Ordering::Relaxed), 5, "each that was made, once");
    }
}
