//! Models of a task on its way to an executor: what becomes of it is told once, and why.

mod oracle;

use std::sync::{Arc, Mutex};

use millstream_blocks::courier::{Courier, courier};
use millstream_blocks::entrust::{Entrusted, Errand, entrust};
use millstream_core::{
    Fault, More, Refused, Subscriber, Undelivered, on_undelivered, report_undelivered,
};
use millstream_model::{Runner, run_and_drop};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Oracle, Signal, Source, Token, begins};

fn gone() -> Signal {
    Signal::Fault(Fault::ExecutorGone.to_string())
}

fn full() -> Refused {
    Refused::new("the executor", "it is full")
}

type Items<S> = Courier<Source, <S as Subscriber<Token, Error>>::Active>;

/// A task of two items.
fn two_items<S: Subscriber<Token, Error>>(oracle: &Oracle, subscriber: S) -> Items<S> {
    courier(Source::Items(oracle.items(0..2)), subscriber).unwrap()
}

#[test]
fn a_request_races_a_refusal() {
    model("entrust: a_request_races_a_refusal", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        let assembly = thread::spawn(move || entrust(task, |_| Err(full())));
        oracle.request(1);
        assembly.join().unwrap();
        let refused = "the executor takes no more tasks: it is full";
        assert_eq!(oracle.finish(), [Signal::Fault(refused.to_owned())]);
    });
}

#[test]
fn cancel_races_a_refusal() {
    model("entrust: cancel_races_a_refusal", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        let assembly = thread::spawn(move || entrust(task, |_| Err(full())));
        oracle.cancel();
        assembly.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Signal::Fault(full().to_string())], "{log:?}");
    });
}

#[test]
fn an_executor_that_panics_is_told() {
    model("entrust: an_executor_that_panics_is_told", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        oracle.request(1);
        entrust(task, |task| {
            let _dropped_by_the_panic = task;
            std::panic::resume_unwind(Box::new("out of threads"));
        });
        let panicked = "user code panicked: out of threads";
        assert_eq!(oracle.finish(), [Signal::Fault(panicked.to_owned())]);
    });
}

#[test]
fn an_executor_that_takes_a_task_and_drops_it_at_once_is_gone() {
    model("entrust: an_executor_that_takes_a_task_and_drops_it_at_once_is_gone", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        oracle.request(1);
        entrust(task, |task| {
            drop(task);
            Ok(())
        });
        assert_eq!(oracle.finish(), [gone()]);
    });
}

/// On another thread, so that the task is dropped before or after the executor has answered.
#[test]
fn dropping_races_the_answer() {
    model("entrust: dropping_races_the_answer", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        let mut executor = None;
        entrust(task, |task| {
            executor = Some(thread::spawn(move || run_and_drop(Some(task), 0)));
            Ok(())
        });
        oracle.request(1);
        executor.unwrap().join().unwrap();
        assert_eq!(oracle.finish(), [gone()]);
    });
}

/// It runs before the executor has answered, and the answer changes nothing any more.
#[test]
fn running_races_the_answer() {
    model("entrust: running_races_the_answer", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        oracle.request(2);
        let mut executor = None;
        entrust(task, |task| {
            executor = Some(thread::spawn(move || run_and_drop(Some(task), 1)));
            Err(full())
        });
        executor.unwrap().join().unwrap();
        let log = oracle.finish();
        assert!(begins(&[Item(0), Item(1), Complete], &log) && log.len() == 3, "{log:?}");
    });
}

/// Polled by its executor, it does not come back: it ends by itself.
#[test]
fn dropping_what_has_run_races_the_answer() {
    model("entrust: dropping_what_has_run_races_the_answer", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        let mut executor = None;
        entrust(task, |task| {
            executor = Some(thread::spawn(move || run_and_drop(Some(task), 1)));
            Err(full())
        });
        executor.unwrap().join().unwrap();
        assert_eq!(oracle.finish(), [gone()]);
    });
}

/// A panic after the task was taken is nobody's end.
#[test]
fn a_panic_after_the_task_was_taken_is_reported() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let hook = reported.clone();
    on_undelivered(move |undelivered| {
        if let Undelivered::Fault(fault) = undelivered {
            hook.lock().unwrap().push(fault.to_string());
        }
    });
    model("entrust: a_panic_after_the_task_was_taken_is_reported", || {
        let oracle = Oracle::new();
        let task = two_items(&oracle, oracle.probe(|_| More::NONE));
        oracle.request(2);
        let mut taken: Option<Entrusted<_>> = None;
        entrust(task, |task| {
            taken = Some(task);
            std::panic::resume_unwind(Box::new("taken, and then this"));
        });
        Runner::new(taken.unwrap()).run();
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
    // The hook is that of all tests of this file.
    report_undelivered(&Undelivered::Error("the last".to_owned()));
    let reported = reported.lock().unwrap();
    assert!(reported.iter().any(|text| text.contains("taken, and then this")), "{reported:?}");
}

/// One whose stream is over has nothing to tell.
#[test]
fn a_task_that_is_over_is_broken_off_in_silence() {
    model("entrust: a_task_that_is_over_is_broken_off_in_silence", || {
        let oracle = Oracle::new();
        let mut task = two_items(&oracle, oracle.probe(|_| More::NONE));
        oracle.request(2);
        let mut runner = Runner::new(&mut task);
        assert!(runner.poll());
        drop(runner);
        task.break_off(Fault::Refused(full()));
        drop(task);
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
}
