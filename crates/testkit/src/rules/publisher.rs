//! Chapter 1: publishers.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use millstream_blocks::boxed::BoxSubscriber;
use millstream_core::{Demand, Publisher, Upstream};

use crate::probe::{Answer, Behaviour, Event, Place, Probe, ProbeHandle};
use crate::rules::stage::{Kind, Stage};
use crate::rules::{Check, Found, Report, Rule, Verdict, not_reached, run, subscription, untested};

/// Judges the publishers that `factory` makes: one of `n` items for each number `n`.
///
/// ```
/// use millstream_testkit::rules;
///
/// rules::publisher(|n| millstream::from_iter(0..n)).check().assert_kept();
/// ```
pub fn publisher<P>(factory: impl Fn(u64) -> P + Send + Sync + 'static) -> PublisherRules
where
    P: Publisher<Item: Debug, Error: Debug>,
{
    PublisherRules(Subject {
        begin: begin(factory),
        failing: None,
        gives: Box::new(|n| n),
        patience: Duration::ZERO,
    })
}

/// The rules for a publisher: see [`publisher`].
#[must_use = "nothing is tested before `check`"]
pub struct PublisherRules(pub(super) Subject);

impl PublisherRules {
    /// Also judges a publisher that fails after `n` items (rule 1.4).
    pub fn failing<P>(mut self, factory: impl Fn(u64) -> P + Send + Sync + 'static) -> Self
    where
        P: Publisher<Item: Debug, Error: Debug>,
    {
        self.0.failing = Some(begin(factory));
        self
    }

    /// The publisher made for `n` gives another number of items.
    pub fn gives(mut self, items: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Self {
        self.0.gives = Box::new(items);
        self
    }

    /// The publisher uses other threads: each expectation is given so much time.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.0.patience = patience;
        self
    }

    /// Judges it.
    pub fn check(self) -> Report {
        check(&Arc::new(self.0))
    }
}

impl Debug for PublisherRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublisherRules")
    }
}

const QUIET: Duration = Duration::from_millis(20);

type Begin = Box<dyn Fn(u64, Behaviour, Option<Kind>) -> Run + Send + Sync>;

fn begin<P>(factory: impl Fn(u64) -> P + Send + Sync + 'static) -> Begin
where
    P: Publisher<Item: Debug, Error: Debug>,
{
    Box::new(move |n, behaviour, stage| {
        let (downstream, handle) = subscriber(behaviour, stage);
        let publisher = factory(n);
        let outcome = catch_unwind(AssertUnwindSafe(|| publisher.subscribe(downstream)));
        let upstream = handle.upstream();
        Run { handle, upstream, unwound: outcome.is_err() }
    })
}

/// A probe that keeps texts, with a stage before it or without. In a box: what is judged is compiled
/// for one subscriber.
pub(super) fn subscriber<T: Debug + Send + 'static, E: Debug + Send + 'static>(
    behaviour: Behaviour,
    stage: Option<Kind>,
) -> (BoxSubscriber<T, E>, ProbeHandle<String, String>) {
    let (probe, handle) =
        Probe::recording(behaviour, |item| format!("{item:?}"), |error| format!("{error:?}"));
    let downstream = match stage {
        None => BoxSubscriber::new(probe),
        Some(kind) => BoxSubscriber::new(Stage { kind, downstream: probe }),
    };
    (downstream, handle)
}

/// What is judged, whatever its types.
pub(super) struct Subject {
    pub(super) begin: Begin,
    pub(super) failing: Option<Begin>,
    pub(super) gives: Box<dyn Fn(u64) -> u64 + Send + Sync>,
    pub(super) patience: Duration,
}

impl Subject {
    pub(super) fn start(&self, n: u64, behaviour: Behaviour) -> Run {
        (self.begin)(n, behaviour, None)
    }

    /// As [`start`](Subject::start), with a stage between it and the probe.
    pub(super) fn start_before(&self, kind: Kind, n: u64, behaviour: Behaviour) -> Run {
        (self.begin)(n, behaviour, Some(kind))
    }

    /// Waits until `done`; without patience it must be so at once.
    pub(super) fn settled(
        &self,
        run: &Run,
        done: impl Fn(&ProbeHandle<String, String>) -> bool,
    ) -> bool {
        run.handle.wait_until(self.patience, done)
    }

    /// Gives what must not come some time to come: too little misses a breach, and never finds
    /// one that is none.
    pub(super) fn quiet(&self, run: &Run) {
        if !self.patience.is_zero() {
            run.handle.wait_until(self.patience.min(QUIET), |_| false);
        }
    }
}

/// A probe on a publisher.
pub(super) struct Run {
    pub(super) handle: ProbeHandle<String, String>,
    /// Kept beyond cancellation, for calls that no subscription allows.
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    /// `subscribe` did not return normally.
    pub(super) unwound: bool,
}

impl Run {
    /// Whether it returned normally.
    pub(super) fn request(&self, n: u64) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.handle.request(n))).is_ok()
    }

    /// Whether it returned normally.
    pub(super) fn cancel(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.handle.cancel())).is_ok()
    }

    /// Calls on the upstream; whether that returned normally.
    pub(super) fn late(&self, call: impl Fn(&dyn Upstream)) -> bool {
        let Some(upstream) = &self.upstream else { return true };
        catch_unwind(AssertUnwindSafe(|| call(&**upstream))).is_ok()
    }

    pub(super) fn expect(&self, holds: bool, what: impl FnOnce() -> String) -> Found {
        if holds { Ok(()) } else { Err((what(), self.handle.log_text())) }
    }

    pub(super) fn violated(&self, rule: &str) -> Found {
        match self.handle.violations().into_iter().find(|violation| violation.rule == rule) {
            Some(violation) => Err((violation.what, self.handle.log_text())),
            None => Ok(()),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A cancellation that panics is judged where it is the subject.
        let _ = self.cancel();
    }
}

