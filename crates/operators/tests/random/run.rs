//! Runs a specification in several ways and compares each run with the oracle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream_core::{Demand, More};
use millstream_sync::lock;
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Answer, Behaviour, Event, Faulted, Probe, ProbeHandle, Token};

use crate::build::{ADAPTIVE, PANIC, Way, World, pipeline};
use crate::oracle::{CHUNK, Outcome, Slack, stages};
use crate::spec::{Ask, Cancel, Comes, Cutting, Keep, Op, Source, Spec, Wait};
use crate::workers::{Runs, Workers};

/// Sources of so many items run on a small stack.
const LONG: usize = 1_000;

/// How much is waited for other threads.
const PATIENCE: Duration = Duration::from_secs(5);

/// Panics where the specification does not hold.
#[cfg(not(millstream_shuttle))]
#[track_caller]
pub(crate) fn check(spec: &Spec) {
    if let Err(what) = holds(spec) {
        panic!("{what}\n{spec:?}");
    }
}

/// On which threads tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// On that of the case.
    None,
    /// On so many others.
    Workers(usize),
    /// On so many others, which lose wake-ups.
    #[cfg(millstream_shuttle)]
    Forgetful(usize),
}

/// A specification that was looked at.
pub(crate) struct Looked {
    spec: Spec,
    outcomes: Vec<Vec<Outcome>>,
}

impl Looked {
    /// One that grows too much is run as far as it does not.
    pub(crate) fn at(spec: &Spec) -> Looked {
        let outcomes = stages(spec, 200.max(3 * spec.source.values().len()));
        let mut spec = spec.clone();
        spec.operators.truncate(outcomes.len() - 1);
        Looked { spec, outcomes }
    }

    /// What does not hold in one run, if anything.
    pub(crate) fn run(&self, way: Way, threads: Threads) -> Result<Tally, String> {
        let run = |runs| Case::new(&self.spec, &self.outcomes, way, runs).run();
        let on_workers = |workers: &Arc<Workers>| run(Runs::Workers(workers.clone()));
        let tally = match threads {
            Threads::None => run(Runs::Seeded(Seeded::new(self.spec.order))),
            Threads::Workers(n) => Workers::with(n, false, on_workers),
            #[cfg(millstream_shuttle)]
            Threads::Forgetful(n) => Workers::with(n, true, on_workers),
        };
        tally.map_err(|what| format!("{way:?}, {threads:?}: {what}"))
    }

    /// In each way that there is.
    #[cfg(not(millstream_shuttle))]
    fn ways(&self, threads: Threads) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for way in [Way::Boxed, Way::Fused, Way::Pulled] {
            // A source on other threads is not pulled.
            if way == Way::Boxed || !matches!(self.spec.source, Source::Threads(_)) {
                tally.add(&self.run(way, threads)?);
            }
        }
        Ok(tally)
    }
}

/// What does not hold, if anything, where all runs on one thread.
#[cfg(not(millstream_shuttle))]
pub(crate) fn holds(spec: &Spec) -> Result<Tally, String> {
    let looked = Looked::at(spec);
    if spec.source.values().len() < LONG {
        return looked.ways(Threads::None);
    }
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let run = || looked.ways(Threads::None);
        let running = small.spawn_scoped(scope, run).expect("a thread can be started");
        running.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// The same with tasks on threads.
#[cfg(not(millstream_shuttle))]
pub(crate) fn holds_on_threads(spec: &Spec) -> Result<Tally, String> {
    Looked::at(spec).ways(Threads::Workers(2))
}

/// How runs ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) items: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) faulted: u64,
    pub(crate) cancelled: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.items += other.items;
        self.completed += other.completed;
        self.failed += other.failed;
        self.faulted += other.faulted;
        self.cancelled += other.cancelled;
    }

    fn of(handle: &Handle) -> Tally {
        let mut tally = Tally { runs: 1, items: handle.delivered(), ..Tally::default() };
        match handle.end() {
            Some(Event::Completed) => tally.completed = 1,
            Some(Event::Failed(_)) => tally.failed = 1,
            Some(Event::Faulted(_)) => tally.faulted = 1,
            _ => tally.cancelled = 1,
        }
        tally
    }
}

