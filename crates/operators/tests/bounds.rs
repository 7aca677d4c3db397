//! What a pipeline holds, whatever goes through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::Mint;
use millstream::executor::{CurrentThread, Pool};
use millstream::prelude::*;

/// Three boundaries with room for `capacity` each under a consumer that is slower than all of
/// them: the most items that were alive at one time.
fn most_held(capacity: usize, items: u32, pool: &Pool, pause: usize) -> usize {
    let mint = Mint::new();
    let (alive, most) = (mint.clone(), Arc::new(AtomicUsize::new(0)));
    let high = most.clone();
    let minted = mint.clone();
    let seen = millstream::from_iter(0..items)
        .map(move |n| minted.item(n))
        .subscribe_on(pool.handle())
        .publish_on(pool.handle(), capacity)
        .publish_on(pool.handle(), capacity)
        .publish_on(pool.handle(), capacity)
        .for_each(move |item| {
            high.fetch_max(alive.live(), Ordering::Relaxed);
            for _ in 0..pause {
                std::hint::spin_loop();
            }
            drop(item);
        })
        .block();
    assert!(seen.is_ok());
    assert_eq!(mint.live(), 0, "items outlive the pipeline");
    most.load(Ordering::Relaxed)
}

#[test]
fn three_boundaries_under_a_slow_consumer_hold_no_more_than_their_capacities() {
    let pool = Pool::new(2);
    for (capacity, items) in [(1, 2_000), (16, 20_000), (256, 200_000)] {
        // What is in the hands of the source, of each stage between two queues, and of the
        // consumer comes on top.
        let room = 3 * capacity + 4;
        let most = most_held(capacity, items, &pool, 40);
        assert!(most <= room, "{most} of {room} with {capacity} each");
        // It is no bound that nothing ever comes near to.
        assert!(most > capacity, "only {most} with {capacity} each");
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_items() {
    let pool = Pool::new(2);
    for items in [1_000, 10_000, 100_000] {
        assert!(most_held(64, items, &pool, 20) <= 3 * 64 + 4);
    }
}

#[test]
fn a_consumer_that_stops_asking_stops_the_source() {
    let executor = CurrentThread::new();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let on = || executor.handle();
    let items = millstream::from_fn(move || Some(counter.fetch_add(1, Ordering::Relaxed)));
    let mut cursor = items
        .subscribe_on(on())
        .publish_on(on(), 8)
        .publish_on(on(), 8)
        .publish_on(on(), 8)
        .cursor();
    let first = executor.run_until(async { cursor.next().await });
    assert_eq!(first.expect("no failure"), Some(0));
    executor.run_until_idle();
    let made = made.load(Ordering::Relaxed);
    assert!(made <= 3 * 8 + 1, "{made} were made for one that was taken");
}
