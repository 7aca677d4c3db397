//! Sources and ends that meet other asynchronous code: every pattern of demand, cancellation and
//! panic for each source, on an executor that permutes its tasks, and claims one by one.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{Mint, scripted};
use millstream::ack::{PolledBatch, PolledClient};
use millstream::edge::{AsyncSource, AsyncTarget, BoxAsyncSource, BoxAsyncTarget, DeliveryError};
use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::{Failure, Fault, More};
use millstream_testkit::sweep::{Ending, Source, TestError, check_driven};
use millstream_testkit::{Behaviour, Faulted, Ledger, ProbeHandle, Token, probe};

/// `name: source, items`: every pattern, on two orders of the tasks.
macro_rules! driven {
    ($($(#[$meta:meta])* $name:ident: |$source:ident, $executor:ident| $build:expr, $items:expr
        $(, |$options:ident| $set:expr)?;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            let options = millstream_testkit::sweep::Options::default().keeps_faults();
            $(let options = { let $options = options; $set };)?
            for seed in [1, 2] {
                check_driven(
                    stringify!($name),
                    |$source: Source<false>| {
                        let $executor = Seeded::new(seed);
                        ($build, { let executor = $executor.clone(); move || executor.run_until_idle() })
                    },
                    |_| Vec::from($items),
                    options.clone(),
                );
            }
        }
    )*};
}

/// Ready when it is polled the second time, and woken for that at once.
async fn soon<T>(value: T) -> T {
    let mut polled = false;
    poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    value
}

/// Tokens 1 to 3, then the end, or a failure.
struct Three {
    ledger: Ledger,
    sent: i64,
    fails: bool,
}

impl AsyncSource for Three {
    type Item = Token;
    type Error = TestError;

    async fn next(&mut self) -> Result<Option<Token>, TestError> {
        self.sent += 1;
        let n = soon(self.sent).await;
        if n <= 3 {
            return Ok(Some(self.ledger.token(n)));
        }
        if self.fails { Err(TestError(3)) } else { Ok(None) }
    }
}

/// Batches of two tokens.
struct Client {
    three: Three,
    paused: bool,
}

impl Client {
    fn new(ledger: &Ledger, fails: bool) -> Client {
        Client { three: Three { ledger: ledger.clone(), sent: 0, fails }, paused: false }
    }
}

impl PolledClient for Client {
    type Item = Token;
    type Error = TestError;

    fn poll(&mut self, _: &mut Context<'_>) -> PolledBatch<Token, TestError> {
        if self.paused {
            return Poll::Pending;
        }
        let Three { ledger, sent, fails } = &mut self.three;
        let first = *sent + 1;
        *sent = (first + 1).min(3);
        let batch: Vec<_> = (first..=*sent).map(|n| ledger.token(n)).collect();
        match batch.len() {
            0 if *fails => Poll::Ready(Err(TestError(3))),
            0 => Poll::Ready(Ok(None)),
            _ => Poll::Ready(Ok(Some(batch))),
        }
    }

    fn pause(&mut self) -> Result<(), TestError> {
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), TestError> {
        self.paused = false;
        Ok(())
    }
}

driven! {
    from_future: |source, executor| {
            let item = source.ledger().token(7);
            millstream::from_future(executor.clone(), soon(item))
        },
        [7_i64];
    from_try_future: |source, executor| {
            let item = source.ledger().token(7);
            millstream::from_try_future(executor.clone(), soon(Ok::<_, TestError>(item)))
        },
        [7_i64];
    from_try_future_that_fails: |_source, executor| {
            let failed = soon(Err::<Token, _>(TestError(0)));
            millstream::from_try_future(executor.clone(), failed)
        },
        [0_i64; 0], |options| options.may_fail();
    unfold_async: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                (n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1)))
            })
        },
        [1_i64, 2, 3];
    unfold_async_of_ready_futures: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::unfold_async(executor.clone(), seed, |n| {
                ready((n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1))))
            })
        },
        [1_i64, 2, 3];
    try_unfold_async: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::try_unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                Ok::<_, TestError>((n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1))))
            })
        },
        [1_i64, 2, 3];
    try_unfold_async_that_fails: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::try_unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                if n.value() > 3 { return Err(TestError(3)) }
                Ok(Some((n.clone(), n.map(|n| n + 1))))
            })
        },
        [1_i64, 2, 3], |options| options.may_fail();
    from_source: |source, executor| {
            let three = Three { ledger: source.ledger().clone(), sent: 0, fails: false };
            millstream::from_source(executor.clone(), three)
        },
        [1_i64, 2, 3];
    from_source_in_a_box: |source, executor| {
            let three = Three { ledger: source.ledger().clone(), sent: 0, fails: true };
            millstream::from_source(executor.clone(), Box::new(three) as BoxAsyncSource<_, _>)
        },
        [1_i64, 2, 3], |options| options.may_fail();
    from_polled_client: |source, executor| {
            millstream::from_polled_client(executor.clone(), Client::new(source.ledger(), false))
        },
        [1_i64, 2, 3];
    from_polled_client_that_fails: |source, executor| {
            millstream::from_polled_client(executor.clone(), Client::new(source.ledger(), true))
        },
        [1_i64, 2, 3], |options| options.may_fail();
    #[cfg(feature = "futures")]
    from_stream: |source, executor| {
            let items: Vec<_> = (1..=3).map(|n| source.ledger().token(n)).collect();
            millstream::from_stream(executor.clone(), futures::stream::iter(items))
        },
        [1_i64, 2, 3];
    #[cfg(feature = "futures")]
    from_stream_that_waits: |source, executor| {
            let ledger = source.ledger().clone();
            let items = futures::stream::unfold(1, move |n| {
                let item = ledger.token(n);
                async move { (n <= 3).then_some((soon(item).await, n + 1)) }
            });
            millstream::from_stream(executor.clone(), items)
        },
        [1_i64, 2, 3];
    #[cfg(feature = "futures")]
    from_try_stream: |source, executor| {
            let items: Vec<_> = (1..=3).map(|n| Ok::<_, TestError>(source.ledger().token(n))).collect();
            millstream::from_try_stream(executor.clone(), futures::stream::iter(items))
        },
        [1_i64, 2, 3];
    #[cfg(feature = "futures")]
    from_try_stream_that_fails: |source, executor| {
            let item = |n| if n == 3 { Err(TestError(2)) } else { Ok(source.ledger().token(n)) };
            let items: Vec<_> = (1..=4).map(item).collect();
            millstream::from_try_stream(executor.clone(), futures::stream::iter(items))
        },
        [1_i64, 2], |options| options.may_fail();
    #[cfg(feature = "futures")]
    async_lines: |_source, executor| {
            let reader = io::Slow::new(b"one\ntwo\r\nthree", 3);
            millstream::async_lines(executor.clone(), reader)
        },
        ["one", "two", "three"].map(str::to_owned);
    #[cfg(feature = "futures")]
    from_async_reader: |_source, executor| {
            millstream::from_async_reader(executor.clone(), io::Slow::new(&[1, 2, 3, 4, 5], 3), 2)
        },
        [vec![1_u8, 2], vec![3, 4], vec![5]];
    #[cfg(feature = "tokio")]
    tokio_lines: |_source, executor| {
            let reader = io::Slow::new(b"one\ntwo\r\nthree", 3);
            millstream::tokio_lines(executor.clone(), reader)
        },
        ["one", "two", "three"].map(str::to_owned);
    #[cfg(feature = "tokio")]
    from_tokio_reader: |_source, executor| {
            millstream::from_tokio_reader(executor.clone(), io::Slow::new(&[1, 2, 3, 4, 5], 3), 2)
        },
        [vec![1_u8, 2], vec![3, 4], vec![5]];
    #[cfg(feature = "tokio-sync")]
    from_mpsc: |source, executor| {
            let (sender, receiver) = tokio::sync::mpsc::channel(3);
            for n in 1..=3 {
                sender.try_send(source.ledger().token(n)).unwrap();
            }
            millstream::from_mpsc(executor.clone(), receiver)
        },
        [1_i64, 2, 3];
    #[cfg(feature = "tokio-sync")]
    from_mpsc_without_bound: |source, executor| {
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            for n in 1..=3 {
                sender.send(source.ledger().token(n)).unwrap();
            }
            millstream::from_mpsc(executor.clone(), receiver)
        },
        [1_i64, 2, 3];
    #[cfg(feature = "tokio-sync")]
    from_broadcast: |source, executor| {
            let (sender, receiver) = tokio::sync::broadcast::channel(4);
            for n in 1..=3 {
                assert!(sender.send(source.ledger().token(n)).is_ok());
            }
            millstream::from_broadcast(executor.clone(), receiver).filter_map(Result::ok)
        },
        [1_i64, 2, 3];
    #[cfg(feature = "tokio-sync")]
    from_watch: |source, executor| {
            let (_, receiver) = tokio::sync::watch::channel(source.ledger().token(1));
            millstream::from_watch(executor.clone(), receiver)
        },
        [1_i64];
}

/// What a source did, and what it waits for.
#[derive(Clone, Default)]
struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    polls: AtomicU64,
    open: AtomicBool,
    dropped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    /// Waits until the gate is open.
    fn pass(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = self.clone();
        let alarm = OnDrop(gate.clone());
        poll_fn(move |context| {
            let _alarm = &alarm;
            gate.0.polls.fetch_add(1, Ordering::Relaxed);
            if gate.0.open.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *gate.0.waker.lock().unwrap() = Some(context.waker().clone());
            Poll::Pending
        })
    }

    fn open(&self) {
        self.0.open.store(true, Ordering::Relaxed);
        let waker = self.0.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn polls(&self) -> u64 {
        self.0.polls.load(Ordering::Relaxed)
    }

    fn is_dropped(&self) -> bool {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

struct OnDrop(Gate);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.dropped.store(true, Ordering::Relaxed);
    }
}

