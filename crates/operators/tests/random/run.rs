//! Runs a specification in several ways and compares each run with the oracle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use millstream::prelude::*;
use millstream_core::{Demand, More};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Answer, Behaviour, Event, Faulted, Probe, ProbeHandle, Token};

use crate::build::{PANIC, Way, World, pipeline};
use crate::oracle::{Outcome, stages};
use crate::spec::{Ask, Cancel, Op, Source, Spec};

/// Sources of so many items run on a small stack.
const LONG: usize = 1_000;

/// How much is waited for other threads.
const PATIENCE: Duration = Duration::from_secs(5);

/// Panics where the specification does not hold.
#[track_caller]
pub(crate) fn check(spec: &Spec) {
    if let Err(what) = holds(spec) {
        panic!("{what}\n{spec:?}");
    }
}

/// What does not hold, if anything.
pub(crate) fn holds(spec: &Spec) -> Result<Tally, String> {
    let sent = spec.source.values().len();
    let outcomes = stages(spec, 200.max(3 * sent));
    // One that grows too much is run as far as it does not.
    let mut spec = spec.clone();
    spec.operators.truncate(outcomes.len() - 1);
    let run = || {
        let mut tally = Tally::default();
        for way in [Way::Boxed, Way::Fused, Way::Pulled] {
            // A source on other threads is not pulled.
            if way == Way::Boxed || !matches!(spec.source, Source::Threads(_)) {
                let run = Case::new(&spec, &outcomes, way).run();
                tally.add(&run.map_err(|what| format!("{way:?}: {what}"))?);
            }
        }
        Ok(tally)
    };
    if sent < LONG {
        return run();
    }
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let running = small.spawn_scoped(scope, run).expect("a thread can be started");
        running.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
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

fn certainty(spec: &Spec) -> Certainty {
    let mut fails = spec.error.is_some();
    let mut certainty = Certainty::Whole;
    for op in &spec.operators {
        match op {
            Op::ConcatMap(_)
            | Op::ConcatMapStaged(_)
            | Op::ConcatMapBoxed(_)
            | Op::ConcatMapPushed(_)
            | Op::ConcatMapFails(_)
            | Op::ConcatMapIter(_)
            | Op::ChunksFlat(_)
            | Op::SlidingFlat(..)
            | Op::RunningFold(_)
                if fails && certainty == Certainty::Whole =>
            {
                certainty = Certainty::Beginning;
            }
            Op::Retry(_) | Op::OnErrorReturn(_) | Op::OnErrorComplete(_) | Op::OnErrorResume(_)
                if certainty == Certainty::Beginning =>
            {
                certainty = Certainty::Nothing;
            }
            _ => {}
        }
        fails |= matches!(
            op,
            Op::TryMap(_)
                | Op::Limit(_)
                | Op::LimitWeighted(_)
                | Op::ChainFails(_)
                | Op::ConcatMapFails(_)
        );
    }
    certainty
}

/// How many items may be inside: what the operators say under `# Bounds`, what their blueprints
/// hold, and one in flight for each.
fn bound(spec: &Spec, outcomes: &[Outcome]) -> u64 {
    let mut copies = 1;
    let mut all = 0;
    for (op, before) in spec.operators.iter().zip(outcomes).rev() {
        let holds = match *op {
            Op::RunningFold(_) | Op::Pairwise => 3,
            Op::SkipLast(n) | Op::TakeLast(n) => n,
            Op::Unique => before.items.len(),
            Op::UniqueWithin(n) => 2 * n,
            Op::ChunksFlat(n) | Op::ChunksSum(n) | Op::SlidingFlat(n, _) | Op::SlidingSum(n, _) => {
                2 * n
            }
            Op::DefaultIfEmpty(_) | Op::OnErrorReturn(_) | Op::Dedup => 2,
            Op::StatefulMap(_) | Op::MapWithResource(_) | Op::Materialize => 1,
            Op::Chain(_)
            | Op::ChainFails(_)
            | Op::ChainPushed(_)
            | Op::StartWith(_)
            | Op::SwitchIfEmpty(_)
            | Op::OnErrorResume(_)
            | Op::ConcatMap(_)
            | Op::ConcatMapStaged(_)
            | Op::ConcatMapBoxed(_)
            | Op::ConcatMapPushed(_)
            | Op::ConcatMapFails(_)
            | Op::ConcatMapIter(_) => 1,
            _ => 0,
        };
        // One clone runs while another is kept to begin anew.
        if matches!(op, Op::Retry(_) | Op::Repeat(_) | Op::RepeatWhile(_)) {
            copies += 1;
        }
        all += copies * (holds as u64 + 1);
    }
    all + 2
}

struct Case<'a> {
    spec: &'a Spec,
    expected: &'a Outcome,
    certainty: Certainty,
    world: World,
    way: Way,
}

type Handle = ProbeHandle<i64, TestError>;

impl<'a> Case<'a> {
    fn new(spec: &'a Spec, outcomes: &'a [Outcome], way: Way) -> Case<'a> {
        let world = World::new(bound(spec, outcomes));
        let expected = &outcomes[outcomes.len() - 1];
        Case { spec, expected, certainty: certainty(spec), world, way }
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
        let Outcome { items, error } = self.expected;
        let some = &items[..items.len().min(20)];
        format!("expected {} items, {some:?}.., and {error:?} ({:?})", items.len(), self.certainty)
    }

    fn settled(&self, handle: &Handle, done: impl Fn(&Handle) -> bool) -> bool {
        let patience = match self.spec.source {
            Source::Threads(_) => PATIENCE,
            _ => Duration::ZERO,
        };
        handle.wait_until(patience, done)
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
            Certainty::Nothing => 1_000 + 2 * self.expected.items.len(),
            _ => self.expected.items.len() + 3 + pattern.len(),
        };
        let mut asked = pattern.iter().cycle().take(enough);
        loop {
            let settled = self.settled(handle, |handle| {
                let due = handle.requested().count().min(self.expected.items.len() as u64);
                handle.is_ended() || handle.is_dropped() || handle.delivered() >= due
            });
            if !settled && self.certainty != Certainty::Nothing {
                return Err("it stalls".to_owned());
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
        let whole = &self.expected.items;
        if self.certainty != Certainty::Nothing && !whole.starts_with(&items) {
            return Err("the items are not a beginning of those expected".to_owned());
        }
        if let Some(Cancel::Answer(k)) = self.spec.cancel
            && items.len() as u64 > k
        {
            return Err(format!("items came after the answer `cancel` at {k}"));
        }
        let panicked = self.world.panicked.load(SeqCst);
        match &end {
            None if cancelled(handle) => Ok(()),
            None => Err("the subscriber was dropped without an end".to_owned()),
            Some(Event::Faulted(Faulted::Panicked(Some(message)))) if message == PANIC => {
                if panicked {
                    Ok(())
                } else {
                    Err("a fault, and nothing panicked".to_owned())
                }
            }
            Some(Event::Faulted(_)) => Err("an unexpected fault".to_owned()),
            Some(_) if panicked && !cancelled(handle) => {
                Err("a function panicked, and the end is no fault".to_owned())
            }
            Some(end) => {
                let expected = match self.expected.error {
                    Some(error) => Event::Failed(error),
                    None => Event::Completed,
                };
                let as_expected = *end == expected && items.len() == whole.len();
                let sooner = matches!(end, Event::Failed(_));
                match self.certainty {
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
        Ok(())
    }
}
