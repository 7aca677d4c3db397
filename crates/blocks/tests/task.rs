//! Models of a task: what is queued arrives in order and before the end, the task is woken when
//! there is something to do, and an executor that drops it ends the stream.

mod oracle;

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::lane::{Outlet, lane};
use millstream_blocks::task::{BUDGET, TURN, Task, task};
use millstream_core::{Fault, More, Publisher, Pull, Pulled, Subscriber};
use millstream_model::{Runner, run, run_and_drop};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Oracle, Signal, Source, Start, Token, begins, broken, items};

type Boundary<S> = Task<Outlet<Token, Error>, <S as Subscriber<Token, Error>>::Active>;

/// `source` into a lane of `capacity`, on a task.
fn boundary<S: Subscriber<Token, Error>>(
    capacity: usize,
    source: impl Publisher<Item = Token, Error = Error>,
    subscriber: S,
) -> Option<Boundary<S>> {
    task(
        |bell, context| {
            let capacity = NonZeroUsize::new(capacity).unwrap();
            let (inlet, outlet) = lane(capacity, bell.clone(), context, None);
            source.subscribe(inlet);
            outlet
        },
        subscriber,
    )
}

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

fn gone() -> Signal {
    Signal::Fault(Fault::ExecutorGone.to_string())
}

#[test]
fn a_request_races_the_executor() {
    model("task: a_request_races_the_executor", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        oracle.request(1);
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

/// A poll that nobody asked for may come between a knock and its wake-up, and then the wake-up
/// comes for nothing: the next knock needs a waker all the same.
#[test]
fn a_request_races_a_spurious_poll() {
    model("task: a_request_races_a_spurious_poll", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(task.unwrap());
        assert!(!runner.poll());
        // Its first poll is one that nobody asked for.
        let executor = thread::spawn(move || runner.run());
        oracle.request(1);
        oracle.request(1);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

/// What wakes the task by the waker of the last poll but one has come before the next: it is seen.
#[test]
fn a_request_races_a_poll_by_another_waker() {
    model("task: a_request_races_a_poll_by_another_waker", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(task.unwrap());
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.moved().run());
        oracle.request(2);
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

/// An end needs no demand, and nobody to knock.
#[test]
fn the_first_poll_runs_without_a_knock() {
    model("task: the_first_poll_runs_without_a_knock", || {
        let oracle = Oracle::new();
        let source = oracle.items(0..0);
        run(task(move |_, _| source, oracle.probe(|_| More::NONE)));
        assert_eq!(oracle.finish(), [Complete]);
    });
}

#[test]
fn a_producer_races_the_executor_and_a_request() {
    model("task: a_producer_races_the_executor_and_a_request", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..2), start.clone());
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        let producer = thread::spawn(move || start.go());
        oracle.request(2);
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn cancel_races_the_executor() {
    model("task: cancel_races_the_executor", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let task = boundary(2, source, oracle.probe(|_| More::ONE));
        oracle.request(1);
        let executor = thread::spawn(move || run(task));
        oracle.cancel();
        executor.join().unwrap();
        assert!(begins(&all(3), &oracle.finish()));
    });
}

#[test]
fn cancel_races_a_producer_and_the_executor() {
    model("task: cancel_races_a_producer_and_the_executor", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..2), start.clone());
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        oracle.request(9);
        let executor = thread::spawn(move || run(task));
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        executor.join().unwrap();
        assert!(begins(&all(2), &oracle.finish()));
    });
}

/// The executor polls it once, and then has had enough.
#[test]
fn a_request_races_dropping() {
    model("task: a_request_races_dropping", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run_and_drop(task, 1));
        oracle.request(1);
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log == [gone()] || log == [Item(0), gone()], "{log:?}");
    });
}

#[test]
fn a_producer_races_dropping() {
    model("task: a_producer_races_dropping", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..20), start.clone());
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        oracle.request(9);
        let executor = thread::spawn(move || run_and_drop(task, 2));
        start.go();
        executor.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert_eq!(*last, gone());
        assert!(begins(&all(20), before), "{log:?}");
    });
}

/// Row 3 of the known bugs: cancelled, and the executor drops the drain that was queued.
#[test]
fn cancel_races_dropping_what_is_queued() {
    model("task: cancel_races_dropping_what_is_queued", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        oracle.request(1);
        let executor = thread::spawn(move || run_and_drop(task, 0));
        oracle.cancel();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [gone()], "{log:?}");
    });
}