fn watch<P>(publisher: P) -> ProbeHandle<P::Item, P::Error>
where
    P: Publisher<Item: Clone, Error: Clone>,
{
    probe(publisher, Behaviour::new())
}

#[test]
fn a_future_is_polled_from_the_subscription_on_and_its_result_waits_for_demand() {
    let (executor, gate) = (Seeded::new(1), Gate::default());
    let passing = gate.pass();
    let handle = watch(millstream::from_future(executor.clone(), async {
        passing.await;
        7
    }));
    executor.run_until_idle();
    assert_eq!(gate.polls(), 1, "without demand");
    gate.open();
    assert_eq!(gate.polls(), 1, "a wake-up only schedules");
    executor.run_until_idle();
    assert_eq!(gate.polls(), 2);
    assert!(gate.is_dropped(), "it is ready");
    assert_eq!(handle.items(), []);
    handle.request(1);
    executor.run_until_idle();
    assert_eq!(handle.items(), [7]);
    handle.assert_completed();
    assert_eq!(executor.tasks(), 0);
}

#[test]
fn a_cancelled_future_is_dropped_in_the_middle() {
    let (executor, gate) = (Seeded::new(1), Gate::default());
    let handle = watch(millstream::from_future(executor.clone(), gate.pass()));
    executor.run_until_idle();
    handle.cancel();
    executor.run_until_idle();
    assert!(gate.is_dropped());
    assert_eq!(executor.tasks(), 0);
    gate.open();
    executor.run_until_idle();
    handle.assert_dropped();
}

#[test]
fn an_error_of_a_future_needs_no_demand() {
    let executor = Seeded::new(1);
    let failed = millstream::from_try_future(executor.clone(), soon(Err::<u8, _>(TestError(0))));
    let handle = watch(failed);
    executor.run_until_idle();
    handle.assert_failed(&TestError(0));
}

#[test]
fn the_next_future_is_made_only_when_its_item_is_wanted_and_one_is_in_flight() {
    let executor = Seeded::new(1);
    let made = Arc::new(AtomicU64::new(0));
    let counted = made.clone();
    let numbers = millstream::unfold_async(executor.clone(), 0, move |n: u64| {
        assert_eq!(counted.fetch_add(1, Ordering::Relaxed), n, "one at a time");
        soon(Some((n, n + 1)))
    });
    let handle = watch(numbers);
    executor.run_until_idle();
    assert_eq!(made.load(Ordering::Relaxed), 0, "no demand, no future");
    handle.request(2);
    executor.run_until_idle();
    assert_eq!((handle.items(), made.load(Ordering::Relaxed)), (vec![0, 1], 2));
    handle.request(1);
    executor.run_until_idle();
    assert_eq!((handle.items(), made.load(Ordering::Relaxed)), (vec![0, 1, 2], 3));
    handle.cancel();
    executor.run_until_idle();
    assert_eq!(executor.tasks(), 0);
}

#[test]
fn a_cancelled_source_is_dropped_with_its_future() {
    struct Stuck(Gate);
    impl AsyncSource for Stuck {
        type Item = ();
        type Error = TestError;
        async fn next(&mut self) -> Result<Option<()>, TestError> {
            self.0.pass().await;
            Ok(None)
        }
    }
    let (executor, gate) = (Seeded::new(1), Gate::default());
    let handle = watch(millstream::from_source(executor.clone(), Stuck(gate.clone())));
    executor.run_until_idle();
    assert_eq!(gate.polls(), 0, "no demand, no call");
    handle.request(5);
    executor.run_until_idle();
    assert!(gate.polls() > 0);
    handle.cancel();
    executor.run_until_idle();
    assert!(gate.is_dropped());
    assert_eq!(Arc::strong_count(&gate.0), 1, "the source is gone");
}

#[track_caller]
fn assert_faulted(handle: &ProbeHandle<(), std::convert::Infallible>, fault: &str) {
    use millstream_testkit::Event;
    let told = handle.end();
    let Some(Event::Faulted(Faulted::Other(said))) = &told else { panic!("{told:?}") };
    assert!(said.contains(fault), "{said}");
    handle.assert_dropped();
}

#[test]
fn an_executor_that_refuses_or_drops_the_task_ends_the_stream_with_a_fault() {
    let executor = Seeded::new(1);
    let gate = Gate::default();
    let handle = watch(millstream::from_future(executor.clone(), gate.pass()));
    executor.run_until_idle();
    executor.drop_all();
    assert_faulted(&handle, &Fault::ExecutorGone.to_string());
    assert!(gate.is_dropped());
    executor.refuse_after(0);
    let gate = Gate::default();
    let handle = watch(millstream::from_future(executor, gate.pass()));
    assert_faulted(&handle, "told to refuse");
    assert!(gate.is_dropped());
}

#[test]
fn a_panic_in_a_future_or_a_source_is_a_fault() {
    fn ouch() -> ! {
        std::panic::resume_unwind(Box::new("ouch"))
    }
    fn faulted<P: Publisher<Item = u32, Error: Clone + PartialEq + std::fmt::Debug>>(
        executor: &Seeded,
        publisher: P,
    ) {
        use millstream_testkit::Event;
        let handle = watch(publisher);
        handle.request(3);
        executor.run_until_idle();
        let panicked = Faulted::Panicked(Some("ouch".into()));
        assert_eq!(handle.end(), Some(Event::Faulted(panicked)));
        handle.assert_dropped();
        assert_eq!(executor.tasks(), 0);
    }
    struct Bad;
    impl AsyncSource for Bad {
        type Item = u32;
        type Error = TestError;
        async fn next(&mut self) -> Result<Option<u32>, TestError> {
            soon(()).await;
            ouch()
        }
    }
    let executor = Seeded::new(1);
    let x = || executor.clone();
    faulted(
        &executor,
        millstream::from_future(x(), async {
            soon(()).await;
            ouch()
        }),
    );
    faulted(
        &executor,
        millstream::from_try_future(x(), async {
            soon(()).await;
            if true {
                ouch()
            }
            Ok::<u32, TestError>(1)
        }),
    );
    faulted(&executor, millstream::unfold_async(x(), 0, |_| async { ouch() }));
    faulted(
        &executor,
        millstream::try_unfold_async(x(), 0, |_| {
            if true {
                ouch()
            }
            ready(Ok::<_, TestError>(Some((1, 1))))
        }),
    );
    faulted(&executor, millstream::from_source(x(), Bad));
}

#[test]
fn a_stream_let_go_of_without_demand_is_dropped() {
    let (executor, gate) = (Seeded::new(1), Gate::default());
    let handle = watch(millstream::from_future(executor.clone(), gate.pass()));
    executor.run_until_idle();
    handle.upstream().unwrap().detach();
    executor.run_until_idle();
    assert!(gate.is_dropped());
    assert_eq!(executor.tasks(), 0);
}

#[cfg(feature = "futures")]
mod streams {
    use futures::stream::{self, Stream};

    use super::*;

    /// Gives what it is polled for, and panics when it is polled after its end.
    struct Strict {
        left: u64,
        polls: Arc<AtomicU64>,
        over: bool,
    }

