//! Chunks and aggregates that are complete by time as well, in virtual time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::BoxPublisher;
use millstream::chunk::Boundary;
use millstream::prelude::*;
use millstream::source::Channel;
use millstream_testkit::{
    Behaviour, Counted, Ledger, ProbeHandle, ScriptedPublisher, VirtualTime, probe,
};
use proptest::prelude::*;

use crate::schedule::{End, Model as ModelOf, Ports, Signal, Stalls, same_of};

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
            // What is over a box is not pulled.
            chunks(numbers.boxed().boxed())
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

#[test]
fn the_time_of_an_item_that_is_a_chunk_by_itself_is_not_that_of_the_next() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u64>(9);
    let chunks = items.chunks_weighted_timeout(time.clone(), 4, 3, seconds(2), |n| *n);
    let probe = probe(chunks, Behaviour::new());
    for n in [2, 3] {
        sender.try_send(n).unwrap();
    }
    time.run_until_idle();
    time.advance(seconds(2));
    probe.request(2);
    time.run_until_idle();
    sender.try_send(1).unwrap();
    time.run_until_idle();
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[vec![2], vec![3]]);
    time.advance(seconds(2));
    probe.assert_items(&[vec![2], vec![3], vec![1]]);
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

/// Chunks that cost no more than `max`, as a plain list would have them.
struct Model {
    max: u64,
    costs: fn(u32) -> u64,
    within: u64,
    now: u64,
    wanted: u64,
    queue: VecDeque<u32>,
    open: Vec<u32>,
    /// What would have made the open one too heavy: it began the next, then.
    behind: Option<(u32, u64)>,
    until: u64,
    sent: Vec<Vec<u32>>,
}

impl Model {
    fn new(max: u64, costs: fn(u32) -> u64, within: u64) -> Model {
        let (queue, open, sent) = (VecDeque::new(), Vec::new(), Vec::new());
        Model { max, costs, within, now: 0, wanted: 0, queue, open, behind: None, until: 0, sent }
    }

    fn cost(&self) -> u64 {
        self.open.iter().map(|item| (self.costs)(*item)).sum()
    }

    fn put(&mut self, item: u32, came: u64) {
        if self.open.is_empty() {
            self.until = came + self.within;
        }
        self.open.push(item);
    }