/// What may be found of the oracle's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// All of it.
    Whole,
    /// An error comes at once, before items that are still held for want of demand: a
    /// beginning, and an error sooner.
    Beginning,
    /// The same, and something then recovers from that error.
    Nothing,
}

/// Where a function has `panicked`, or may yet.
fn certainty(spec: &Spec, panicked: bool) -> Certainty {
    let mut fails = spec.error.is_some();
    let mut certainty = Certainty::Whole;
    // Whether the items, and their order, are known; and whether they are the same each time.
    let (mut exact, mut same) = (true, true);
    for (at, op) in spec.operators.iter().enumerate() {
        let again = op.begins_anew();
        if !exact && !whatever_the_order(*op, fails) || !same && again {
            return Certainty::Nothing;
        }
        match op {
            Op::ConcatMap(_)
            | Op::ConcatMapStaged(_)
            | Op::ConcatMapBoxed(_)
            | Op::ConcatMapPushed(_)
            | Op::ConcatMapFails(_)
            | Op::ConcatMapIter(_)
            | Op::ChunksFlat(_)
            | Op::ReadyFlat(_)
            | Op::WindowFlat(_)
            | Op::WindowUntilFlat(..)
            | Op::WindowWhileFlat(..)
            | Op::WindowByKeyFlat(..)
            | Op::WindowSlidingFlat(..)
            | Op::WindowSkipFlat(..)
            | Op::AggregateFlat(..)
            | Op::SlidingFlat(..)
            | Op::CutSum(Cutting::Weighted, ..)
            | Op::BatchFlat(_)
            | Op::ConflateFlat
            | Op::RunningFold(_)
                if fails && certainty == Certainty::Whole =>
            {
                certainty = Certainty::Beginning;
            }
            Op::Timed(wait, _) if wait.groups() && fails && certainty == Certainty::Whole => {
                certainty = Certainty::Beginning;
            }
            Op::Retry(_)
            | Op::RetryBackoff(_)
            | Op::RetryAfter(_)
            | Op::RetryWhen(_)
            | Op::OnErrorReturn(_)
            | Op::OnErrorComplete(_)
            | Op::OnErrorResume(_)
            | Op::ChainDelayError(..)
                if certainty == Certainty::Beginning =>
            {
                certainty = Certainty::Nothing;
            }
            // It is not told here after which item an error was made of the panic.
            Op::CatchUnwind if panicked && spec.panic.is_some_and(|(panics, _)| panics < at) => {
                fails = true;
                if certainty == Certainty::Whole {
                    certainty = Certainty::Beginning;
                }
            }
            Op::Merge(..)
            | Op::MergePreferred(..)
            | Op::MergePrioritized(..)
            | Op::BulkheadMerge(..)
            | Op::FlatMapUnordered(..)
            | Op::FlatMapUnorderedDelays(..)
            | Op::MapAsyncUnordered(_)
            | Op::SwitchMap(..)
            | Op::ExhaustMap(..)
            | Op::Overflows(..)
            | Op::Latest
            | Op::DropUnwanted
            | Op::SampleOn(..)
            | Op::Kept(Keep::ThrottleFirst | Keep::ThrottleLatest, ..)
            | Op::Kept(_, Comes::AtOnce, _)
            | Op::BroadcastMerge(_)
            | Op::AlsoToMerge(_)
            | Op::PartitionMerge(..)
            | Op::BalanceMerge(_)
            | Op::GroupBy(..)
            | Op::TakeUntil(_) => exact = false,
            Op::Interleave(..) if fails => exact = false,
            Op::Race(..) | Op::Zip(..) => same = false,
            Op::AlsoTo(n, false, _) if *n != u64::MAX => same = false,
            _ => {}
        }
        fails |= matches!(
            op,
            Op::TryMap(_)
                | Op::Limit(_)
                | Op::LimitWeighted(_)
                | Op::ChainFails(_)
                | Op::ChainDelayError(_, true)
                | Op::ConcatMapFails(_)
                | Op::ConcatMapDelays(_)
                | Op::RetryItem(..)
        );
    }
    certainty
}

