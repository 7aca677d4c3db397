//! The executors without threads of their own keep the contract, and do what their tests need.

use std::sync::atomic::{AtomicBool, Ordering};
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

/// Counts itself, and panics when it is dropped.
struct Bomb(Arc<()>);

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a destructor that panics"));
    }
}

#[test]
fn a_destructor_that_panics_does_not_keep_the_other_tasks() {
    let alive = Arc::new(());
    let seeded = Seeded::new(1);
    let current = CurrentThread::new();
    for n in 0..6 {
        let bomb = Bomb(alive.clone());
        let task = std::future::poll_fn(move |_| {
            let _alive = &bomb.0;
            Poll::<()>::Pending
        });
        if n % 2 == 0 {
            seeded.spawn(Box::pin(task)).unwrap();
        } else {
            current.handle().spawn(Box::pin(task)).unwrap();
        }
    }
    seeded.run_until_idle();
    current.run_until_idle();
    seeded.drop_all();
    drop(current);
    assert_eq!(Arc::strong_count(&alive), 1);
}

/// One thread polls the task, another drops all: whichever comes first, the task is gone after,
/// even where a waker of it is kept.
#[test]
fn a_task_that_is_polled_while_all_are_dropped_does_not_live_on() {
    let executor = Seeded::new(1);
    for round in 0..300 {
        let (alive, kept) = (Arc::new(()), Arc::new(Mutex::new(None)));
        let (held, keeps) = (alive.clone(), kept.clone());
        let polled = Arc::new(AtomicBool::new(false));
        let polls = polled.clone();
        let task = std::future::poll_fn(move |context: &mut std::task::Context<'_>| {
            let _held = &held;
            *keeps.lock().unwrap() = Some(context.waker().clone());
            polls.store(true, Ordering::Release);
            Poll::<()>::Pending
        });
        executor.spawn(Box::pin(task)).unwrap();
        std::thread::scope(|scope| {
            let polls = scope.spawn(|| assert!(executor.step()));
            while !polled.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            executor.drop_all();
            polls.join().unwrap();
        });
        assert_eq!((Arc::strong_count(&alive), executor.tasks()), (1, 0), "round {round}");
        assert!(kept.lock().unwrap().is_some());
    }
}