    fn work(&mut self) {
        loop {
            let full = self.cost() >= self.max || self.behind.is_some();
            let goes = full || !self.open.is_empty() && self.until <= self.now;
            if goes && self.wanted > 0 {
                self.wanted -= 1;
                self.sent.push(std::mem::take(&mut self.open));
                if let Some((item, came)) = self.behind.take() {
                    self.put(item, came);
                }
            } else if !full && let Some(item) = self.queue.pop_front() {
                if self.open.is_empty() || self.cost() + (self.costs)(item) <= self.max {
                    self.put(item, self.now);
                } else {
                    self.behind = Some((item, self.now));
                }
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

/// What is chunked, and how it goes.
#[derive(Debug, Clone)]
struct Case {
    max: u64,
    prefetch: usize,
    within: u64,
    acts: Vec<Act>,
    seed: u64,
    cancelled: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let acts = proptest::collection::vec(act(), 0..40);
    (1..5_u64, 1..5_usize, 1..9_u64, acts, any::<u64>(), any::<bool>()).prop_map(
        |(max, prefetch, within, acts, seed, cancelled)| Case {
            max,
            prefetch,
            within,
            acts,
            seed,
            cancelled,
        },
    )
}

type Item = Counted<u32>;

/// Runs a case beside the model.
fn same<P>(
    case: Case,
    costs: fn(u32) -> u64,
    chunks: impl FnOnce(Channel<Item>, VirtualTime, &Case) -> P,
) -> Result<(), TestCaseError>
where
    P: Publisher<Item = Vec<Item>, Error = Infallible>,
{
    let time = VirtualTime::new(case.seed);
    let ledger = Ledger::new();
    let (sender, items) = millstream::channel(999);
    let probe = probe(chunks(items, time.clone(), &case), Behaviour::new());
    let mut model = Model::new(case.max, costs, case.within);
    let mut next = 0;
    for act in case.acts {
        match act {
            Act::Send(n) => {
                for _ in 0..n {
                    sender.try_send(ledger.counted(next)).unwrap();
                    model.queue.push_back(next);
                    next += 1;
                }
            }
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
    if case.cancelled {
        probe.cancel();
    } else {
        sender.complete();
        probe.request(u64::MAX);
    }
    time.run_until_rest();
    probe.assert_no_violation();
    if !case.cancelled {
        probe.assert_completed();
        let all: usize = probe.items().iter().map(Vec::len).sum();
        prop_assert_eq!(all, next as usize);
    }
    prop_assert_eq!(time.clock().timers(), 0);
    drop((probe, time));
    ledger.assert_settled();
    Ok(())
}

proptest! {
    #[test]
    fn chunks_timeout_is_as_its_model(case in case()) {
        same(case, |_| 1, |items, time, case| {
            let size = usize::try_from(case.max).unwrap();
            items.chunks_timeout(time, case.prefetch, size, seconds(case.within))
        })?;
    }

    #[test]
    fn chunks_weighted_timeout_is_as_its_model(case in case()) {
        let costs = |item| u64::from(item % 3 + 1);
        same(case, costs, move |items, time, case| {
            let within = seconds(case.within);
            items.chunks_weighted_timeout(time, case.prefetch, case.max, within, move |item| {
                costs(*item.get())
            })
        })?;
    }
}

// ---- aggregate_with_boundary ----------------------------------------------------------------

/// Lists that an item from 5 on completes; another lasts for `lasts` from then, where it says so.
fn lists(
    items: impl Publisher<Item = u32, Error = Infallible>,
    time: &VirtualTime,
    lasts: impl Fn(&[u32]) -> Option<Duration> + Send + 'static,
) -> BoxPublisher<Vec<u32>, Infallible> {
    let add = move |list: &mut Vec<u32>, item| {
        list.push(item);
        match lasts(list) {
            _ if item >= 5 => Boundary::Here,
            Some(lasts) => Boundary::Within(lasts),
            None => Boundary::Open,
        }
    };
    items.boxed().aggregate_with_boundary(time.clone(), 2, Vec::new, add, |list| list).boxed()
}

/// For five seconds from the first item on.
fn since_first(list: &[u32]) -> Option<Duration> {
    (list.len() == 1).then_some(seconds(5))
}

#[test]
fn an_aggregate_is_complete_by_its_answer_or_by_its_time() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(lists(items, &time, since_first), Behaviour::new().initially(u64::MAX));
    for n in [1, 2, 5, 6, 3] {
        sender.try_send(n).unwrap();
    }
    time.run_until_idle();
    probe.assert_items(&[vec![1, 2, 5], vec![6]]);
    time.advance(seconds(4));
    sender.try_send(4).unwrap();
    time.advance(Duration::from_millis(999));
    assert_eq!(probe.items().len(), 2, "the second item says nothing of the time");
    time.advance(Duration::from_millis(1));
    probe.assert_items(&[vec![1, 2, 5], vec![6], vec![3, 4]]);
    assert_eq!(time.clock().timers(), 0, "nothing is open");
}

#[test]
fn an_answer_with_a_time_takes_the_place_of_the_one_before() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    // Gaps; and a 3 in the third place is not waited for.
    let gaps = |list: &[u32]| Some(if list.len() == 3 { Duration::ZERO } else { seconds(5) });
    let probe = probe(lists(items, &time, gaps), Behaviour::new().initially(u64::MAX));
    for n in [1, 2] {
        sender.try_send(n).unwrap();
        time.advance(seconds(4));
    }
    assert_eq!(probe.items().len(), 0);
    time.advance(seconds(1));
    probe.assert_items(&[vec![1, 2]]);
    for n in [1, 2, 3] {
        sender.try_send(n).unwrap();
        time.advance(seconds(1));
    }
    probe.assert_items(&[vec![1, 2], vec![1, 2, 3]]);
}

#[test]
fn an_aggregate_without_a_time_waits_for_its_answer_or_the_end() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(lists(items, &time, |_| None), Behaviour::new().initially(u64::MAX));
    sender.try_send(1).unwrap();
    time.advance(seconds(1_000_000));
    assert_eq!((probe.items().len(), time.clock().timers()), (0, 0));
    sender.complete();
    time.run_until_idle();
    probe.assert_items(&[vec![1]]);
    probe.assert_completed();
}

/// As a chunk is not.
#[test]
fn an_aggregate_whose_time_has_come_takes_no_more_although_nobody_asked_for_it() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(lists(items, &time, since_first), Behaviour::new());
    sender.try_send(1).unwrap();
    time.advance(seconds(50));
    assert_eq!(time.clock().timers(), 0, "nobody waits for it");
    sender.try_send(2).unwrap();
    time.advance(seconds(3));
    probe.request(2);
    time.run_until_idle();
    probe.assert_items(&[vec![1]]);
    time.advance(seconds(2));
    probe.assert_items(&[vec![1], vec![2]]);
}

#[test]
fn an_item_that_ends_an_aggregate_by_time_may_complete_its_own() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(99);
    let probe = probe(lists(items, &time, since_first), Behaviour::new());
    sender.try_send(1).unwrap();
    time.advance(seconds(50));
    for n in 5..50 {
        sender.try_send(n).unwrap();
    }
    time.run_until_idle();
    assert_eq!(sender.len(), 45 - 1 - 2, "one was taken to see that, and two are queued");
    for n in 1..=3 {
        probe.request(1);
        time.run_until_idle();
        assert_eq!(probe.items().len(), n);
    }
    probe.assert_items(&[vec![1], vec![5], vec![6]]);
}

#[test]
fn an_aggregate_of_an_upstream_that_blocks_ends_at_its_time() {
    let time = VirtualTime::new(1);
    let clock = time.clock().clone();
    let slow = millstream::from_iter([0, 0, 7, 0, 0, 9, 0_u64]).map(move |n| {
        clock.advance(seconds(n));
        n
    });
    let count = |count: &mut u32, _| {
        *count += 1;
        Boundary::Within(seconds(5))
    };
    let counts = slow.aggregate_with_boundary(time.clone(), 1, || 0, count, |count| count);
    assert_eq!(time.run_until(counts.collect::<Vec<_>>()).unwrap(), [2, 3, 2]);
}

#[test]
fn the_aggregate_that_was_begun_comes_before_completion_and_waits_for_demand() {
    let time = VirtualTime::new(1);
    let probe = probe(lists(millstream::range(4..7), &time, since_first), Behaviour::new());
    time.run_until_idle();
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[vec![4, 5]]);
    probe.assert_no_end();
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[vec![4, 5], vec![6]]);
    probe.assert_completed();
}

