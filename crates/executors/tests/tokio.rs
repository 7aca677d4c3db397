//! The executors on tokio keep the contract, and say where there is no runtime.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use millstream_executors::{Executor, Tokio, TokioBlocking, executor_thread};
use millstream_testkit::executor::{Subject, check};
use tokio::runtime::{Builder, Runtime};

fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// A runtime that runs its tasks where it is told to.
fn driven<X: Executor>(runtime: Runtime, executor: X) -> Subject<X> {
    let runtime = Arc::new(Mutex::new(Some(runtime)));
    let runner = runtime.clone();
    Subject::new(executor, move || drop(runtime.lock().unwrap().take())).run_by(move || {
        if let Some(runtime) = &*runner.lock().unwrap() {
            runtime.block_on(async {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
            });
        }
    })
}

#[test]
fn tokio_with_threads_keeps_the_contract() {
    check(|| {
        let runtime = threads();
        Subject::new(Tokio::new(runtime.handle().clone()), move || drop(runtime))
    });
}

#[test]
fn tokio_with_the_current_thread_keeps_the_contract() {
    check(|| {
        let runtime = current_thread();
        let executor = Tokio::new(runtime.handle().clone());
        driven(runtime, executor)
    });
}

#[test]
fn the_blocking_threads_of_tokio_keep_the_contract() {
    check(|| {
        let runtime = threads();
        let executor = TokioBlocking::new(runtime.handle().clone());
        Subject::new(executor, move || drop(runtime)).where_tasks_may_block()
    });
    check(|| {
        let runtime = current_thread();
        let executor = TokioBlocking::new(runtime.handle().clone());
        driven(runtime, executor).where_tasks_may_block()
    });
}

#[test]
#[should_panic(expected = "Tokio::current() outside of a tokio runtime")]
fn there_is_no_current_runtime_outside_of_one() {
    let _ = Tokio::current();
}

#[test]
#[should_panic(expected = "write TokioBlocking::new(runtime.handle().clone()) there")]
fn there_are_no_blocking_threads_outside_of_a_runtime() {
    let _ = TokioBlocking::current();
}

/// More tasks rest than there are blocking threads, and another one runs all the same.
#[test]
fn a_task_that_rests_takes_no_blocking_thread() {
    let runtime =
        Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
    let executor = runtime.block_on(async { TokioBlocking::current() });
    let (send, receive) = channel();
    for _ in 0..3 {
        let send = send.clone();
        let rests = async move {
            send.send(executor_thread::is_current()).unwrap();
            std::future::pending::<()>().await;
        };
        executor.spawn(Box::pin(rests)).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(receive.recv(), Ok(false), "it may block, although it is inside of a runtime");
    }
}
