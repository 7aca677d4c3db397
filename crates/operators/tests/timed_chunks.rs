//! Chunks that are complete by time as well, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use millstream::prelude::*;
use millstream_testkit::{Behaviour, Ledger, ScriptedPublisher, VirtualTime, probe};
use proptest::prelude::*;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_chunk_is_complete_by_size_or_by_time() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let chunks = items.chunks_timeout(time.clone(), 4, 3, seconds(5));
    let probe = probe(chunks, Behaviour::new().initially(u64::MAX));
    for n in 0..4 {
        sender.try_send(n).unwrap();
    }
    time.run_until_idle();
    probe.assert_items(&[vec![0, 1, 2]]);
    time.advance(Duration::from_millis(4_999));
    probe.assert_items(&[vec![0, 1, 2]]);
    time.advance(Duration::from_millis(1));
    probe.assert_items(&[vec![0, 1, 2], vec![3]]);
    assert_eq!(time.clock().timers(), 0, "no chunk is open");
    time.advance(seconds(100));
    probe.assert_items(&[vec![0, 1, 2], vec![3]]);
}

/// The partial chunk is not flushed by the request, but by its time.
#[test]
fn a_request_completes_no_chunk_before_its_time() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(items.chunks_timeout(time.clone(), 4, 3, seconds(5)), Behaviour::new());
    sender.try_send(1).unwrap();
    time.advance(seconds(3));
    probe.request(1);
    time.advance(seconds(1));
    assert_eq!(probe.items().len(), 0);
    time.advance(seconds(1));
    probe.assert_items(&[vec![1]]);
}

#[test]
fn a_chunk_whose_time_has_come_is_filled_until_it_is_asked_for() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(items.chunks_timeout(time.clone(), 1, 3, seconds(5)), Behaviour::new());
    sender.try_send(1).unwrap();
    time.advance(seconds(50));
    assert_eq!(time.clock().timers(), 0, "nobody waits for it");
    sender.try_send(2).unwrap();
    time.run_until_idle();
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[vec![1, 2]]);
}

#[test]
fn no_more_is_taken_than_a_chunk_and_the_queue() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(99);
    let probe = probe(items.chunks_timeout(time.clone(), 4, 3, seconds(5)), Behaviour::new());
    for n in 0..50 {
        sender.try_send(n).unwrap();
    }
    time.advance(seconds(50));
    assert_eq!(sender.len(), 50 - 3 - 4);
    probe.request(1);
    time.advance(seconds(50));
    probe.assert_items(&[vec![0, 1, 2]]);
}

#[test]
fn the_chunk_that_was_begun_comes_before_completion_and_waits_for_demand() {
    let time = VirtualTime::new(1);
    for boxed in [false, true] {
        let numbers = millstream::range(0..5_u32);
        let chunks = |numbers: millstream::BoxPublisher<u32, _>| {
            probe(numbers.chunks_timeout(time.clone(), 4, 3, seconds(5)), Behaviour::new())
        };
        let probe = if boxed {
            chunks(numbers.boxed())
        } else {
            probe(numbers.chunks_timeout(time.clone(), 4, 3, seconds(5)), Behaviour::new())
        };
        time.advance(seconds(9));
        probe.request(1);
        time.run_until_idle();
        probe.assert_items(&[vec![0, 1, 2]]);
        probe.assert_no_end();
        probe.request(1);
        time.run_until_idle();
        probe.assert_items(&[vec![0, 1, 2], vec![3, 4]]);
        probe.assert_completed();
    }
}

#[test]
fn a_failure_discards_the_chunk_that_was_begun() {
    let time = VirtualTime::new(1);
    let ledger = Ledger::new();
    let script = ScriptedPublisher::<_, &str>::new();
    let (told, discards) = std::sync::mpsc::channel();
    let chunks = script
        .clone()
        .chunks_timeout(time.clone(), 4, 3, seconds(5))
        .on_discard(move |token: millstream_testkit::Token| told.send(token.value()).unwrap());
    let probe = probe(chunks, Behaviour::new().initially(9));
    time.run_until_idle();
    script.next(ledger.token(1));
    script.next(ledger.token(2));
    time.run_until_idle();
    script.error("x");
    time.run_until_idle();
    probe.assert_failed(&"x");
    assert_eq!(discards.try_iter().collect::<Vec<_>>(), [1, 2]);
    ledger.assert_settled();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn an_endless_synchronous_upstream_goes_on_for_a_time_and_is_cancelled() {
    let time = VirtualTime::new(1);
    let clock = time.clock().clone();
    let slow = millstream::from_iter(0_u32..).map(move |n| {
        clock.advance(seconds(1));
        n
    });
    let chunks = slow.chunks_timeout(time.clone(), 4, 1_000_000, seconds(5)).take(2);
    let chunks = time.run_until(chunks.collect::<Vec<_>>()).unwrap();
    assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6], "each took a second");
}