/// Whether what comes out of a stage is known but for its order, where what goes in is.
fn whatever_the_order(op: Op, fails: bool) -> bool {
    match op {
        Op::Map(_)
        | Op::MapInto
        | Op::Filter(_)
        | Op::FilterMap(_)
        | Op::SkipErrors(_)
        | Op::FilterAsync(..)
        | Op::Elapsed
        | Op::Materialize
        | Op::IgnoreItems
        | Op::ConcatMap(_)
        | Op::ConcatMapStaged(_)
        | Op::ConcatMapBoxed(_)
        | Op::ConcatMapPushed(_)
        | Op::ConcatMapIter(_)
        | Op::MapErr
        | Op::Inspect
        | Op::InspectFirst
        | Op::InspectErr
        | Op::InspectComplete
        | Op::InspectEnd
        | Op::InspectCancel
        | Op::InspectRequest
        | Op::InspectSubscribe
        | Op::Finally
        | Op::OnDiscard
        | Op::Named
        | Op::Checkpoint
        | Op::Boxed
        | Op::BoxedClone
        | Op::PublishOn(_)
        | Op::SubscribeOn
        | Op::AsyncBoundary(_)
        | Op::Prefetch(_)
        | Op::AdaptivePrefetch(..)
        | Op::ReadyFlat(_)
        | Op::BufferedQueue(_)
        | Op::Overflows(..)
        | Op::Latest
        | Op::Detach
        | Op::BatchFlat(_)
        | Op::ConflateFlat
        | Op::CapDemand(_)
        | Op::DropUnwanted
        | Op::Pausable(_)
        | Op::ExpandLast
        | Op::Acked(..)
        | Op::SampleOn(..)
        | Op::DelaySubscriptionUntil(..)
        | Op::WindowFlat(_)
        | Op::LimitRate(..)
        | Op::Merge(..)
        | Op::MergePreferred(..)
        | Op::MergePrioritized(..)
        | Op::Interleave(..)
        | Op::TakeUntil(_)
        | Op::FlatMapUnordered(..)
        | Op::FlatMapUnorderedDelays(..)
        | Op::FlatMapOrdered(..)
        | Op::SwitchMap(..)
        | Op::ExhaustMap(..)
        | Op::MapAsync(_)
        | Op::MapAsyncUnordered(_)
        | Op::Bulkhead(..)
        | Op::BulkheadMerge(..)
        | Op::CatchUnwind
        | Op::ChainDelayError(..)
        | Op::BroadcastMerge(_)
        | Op::BroadcastZip(_)
        | Op::PartitionMerge(..)
        | Op::BalanceMerge(_)
        | Op::GroupBy(..)
        | Op::Share(_)
        | Op::AlsoToMerge(_)
        | Op::WireTap(..)
        | Op::ThroughStream(_)
        | Op::ThroughChannel(_) => true,
        Op::AlsoTo(n, may_leave, _) => may_leave || n == u64::MAX,
        Op::Timed(wait, _) => !wait.groups() || !fails,
        Op::AggregateFlat(..) => !fails,
        Op::Kept(keep, comes, _) => {
            comes == Comes::AtOnce || matches!(keep, Keep::ThrottleFirst | Keep::ThrottleLatest)
        }
        Op::Chain(_)
        | Op::ChainPushed(_)
        | Op::StartWith(_)
        | Op::Repeat(_)
        | Op::RepeatWhile(_)
        | Op::RepeatWhen(_) => !fails,
        _ => false,
    }
}