    impl Stream for Strict {
        type Item = u64;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
            assert!(!self.over, "polled after the end");
            self.polls.fetch_add(1, Ordering::Relaxed);
            let Some(left) = self.left.checked_sub(1) else {
                self.over = true;
                return Poll::Ready(None);
            };
            Poll::Ready(Some(std::mem::replace(&mut self.left, left)))
        }
    }

    #[test]
    fn a_stream_is_polled_only_while_there_is_demand_and_not_after_its_end() {
        let (executor, polls) = (Seeded::new(1), Arc::new(AtomicU64::new(0)));
        let strict = Strict { left: 3, polls: polls.clone(), over: false };
        let handle = watch(millstream::from_stream(executor.clone(), strict));
        executor.run_until_idle();
        assert_eq!(polls.load(Ordering::Relaxed), 0);
        handle.request(2);
        executor.run_until_idle();
        assert_eq!((handle.items(), polls.load(Ordering::Relaxed)), (vec![3, 2], 2));
        handle.request(9);
        executor.run_until_idle();
        assert_eq!((handle.items(), polls.load(Ordering::Relaxed)), (vec![3, 2, 1], 4));
        handle.assert_completed();
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn a_stream_that_says_it_has_no_more_completes_without_demand() {
        let executor = Seeded::new(1);
        let handle = watch(millstream::from_stream(executor.clone(), stream::iter([1, 2])));
        handle.request(2);
        executor.run_until_idle();
        assert_eq!(handle.items(), [1, 2]);
        handle.assert_completed();
    }

    #[test]
    fn a_pending_stream_is_woken_on_the_executor_and_dropped_when_cancelled() {
        let (executor, gate) = (Seeded::new(1), Gate::default());
        let passing = gate.pass();
        let handle = watch(millstream::from_stream(executor.clone(), stream::once(passing)));
        handle.request(1);
        executor.run_until_idle();
        let polls = gate.polls();
        gate.open();
        assert_eq!(gate.polls(), polls, "a wake-up only schedules");
        executor.run_until_idle();
        assert_eq!(handle.items(), [()]);
        handle.assert_completed();

        let gate = Gate::default();
        let handle = watch(millstream::from_stream(executor.clone(), stream::once(gate.pass())));
        handle.request(1);
        executor.run_until_idle();
        handle.cancel();
        executor.run_until_idle();
        assert!(gate.is_dropped());
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn a_stream_that_panics_is_a_fault_and_is_not_polled_again() {
        use millstream_testkit::Event;
        let executor = Seeded::new(1);
        let mut polled = false;
        let bad = stream::poll_fn(move |_| -> Poll<Option<u32>> {
            assert!(!std::mem::replace(&mut polled, true), "polled after it panicked");
            std::panic::resume_unwind(Box::new("ouch"))
        });
        let handle = watch(millstream::from_stream(executor.clone(), bad));
        handle.request(9);
        executor.run_until_idle();
        let panicked = Faulted::Panicked(Some("ouch".into()));
        assert_eq!(handle.end(), Some(Event::Faulted(panicked)));
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn an_endless_ready_stream_lets_other_tasks_run_and_can_be_cancelled() {
        let executor = Seeded::new(1);
        let handle = watch(millstream::from_stream(executor.clone(), stream::repeat(1)));
        handle.request(u64::MAX);
        assert!(executor.step());
        assert!(handle.delivered() > 0);
        assert_eq!(executor.tasks(), 1, "it came back to the executor");
        handle.cancel();
        executor.run_until_idle();
        assert_eq!(executor.tasks(), 0);
    }
}

/// A future that is polled by hand.
struct ByHand<F: Future> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> ByHand<F> {
    fn new(future: F) -> ByHand<F> {
        ByHand { future: Box::pin(future), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn pends(&mut self) {
        assert!(self.poll().is_pending(), "it is ready");
    }

    #[track_caller]
    fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it is not ready"),
        }
    }

    /// How often it was woken since the last call.
    fn wakes(&self) -> u64 {
        self.wakes.0.swap(0, Ordering::Relaxed)
    }
}

/// What a target was told, and what it waits for.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A target that writes down what it is told. Where there is a gate, it waits for it.
struct Recorder {
    told: Told,
    ready: Option<Gate>,
    sending: Option<Gate>,
    fails_at: Option<crate::common::Token>,
    count: u64,
    _gone: Gone,
}

struct Gone(Told);

fn recorder(told: &Told) -> Recorder {
    let gone = Gone(told.clone());
    let told = told.clone();
    Recorder { told, ready: None, sending: None, fails_at: None, count: 0, _gone: gone }
}

async fn through(gate: &Option<Gate>) {
    if let Some(gate) = gate {
        gate.pass().await;
    }
}

impl AsyncTarget<crate::common::Token> for Recorder {
    type Output = u64;
    type Error = TestError;

    async fn ready(&mut self) -> Result<(), TestError> {
        through(&self.ready).await;
        Ok(())
    }

    async fn send(&mut self, item: crate::common::Token) -> Result<(), TestError> {
        self.told.note(format!("send {}", item.0));
        if self.fails_at.as_ref() == Some(&item) {
            return Err(TestError(self.count));
        }
        through(&self.sending).await;
        self.count += 1;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), TestError> {
        self.told.note("flush");
        Ok(())
    }

    async fn close(self) -> Result<u64, TestError> {
        self.told.note("close");
        Ok(self.count)
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.note("drop");
    }
}

/// What an end was given, and how it failed.
type Outcome = (Vec<i64>, Option<String>);

/// `name: end`: over every kind of source.
macro_rules! ends {
    ($($(#[$meta:meta])* $name:ident: |$source:ident| $run:expr;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            over_every_source(stringify!($name), &|$source: Source<false>| $run);
            over_every_source(stringify!($name), &|$source: Source<true>| $run);
        }
    )*};
}

fn over_every_source<const PULLS: bool>(name: &str, run: &dyn Fn(Source<PULLS>) -> Outcome) {
    let endings = [0, 1, 3].into_iter().flat_map(|n| [Ending::Fails(n), Ending::Breaks(n)]);
    for ending in endings.chain([Ending::Complete]) {
        if PULLS && matches!(ending, Ending::Breaks(_)) {
            // What can be pulled cannot break.
            continue;
        }
        let (n, failed) = match ending {
            Ending::Complete => (5, None),
            Ending::Fails(n) => (n, Some(TestError(n).to_string())),
            Ending::Breaks(n) => (n, Some(Fault::SourceDropped.to_string())),
        };
        let items: Vec<i64> = (1..=n.cast_signed()).collect();
        for on_other_threads in [false, true] {
            let ledger = Ledger::new();
            let source = Source::new((1..=5).collect(), ending, &ledger);
            let source = if on_other_threads { source.on_other_threads() } else { source };
            let (given, end) = run(source);
            let case = format!("{name}, {ending:?}, {PULLS}, on other threads: {on_other_threads}");
            assert_eq!(end, failed, "{case}");
            // A fault does not wait behind what is queued.
            let all = !matches!(ending, Ending::Breaks(_));
            assert!(items.starts_with(&given) && (!all || items == given), "{case}: {given:?}");
            assert_eq!(ledger.live(), 0, "{case}");
        }
    }
}

/// A target, sink and writer that keeps what it is given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<i64>>>);

impl Kept {
    fn outcome<O, E: std::fmt::Display>(&self, end: Result<O, Failure<E>>) -> Outcome {
        (self.0.lock().unwrap().clone(), end.err().map(|failure| failure.to_string()))
    }
}

impl AsyncTarget<Token> for Kept {
    type Output = ();
    type Error = TestError;

    async fn send(&mut self, item: Token) -> Result<(), TestError> {
        let value = soon(*item.get()).await;
        self.0.lock().unwrap().push(value);
        Ok(())
    }

    async fn close(self) -> Result<(), TestError> {
        Ok(())
    }
}

#[cfg(feature = "futures")]
impl futures::io::AsyncWrite for Kept {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.lock().unwrap().push(bytes[0].into());
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for Kept {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.lock().unwrap().push(bytes[0].into());
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "futures")]
fn from_a_stream(
    stream: impl futures::Stream<Item = Result<Token, Failure<TestError>>>,
) -> Outcome {
    use futures::StreamExt;
    let (mut values, mut failed) = (Vec::new(), None);
    for item in futures::executor::block_on(stream.collect::<Vec<_>>()) {
        assert_eq!(failed, None, "nothing comes after a failure");
        match item {
            Ok(token) => values.push(*token.get()),
            Err(failure) => failed = Some(failure.to_string()),
        }
    }
    (values, failed)
}

ends! {
    into_target: |source| {
        let kept = Kept::default();
        let end = source.into_target(kept.clone());
        kept.outcome(end.block())
    };
    into_target_that_is_awaited: |source| {
        let kept = Kept::default();
        let end = source.into_target(kept.clone());
        kept.outcome(futures::executor::block_on(end))
    };
    into_target_in_a_box: |source| {
        let kept = Kept::default();
        let target: BoxAsyncTarget<_, _, _> = Box::new(kept.clone());
        kept.outcome(source.into_target(target).block())
    };
    #[cfg(feature = "futures")]
    into_stream: |source| from_a_stream(source.into_stream(1));
    #[cfg(feature = "futures")]
    into_stream_of_more: |source| from_a_stream(source.into_stream(64));
    #[cfg(feature = "futures")]
    into_stream_of_a_cursor: |source| from_a_stream(source.cursor());
    #[cfg(feature = "futures")]
    forward: |source| {
        use futures::StreamExt;
        let kept = Kept::default();
        let (sink, receiver) = futures::channel::mpsc::unbounded();
        let end = source.forward(sink).block();
        let items = futures::executor::block_on(receiver.collect::<Vec<Token>>());
        kept.0.lock().unwrap().extend(items.iter().map(|item| item.get()));
        kept.outcome(end)
    };
    #[cfg(feature = "futures")]
    write_to: |source| {
        let kept = Kept::default();
        let end = source.map(|n| [u8::try_from(n.value()).unwrap()]).write_to(kept.clone());
        kept.outcome(end.block())
    };
    #[cfg(feature = "tokio")]
    write_to_tokio: |source| {
        let kept = Kept::default();
        let end = source.map(|n| [u8::try_from(n.value()).unwrap()]).write_to_tokio(kept.clone());
        kept.outcome(end.block())
    };
    send_to_a_channel: |source| {
        let kept = Kept::default();
        let (sender, items) = millstream::channel(1);
        let received = probe(items, Behaviour::new().initially(9));
        let end = source.send_to(sender).block();
        kept.0.lock().unwrap().extend(received.items().iter().map(|item: &Token| *item.get()));
        let is_whole = received.end() == Some(millstream_testkit::Event::Completed);
        assert_eq!(end.is_ok(), is_whole, "{:?}", received.end());
        kept.outcome(end)
    };
    #[cfg(feature = "tokio-sync")]
    send_to: |source| {
        let kept = Kept::default();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(9);
        let end = source.send_to(sender).block();
        while let Ok(item) = receiver.try_recv() {
            kept.0.lock().unwrap().push(*item.get());
        }
        kept.outcome(end)
    };
}

mod into_target {
    use super::*;

    type Scripted = crate::common::Scripted<crate::common::Token, TestError>;
    type Control = crate::common::Control<crate::common::Token, TestError>;

    fn upstream() -> (Scripted, Control, Mint) {
        let (publisher, control) = scripted();
        (publisher, control, Mint::default())
    }

    #[test]
    fn nothing_runs_before_it_is_polled_and_nothing_is_asked_before_the_target_is_ready() {
        let (publisher, control, mint) = upstream();
        let gate = Gate::default();
        let target = Recorder { ready: Some(gate.clone()), ..recorder(&Told::default()) };
        let mut end = ByHand::new(publisher.into_target(target));
        assert_eq!(gate.polls(), 0);
        end.pends();
        assert!(gate.polls() > 0);
        assert!(!control.next(mint.token(1)), "it is not subscribed to");
        gate.open();
        assert_eq!(end.wakes(), 1);
        end.pends();
        assert_eq!(control.asked(), [More::ONE]);
        assert_eq!(mint.alive(), 0);
    }

    #[test]
    fn items_go_one_at_a_time_with_a_flush_when_upstream_has_nothing() {
        let (publisher, control, mint) = upstream();
        let told = Told::default();
        let target = recorder(&told);
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        assert_eq!(control.asked(), [More::ONE]);
        assert_eq!(told.take(), [""; 0], "nothing was sent, nothing is flushed");
        assert!(control.next(mint.token(1)));
        assert_eq!(control.asked(), [], "the next is asked for when this one was taken");
        assert_eq!(end.wakes(), 1);
        end.pends();
        assert_eq!(told.take(), ["send 1", "flush"]);
        assert_eq!(control.asked(), [More::ONE]);
        end.pends();
        assert_eq!(told.take(), [""; 0], "a poll for nothing does nothing");
        assert!(control.next(mint.token(2)));
        control.complete();
        assert_eq!(end.ready().unwrap(), 2);
        assert_eq!(told.take(), ["send 2", "close", "drop"]);
        assert_eq!(mint.alive(), 0);
    }

    #[test]
    fn while_the_target_has_an_item_one_more_waits() {
        let (publisher, control, mint) = upstream();
        let (told, gate) = (Told::default(), Gate::default());
        let sending = Some(gate.clone());
        let target = Recorder { sending, ..recorder(&told) };
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        control.next(mint.token(1));
        end.pends();
        assert_eq!(told.take(), ["send 1"]);
        assert_eq!(control.asked_in_all(), 2);
        control.next(mint.token(2));
        end.pends();
        end.pends();
        assert_eq!((told.take(), control.asked_in_all()), (vec![], 0));
        gate.open();
        end.pends();
        assert_eq!(told.take(), ["send 2", "flush"]);
        assert_eq!(control.asked_in_all(), 1);
    }

    #[test]
    fn an_error_of_the_target_ends_it_and_cancels_upstream() {
        let (publisher, control, mint) = upstream();
        let told = Told::default();
        let fails_at = Some(mint.token(2));
        let target = Recorder { fails_at, ..recorder(&told) };
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        control.next(mint.token(1));
        end.pends();
        control.next(mint.token(2));
        let Err(Failure::Error(DeliveryError::Target(error))) = end.ready() else { panic!() };
        assert_eq!(error, TestError(1));
        assert!(control.is_cancelled());
        assert_eq!(told.take(), ["send 1", "flush", "send 2", "drop"], "it is not closed");
        assert_eq!(mint.alive(), 0);
    }

    #[test]
    fn when_upstream_fails_the_target_is_flushed_and_dropped_not_closed() {
        let (publisher, control, mint) = upstream();
        let told = Told::default();
        let target = recorder(&told);
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        control.next(mint.token(1));
        control.error(TestError(1));
        let Err(Failure::Error(DeliveryError::Upstream(error))) = end.ready() else { panic!() };
        assert_eq!(error, TestError(1));
        assert_eq!(told.take(), ["send 1", "flush", "drop"]);
        assert_eq!(mint.alive(), 0);
    }

    #[test]
    fn a_fault_does_not_wait_for_the_target() {
        let (mut broken, mint) = (None, Mint::default());
        let (told, gate) = (Told::default(), Gate::default());
        let sending = Some(gate.clone());
        let target = Recorder { sending, ..recorder(&told) };
        let publisher = Vanishing(Arc::new(Mutex::new(None)));
        let subscriber = publisher.0.clone();
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        let mut active = subscriber.lock().unwrap().take();
        assert_eq!(active.as_mut().unwrap().on_next(mint.token(1)), More::NONE);
        end.pends();
        assert_eq!(told.take(), ["send 1"]);
        end.wakes();
        std::mem::swap(&mut broken, &mut active);
        drop(broken);
        assert_eq!(end.wakes(), 1);
        assert!(matches!(end.ready(), Err(Failure::Fault(Fault::SourceDropped))));
        assert_eq!(told.take(), ["drop"]);
        assert!(gate.is_dropped(), "the future in flight is gone");
        assert_eq!(mint.alive(), 0);
    }

    type Handed = Arc<Mutex<Option<millstream::BoxActive<crate::common::Token, TestError>>>>;

    /// Hands out its subscriber, to be dropped without an end.
    struct Vanishing(Handed);

    impl Publisher for Vanishing {
        type Item = crate::common::Token;
        type Error = TestError;

        fn subscribe<S: Subscriber<crate::common::Token, TestError>>(self, subscriber: S) {
            struct Idle;
            impl millstream::Upstream for Idle {
                fn request(&self, _: millstream::Demand) {}
                fn cancel(&self) {}
            }
            let subscription = millstream::Subscription::new(Arc::new(Idle));
            let active = millstream::BoxSubscriber::new(subscriber).on_subscribe(subscription);
            *self.0.lock().unwrap() = Some(active);
        }
    }

    #[test]
    fn dropping_it_drops_the_future_in_flight_and_cancels_upstream() {
        let (publisher, control, mint) = upstream();
        let (told, gate) = (Told::default(), Gate::default());
        let sending = Some(gate.clone());
        let target = Recorder { sending, ..recorder(&told) };
        let mut end = ByHand::new(publisher.into_target(target));
        end.pends();
        control.next(mint.token(1));
        end.pends();
        control.next(mint.token(2));
        assert_eq!(mint.alive(), 2);
        drop(end);
        assert!(gate.is_dropped());
        assert!(control.is_cancelled());
        assert_eq!(told.take(), ["send 1", "drop"]);
        assert_eq!(mint.alive(), 0);
        assert!(!control.next(mint.token(3)));
    }

    #[test]
    fn a_panic_in_the_target_is_a_fault_and_cancels_upstream() {
        struct Bad;
        impl AsyncTarget<u32> for Bad {
            type Output = ();
            type Error = TestError;
            async fn send(&mut self, _: u32) -> Result<(), TestError> {
                std::panic::resume_unwind(Box::new("ouch"))
            }
            async fn close(self) -> Result<(), TestError> {
                Ok(())
            }
        }
        let dropped = Arc::new(());
        let held = dropped.clone();
        let source = millstream::from_iter((0..9).inspect(move |_| drop(held.clone())));
        let end = source.into_target(Bad).block();
        let Err(Failure::Fault(Fault::Panicked(panic))) = end else { panic!("{end:?}") };
        assert_eq!(panic.message(), Some("ouch"));
        assert_eq!(Arc::strong_count(&dropped), 1, "upstream is gone");
    }

    #[test]
    fn every_item_arrives_in_order_from_every_kind_of_upstream() {
        struct Shelf(Vec<u32>);
        impl AsyncTarget<u32> for Shelf {
            type Output = Vec<u32>;
            type Error = TestError;
            async fn send(&mut self, item: u32) -> Result<(), TestError> {
                self.0.push(soon(item).await);
                Ok(())
            }
            async fn close(self) -> Result<Vec<u32>, TestError> {
                Ok(self.0)
            }
        }
        fn boxed() -> BoxAsyncTarget<u32, Vec<u32>, TestError> {
            Box::new(Shelf(Vec::new()))
        }
        let numbers = || millstream::from_iter(0..1000_u32);
        let all: Vec<u32> = (0..1000).collect();
        assert_eq!(numbers().into_target(Shelf(Vec::new())).block().unwrap(), all);
        assert_eq!(numbers().boxed().into_target(boxed()).block().unwrap(), all);
        assert_eq!(numbers().boxed().prefetch(16).into_target(boxed()).block().unwrap(), all);
        let executor = Seeded::new(7);
        let elsewhere = numbers().publish_on(executor.clone(), 4).into_target(boxed());
        assert_eq!(executor.run_until(elsewhere).unwrap(), all);
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn an_endless_source_and_a_target_that_is_always_ready_let_others_run() {
        struct Hole;
        impl AsyncTarget<u64> for Hole {
            type Output = ();
            type Error = TestError;
            async fn send(&mut self, _: u64) -> Result<(), TestError> {
                Ok(())
            }
            async fn close(self) -> Result<(), TestError> {
                Ok(())
            }
        }
        let mut end = ByHand::new(millstream::from_iter(0_u64..).into_target(Hole));
        for _ in 0..3 {
            end.pends();
            assert_eq!(end.wakes(), 1);
        }
    }

    #[test]
    fn it_refuses_to_block_an_executor() {
        let executor = Seeded::new(1);
        let inside = async {
            let target = recorder(&Told::default());
            millstream::empty().into_target(target).block()
        };
        let refused = executor.run_until(inside);
        assert!(matches!(refused, Err(Failure::Fault(Fault::BlockedExecutor))));
    }
}

#[cfg(feature = "futures")]
mod into_stream {
    use futures::StreamExt;
    use futures::stream::{FusedStream, Stream};

    use super::*;

    fn collected<P: Publisher>(
        stream: impl Stream<Item = Result<P::Item, Failure<P::Error>>>,
    ) -> Vec<Result<P::Item, Failure<P::Error>>> {
        futures::executor::block_on(stream.collect())
    }

    #[test]
    fn it_asks_for_its_capacity_and_then_for_three_quarters() {
        let (publisher, control) = scripted::<u32, TestError>();
        let mut stream = publisher.into_stream(4);
        assert_eq!(control.asked(), [], "nothing runs before it is polled");
        let mut next = ByHand::new(poll_fn(move |cx| stream.poll_next_unpin(cx)));
        next.pends();
        assert_eq!(control.asked(), [More::of(4)]);
        for n in 0..4 {
            control.next(n);
        }
        for n in 0..2 {
            assert_eq!(next.ready().unwrap().unwrap(), n);
            assert_eq!(control.asked(), []);
        }
        assert_eq!(next.ready().unwrap().unwrap(), 2);
        assert_eq!(control.asked(), [More::of(3)]);
    }

    #[test]
    fn a_dropped_next_loses_nothing() {
        let (publisher, control) = scripted::<u32, TestError>();
        let mut stream = publisher.into_stream(2);
        let mut next = ByHand::new(stream.next());
        next.pends();
        control.next(1);
        assert_eq!(next.wakes(), 1);
        drop(next);
        let mut next = ByHand::new(stream.next());
        assert_eq!(next.ready().unwrap().unwrap(), 1);
        drop(next);
        let mut next = ByHand::new(stream.next());
        next.pends();
        drop(next);
        control.next(2);
        control.next(3);
        control.complete();
        let mut next = ByHand::new(stream.next());
        assert_eq!(next.ready().unwrap().unwrap(), 2);
        drop(next);
        assert_eq!(collected::<crate::common::Scripted<u32, TestError>>(stream).len(), 1);
    }

    #[test]
    fn it_is_woken_by_whoever_polled_last() {
        let (publisher, control) = scripted::<u32, TestError>();
        let mut stream = publisher.into_stream(2);
        let mut first = ByHand::new(stream.next());
        first.pends();
        let wakes = first.wakes.clone();
        drop(first);
        let mut second = ByHand::new(stream.next());
        second.pends();
        control.next(1);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        assert_eq!(second.wakes(), 1);
    }

    #[test]
    fn dropping_it_cancels_and_discards_what_is_queued() {
        let (publisher, control) = scripted::<crate::common::Token, TestError>();
        let mint = Mint::default();
        let mut stream = publisher.into_stream(4);
        ByHand::new(stream.next()).pends();
        for n in 0..3 {
            control.next(mint.token(n));
        }
        assert_eq!(mint.alive(), 3);
        drop(stream);
        assert_eq!(mint.alive(), 0);
        assert!(control.is_cancelled());
        let (publisher, control) = scripted::<crate::common::Token, TestError>();
        drop(publisher.into_stream(4));
        assert!(!control.next(mint.token(0)), "it was never subscribed to");
        assert_eq!(mint.alive(), 0);
    }

    #[test]
    fn its_size_hint_is_honest_and_it_is_fused() {
        let (publisher, control) = scripted::<u32, TestError>();
        let mut stream = publisher.into_stream(4);
        assert_eq!(stream.size_hint(), (0, None));
        ByHand::new(stream.next()).pends();
        assert_eq!(stream.size_hint(), (0, None));
        control.next(1);
        control.next(2);
        assert_eq!(stream.size_hint(), (1, None));
        control.error(TestError(2));
        assert!(!stream.is_terminated());
        assert_eq!(stream.by_ref().take(2).size_hint(), (1, Some(2)));
        for _ in 0..2 {
            assert!(ByHand::new(stream.next()).ready().unwrap().is_ok());
        }
        assert!(matches!(
            ByHand::new(stream.next()).ready(),
            Some(Err(Failure::Error(TestError(2))))
        ));
        assert!(stream.is_terminated());
        assert_eq!(stream.size_hint(), (0, Some(0)));
        for _ in 0..2 {
            assert!(ByHand::new(stream.next()).ready().is_none());
        }
    }

    #[test]
    fn a_synchronous_source_is_pulled_an_item_for_each_poll() {
        let made = Arc::new(AtomicU64::new(0));
        let counted = made.clone();
        let numbers = (0..9).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut stream = millstream::from_iter(numbers).into_stream(8);
        assert!(ByHand::new(stream.next()).ready().is_some());
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_source_that_skips_everything_lets_others_run() {
        let mut stream = millstream::from_iter(0..).filter(|_| false).into_stream(1);
        let mut next = ByHand::new(stream.next());
        next.pends();
        assert_eq!(next.wakes(), 1, "it asks to be polled again");
    }

    #[test]
    fn a_panic_upstream_is_told_once_or_goes_on() {
        let bad = || {
            millstream::from_iter(0..3)
                .map(|n| if n == 1 { std::panic::resume_unwind(Box::new("ouch")) } else { n })
        };
        let mut items = futures::executor::block_on(bad().into_stream(1).collect::<Vec<_>>());
        let Some(Err(Failure::Fault(Fault::Panicked(panic)))) = items.pop() else { panic!() };
        assert_eq!(panic.message(), Some("ouch"));
        assert_eq!(items.len(), 1);
        let mut stream = bad().into_stream(1).or_panic();
        assert_eq!(stream.size_hint(), (0, None));
        assert_eq!(futures::executor::block_on(stream.next()), Some(0));
        let raised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            futures::executor::block_on(stream.next())
        }));
        assert_eq!(raised.unwrap_err().downcast_ref::<&str>(), Some(&"ouch"));
        assert!(stream.is_terminated());
        assert_eq!(futures::executor::block_on(stream.next()), None);
    }

    #[test]
    #[should_panic(expected = "into_stream(0): a queue holds at least 1 item, and 0 was asked for")]
    fn a_capacity_of_zero_is_refused() {
        let _ = millstream::empty::<u8>().into_stream(0);
    }

    #[test]
    fn it_goes_both_ways_and_back() {
        let executor = Seeded::new(3);
        let there = millstream::from_iter(0..500_u32).boxed().into_stream(8);
        let back = millstream::from_try_stream(executor.clone(), there).into_stream(8);
        let again = millstream::from_try_stream(executor.clone(), back);
        let all = executor.run_until(again.collect::<Vec<_>>()).unwrap();
        assert_eq!(all, (0..500).collect::<Vec<_>>());
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn a_cursor_is_a_stream_that_asks_for_one_at_a_time() {
        let (publisher, control) = scripted::<u32, TestError>();
        let mut cursor = publisher.cursor();
        let mut next = ByHand::new(StreamExt::next(&mut cursor));
        next.pends();
        assert_eq!(control.asked(), [More::ONE]);
        drop(next);
        control.next(1);
        assert_eq!(ByHand::new(StreamExt::next(&mut cursor)).ready().unwrap().unwrap(), 1);
        assert_eq!(control.asked(), []);
        ByHand::new(StreamExt::next(&mut cursor)).pends();
        control.error(TestError(1));
        assert!(ByHand::new(StreamExt::next(&mut cursor)).ready().unwrap().is_err());
        assert!(cursor.is_terminated());
        assert_eq!(cursor.size_hint(), (0, Some(0)));
        assert!(ByHand::new(StreamExt::next(&mut cursor)).ready().is_none());
    }
}

#[cfg(feature = "futures")]
mod forward {
    use futures::channel::mpsc;
    use futures::{Sink, StreamExt};

    use super::*;

    /// A sink that writes down what it is told, and is ready when it is said to be.
    struct Basin {
        told: Told,
        room: Arc<Mutex<Room>>,
    }

    #[derive(Default)]
    struct Room {
        places: u64,
        flushed: bool,
        fails: bool,
        waker: Option<Waker>,
    }

    impl Basin {
        fn new(places: u64) -> (Basin, Told, Arc<Mutex<Room>>) {
            let told = Told::default();
            let room = Room { places, flushed: true, ..Room::default() };
            let room = Arc::new(Mutex::new(room));
            (Basin { told: told.clone(), room: room.clone() }, told, room)
        }

        fn wait(&self, cx: &mut Context<'_>, done: bool) -> Poll<Result<(), TestError>> {
            let mut room = self.room.lock().unwrap();
            if room.fails {
                return Poll::Ready(Err(TestError(9)));
            }
            if done {
                return Poll::Ready(Ok(()));
            }
            room.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    impl Sink<u32> for Basin {
        type Error = TestError;

        fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TestError>> {
            let ready = self.room.lock().unwrap().places > 0;
            self.wait(cx, ready)
        }

        fn start_send(self: Pin<&mut Self>, item: u32) -> Result<(), TestError> {
            let mut room = self.room.lock().unwrap();
            room.places =
                room.places.checked_sub(1).expect("an item that the sink has no room for");
            room.flushed = false;
            self.told.note(format!("send {item}"));
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TestError>> {
            let flushed = self.room.lock().unwrap().flushed;
            if flushed {
                self.told.note("flushed");
            }
            self.wait(cx, flushed)
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TestError>> {
            let flushed = self.room.lock().unwrap().flushed;
            if flushed {
                self.told.note("closed");
            }
            self.wait(cx, flushed)
        }
    }

    impl Drop for Basin {
        fn drop(&mut self) {
            self.told.note("dropped");
        }
    }

    fn change(room: &Mutex<Room>, change: impl FnOnce(&mut Room)) {
        let mut room = room.lock().unwrap();
        change(&mut room);
        let waker = room.waker.take();
        drop(room);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    #[test]
    fn demand_follows_the_sink_and_it_is_flushed_when_upstream_is_idle() {
        let (publisher, control) = scripted::<u32, TestError>();
        let (sink, told, room) = Basin::new(0);
        let mut end = ByHand::new(publisher.forward(sink));
        end.pends();
        assert_eq!(control.asked(), [], "the sink is not ready");
        change(&room, |room| room.places = 1);
        assert_eq!(end.wakes(), 1);
        end.pends();
        assert_eq!(control.asked(), [More::ONE]);
        control.next(1);
        end.pends();
        assert_eq!(told.take(), ["send 1"]);
        assert_eq!(control.asked(), [More::ONE], "one more may wait");
        control.next(2);
        end.pends();
        assert_eq!(told.take(), [""; 0], "there is no room for it");
        assert_eq!(control.asked(), []);
        change(&room, |room| room.places = 5);
        end.pends();
        assert_eq!(told.take(), ["send 2"], "and then it is flushed, which takes its time");
        change(&room, |room| room.flushed = true);
        end.pends();
        assert_eq!(told.take(), ["flushed"]);
        control.next(3);
        control.complete();
        end.pends();
        assert_eq!(told.take(), ["send 3"]);
        change(&room, |room| room.flushed = true);
        end.ready().unwrap();
        assert_eq!(told.take(), ["closed", "dropped"]);
    }

    #[test]
    fn a_failing_sink_cancels_upstream_wherever_it_fails() {
        for sent in [0, 1] {
            let (publisher, control) = scripted::<u32, TestError>();
            let (sink, told, room) = Basin::new(1);
            let mut end = ByHand::new(publisher.forward(sink));
            end.pends();
            for n in 0..sent {
                control.next(n);
                end.pends();
            }
            // Ready: the next thing it is asked for is a flush, or room.
            change(&room, |room| room.fails = true);
            if sent == 0 {
                control.next(7);
                change(&room, |room| room.fails = true);
            }
            let Err(Failure::Error(DeliveryError::Target(error))) = end.ready() else { panic!() };
            assert_eq!(error, TestError(9));
            assert!(control.is_cancelled());
            assert_eq!(told.take().last().unwrap(), "dropped");
        }
    }

    #[test]
    fn a_failing_upstream_flushes_and_does_not_close() {
        let (publisher, control) = scripted::<u32, TestError>();
        let (sink, told, room) = Basin::new(5);
        let mut end = ByHand::new(publisher.forward(sink));
        end.pends();
        control.next(1);
        control.error(TestError(1));
        end.pends();
        assert_eq!(told.take(), ["send 1"]);
        change(&room, |room| room.flushed = true);
        let Err(Failure::Error(DeliveryError::Upstream(error))) = end.ready() else { panic!() };
        assert_eq!(error, TestError(1));
        assert_eq!(told.take(), ["flushed", "dropped"]);
    }

    #[test]
    fn dropping_it_cancels_upstream_and_does_not_close() {
        let (publisher, control) = scripted::<u32, TestError>();
        let (sink, told, _) = Basin::new(5);
        let mut end = ByHand::new(publisher.forward(sink));
        end.pends();
        drop(end);
        assert!(control.is_cancelled());
        assert_eq!(told.take(), ["dropped"]);
    }

    #[test]
    fn a_slow_receiver_of_a_channel_paces_the_source() {
        let made = Arc::new(AtomicU64::new(0));
        let counted = made.clone();
        let numbers = millstream::from_iter((0..100).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let (sink, mut receiver) = mpsc::channel(2);
        let mut end = ByHand::new(numbers.forward(sink));
        end.pends();
        // A channel of 2 has a place more for each sender.
        assert_eq!(made.load(Ordering::Relaxed), 3);
        let mut over = false;
        for n in 0..100 {
            assert_eq!(ByHand::new(receiver.next()).ready(), Some(n));
            assert!(made.load(Ordering::Relaxed) <= n + 3, "it runs ahead");
            over = over || end.poll().map(Result::unwrap).is_ready();
        }
        assert!(over);
        assert_eq!(ByHand::new(receiver.next()).ready(), None);
    }

    #[test]
    fn a_receiver_that_is_gone_ends_it() {
        let (sink, receiver) = mpsc::channel(1);
        drop(receiver);
        let end = millstream::from_iter(0..9).forward(sink).block();
        let Err(Failure::Error(DeliveryError::Target(error))) = end else { panic!("{end:?}") };
        assert!(error.is_disconnected());
    }
}

#[cfg(any(feature = "futures", feature = "tokio"))]
mod io {
    use std::io;

    use millstream::edge::WriteError;
    use millstream::source::NotUtf8;

    use super::*;

    /// A reader that gives so many bytes at a time, and each time only when it is polled twice.
    pub(super) struct Slow {
        bytes: Vec<u8>,
        at_once: usize,
        polled: bool,
        pub(super) reads: Arc<AtomicU64>,
        fails: bool,
    }

    impl Slow {
        pub(super) fn new(bytes: &[u8], at_once: usize) -> Slow {
            let reads = Arc::default();
            Slow { bytes: bytes.to_vec(), at_once, polled: false, reads, fails: false }
        }

        fn failing(mut self) -> Slow {
            self.fails = true;
            self
        }

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
            if !std::mem::replace(&mut self.polled, true) {
                self.reads.fetch_add(1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.bytes.is_empty() && self.fails {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            Poll::Ready(Ok(&self.bytes[..self.bytes.len().min(self.at_once)]))
        }

        fn used(&mut self, n: usize) {
            self.bytes.drain(..n);
            self.polled = false;
        }

        fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            let n = match self.poll(cx) {
                Poll::Ready(Ok(bytes)) => {
                    let n = bytes.len().min(buffer.len());
                    buffer[..n].copy_from_slice(&bytes[..n]);
                    n
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            self.used(n);
            Poll::Ready(Ok(n))
        }
    }

    #[cfg(feature = "futures")]
    impl futures::io::AsyncRead for Slow {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.read(cx, buffer)
        }
    }

    #[cfg(feature = "futures")]
    impl futures::io::AsyncBufRead for Slow {
        fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
            self.get_mut().poll(cx)
        }

        fn consume(mut self: Pin<&mut Self>, n: usize) {
            self.used(n);
        }
    }

    #[cfg(feature = "tokio")]
    impl tokio::io::AsyncRead for Slow {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let n = self.read(cx, buffer.initialize_unfilled());
            n.map_ok(|n| buffer.advance(n))
        }
    }

    #[cfg(feature = "tokio")]
    impl tokio::io::AsyncBufRead for Slow {
        fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
            self.get_mut().poll(cx)
        }

        fn consume(mut self: Pin<&mut Self>, n: usize) {
            self.used(n);
        }
    }

    /// A writer that takes so many bytes at a time.
    struct Pipe {
        told: Told,
        at_once: usize,
        room: usize,
        polled: bool,
    }

    impl Pipe {
        fn new(at_once: usize, room: usize) -> (Pipe, Told) {
            let told = Told::default();
            (Pipe { told: told.clone(), at_once, room, polled: false }, told)
        }

        fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if !std::mem::replace(&mut self.polled, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.polled = false;
            let n = bytes.len().min(self.at_once).min(self.room);
            self.room -= n;
            self.told.note(String::from_utf8_lossy(&bytes[..n]));
            Poll::Ready(Ok(n))
        }

        fn note(&mut self, what: &str) -> Poll<io::Result<()>> {
            self.told.note(what);
            Poll::Ready(Ok(()))
        }
    }

    #[cfg(feature = "futures")]
    impl futures::io::AsyncWrite for Pipe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.note("(flush)")
        }

        fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.note("(close)")
        }
    }

    #[cfg(feature = "tokio")]
    impl tokio::io::AsyncWrite for Pipe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.note("(flush)")
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.note("(close)")
        }
    }

    /// Each claim for the readers and writers of a family.
    macro_rules! family {
        ($family:ident, $feature:literal, $lines:ident, $reader:ident, $write:ident) => {
            #[cfg(feature = $feature)]
            mod $family {
                use super::*;

                fn lines(reader: Slow) -> Result<Vec<String>, Failure<io::Error>> {
                    let executor = Seeded::new(1);
                    let lines = millstream::$lines(executor.clone(), reader);
                    let lines = executor.run_until(lines.collect());
                    assert_eq!(executor.tasks(), 0);
                    lines
                }

                #[test]
                fn lines_end_where_they_should_however_they_are_read() {
                    let text = "a\r\n\nb\rc\n\u{e4}\u{f6}\r\nlast\r";
                    for at_once in 1..20 {
                        let lines = lines(Slow::new(text.as_bytes(), at_once)).unwrap();
                        assert_eq!(lines, ["a", "", "b\rc", "\u{e4}\u{f6}", "last\r"], "{at_once}");
                    }
                }

                #[test]
                fn a_line_that_is_not_utf8_is_told_by_its_number() {
                    for at_once in 1..8 {
                        let read = lines(Slow::new(b"one\n\ntw\xff\nfour\n", at_once));
                        let error = read.unwrap_err().into_error().unwrap();
                        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                        assert_eq!(error.to_string(), "line 3 is not UTF-8");
                        assert_eq!(error.downcast::<NotUtf8>().unwrap(), NotUtf8 { line: 3 });
                    }
                }

                #[test]
                fn an_error_of_the_reader_ends_it() {
                    let read = lines(Slow::new(b"one\ntw", 2).failing());
                    let error = read.unwrap_err().into_error().unwrap();
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                }

                #[test]
                fn a_chunk_is_a_read_and_there_is_none_without_demand() {
                    let executor = Seeded::new(1);
                    let slow = Slow::new(b"abcdefgh", 3);
                    let reads = slow.reads.clone();
                    let chunks = millstream::$reader(executor.clone(), slow, 4)
                        .map_err(|error| error.kind());
                    let handle = watch(chunks);
                    executor.run_until_idle();
                    assert_eq!(reads.load(Ordering::Relaxed), 0);
                    handle.request(2);
                    executor.run_until_idle();
                    assert_eq!(handle.items(), [b"abc".to_vec(), b"def".to_vec()]);
                    assert_eq!(reads.load(Ordering::Relaxed), 2);
                    handle.request(2);
                    executor.run_until_idle();
                    assert_eq!(handle.items().last(), Some(&b"gh".to_vec()));
                    handle.assert_completed();
                }

                #[test]
                #[should_panic(expected = "a chunk holds at least 1 byte")]
                fn a_chunk_of_nothing_is_refused() {
                    let _ = millstream::$reader(Seeded::new(1), Slow::new(b"", 1), 0);
                }

                #[test]
                fn each_chunk_is_written_whole_and_the_writer_flushed_at_idle_and_closed() {
                    let (publisher, control) = scripted::<&str, TestError>();
                    let (pipe, told) = Pipe::new(2, usize::MAX);
                    let mut end = ByHand::new(publisher.$write(pipe));
                    let mut run = || loop {
                        let polled = end.poll();
                        if polled.is_ready() || end.wakes() == 0 {
                            return polled;
                        }
                    };
                    assert!(run().is_pending());
                    control.next("abcde");
                    assert!(run().is_pending());
                    assert_eq!(told.take(), ["ab", "cd", "e", "(flush)"]);
                    control.next("");
                    assert!(run().is_pending());
                    assert_eq!(told.take(), ["(flush)"]);
                    control.next("fg");
                    control.complete();
                    let Poll::Ready(written) = run() else { panic!("it is not ready") };
                    assert_eq!(written.unwrap(), 7);
                    assert_eq!(told.take(), ["fg", "(flush)", "(close)"]);
                }

                #[test]
                fn a_writer_that_takes_no_more_is_an_error_with_what_was_written() {
                    let (pipe, told) = Pipe::new(3, 7);
                    let chunks = millstream::from_iter(["abcd", "efgh", "ijkl"]);
                    let end = chunks.$write(pipe).block();
                    let Err(Failure::Error(DeliveryError::Target(error))) = end else { panic!() };
                    assert_eq!(error.written(), 7);
                    assert!(error.to_string().starts_with("after 7 bytes were written: "));
                    let inner: fn(WriteError) -> io::Error = WriteError::into_inner;
                    assert_eq!(inner(error).kind(), io::ErrorKind::WriteZero);
                    assert_eq!(told.take().concat(), "abcdefg", "it is not closed");
                }
            }
        };
    }

    family!(of_futures, "futures", async_lines, from_async_reader, write_to);
    family!(of_tokio, "tokio", tokio_lines, from_tokio_reader, write_to_tokio);
}

#[cfg(feature = "tokio-sync")]
mod tokio_channels {
    use millstream::edge::Lagged;
    use tokio::sync::{broadcast, mpsc, oneshot, watch as last};

    use super::*;

    #[test]
    fn without_demand_the_channel_fills_and_its_senders_wait() {
        let executor = Seeded::new(1);
        let (sender, receiver) = mpsc::channel(2);
        let handle = watch(millstream::from_mpsc(executor.clone(), receiver));
        executor.run_until_idle();
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        executor.run_until_idle();
        assert!(sender.try_send(3).is_err(), "nothing was received");
        handle.request(1);
        executor.run_until_idle();
        assert_eq!(handle.items(), [1]);
        sender.try_send(3).unwrap();
        handle.request(9);
        executor.run_until_idle();
        assert_eq!(handle.items(), [1, 2, 3]);
        drop(sender);
        executor.run_until_idle();
        handle.assert_completed();
    }

    #[test]
    fn a_cancelled_stream_closes_its_channel() {
        let executor = Seeded::new(1);
        let (sender, receiver) = mpsc::channel(2);
        let handle = watch(millstream::from_mpsc(executor.clone(), receiver));
        let token = Arc::new(());
        sender.try_send(token.clone()).unwrap();
        handle.cancel();
        executor.run_until_idle();
        assert!(sender.is_closed());
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn what_a_broadcast_channel_overwrote_is_told_in_its_place() {
        let executor = Seeded::new(1);
        let (sender, receiver) = broadcast::channel(2);
        let handle = watch(millstream::from_broadcast(executor.clone(), receiver));
        for n in 1..=5 {
            sender.send(n).unwrap();
        }
        handle.request(9);
        executor.run_until_idle();
        assert_eq!(handle.items(), [Err(Lagged { missed: 3 }), Ok(4), Ok(5)]);
        sender.send(6).unwrap();
        drop(sender);
        executor.run_until_idle();
        assert_eq!(handle.items().last(), Some(&Ok(6)));
        handle.assert_completed();
        assert_eq!(executor.tasks(), 0);
    }

    #[test]
    fn what_was_overwritten_can_be_the_end() {
        let executor = Seeded::new(1);
        let (sender, receiver) = broadcast::channel(2);
        for n in 1..=3 {
            sender.send(n).unwrap();
        }
        let items = millstream::from_broadcast(executor.clone(), receiver)
            .try_map(|item: Result<u32, Lagged>| item);
        let end = executor.run_until(items.collect::<Vec<_>>());
        assert_eq!(end.unwrap_err().into_error(), Some(Lagged { missed: 1 }));
        assert_eq!(
            Lagged { missed: 1 }.to_string(),
            "1 items were overwritten before they were received"
        );
    }

    #[test]
    fn whoever_is_slow_gets_the_last_value_of_a_watch_channel() {
        let executor = Seeded::new(1);
        let (sender, receiver) = last::channel(0);
        let handle = watch(millstream::from_watch(executor.clone(), receiver));
        executor.run_until_idle();
        handle.request(1);
        executor.run_until_idle();
        assert_eq!(handle.items(), [0]);
        for n in 1..=3 {
            sender.send(n).unwrap();
        }
        handle.request(2);
        executor.run_until_idle();
        assert_eq!(handle.items(), [0, 3], "those before were passed over, none comes twice");
        sender.send(4).unwrap();
        executor.run_until_idle();
        assert_eq!(handle.items(), [0, 3, 4]);
        sender.send(5).unwrap();
        drop(sender);
        handle.request(2);
        executor.run_until_idle();
        assert_eq!(handle.items(), [0, 3, 4, 5], "the last value is not lost");
        handle.assert_completed();
    }

    #[test]
    fn a_one_shot_whose_sender_is_gone_is_an_error_not_an_end() {
        let executor = Seeded::new(1);
        let (sender, receiver) = oneshot::channel::<u32>();
        let handle = watch(millstream::from_try_future(executor.clone(), receiver));
        executor.run_until_idle();
        drop(sender);
        executor.run_until_idle();
        use millstream_testkit::Event;
        assert!(matches!(handle.end(), Some(Event::Failed(_))));
    }

    #[test]
    fn send_to_asks_for_what_the_channel_has_room_for() {
        let (publisher, control) = scripted::<u32, TestError>();
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let mut end = ByHand::new(publisher.send_to(sender));
        end.pends();
        assert_eq!(control.asked(), [], "there is no room");
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(end.wakes(), 1);
        end.pends();
        assert_eq!(control.asked(), [More::ONE]);
        control.next(1);
        end.pends();
        assert_eq!(control.asked(), [More::ONE], "one more may wait");
        control.next(2);
        end.pends();
        assert_eq!(control.asked(), []);
        assert_eq!(receiver.try_recv(), Ok(1));
        control.complete();
        end.ready().unwrap();
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn send_to_a_receiver_that_is_gone_ends_and_cancels() {
        let (publisher, control) = scripted::<u32, TestError>();
        let (sender, receiver) = mpsc::channel(1);
        let mut end = ByHand::new(publisher.send_to(sender));
        end.pends();
        control.next(1);
        end.pends();
        drop(receiver);
        assert!(matches!(end.ready(), Err(Failure::Error(DeliveryError::Target(_)))));
        assert!(control.is_cancelled());
    }

    #[test]
    fn through_a_channel_and_back_on_a_tokio_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let all = runtime.block_on(async {
            let executor = Seeded::new(1);
            let (sender, receiver) = mpsc::channel(4);
            let sent = tokio::spawn(millstream::from_iter(0..100_u32).send_to(sender));
            let received = millstream::from_mpsc(executor.clone(), receiver).into_stream(4);
            drop(executor);
            drop(received);
            assert!(sent.await.unwrap().is_err(), "the other side is gone");
            let (sender, mut receiver) = mpsc::channel(4);
            let sent = tokio::spawn(millstream::from_iter(0..100_u32).send_to(sender));
            let mut all = Vec::new();
            while let Some(n) = receiver.recv().await {
                all.push(n);
            }
            sent.await.unwrap().unwrap();
            all
        });
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn send_to_a_channel_waits_for_room_and_for_its_turn() {
    let (publisher, control) = scripted::<u32, TestError>();
    let (sender, numbers) = millstream::channel(1);
    let other = sender.clone();
    let received = probe(numbers, Behaviour::new());
    let mut end = ByHand::new(publisher.send_to(sender));
    end.pends();
    assert_eq!(control.asked(), [More::ONE]);
    control.next(1);
    end.pends();
    assert_eq!(control.asked(), [More::ONE], "the first is in the queue");
    control.next(2);
    end.pends();
    assert_eq!(control.asked(), [More::ONE], "the second has a sender that waits");
    control.next(3);
    end.pends();
    assert_eq!(control.asked(), [], "the third waits, and nothing more is asked for");
    end.wakes();
    received.request(1);
    assert_eq!((received.items(), end.wakes()), (vec![1], 1), "its turn has come");
    end.pends();
    control.complete();
    received.request(2);
    end.ready().unwrap();
    assert_eq!(received.items(), [1, 2, 3]);
    received.assert_no_end();
    other.complete();
    received.assert_completed();
}

#[test]
fn send_to_a_channel_that_nobody_reads_ends_and_cancels() {
    let (publisher, control) = scripted::<u32, TestError>();
    let (sender, numbers) = millstream::channel(1);
    let mut end = ByHand::new(publisher.send_to(sender));
    end.pends();
    drop(numbers);
    control.next(1);
    assert!(matches!(end.ready(), Err(Failure::Error(DeliveryError::Target(_)))));
    assert!(control.is_cancelled());
}

#[test]
fn send_to_a_channel_is_no_completion_where_upstream_fails_or_nobody_awaits_it() {
    use millstream_testkit::Event;
    let (publisher, control) = scripted::<u32, TestError>();
    let (sender, numbers) = millstream::channel(1);
    let received = probe(numbers, Behaviour::new().initially(2));
    let mut end = ByHand::new(publisher.send_to(sender));
    end.pends();
    control.next(1);
    control.error(TestError(7));
    assert!(matches!(end.ready(), Err(Failure::Error(DeliveryError::Upstream(TestError(7))))));
    assert_eq!(received.end(), Some(Event::Faulted(Faulted::SourceDropped)));

    let (publisher, control) = scripted::<u32, TestError>();
    let (sender, numbers) = millstream::channel(1);
    let received = probe(numbers, Behaviour::new().initially(2));
    let mut end = ByHand::new(publisher.send_to(sender.complete_on_drop()));
    end.pends();
    drop(end);
    assert!(control.is_cancelled());
    received.assert_completed();
}

#[cfg(feature = "futures")]
mod channel_sink {
    use futures::{SinkExt, StreamExt, stream};
    use millstream::source::SendError;

    use super::*;

    #[test]
    fn into_sink_is_ready_when_what_was_sent_is_in_the_queue() {
        let (sender, numbers) = millstream::channel(1);
        let handle = watch(numbers);
        let mut sink = sender.into_sink();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sink.poll_ready_unpin(&mut cx).is_ready());
        sink.start_send_unpin(1).unwrap();
        assert!(sink.poll_ready_unpin(&mut cx).is_ready(), "there was room");
        sink.start_send_unpin(2).unwrap();
        let mut ready = ByHand::new(poll_fn(|cx| sink.poll_ready_unpin(cx)));
        ready.pends();
        handle.request(1);
        assert_eq!(handle.items(), [1]);
        assert_eq!(ready.wakes(), 1);
        ready.ready().unwrap();
        drop(ready);
        sink.start_send_unpin(3).unwrap();
        let mut close = ByHand::new(sink.close());
        close.pends();
        handle.request(2);
        close.ready().unwrap();
        assert_eq!(handle.items(), [1, 2, 3]);
        handle.assert_completed();
    }

    #[test]
    fn into_sink_gives_items_back_where_nobody_receives() {
        let (sender, numbers) = millstream::channel(1);
        let handle = watch(numbers);
        let mut sink = sender.into_sink();
        let mut cx = Context::from_waker(Waker::noop());
        sink.start_send_unpin(1).unwrap();
        sink.start_send_unpin(2).unwrap();
        assert!(sink.poll_ready_unpin(&mut cx).is_pending());
        handle.cancel();
        let Poll::Ready(Err(SendError(item))) = sink.poll_ready_unpin(&mut cx) else { panic!() };
        assert_eq!(item, 2);
        assert_eq!(sink.start_send_unpin(3), Err(SendError(3)));
        assert!(ByHand::new(sink.close()).ready().is_ok());
        assert_eq!(sink.start_send_unpin(4), Err(SendError(4)), "it is closed");
    }

    #[test]
    fn into_sink_dropped_without_closing_is_no_completion() {
        use millstream_testkit::Event;
        let (sender, numbers) = millstream::channel::<u8>(1);
        let handle = watch(numbers);
        drop(sender.into_sink());
        assert_eq!(handle.end(), Some(Event::Faulted(Faulted::SourceDropped)));
    }

    #[test]
    fn into_sink_takes_what_a_stream_and_a_publisher_forward() {
        let (sender, numbers) = millstream::channel(2);
        let other = sender.clone().into_sink();
        let sink = sender.into_sink();
        let all = futures::executor::block_on(async {
            let from_stream = stream::iter(0..50).map(Ok).forward(sink);
            let from_publisher = millstream::from_iter(50..100).forward(other);
            let (all, one, two) =
                futures::future::join3(numbers.collect::<Vec<_>>(), from_stream, from_publisher)
                    .await;
            one.unwrap();
            two.unwrap();
            all.unwrap()
        });
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}

/// On threads that really run at the same time.
#[cfg(all(feature = "futures", feature = "tokio-sync"))]
mod on_threads {
    use futures::{SinkExt, StreamExt};
    use millstream::executor::Pool;

    use super::*;

    const ITEMS: i64 = 2_000;

    /// A thread sends through a sink; a pool carries the items over into a stream, back into a
    /// publisher, and into a channel of tokio; a thread receives the first `n` of them.
    fn run(pool: &Pool, ledger: &Ledger, n: i64) -> Vec<i64> {
        let (sender, numbers) = millstream::channel(8);
        let minted = ledger.clone();
        let sending = std::thread::spawn(move || {
            futures::executor::block_on(async {
                let mut sink = sender.into_sink();
                for n in 0..ITEMS {
                    if sink.send(minted.token(n)).await.is_err() {
                        return;
                    }
                }
                sink.close().await.unwrap();
            });
        });
        let stream = numbers.publish_on(pool.handle(), 4).into_stream(3).or_panic();
        let again = millstream::from_stream(pool.handle(), stream);
        let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
        let forwarding = std::thread::spawn(move || again.send_to(sender).block().is_ok());
        let mut received = Vec::new();
        // All of them is up to the end, not up to the last.
        while (n == ITEMS || (received.len() as i64) < n)
            && let Some(token) = receiver.blocking_recv()
        {
            received.push(*token.get());
        }
        drop(receiver);
        let whole = forwarding.join().unwrap();
        assert!(whole || n < ITEMS, "it failed, and nobody cancelled");
        sending.join().unwrap();
        received
    }

    #[test]
    fn nothing_is_lost_twice_there_or_kept() {
        let pool = Pool::new(2);
        let ledger = Ledger::new();
        for n in [ITEMS, 0, 1, 2, 7, 100, ITEMS - 1, ITEMS] {
            assert_eq!(run(&pool, &ledger, n), (0..n).collect::<Vec<_>>());
        }
        // What was cancelled there goes with the pool at the latest.
        drop(pool);
        assert_eq!(ledger.live(), 0);
    }

    #[test]
    fn many_streams_share_two_workers() {
        let pool = Pool::new(2);
        let ends: Vec<_> = (0..16_u64)
            .map(|k| {
                let numbers = futures::stream::iter(0..500).then(move |n| soon(n * k));
                let numbers = millstream::from_stream(pool.handle(), numbers);
                let sums = numbers.map_async(pool.handle(), 4, soon).into_stream(2).or_panic();
                std::thread::spawn(move || {
                    futures::executor::block_on(sums.fold(0, |all, n| async move { all + n }))
                })
            })
            .collect();
        for (k, end) in ends.into_iter().enumerate() {
            assert_eq!(end.join().unwrap(), k as u64 * 499 * 500 / 2);
        }
    }
}

/// The queue of an end, on a board.
mod boards {
    use millstream::Board;
    use millstream::board::State;

    use super::*;

    #[cfg(feature = "futures")]
    #[test]
    fn the_queue_of_a_stream_tells_what_it_holds_and_who_waits_for_whom() {
        use futures::StreamExt;

        let board = Board::new(4);
        let (publisher, control) = scripted::<u32, TestError>();
        let line = line!() + 1;
        let mut stream = publisher.into_stream(4).observed(&board).named("answers");
        assert!(board.snapshot().named("answers").is_none(), "it has not begun");
        ByHand::new(stream.next()).pends();
        let row = board.snapshot().named("answers").unwrap().clone();
        assert_eq!((row.kind, row.capacity, row.location.line()), ("into_stream", 4, line));
        assert_eq!((row.received, row.sent, row.fill), (0, 0, 0));
        assert!(row.starved_since.is_some() && row.backpressured_since.is_none(), "{row:?}");
        for n in 0..3 {
            control.next(n);
        }
        assert!(ByHand::new(stream.next()).ready().is_some());
        let row = board.snapshot().named("answers").unwrap().clone();
        assert_eq!((row.received, row.sent, row.fill), (3, 1, 2));
        assert!(row.starved_since.is_none() && row.backpressured_since.is_some(), "{row:?}");
        control.complete();
        for _ in 0..3 {
            let _ = ByHand::new(stream.next()).ready();
        }
        let row = board.snapshot().named("answers").unwrap().clone();
        assert_eq!((row.received, row.sent, row.fill), (3, 3, 0));
        assert_eq!(row.state, State::Completed);
    }

    #[test]
    fn the_queue_of_a_target_and_those_above_are_listed() {
        let board = Board::new(4);
        let (publisher, control) = scripted::<crate::common::Token, TestError>();
        let (mint, gate) = (Mint::default(), Gate::default());
        let target = Recorder { sending: Some(gate.clone()), ..recorder(&Told::default()) };
        let end = publisher.prefetch(2).named("ahead").into_target(target);
        let mut end = ByHand::new(end.observed(&board).named("store"));
        end.pends();
        for n in 0..4 {
            control.next(mint.token(n));
            end.pends();
        }
        let snapshot = board.snapshot();
        let (ahead, store) = (snapshot.named("ahead").unwrap(), snapshot.named("store").unwrap());
        assert_eq!((ahead.kind, ahead.fill), ("prefetch", 2));
        assert_eq!((store.kind, store.capacity, store.fill), ("into_target", 1, 1));
        assert!(store.backpressured_since.is_some(), "the target has an item: {store:?}");
        drop(end);
        let snapshot = board.snapshot();
        assert_eq!(snapshot.named("store").unwrap().state, State::Cancelled);
        assert_eq!(mint.alive(), 0);
    }
}
