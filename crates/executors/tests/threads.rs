//! The place for blocking work keeps the contract, and its bound.

use std::sync::mpsc::channel;
use std::thread;

use millstream_executors::{Executor, Threads, executor_thread};
use millstream_testkit::executor::{Subject, check};

#[test]
fn threads_keep_the_contract() {
    check(|| {
        let threads = Threads::new(4);
        Subject::new(threads.handle(), move || drop(threads)).where_tasks_may_block()
    });
}

#[test]
#[should_panic(expected = "Threads::new(0): a task needs at least 1 thread, and 0 were allowed")]
fn no_thread_is_refused() {
    drop(Threads::new(0));
}

#[test]
fn one_more_than_there_may_be_is_refused_until_one_is_over() {
    let threads = Threads::named("files", 2);
    let (go, wait) = channel::<()>();
    let (send, receive) = channel();
    for wait in [Some(wait), None] {
        let send = send.clone();
        let task = async move {
            send.send(thread::current().name().map(str::to_owned)).unwrap();
            match wait {
                Some(wait) => wait.recv().unwrap(),
                None => std::future::pending().await,
            }
        };
        threads.handle().spawn(Box::pin(task)).unwrap();
    }
    let mut names = [receive.recv().unwrap().unwrap(), receive.recv().unwrap().unwrap()];
    names.sort();
    assert_eq!(names, ["files-0", "files-1"]);
    let refused = threads.handle().spawn(Box::pin(async {})).unwrap_err();
    assert_eq!(refused.to_string(), "`files` takes no more tasks: all of its 2 threads are taken");
    go.send(()).unwrap();
    // Its place is free some time after the task is over.
    while threads.handle().spawn(Box::pin(async {})).is_err() {
        thread::yield_now();
    }
    drop(threads);
}

#[test]
fn a_task_that_blocks_keeps_nobody_waiting() {
    let threads = Threads::new(2);
    let (go, wait) = channel();
    let (send, receive) = channel();
    let first = send.clone();
    let blocked = async move {
        assert!(!executor_thread::is_current(), "it may block");
        first.send(wait.recv().unwrap()).unwrap();
    };
    threads.handle().spawn(Box::pin(blocked)).unwrap();
    threads.handle().spawn(Box::pin(async move { send.send(1).unwrap() })).unwrap();
    assert_eq!(receive.recv(), Ok(1));
    go.send(2).unwrap();
    assert_eq!(receive.recv(), Ok(2));
}
