//! The executors without threads of their own keep the contract, and do what their tests need.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use millstream_executors::{CurrentThread, Executor, Seeded};
use millstream_testkit::executor::{Subject, check};

#[test]
fn the_current_thread_keeps_the_contract() {
    check(|| {
        let executor = Arc::new(Mutex::new(Some(CurrentThread::new())));
        let runner = executor.clone();
        let handle = executor.lock().unwrap().as_ref().unwrap().handle();
        Subject::new(handle, move || drop(executor.lock().unwrap().take())).run_by(move || {
            if let Some(executor) = &*runner.lock().unwrap() {
                // Not until it is idle: a task may keep it busy until it is ended.
                for _ in 0..16 {
                    let _ran = executor.step();
                }
            }
        })
    });
}

#[test]
fn the_seeded_executor_keeps_the_contract() {
    for seed in 0..20 {
        check(|| {
            let executor = Seeded::new(seed);
            let (runner, ender) = (executor.clone(), executor.clone());
            let end = move || {
                ender.refuse_after(0);
                ender.drop_all();
            };
            Subject::new(executor, end).run_by(move || {
                for _ in 0..16 {
                    let _ran = runner.step();
                }
            })
        });
    }
}

#[test]
fn each_kth_task_is_refused_and_dropped() {
    let executor = Seeded::new(1);
    executor.refuse_every(3);
    let alive = Arc::new(());
    let taken: Vec<bool> = (0..7)
        .map(|_| {
            let alive = alive.clone();
            executor.spawn(Box::pin(async move { drop(alive) })).is_ok()
        })
        .collect();
    assert_eq!(taken, [true, true, false, true, true, false, true]);
    assert_eq!(Arc::strong_count(&alive) - 1, 5);
    executor.run_until_idle();
    assert_eq!(Arc::strong_count(&alive) - 1, 0);
}

#[test]
#[should_panic(expected = "refuse_every(0)")]
fn each_zeroth_task_cannot_be_refused() {
    Seeded::new(1).refuse_every(0);
}

#[test]
fn a_task_can_be_polled_when_nobody_woke_it() {
    let executor = Seeded::new(1);
    let polls = Arc::new(Mutex::new(0));
    let count = polls.clone();
    let task = std::future::poll_fn(move |_| {
        *count.lock().unwrap() += 1;
        if *count.lock().unwrap() == 3 { Poll::Ready(()) } else { Poll::Pending }
    });
    assert!(!executor.step_spuriously(), "there is no task");
    executor.spawn(Box::pin(task)).unwrap();
    assert!(executor.step_spuriously());
    // It was to be polled, and is all the same.
    assert!(executor.step());
    assert!(!executor.step());
    assert_eq!(*polls.lock().unwrap(), 2);
    assert!(executor.step_spuriously());
    assert_eq!((*polls.lock().unwrap(), executor.tasks()), (3, 0));
}

#[test]
fn one_ready_task_can_be_dropped() {
    let executor = Seeded::new(1);
    for _ in 0..3 {
        executor.spawn(Box::pin(std::future::pending())).unwrap();
    }
    assert!(executor.drop_ready());
    assert_eq!(executor.tasks(), 2);
    executor.run_until_idle();
    assert!(!executor.drop_ready(), "those that rest are not ready");
}