const CHECKS: &[Check<Subject>] = &[
    (Rule::R1_01, never_more_than_asked_for),
    (Rule::R1_03, never_overlapping),
    (Rule::R1_04, a_failure_is_an_error),
    (Rule::R1_05, a_finite_stream_completes),
    (Rule::R1_06, nothing_after_the_end),
    (Rule::R1_08, nothing_after_cancellation),
    (Rule::R2_13, a_panic_counts_as_cancellation),
];

pub(super) fn check(subject: &Arc<Subject>) -> Report {
    // Nothing else can be told of a publisher that does not subscribe, ask or cancel normally.
    let subscribed = run(subject, on_subscribe_comes_first);
    let requested = run(subject, subscription::request_returns);
    let cancelled = run(subject, subscription::cancel_returns);
    let needs_cancel = [Rule::R3_05, Rule::R3_06, Rule::R3_07, Rule::R3_12, Rule::R3_13];
    Report::of(|rule| {
        let check = CHECKS.iter().chain(subscription::CHECKS).find(|(of, _)| *of == rule);
        match (rule, check) {
            (Rule::R1_09, _) => subscribed.clone(),
            (_, Some(_)) if subscribed != Verdict::Kept => not_reached(Rule::R1_09),
            (Rule::R3_16, Some((_, check))) if requested == Verdict::Kept => run(subject, *check),
            (Rule::R3_16, _) => requested.clone(),
            (Rule::R3_15, _) if subscribed == Verdict::Kept => cancelled.clone(),
            (_, Some(_)) if requested != Verdict::Kept => not_reached(Rule::R3_16),
            (_, Some(_)) if needs_cancel.contains(&rule) && cancelled != Verdict::Kept => {
                not_reached(Rule::R3_15)
            }
            (Rule::R1_04, _) if subject.failing.is_none() => {
                Verdict::NotTestable("no failing publisher was given".into())
            }
            (_, Some((_, check))) => run(subject, *check),
            (_, None) => by_others(rule),
        }
    })
}

fn by_others(rule: Rule) -> Verdict {
    if rule.number().starts_with('2') && rule.enforced_by().starts_with("test") {
        return Verdict::NotTestable("a rule for subscribers: `rules::subscriber`".into());
    }
    if rule.number().starts_with('4') {
        return Verdict::NotTestable("a rule for processors: `rules::processor`".into());
    }
    untested(rule)
}

fn on_subscribe_comes_first(subject: &Subject) -> Found {
    let run = subject.start(3, Behaviour::new());
    run.expect(!run.unwound, || "`subscribe` panicked".into())?;
    let subscribed = subject.settled(&run, ProbeHandle::is_subscribed);
    run.expect(subscribed, || "the subscriber was not given a subscription".into())
}

fn never_more_than_asked_for(subject: &Subject) -> Found {
    let by_hand = subject.start(10, Behaviour::new());
    subject.quiet(&by_hand);
    for n in [1, 3, 2] {
        by_hand.request(n);
        subject.quiet(&by_hand);
    }
    by_hand.violated("1.1")?;
    for behaviour in [
        Behaviour::new().initially(1).each(Answer::ONE),
        Behaviour::new().initially(2).at(2, Answer::Request(Demand::of(3))),
        Behaviour::new().initially(1),
    ] {
        let run = subject.start(10, behaviour);
        subject.quiet(&run);
        run.violated("1.1")?;
    }
    Ok(())
}

fn never_overlapping(subject: &Subject) -> Found {
    let run = subject.start(1_000, Behaviour::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..100 {
                    run.request(1);
                }
            });
        }
    });
    subject.quiet(&run);
    run.violated("1.3")
}

fn a_failure_is_an_error(subject: &Subject) -> Found {
    let Some(failing) = &subject.failing else { return Ok(()) };
    for n in [0, 1, 3] {
        // One that wants no more by then (`take`) has ended before the error.
        if (subject.gives)(n + 1_000) == (subject.gives)(n) {
            continue;
        }
        let run = failing(n, Behaviour::new().initially((subject.gives)(n).max(n) + 1), None);
        subject.settled(&run, ProbeHandle::is_ended);
        let end = run.handle.end();
        run.expect(matches!(end, Some(Event::Failed(_))), || {
            format!("failing after {n} items, expected an error, got {end:?}")
        })?;
    }
    Ok(())
}