/// Who has cancelled is told nothing.
#[test]
fn a_cancelled_task_is_dropped_in_silence() {
    model("task: a_cancelled_task_is_dropped_in_silence", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(2, source, oracle.probe(|_| More::NONE));
        oracle.cancel();
        run_and_drop(task, 0);
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn a_fault_races_the_executor() {
    model("task: a_fault_races_the_executor", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        oracle.request(1);
        let executor = thread::spawn(move || run(task));
        oracle.fail();
        executor.join().unwrap();
        let log = oracle.finish();
        assert!(log == [broken()] || log == [Item(0), broken()], "{log:?}");
    });
}

#[test]
fn the_first_of_two_faults_stands() {
    model("task: the_first_of_two_faults_stands", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..2));
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        oracle.fail();
        oracle.lose_the_source();
        executor.join().unwrap();
        assert_eq!(oracle.finish(), [broken()]);
    });
}

/// Downstream lets go: what it asked for comes, and then the task is ready.
#[test]
fn detach_races_the_executor() {
    model("task: detach_races_the_executor", || {
        let oracle = Oracle::new();
        let source = Source::Items(oracle.items(0..3));
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        oracle.request(1);
        oracle.detach();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

#[test]
fn detach_races_a_producer() {
    model("task: detach_races_a_producer", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..3), start.clone());
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        oracle.request(1);
        oracle.detach();
        let executor = thread::spawn(move || run(task));
        start.go();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

#[test]
fn detach_races_a_producer_and_the_executor() {
    model("task: detach_races_a_producer_and_the_executor", || {
        let oracle = Oracle::new();
        let start = Start::default();
        let source = Source::Late(oracle.items(0..3), start.clone());
        let task = boundary(1, source, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        oracle.detach();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

/// Has nothing, and says that it has.
struct Restless(Bell, u32);

impl Pull for Restless {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        self.1 += 1;
        assert!(self.1 < 4 * BUDGET / TURN, "nobody else has run for long");
        self.0.ring();
        Pulled::Pending
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Token, Error> {
        self.pull()
    }
}

#[test]
fn it_lets_others_run_when_its_source_wakes_it_again_and_again() {
    model("task: it_lets_others_run_when_its_source_wakes_it_again_and_again", || {
        for requested in [0, 1] {
            let oracle = Oracle::new();
            let task = task(|bell, _| Restless(bell.clone(), 0), oracle.probe(|_| More::NONE));
            if requested > 0 {
                oracle.request(requested);
            }
            run_and_drop(task, 2);
            assert_eq!(oracle.finish(), [gone()]);
        }
    });
}

/// Lets others run where the one that it pulls has nothing, for the first time.
struct Lingering<P>(P, Bell, bool);

impl<P: Pull> Pull for Lingering<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        let pulled = self.0.pull();
        if matches!(pulled, Pulled::Pending) && !std::mem::replace(&mut self.2, true) {
            self.1.linger();
        }
        pulled
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        self.0.look_ahead(started)
    }
}

/// A task whose source lingers once, when it was polled.
fn lingering<S: Subscriber<Token, Error>>(
    oracle: &Oracle,
    start: &Start,
    subscriber: S,
) -> Runner<impl Future<Output = ()> + use<S>> {
    let source = Source::Late(oracle.items(0..2), start.clone());
    let task = task(
        |bell, context| {
            let (inlet, outlet) = lane(NonZeroUsize::MIN, bell.clone(), context, None);
            source.subscribe(inlet);
            Lingering(outlet, bell.clone(), false)
        },
        subscriber,
    );
    let mut runner = Runner::new(task.unwrap());
    oracle.request(1);
    assert!(!runner.poll());
    runner
}

/// It keeps its turn and wakes itself: who knocks meanwhile does not.
#[test]
fn who_knocks_while_it_lingers_wakes_nobody() {
    model("task: who_knocks_while_it_lingers_wakes_nobody", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let mut runner = lingering(&oracle, &start, oracle.probe(|_| More::NONE));
        assert!(runner.was_woken(), "by itself");
        start.go();
        oracle.request(1);
        assert!(!runner.was_woken(), "it is about to run");
        assert!(runner.poll(), "all was there");
        drop(runner);
        assert_eq!(oracle.finish(), all(2));
    });
}

/// After the next poll it rests, and is woken again.
#[test]
fn it_lingers_once() {
    model("task: it_lingers_once", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let mut runner = lingering(&oracle, &start, oracle.probe(|_| More::NONE));
        assert!(runner.was_woken(), "by itself");
        assert!(!runner.poll());
        assert!(!runner.was_woken(), "it rests");
        start.go();
        assert!(runner.was_woken());
        oracle.request(1);
        runner.run();
        assert_eq!(oracle.finish(), all(2));
    });
}

/// The log of a task that lingers on one thread, while another produces, and this one does something.
fn lingering_races(meanwhile: impl FnOnce(&Oracle)) -> Vec<Signal> {
    let (oracle, start) = (Oracle::new(), Start::default());
    let runner = lingering(&oracle, &start, oracle.probe(|_| More::NONE));
    let executor = thread::spawn(move || runner.run_when_woken());
    let producer = thread::spawn(move || start.go());
    meanwhile(&oracle);
    producer.join().unwrap();
    executor.join().unwrap();
    oracle.finish()
}

/// What comes while it lingers, or as it rests after that, is sent.
#[test]
fn a_producer_races_a_task_that_lingers() {
    model("task: a_producer_races_a_task_that_lingers", || {
        let log = lingering_races(|oracle| oracle.request(1));
        assert_eq!(log, all(2));
    });
}

#[test]
fn cancel_races_a_task_that_lingers() {
    model("task: cancel_races_a_task_that_lingers", || {
        let log = lingering_races(Oracle::cancel);
        assert!(begins(&all(2), &log));
    });
}

#[test]
fn detach_races_a_task_that_lingers() {
    model("task: detach_races_a_task_that_lingers", || {
        let (oracle, start) = (Oracle::new(), Start::default());
        let runner = lingering(&oracle, &start, oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || runner.run_when_woken());
        let producer = thread::spawn(move || start.go());
        oracle.detach();
        producer.join().unwrap();
        executor.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
    });
}

/// Three stages: a source, a task, another task.
struct Staged<P>(P, std::sync::mpsc::Sender<Box<dyn Future<Output = ()> + Send + Unpin>>);

impl<P: Publisher<Item = Token, Error = Error>> Publisher for Staged<P> {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        if let Some(task) = boundary(1, self.0, subscriber) {
            self.1.send(Box::new(task)).unwrap();
        }
    }
}

#[test]
fn two_tasks_and_a_consumer() {
    model("task: two_tasks_and_a_consumer", || {
        let oracle = Oracle::new();
        let (send, first) = std::sync::mpsc::channel();
        let source = Staged(Source::Items(oracle.items(0..2)), send);
        let second = boundary(1, source, oracle.probe(|_| More::NONE));
        let first = first.recv().unwrap();
        let one = thread::spawn(move || run(Some(first)));
        let other = thread::spawn(move || run(second));
        oracle.request(2);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
    });
}

#[test]
fn two_tasks_and_a_canceller() {
    model("task: two_tasks_and_a_canceller", || {
        let oracle = Oracle::new();
        let (send, first) = std::sync::mpsc::channel();
        let source = Staged(Source::Items(oracle.items(0..2)), send);
        let second = boundary(1, source, oracle.probe(|_| More::NONE));
        let first = first.recv().unwrap();
        oracle.request(2);
        let one = thread::spawn(move || run(Some(first)));
        let other = thread::spawn(move || run(second));
        oracle.cancel();
        one.join().unwrap();
        other.join().unwrap();
        assert!(begins(&all(2), &oracle.finish()));
    });
}

#[cfg(not(millstream_loom))]
mod on_one_thread {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn it_lets_others_run_after_its_budget() {
        let oracle = Oracle::new();
        let n = BUDGET * 2 + 1;
        let source = Source::Items(oracle.items(0..n));
        let mut task = boundary(64, source, oracle.probe(|_| More::NONE)).unwrap();
        oracle.request(u64::from(n));
        let mut polls = 0;
        let waker = Waker::noop();
        loop {
            polls += 1;
            assert!(polls < 10);
            if let Poll::Ready(()) = Pin::new(&mut task).poll(&mut Context::from_waker(waker)) {
                break;
            }
        }
        drop(task);
        assert_eq!(polls, 3);
        assert_eq!(oracle.finish(), all(n));
    }

    #[test]
    fn a_downstream_that_is_gone_has_no_task() {
        struct Gone;
        impl Subscriber<Token, Error> for Gone {
            type Active = Gone;
            fn on_subscribe(self, subscription: millstream_core::Subscription) -> Gone {
                subscription.cancel();
                self
            }
        }
        impl millstream_core::ActiveSubscriber<Token, Error> for Gone {
            fn on_next(&mut self, _: Token) -> More {
                More::NONE
            }
            fn on_complete(self) {}
            fn on_error(self, _: Error) {}
        }
        let oracle = Oracle::new();
        assert!(boundary(1, Source::Items(oracle.items(0..3)), Gone).is_none());
        assert_eq!(oracle.count(), 0);
    }
}