/// Sums over a source by hand.
struct Sums {
    script: ScriptedPublisher<u32, &'static str>,
    probe: ProbeHandle<Counted<u32>, &'static str>,
    /// Those that were made and not delivered.
    discards: std::sync::mpsc::Receiver<u32>,
    /// How many were made.
    harvested: Arc<AtomicUsize>,
}

fn sums(time: &VirtualTime, ledger: &Ledger, demand: u64) -> Sums {
    let script = ScriptedPublisher::<u32, &str>::new();
    let (told, discards) = std::sync::mpsc::channel();
    let harvested = Arc::new(AtomicUsize::new(0));
    let (count, made, kept) = (harvested.clone(), ledger.clone(), ledger.clone());
    let add = |(sum, _): &mut (u32, Counted<u32>), n: u32| {
        *sum += n;
        if *sum >= 5 { Boundary::Here } else { Boundary::Within(seconds(5)) }
    };
    let sums = script
        .clone()
        .aggregate_with_boundary(
            time.clone(),
            4,
            move || (0, kept.counted(0)),
            add,
            move |(sum, _)| {
                count.fetch_add(1, Ordering::Relaxed);
                made.counted(sum)
            },
        )
        .on_discard(move |sum: Counted<u32>| told.send(*sum.get()).unwrap());
    let probe = probe(sums, Behaviour::new().initially(demand));
    time.run_until_idle();
    Sums { script, probe, discards, harvested }
}

