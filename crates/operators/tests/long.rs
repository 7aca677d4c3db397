//! Ten million items through three boundaries under a slow consumer. In a process of its own, since what is
//! resident is the whole process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::executor::Pool;
use millstream::prelude::*;

const ITEMS: u32 = 10_000_000;
const CAPACITY: usize = 256;
/// What is in the hands of the source, of each stage between two queues, and of the consumer.
const IN_HANDS: usize = 4;

/// An item that is counted while it lives.
struct Held(u32, Arc<AtomicUsize>);

impl Held {
    fn new(n: u32, live: &Arc<AtomicUsize>) -> Held {
        live.fetch_add(1, Ordering::Relaxed);
        Held(n, live.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// KiB in memory, where the system tells.
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[test]
fn three_boundaries_hold_no_more_than_their_capacities_after_ten_million_items() {
    let pool = Pool::new(2);
    let live = Arc::new(AtomicUsize::new(0));
    let (made, alive) = (live.clone(), live.clone());
    let (mut most, mut next, mut memory) = (0, 0, Vec::new());
    let items = millstream::from_iter(0..ITEMS)
        .map(move |n| Held::new(n, &made))
        .subscribe_on(pool.handle())
        .publish_on(pool.handle(), CAPACITY)
        .publish_on(pool.handle(), CAPACITY)
        .publish_on(pool.handle(), CAPACITY)
        .map(move |item| {
            assert_eq!(item.0, next, "the next item");
            next += 1;
            most = most.max(alive.load(Ordering::Relaxed));
            // Slower than whoever makes them.
            (0..20).for_each(|_| std::hint::spin_loop());
            if next % (ITEMS / 10) == 0 {
                memory.extend(resident());
            }
            (next == ITEMS).then(|| (most, std::mem::take(&mut memory)))
        });
    let (most, memory) = items.last().block().unwrap().flatten().expect("the last item");
    println!("{most} held at most; resident after each tenth, in KiB: {memory:?}");
    let room = 3 * CAPACITY + IN_HANDS;
    assert!(most <= room, "{most} held, with room for {room}");
    assert!(most > CAPACITY, "it is no bound that nothing comes near to: {most} of {room}");
    assert_eq!(live.load(Ordering::Relaxed), 0, "items outlive the pipeline");
    if let [first, .., last] = memory[..] {
        assert!(last - first <= 256, "{first} KiB became {last}");
    }
}