/// How many items may be inside: what the operators say under `# Bounds`, what their blueprints
/// hold, and one in flight for each.
fn bound(spec: &Spec, outcomes: &[Vec<Outcome>]) -> u64 {
    let most =
        |before: &[Outcome]| before.iter().map(|before| before.items.len()).max().unwrap_or(0);
    let mut copies = 1;
    let mut all = 0;
    for (op, before) in spec.operators.iter().zip(outcomes).rev() {
        let holds = match *op {
            Op::RunningFold(_) | Op::Pairwise => 3,
            Op::SkipLast(n) | Op::TakeLast(n) => n,
            Op::Unique => most(before),
            // A queue, and an item on its way out of it.
            Op::PublishOn(n) | Op::AsyncBoundary(n) | Op::Prefetch(n) => n + 1,
            // Another one is on its way in while one is on its way out.
            Op::BufferedQueue(n) | Op::Overflows(n, _) => n + 2,
            Op::AdaptivePrefetch(min, more) => min + more + 1,
            Op::Latest | Op::Detach | Op::ExpandLast | Op::DropUnwanted => 3,
            Op::Pausable(n) => n + 1,
            Op::Kept(_, _, n) | Op::SampleOn(_, n) | Op::DelaySubscriptionUntil(_, n) => n + 2,
            Op::Acked(_, window) => 2 * window + 1,
            // The batch, the item that waits and the one behind it; and the batch that is taken
            // apart.
            Op::BatchFlat(n) => 2 * n + 3,
            Op::ConflateFlat => 2 * most(before) + 1,
            // Two queues, the item that waits for its partner, and one of each on its way.
            Op::Merge(_, n)
            | Op::MergePreferred(_, _, n)
            | Op::MergePrioritized(_, _, n)
            | Op::Interleave(_, n)
            | Op::Zip(_, n)
            | Op::Race(_, n) => 2 * n + 4,
            // A queue for each inner publisher, which may have one of its own.
            Op::FlatMapUnordered(_, _, limit, n)
            | Op::FlatMapUnorderedDelays(_, _, limit, n)
            | Op::FlatMapOrdered(_, _, limit, n) => limit + limit * (n + 3),
            // Upstream's queue, and those of the old and the new inner publisher.
            Op::SwitchMap(_, _, n) => n + 2 * (n + 3),
            // Upstream's queue, an item on its way, and the queue of the inner publisher.
            Op::ExhaustMap(_, _, n) => n + 1 + (n + 3),
            Op::MapAsync(limit) | Op::MapAsyncUnordered(limit) | Op::FilterAsync(_, limit) => {
                limit + 1
            }
            // The item that waits, and those in futures.
            Op::Bulkhead(_, limit) => limit + 2,
            // The same for both, and two queues.
            Op::BulkheadMerge(_, _, limit) => 2 * (limit + 2) + 2 * limit + 4,
            // For the latter: what is kept, and what the attempt makes of it.
            Op::ScanAsync(_) | Op::RetryItem(..) => 2,
            // The queue, an item that waits for its time, and one on its way out.
            Op::Timed(wait, n) => {
                n + match wait {
                    Wait::ChunksFlat => 2 * CHUNK + 1,
                    Wait::WeightedFlat(max) => 2 * max as usize + 1,
                    Wait::WindowFlat => 3 * CHUNK + 2,
                    Wait::Adaptive => ADAPTIVE + 1,
                    _ => 2,
                }
            }
            Op::TakeUntil(_) => 1,
            // A queue for each half, one for what each sends, and what was made of it.
            Op::BroadcastMerge(n) | Op::BroadcastZip(n) | Op::AlsoToMerge(n) => 4 * n + 8,
            // A queue for each, and that of the side's task.
            Op::AlsoTo(_, _, n) => 3 * n + 4,
            // What is kept for the side, and the queue of its task.
            Op::WireTap(_, n) => n + 4,
            // Upstream's queue, and one that has no place.
            Op::PartitionMerge(_, n) => 5 * n + 6,
            Op::BalanceMerge(n) => 2 * n + 11,
            // Upstream's queue, one for each group, and one for what each sends.
            Op::GroupBy(keys, n) => n + keys as usize * (n + 3) + 2,
            Op::Share(n) | Op::ThroughStream(n) => n + 2,
            Op::ThroughChannel(n) => 2 * n + 4,
            Op::UniqueWithin(n) => 2 * n,
            // Upstream's queue, and two windows of which one is read.
            Op::WindowFlat(n)
            | Op::WindowUntilFlat(n, _)
            | Op::WindowWhileFlat(n, _)
            | Op::WindowByKeyFlat(n, _) => 3 * n + 2,
            Op::WindowSkipFlat(n, _) => 3 * n + 2,
            // Upstream's queue, and windows: those that are open, and one that is read.
            Op::WindowSlidingFlat(n, step) => (2 + n.div_ceil(step)) * n + 2,
            // The queue, and aggregates: one that was begun, one that is complete, and one that is
            // taken apart.
            Op::AggregateFlat(max, _, _, n) => n + 3 * max + 1,
            // The queue and the chunk together, and what is sent.
            Op::ReadyFlat(n) => 2 * n + 1,
            Op::CutSum(_, n, _) => 2 * n,
            Op::ChunksFlat(n) | Op::ChunksSum(n) | Op::SlidingFlat(n, _) | Op::SlidingSum(n, _) => {
                2 * n
            }
            Op::DefaultIfEmpty(_) | Op::OnErrorReturn(_) | Op::Dedup => 2,
            Op::StatefulMap(_) | Op::MapWithResource(_) | Op::Materialize => 1,
            Op::Chain(_)
            | Op::ChainFails(_)
            | Op::ChainPushed(_)
            | Op::ChainDelayError(..)
            | Op::StartWith(_)
            | Op::SwitchIfEmpty(_)
            | Op::OnErrorResume(_)
            | Op::ConcatMap(_)
            | Op::ConcatMapStaged(_)
            | Op::ConcatMapBoxed(_)
            | Op::ConcatMapPushed(_)
            | Op::ConcatMapFails(_)
            | Op::ConcatMapDelays(_)
            | Op::ConcatMapIter(_) => 1,
            _ => 0,
        };
        // One clone runs while another is kept to begin anew.
        if op.begins_anew() {
            copies += 1;
        }
        all += copies * (holds as u64 + 1);
    }
    all + 2
}

