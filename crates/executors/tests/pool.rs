//! The pool keeps the contract, whatever the number of its threads, and ends from anywhere.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use millstream_executors::{Executor, Pool};
use millstream_testkit::executor::{Subject, check};

#[test]
fn pools_keep_the_contract() {
    for threads in [1, 2, 4] {
        check(|| {
            let pool = Pool::new(threads);
            Subject::new(pool.handle(), move || drop(pool))
        });
    }
}

#[test]
#[should_panic(expected = "Pool::new(0): a pool has at least 1 thread, and 0 were asked for")]
fn a_pool_without_threads_is_refused() {
    drop(Pool::new(0));
}

#[test]
fn all_workers_work_and_have_names() {
    let pool = Pool::named("mill", 3);
    let (all, names) = (Arc::new(Barrier::new(3)), Arc::new(Mutex::new(BTreeSet::new())));
    let (send, receive) = channel();
    for _ in 0..3 {
        let (all, names, send) = (all.clone(), names.clone(), send.clone());
        let task = async move {
            names.lock().unwrap().insert(thread::current().name().unwrap().to_owned());
            // None goes on before each has a thread.
            all.wait();
            send.send(()).unwrap();
        };
        pool.handle().spawn(Box::pin(task)).unwrap();
    }
    for _ in 0..3 {
        receive.recv().unwrap();
    }
    let names = names.lock().unwrap().iter().cloned().collect::<Vec<_>>();
    assert_eq!(names, ["mill-0", "mill-1", "mill-2"]);
    assert_eq!(pool.threads(), 3);
}

#[test]
fn a_pool_that_is_dropped_has_dropped_its_tasks() {
    let alive = Arc::new(());
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        let (send, receive) = channel();
        for _ in 0..10 {
            let (held, send) = (alive.clone(), send.clone());
            let rests = async move {
                send.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(held);
            };
            pool.handle().spawn(Box::pin(rests)).unwrap();
        }
        receive.recv().unwrap();
        let handle = pool.handle();
        drop(pool);
        assert_eq!(Arc::strong_count(&alive), 1);
        let refused = handle.spawn(Box::pin(async {})).unwrap_err();
        let said = "the pool `millstream-pool` takes no more tasks: it is shut down";
        assert_eq!(refused.to_string(), said);
    }
}

#[test]
fn a_pool_can_be_dropped_by_one_of_its_own_tasks() {
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        let handle = pool.handle();
        let (send, dropped) = channel();
        struct Tells(std::sync::mpsc::Sender<&'static str>);
        impl Drop for Tells {
            fn drop(&mut self) {
                let _nobody_listens = self.0.send("dropped");
            }
        }
        let rests = Tells(send.clone());
        let rests = async move {
            let _held = rests;
            std::future::pending::<()>().await;
        };
        handle.spawn(Box::pin(rests)).unwrap();
        let ends = async move {
            drop(pool);
            send.send("ended").unwrap();
        };
        handle.spawn(Box::pin(ends)).unwrap();
        // The tasks go when the last worker leaves.
        let mut told: Vec<_> = dropped.iter().collect();
        told.sort_unstable();
        assert_eq!(told, ["dropped", "ended"]);
        assert!(handle.spawn(Box::pin(async {})).is_err());
    }
}

/// Wake-ups while the pool is dropped: none of them keeps a task.
#[test]
fn waking_while_a_pool_is_dropped_keeps_no_task() {
    for round in 0..300 {
        let (pool, alive) = (Pool::new(1 + round % 2), Arc::new(()));
        let (send, receive) = channel();
        let held = alive.clone();
        let rests = std::future::poll_fn(move |context| {
            let _held = &held;
            let _nobody_listens = send.send(context.waker().clone());
            std::task::Poll::<()>::Pending
        });
        pool.handle().spawn(Box::pin(rests)).unwrap();
        let waker = receive.recv().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    waker.wake_by_ref();
                }
            });
            drop(pool);
        });
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

/// Each would wait for the other, if they waited.
#[test]
fn two_pools_can_drop_each_other() {
    let (left, right) = (Pool::new(1), Pool::new(1));
    let (handles, alive) = ([left.handle(), right.handle()], Arc::new(()));
    for handle in &handles {
        let held = alive.clone();
        let rests = async move {
            let _held = held;
            std::future::pending::<()>().await;
        };
        handle.spawn(Box::pin(rests)).unwrap();
    }
    let (both, (send, receive)) = (Arc::new(Barrier::new(2)), channel());
    for (handle, other) in handles.iter().zip([right, left]) {
        let (both, send) = (both.clone(), send.clone());
        let ends = async move {
            // Both polls are going on when the first is dropped.
            both.wait();
            drop(other);
            send.send(()).unwrap();
        };
        handle.spawn(Box::pin(ends)).unwrap();
    }
    for _ in 0..2 {
        receive.recv().unwrap();
    }
    while Arc::strong_count(&alive) > 1 {
        thread::yield_now();
    }
}

#[test]
fn spawning_while_a_pool_is_dropped_keeps_no_task() {
    for round in 0..100 {
        let (pool, alive) = (Pool::new(1 + round % 2), Arc::new(()));
        let handle = pool.handle();
        let spawned = thread::scope(|scope| {
            let spawner = scope.spawn(|| {
                let mut spawned = 0;
                loop {
                    let held = alive.clone();
                    let rests = async move {
                        let _held = held;
                        std::future::pending::<()>().await;
                    };
                    if handle.spawn(Box::pin(rests)).is_err() {
                        return spawned;
                    }
                    spawned += 1;
                }
            });
            drop(pool);
            spawner.join().unwrap()
        });
        assert_eq!(Arc::strong_count(&alive), 1, "after {spawned} tasks");
    }
}