fn a_finite_stream_completes(subject: &Subject) -> Found {
    for n in [0, 1, 5] {
        let run = subject.start(n, Behaviour::new().initially((subject.gives)(n).max(n) + 1));
        subject.settled(&run, ProbeHandle::is_ended);
        let (end, delivered, expected) =
            (run.handle.end(), run.handle.delivered(), (subject.gives)(n));
        run.expect(end == Some(Event::Completed), || {
            format!("a stream made for {n} items was asked for one more and ended by {end:?}")
        })?;
        run.expect(delivered == expected, || {
            format!("a stream of {expected} items completed after {delivered}")
        })?;
    }
    a_stage_is_given_the_end(subject)
}

/// Publishers end by `on_end`: a stage may have enough before, or have something left.
fn a_stage_is_given_the_end(subject: &Subject) -> Found {
    if (subject.gives)(10) >= 2 {
        let run = subject.start_before(Kind::Two, 10, Behaviour::new().initially(5));
        subject.settled(&run, ProbeHandle::is_ended);
        let (end, delivered) = (run.handle.end(), run.handle.delivered());
        run.expect(end == Some(Event::Completed) && delivered == 2, || {
            format!(
                "behind a stage that answered `CANCEL` to the second item, expected two items and \
                 completion, got {delivered} and {end:?}: that stage is told `on_end(Cancelled)`"
            )
        })?;
    }
    let run = subject.start_before(Kind::Nothing, 3, Behaviour::new());
    subject.settled(&run, ProbeHandle::is_ended);
    let end = run.handle.end();
    run.expect(end == Some(Event::Completed), || {
        format!(
            "behind a stage that wants nothing, expected completion without a request, got {end:?}: \
             it is asked once by `on_request(NONE)` before the first item"
        )
    })?;
    let last = (subject.gives)(3).min(1);
    // Where it is asked for before the end, and after it.
    for initially in [true, false] {
        let behaviour = if initially { Behaviour::new().initially(1) } else { Behaviour::new() };
        let run = subject.start_before(Kind::Last, 3, behaviour);
        if !initially {
            subject.quiet(&run);
            run.request(1);
        }
        subject.settled(&run, ProbeHandle::is_ended);
        let (end, delivered) = (run.handle.end(), run.handle.delivered());
        run.expect(end == Some(Event::Completed) && delivered == last, || {
            format!(
                "behind a stage that holds the last item until the end, expected {last} items and \
                 completion, got {delivered} and {end:?}: it ends by `on_end`, and what that gives \
                 back is asked to go on"
            )
        })?;
    }
    Ok(())
}

fn nothing_after_the_end(subject: &Subject) -> Found {
    let run = subject.start(2, Behaviour::new());
    run.request(5);
    if !subject.settled(&run, ProbeHandle::is_ended) {
        return Ok(());
    }
    let delivered = run.handle.delivered();
    let normal = run.late(|upstream| upstream.request(Demand::of(3)));
    run.expect(normal, || "a request after the end panicked".into())?;
    subject.quiet(&run);
    run.expect(run.handle.delivered() == delivered, || {
        "a request after the end gave an item".into()
    })?;
    run.expect(subject.settled(&run, ProbeHandle::is_dropped), || {
        "the subscriber is kept after the end".into()
    })
}

fn nothing_after_cancellation(subject: &Subject) -> Found {
    if (subject.gives)(1_000) <= 1 {
        return Ok(());
    }
    let unbounded = Demand::UNBOUNDED.get();
    for demand in [10, unbounded] {
        let run = subject.start(1_000, Behaviour::new().initially(demand).at(1, Answer::CANCEL));
        subject.quiet(&run);
        run.violated("1.8")?;
    }
    Ok(())
}

fn a_panic_counts_as_cancellation(subject: &Subject) -> Found {
    let unbounded = Demand::UNBOUNDED.get();
    for behaviour in [
        Behaviour::new().panics_in(Place::Subscribe),
        Behaviour::new().initially(unbounded).at(1, Answer::Panic),
        Behaviour::new().initially(unbounded).panics_in(Place::Complete),
    ] {
        let run = subject.start(3, behaviour);
        run.expect(!run.unwound, || "a panic of the subscriber came out of `subscribe`".into())?;
    }
    let run = subject.start(10, Behaviour::new().at(1, Answer::Panic));
    let normal = run.request(5);
    if subject.settled(&run, |handle| handle.delivered() > 0) {
        run.expect(normal, || "a panic of the subscriber came out of `request`".into())?;
        subject.quiet(&run);
        run.expect(run.handle.delivered() == 1, || {
            "a subscriber that had panicked was sent another item".into()
        })?;
        run.expect(subject.settled(&run, ProbeHandle::is_dropped), || {
            "a subscriber that had panicked is kept".into()
        })?;
    }
    Ok(())
}