#[test]
fn weights_cut_and_so_does_time() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u64>(9);
    let chunks = items.chunks_weighted_timeout(time.clone(), 4, 5, seconds(5), |n| *n);
    let probe = probe(chunks, Behaviour::new().initially(u64::MAX));
    for n in [2, 2, 4, 9, 1] {
        sender.try_send(n).unwrap();
    }
    time.run_until_idle();
    probe.assert_items(&[vec![2, 2], vec![4], vec![9]]);
    time.advance(seconds(5));
    probe.assert_items(&[vec![2, 2], vec![4], vec![9], vec![1]]);
}

#[derive(Debug, Clone)]
enum Act {
    Send(u32),
    Ask(u64),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1..6_u32).prop_map(Act::Send),
        (1..4_u64).prop_map(Act::Ask),
        (1..9_u64).prop_map(Act::Wait),
    ]
}

/// Chunks of up to `size`, as a plain list would have them.
struct Model {
    size: usize,
    within: u64,
    now: u64,
    wanted: u64,
    queue: VecDeque<u32>,
    open: Vec<u32>,
    until: u64,
    sent: Vec<Vec<u32>>,
}

impl Model {
    fn work(&mut self) {
        loop {
            let goes =
                self.open.len() == self.size || (!self.open.is_empty() && self.until <= self.now);
            if goes && self.wanted > 0 {
                self.wanted -= 1;
                self.sent.push(std::mem::take(&mut self.open));
            } else if self.open.len() < self.size
                && let Some(item) = self.queue.pop_front()
            {
                if self.open.is_empty() {
                    self.until = self.now + self.within;
                }
                self.open.push(item);
            } else {
                return;
            }
        }
    }

    fn wait(&mut self, n: u64) {
        let end = self.now + n;
        if !self.open.is_empty() && self.wanted > 0 && self.until <= end {
            self.now = self.now.max(self.until);
            self.work();
        }
        self.now = end;
        self.work();
    }
}

proptest! {
    #[test]
    fn chunks_timeout_is_its_model(
        size in 1..5_usize,
        prefetch in 1..5_usize,
        within in 1..9_u64,
        acts in proptest::collection::vec(act(), 0..40),
        seed: u64,
        cancelled: bool,
    ) {
        let time = VirtualTime::new(seed);
        let ledger = Ledger::new();
        let (sender, items) = millstream::channel(999);
        let chunks = items.chunks_timeout(time.clone(), prefetch, size, seconds(within));
        let probe = probe(chunks, Behaviour::new());
        let mut model = Model {
            size, within, now: 0, wanted: 0, queue: VecDeque::new(), open: Vec::new(), until: 0,
            sent: Vec::new(),
        };
        let mut next = 0;
        for act in acts {
            match act {
                Act::Send(n) => for _ in 0..n {
                    sender.try_send(ledger.counted(next)).unwrap();
                    model.queue.push_back(next);
                    next += 1;
                },
                Act::Ask(n) => {
                    probe.request(n);
                    model.wanted += n;
                }
                Act::Wait(n) => {
                    // What was sent and asked for at one moment is seen at that moment.
                    time.run_until_idle();
                    model.work();
                    time.advance(seconds(n));
                    model.wait(n);
                }
            }
            time.run_until_idle();
            model.work();
            let items: Vec<Vec<u32>> =
                probe.items().iter().map(|chunk| chunk.iter().map(|n| *n.get()).collect()).collect();
            prop_assert_eq!(&items, &model.sent);
        }
        if cancelled {
            probe.cancel();
        } else {
            sender.complete();
            probe.request(u64::MAX);
        }
        time.run_until_rest();
        probe.assert_no_violation();
        if !cancelled {
            probe.assert_completed();
            let all: usize = probe.items().iter().map(Vec::len).sum();
            prop_assert_eq!(all, next as usize);
        }
        prop_assert_eq!(time.clock().timers(), 0);
        drop((probe, time));
        ledger.assert_settled();
    }
}
