//! Sources and ends that meet other asynchronous code: every pattern of demand, cancellation and
//! panic for each source, on an executor that permutes its tasks, and claims one by one.

use std::future::{poll_fn, ready};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use millstream::Fault;
use millstream::edge::{AsyncSource, BoxAsyncSource};
use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream_testkit::sweep::{Source, TestError, check_driven};
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
                    |_| <[i64; _]>::from($items).to_vec(),
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

driven! {
    from_future: |source, executor| {
            let item = source.ledger().token(7);
            millstream::from_future(executor.clone(), soon(item))
        },
        [7];
    from_try_future: |source, executor| {
            let item = source.ledger().token(7);
            millstream::from_try_future(executor.clone(), soon(Ok::<_, TestError>(item)))
        },
        [7];
    from_try_future_that_fails: |_source, executor| {
            let failed = soon(Err::<Token, _>(TestError(0)));
            millstream::from_try_future(executor.clone(), failed)
        },
        [], |options| options.may_fail();
    unfold_async: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                (n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1)))
            })
        },
        [1, 2, 3];
    unfold_async_of_ready_futures: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::unfold_async(executor.clone(), seed, |n| {
                ready((n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1))))
            })
        },
        [1, 2, 3];
    try_unfold_async: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::try_unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                Ok::<_, TestError>((n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1))))
            })
        },
        [1, 2, 3];
    try_unfold_async_that_fails: |source, executor| {
            let seed = source.ledger().token(1);
            millstream::try_unfold_async(executor.clone(), seed, |n| async move {
                let n = soon(n).await;
                if n.value() > 3 { return Err(TestError(3)) }
                Ok(Some((n.clone(), n.map(|n| n + 1))))
            })
        },
        [1, 2, 3], |options| options.may_fail();
    from_source: |source, executor| {
            let three = Three { ledger: source.ledger().clone(), sent: 0, fails: false };
            millstream::from_source(executor.clone(), three)
        },
        [1, 2, 3];
    from_source_in_a_box: |source, executor| {
            let three = Three { ledger: source.ledger().clone(), sent: 0, fails: true };
            millstream::from_source(executor.clone(), Box::new(three) as BoxAsyncSource<_, _>)
        },
        [1, 2, 3], |options| options.may_fail();
    #[cfg(feature = "futures")]
    from_stream: |source, executor| {
            let items: Vec<_> = (1..=3).map(|n| source.ledger().token(n)).collect();
            millstream::from_stream(executor.clone(), futures::stream::iter(items))
        },
        [1, 2, 3];
    #[cfg(feature = "futures")]
    from_stream_that_waits: |source, executor| {
            let ledger = source.ledger().clone();
            let items = futures::stream::unfold(1, move |n| {
                let item = ledger.token(n);
                async move { (n <= 3).then_some((soon(item).await, n + 1)) }
            });
            millstream::from_stream(executor.clone(), items)
        },
        [1, 2, 3];
    #[cfg(feature = "futures")]
    from_try_stream: |source, executor| {
            let items: Vec<_> = (1..=3).map(|n| Ok::<_, TestError>(source.ledger().token(n))).collect();
            millstream::from_try_stream(executor.clone(), futures::stream::iter(items))
        },
        [1, 2, 3];
    #[cfg(feature = "futures")]
    from_try_stream_that_fails: |source, executor| {
            let item = |n| if n == 3 { Err(TestError(2)) } else { Ok(source.ledger().token(n)) };
            let items: Vec<_> = (1..=4).map(item).collect();
            millstream::from_try_stream(executor.clone(), futures::stream::iter(items))
        },
        [1, 2], |options| options.may_fail();
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

fn assert_gone<T: Clone + PartialEq + std::fmt::Debug, E: Clone + PartialEq + std::fmt::Debug>(
    handle: &ProbeHandle<T, E>,
) {
    use millstream_testkit::Event;
    let gone = Faulted::Other(Fault::ExecutorGone.to_string());
    assert_eq!(handle.end(), Some(Event::Faulted(gone)));
    handle.assert_dropped();
}

#[test]
fn an_executor_that_refuses_or_drops_the_task_ends_the_stream_with_a_fault() {
    let executor = Seeded::new(1);
    let gate = Gate::default();
    let handle = watch(millstream::from_future(executor.clone(), gate.pass()));
    executor.run_until_idle();
    executor.drop_all();
    assert_gone(&handle);
    assert!(gate.is_dropped());
    executor.refuse_after(0);
    let gate = Gate::default();
    assert_gone(&watch(millstream::from_future(executor, gate.pass())));
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
    use std::pin::Pin;
    use std::task::Context;

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