#[test]
fn a_failure_drops_the_aggregate_that_was_begun_and_harvests_nothing() {
    let (time, ledger) = (VirtualTime::new(1), Ledger::new());
    let Sums { script, probe, discards, harvested } = sums(&time, &ledger, 9);
    script.next(1);
    time.run_until_idle();
    script.error("x");
    time.run_until_idle();
    probe.assert_failed(&"x");
    assert_eq!(discards.try_iter().count(), 0);
    assert_eq!((harvested.load(Ordering::Relaxed), time.clock().timers()), (0, 0));
    ledger.assert_settled();
}

#[test]
fn a_cancellation_discards_what_was_harvested_and_drops_what_was_begun() {
    let (time, ledger) = (VirtualTime::new(1), Ledger::new());
    let Sums { script, probe, discards, harvested } = sums(&time, &ledger, 0);
    script.next(1);
    time.advance(seconds(9));
    script.next(2);
    time.run_until_idle();
    probe.cancel();
    time.run_until_idle();
    assert_eq!(discards.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!((harvested.load(Ordering::Relaxed), time.clock().timers()), (1, 0));
    drop((script, probe));
    ledger.assert_settled();
}

#[test]
#[should_panic(expected = "aggregate_with_boundary(time, 0, alloc, aggregate, harvest)")]
fn aggregate_with_boundary_refuses_zero() {
    let time = VirtualTime::new(1);
    let items = millstream::range(0..1);
    let _ = items.aggregate_with_boundary(time, 0, || (), |(), _| Boundary::Here, |()| ());
}

/// Sums of up to so many items, which last since the first of them, or since the last.
#[test]
fn aggregate_with_boundary_is_as_its_model() {
    #[derive(Clone, Copy, PartialEq)]
    enum Since {
        First,
        Last,
    }
    for (most, d, prefetch, since) in [
        (1, 5, 1, Since::First),
        (3, 5, 2, Since::First),
        (3, 4, 1, Since::Last),
        (9, 2, 4, Since::Last),
    ] {
        let model = move || -> ModelOf {
            let (mut open, mut complete) = (None::<(i64, u32, u64)>, VecDeque::new());
            Box::new(move |worlds| {
                let world = &mut worlds[0];
                loop {
                    let due = open.is_some_and(|(.., until)| world.now >= until);
                    if world.demand > 0 {
                        if complete.is_empty() && due {
                            complete.extend(open.take().map(|(sum, ..)| sum));
                        }
                        if let Some(sum) = complete.pop_front() {
                            world.send(sum);
                            continue;
                        }
                    }
                    if !complete.is_empty() {
                        return;
                    }
                    match world.inbox.front() {
                        Some(Signal::Item(item)) => {
                            let item = *item;
                            world.inbox.pop_front();
                            if due {
                                complete.extend(open.take().map(|(sum, ..)| sum));
                            }
                            let (sum, n, until) = open.unwrap_or((0, 0, world.now + d));
                            let until = if since == Since::Last { world.now + d } else { until };
                            open = Some((sum + item, n + 1, until));
                            if n + 1 == most {
                                complete.extend(open.take().map(|(sum, ..)| sum));
                            }
                        }
                        Some(Signal::Fail) => return world.end(End::Fail),
                        Some(Signal::Complete) => match open {
                            None => return world.end(End::Complete),
                            Some(_) if world.demand == 0 => return,
                            Some((sum, ..)) => {
                                open = None;
                                world.send(sum);
                            }
                        },
                        None => return,
                    }
                }
            })
        };
        same_of(
            Ports { upstreams: 1, downstreams: 1, stalls: Stalls::Happen },
            |rig| {
                let (hands, aside) = (rig.hands.clone(), rig.hands.clone());
                let add = move |sum: &mut (i64, u32), token: millstream_testkit::Token| {
                    *sum = (sum.0 + token.value(), sum.1 + 1);
                    aside.put_aside(token);
                    match sum.1 {
                        n if n == most => Boundary::Here,
                        n if n == 1 || since == Since::Last => {
                            Boundary::Within(Duration::from_millis(d))
                        }
                        _ => Boundary::Open,
                    }
                };
                let harvest = move |(sum, _)| hands.token(sum);
                let (items, time) = (rig.upstream(0), rig.time.clone());
                vec![items.aggregate_with_boundary(time, prefetch, || (0, 0), add, harvest)]
            },
            model,
            |()| false,
        );
    }
}