struct Case<'a> {
    spec: &'a Spec,
    /// One of these.
    expected: &'a [Outcome],
    certainty: Certainty,
    world: World,
    way: Way,
}

type Handle = ProbeHandle<i64, TestError>;

impl<'a> Case<'a> {
    fn new(spec: &'a Spec, outcomes: &'a [Vec<Outcome>], way: Way, runs: Runs) -> Case<'a> {
        let world = World::new(bound(spec, outcomes), runs);
        let expected = &outcomes[outcomes.len() - 1];
        Case { spec, expected, certainty: certainty(spec, true), world, way }
    }

    fn behaviour(&self) -> Behaviour {
        let mut behaviour = Behaviour::new();
        // The probe takes the first answer that it finds for an item.
        match self.spec.cancel {
            Some(Cancel::AtOnce) => behaviour = behaviour.cancels_at_once(),
            Some(Cancel::Answer(k)) => behaviour = behaviour.at(k, Answer::CANCEL),
            Some(Cancel::Drop(k)) => behaviour = behaviour.at(k, Answer::Drop),
            Some(Cancel::Outside(_)) | None => {}
        }
        let mut each = false;
        for ask in &self.spec.demand {
            behaviour = match *ask {
                Ask::First(n) => behaviour.initially(n),
                Ask::Each(n) if !each => {
                    each = true;
                    behaviour.each(Answer::More(More::of(n)))
                }
                Ask::EachRequest(n) if !each => {
                    each = true;
                    behaviour.each(Answer::Request(Demand::of(n)))
                }
                Ask::At(k, n) => behaviour.at(k, Answer::More(More::of(n))),
                Ask::AtRequest(k, n) => behaviour.at(k, Answer::Request(Demand::of(n))),
                Ask::Each(_) | Ask::EachRequest(_) | Ask::Outside(_) => behaviour,
            };
        }
        if self.spec.source.values().len() >= LONG {
            behaviour = behaviour.stack_limit(64 << 10);
        }
        behaviour
    }

    fn run(self) -> Result<Tally, String> {
        let bounds = self.world.bounds.clone();
        let (probe, handle) = Probe::recording(
            self.behaviour(),
            move |item: Token| {
                bounds.look();
                item.value()
            },
            |error| error,
        );
        let publisher = pipeline(self.spec, &self.world, self.way);
        let subscribed = catch_unwind(AssertUnwindSafe(|| publisher.subscribe(probe)));
        let result = match subscribed {
            Ok(()) => self.drive(&handle).and_then(|()| self.judge(&handle)),
            Err(_) => Err("a panic came out of `subscribe` (rules 1.9, 2.13)".to_owned()),
        };
        result
            .and_then(|()| self.over(&handle))
            .map(|()| Tally::of(&handle))
            .map_err(|what| format!("{what}\n{}\nlog:\n{}", self.wanted(), handle.log_text()))
    }

    fn wanted(&self) -> String {
        let outcomes = self.expected.iter().map(|Outcome { items, error, slack }| {
            let some = &items[..items.len().min(20)];
            format!("{} items, {some:?}.., and {error:?} ({slack:?})", items.len())
        });
        let outcomes = outcomes.collect::<Vec<_>>().join(" or ");
        format!("expected {outcomes} ({:?})", self.certainty)
    }

    /// The most items that may come.
    fn most(&self) -> usize {
        self.expected.iter().map(|outcome| outcome.items.len()).max().unwrap_or(0)
    }

    /// The items that come, where they are asked for.
    fn sure(&self) -> u64 {
        let sure = |outcome: &Outcome| if outcome.slack.partial { 0 } else { outcome.items.len() };
        self.expected.iter().map(sure).min().unwrap_or(0) as u64
    }

    fn settled(&self, handle: &Handle, done: impl Fn(&Handle) -> bool) -> bool {
        self.world.runs.settle();
        let patience = match self.spec.source {
            Source::Threads(_) => PATIENCE,
            _ => Duration::ZERO,
        };
        handle.wait_until(patience, done)
    }

    /// Whether anything happens that the subscriber need not wait for.
    fn concurrent(&self) -> bool {
        self.spec.operators.iter().any(|op| op.is_boundary())
    }

    /// Whether something below the function that panics may end the stream before, or an error
    /// overtake it.
    fn panic_may_be_missed(&self) -> bool {
        let Some((at, _)) = self.spec.panic else { return true };
        self.concurrent()
            && (self.spec.operators[at..].iter().any(|op| op.may_stop())
                || self.expected.iter().any(|outcome| outcome.error.is_some()))
    }

    /// The first stage that makes an error of what the function panics with.
    fn catches(&self) -> Option<usize> {
        let below = self.spec.panic?.0 + 1;
        let catch = |op: &Op| *op == Op::CatchUnwind;
        self.spec.operators[below..].iter().position(catch).map(|at| below + at)
    }

    /// Asks from outside, until the end or the cancellation.
    fn drive(&self, handle: &Handle) -> Result<(), String> {
        let outside: Vec<u64> = self
            .spec
            .demand
            .iter()
            .filter_map(|ask| if let Ask::Outside(n) = ask { Some(*n) } else { None })
            .collect();
        let pattern: &[u64] = if outside.is_empty() { &[1] } else { &outside };
        let enough = match self.certainty {
            Certainty::Nothing => 1_000 + 2 * self.most(),
            _ => self.most() + 3 + pattern.len(),
        };
        let mut asked = pattern.iter().cycle().take(enough);
        let mut order = self.spec.order;
        loop {
            // Two bits of the order say whether to wait, and if not, how far the tasks get.
            order = order.rotate_right(2);
            if order & 1 != 0 && self.concurrent() {
                self.world.runs.go_on(order >> 1 & 3);
            } else {
                let settled = self.settled(handle, |handle| {
                    let due = handle.requested().count().min(self.sure());
                    handle.is_ended() || handle.is_dropped() || handle.delivered() >= due
                });
                if !settled && self.certainty != Certainty::Nothing {
                    return Err("it stalls".to_owned());
                }
            }
            if let Some(Cancel::Outside(k)) = self.spec.cancel
                && handle.delivered() >= k
            {
                handle.cancel();
            }
            if handle.is_ended() || handle.is_dropped() {
                return Ok(());
            }
            // A last request may be on its way through another thread.
            let Some(n) = asked.next() else {
                self.settled(handle, |handle| handle.is_ended() || handle.is_dropped());
                return Ok(());
            };
            catch_unwind(AssertUnwindSafe(|| handle.request(*n)))
                .map_err(|_| "a panic came out of `request` (rules 2.13, 3.16)")?;
        }
    }

    fn judge(&self, handle: &Handle) -> Result<(), String> {
        let cancelled = |handle: &Handle| {
            handle
                .log()
                .iter()
                .any(|event| matches!(event, Event::Cancelled | Event::Answered(More::CANCEL)))
        };
        let over = self.settled(handle, |handle| handle.is_ended() || handle.is_dropped());
        if !over {
            return Err("it did not end".to_owned());
        }
        let (items, end) = (handle.items(), handle.end());
        let panicked = self.world.panicked.load(SeqCst);
        let caught = if panicked { self.catches() } else { None };
        let certainty = certainty(self.spec, panicked);
        let known = certainty != Certainty::Nothing;
        let begun = |outcome: &&Outcome| outcome.slack.allows(&items, &outcome.items);
        if known && self.expected.iter().find(begun).is_none() {
            return Err("the items are not a beginning of those expected".to_owned());
        }
        if let Some(Cancel::Answer(k)) = self.spec.cancel
            && items.len() as u64 > k
        {
            return Err(format!("items came after the answer `cancel` at {k}"));
        }
        match &end {
            None if cancelled(handle) => Ok(()),
            None => Err("the subscriber was dropped without an end".to_owned()),
            Some(Event::Faulted(Faulted::Panicked(Some(message)))) if message == PANIC => {
                match (panicked, caught) {
                    (true, None) => Ok(()),
                    (true, Some(_)) => Err("a panic was not caught".to_owned()),
                    (false, _) => Err("a fault, and nothing panicked".to_owned()),
                }
            }
            Some(Event::Faulted(_)) => Err("an unexpected fault".to_owned()),
            Some(_)
                if panicked
                    && caught.is_none()
                    && !cancelled(handle)
                    && !self.panic_may_be_missed() =>
            {
                Err("a function panicked, and the end is no fault".to_owned())
            }
            // An error may wait behind items, of which downstream may have enough.
            Some(Event::Completed)
                if certainty == Certainty::Beginning
                    && caught.is_some_and(|at| {
                        !self.spec.operators[at..].iter().any(|op| op.may_stop())
                    })
                    && !cancelled(handle)
                    && !self.panic_may_be_missed() =>
            {
                Err("a panic was caught, and the end is no error".to_owned())
            }
            Some(end) => {
                let as_expected = self.expected.iter().any(|outcome| {
                    let Slack { partial, cut, .. } = outcome.slack;
                    let error = match end {
                        Event::Failed(error) => Some(*error),
                        _ => None,
                    };
                    begun(&outcome)
                        && (partial || items.len() == outcome.items.len())
                        && (error == outcome.error || cut && error.is_none())
                });
                let sooner = matches!(end, Event::Failed(_));
                match certainty {
                    Certainty::Nothing => Ok(()),
                    Certainty::Beginning if sooner || as_expected => Ok(()),
                    Certainty::Whole if as_expected => Ok(()),
                    _ => Err("items or the end are missing, or the end is another".to_owned()),
                }
            }
        }
    }

    /// What holds after each run.
    fn over(&self, handle: &Handle) -> Result<(), String> {
        let before = handle.delivered();
        if let Some(upstream) = handle.upstream() {
            upstream.request(Demand::ONE);
        }
        handle.cancel();
        if !self.settled(handle, Handle::is_dropped) {
            return Err("the subscriber is kept (rules 1.6, 3.13)".to_owned());
        }
        if handle.delivered() != before {
            return Err("an item came after the end (rule 1.7)".to_owned());
        }
        if let Some(violation) = handle.violations().first() {
            return Err(violation.to_string());
        }
        if let Some(breach) = self.world.bounds.breaches().first() {
            return Err(breach.clone());
        }
        let ledger = &self.world.ledger;
        if !self.settled(handle, |_| ledger.live() == 0) {
            return Err(format!("{} items are still held", ledger.live()));
        }
        catch_unwind(AssertUnwindSafe(|| ledger.assert_settled()))
            .map_err(|_| "items were dropped twice")?;
        if !self.settled(handle, |_| Arc::strong_count(&self.world.guard) == 1) {
            return Err("functions or sources are still held".to_owned());
        }
        let missing = || -> usize {
            lock(&self.world.permits).iter().map(|permits| permits.size() - permits.free()).sum()
        };
        if !self.settled(handle, |_| missing() == 0) {
            return Err(format!("{} permits were not given back", missing()));
        }
        if self.world.runs.tasks() > 0 {
            return Err("tasks are still waiting".to_owned());
        }
        if self.world.runs.panicked() {
            return Err("a panic came out of a task".to_owned());
        }
        Ok(())
    }
}
