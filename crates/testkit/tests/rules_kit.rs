//! The rules kit passes what is right, and names exactly the rules that are broken.

use millstream::prelude::*;
use std::sync::{Arc, Mutex};

use millstream::shape::stage::{Books, Emit, Stage, Step};
use millstream::{ActiveSubscriber, Demand, End, Fault, More, Pulled, Subscription, Upstream};
use millstream_testkit::rules::{self, Report, Rule, Verdict};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Breach, Script, ScriptedPublisher, rules_for};

fn scripted(breach: Option<Breach>) -> Report {
    let breaking = move |publisher: ScriptedPublisher<u64, TestError>| match breach {
        Some(breach) => publisher.breaking(breach),
        None => publisher,
    };
    let whole = move |n| breaking(ScriptedPublisher::playing(Script::items(0..n).then_complete()));
    let failing =
        move |n| breaking(ScriptedPublisher::playing(Script::items(0..n).then_error(TestError(n))));
    rules::publisher(whole).failing(failing).check()
}

macro_rules! publishers_that_break {
    ($($name:ident: $breach:ident => [$($rule:ident),*];)*) => {
        $(#[test]
        fn $name() {
            scripted(Some(Breach::$breach)).assert_broken(&[$(Rule::$rule),*]);
        })*
    };
}

publishers_that_break! {
    ignoring_demand: IgnoresDemand => [R1_01];
    emitting_before_a_request: EmitsBeforeRequest => [R1_01];
    one_too_many: OneTooMany => [R1_01];
    no_on_subscribe: NeverSubscribes => [R1_09];
    a_panic_in_subscribe: PanicsInSubscribe => [R1_09];
    dropping_the_subscriber_instead_of_an_end: VanishesAtEnd => [R1_04, R1_05];
    never_ending: NeverEnds => [R1_04, R1_05];
    completing_instead_of_failing: CompletesInsteadOfFailing => [R1_04];
    keeping_the_subscriber: KeepsSubscriber => [R3_13];
    ignoring_cancellation: IgnoresCancel => [R1_08, R3_06, R3_12, R3_13];
    serving_requests_after_cancellation: ServesRequestAfterCancel => [R3_06, R3_13];
    a_panic_in_the_second_cancellation: PanicsInSecondCancel => [R3_07];
    a_panic_in_cancel: PanicsInCancel => [R3_15];
    a_panic_in_request: PanicsInRequest => [R3_16];
    a_panic_after_the_end: PanicsAfterEnd => [R1_06];
    unwinding_out_of_request: Unwinds => [R2_13, R3_16];
    replacing_demand: ReplacesDemand => [R3_08];
    wrapping_demand: WrapsDemand => [R3_17];
    ignoring_invalid_demand: IgnoresInvalidDemand => [R3_09];
    forgetting_requests_from_inside: ForgetsNestedRequest => [R3_02];
}

#[test]
fn a_scripted_publisher_that_breaks_nothing_keeps_all_rules() {
    scripted(None).assert_broken(&[]);
}

#[test]
fn a_scripted_publisher_on_other_threads_keeps_all_rules() {
    let whole = |n| {
        let script = Script::<u64, TestError>::items(0..n).then_complete();
        ScriptedPublisher::playing(script).on_other_threads()
    };
    let patience = std::time::Duration::from_secs(25);
    rules::publisher(whole).patience(patience).check().assert_kept();
}

#[test]
fn from_iter_keeps_all_rules() {
    let report = rules::publisher(|n| millstream::from_iter(0..n)).check();
    report.assert_kept();
    assert!(report.kept().len() >= 18, "{report}");
}

rules_for! {
    no_operator_keeps_all_rules: rules::processor(|source| source);
    map_keeps_all_rules: rules::processor(|source| source.map(|n| n + 1));
    filter_keeps_all_rules: rules::processor(|source| source.filter(|n| n % 2 == 0)).gives(|n| n / 2);
    take_keeps_all_rules: rules::processor(|source| source.take(2)).gives(|n| n.min(2));
    boxed_keeps_all_rules: rules::processor(|source| source.map(|n| n).boxed());
}

#[test]
fn a_report_lists_all_rules_and_says_what_enforces_the_others() {
    let report = rules::publisher(|n| millstream::from_iter(0..n)).check();
    assert_eq!(report.verdicts().len(), 43);
    let numbers: std::collections::BTreeSet<_> =
        Rule::ALL.iter().map(|rule| rule.number()).collect();
    assert_eq!(numbers.len(), 43);
    assert!(Rule::ALL.is_sorted());
    let Verdict::NotTestable(why) = report.verdict(Rule::R1_10) else { panic!("{report}") };
    assert!(why.starts_with("type:"), "{why}");
}

#[test]
fn a_report_says_what_happened_with_the_log() {
    let report = scripted(Some(Breach::OneTooMany));
    let Verdict::Broken { what, log } = report.verdict(Rule::R1_01) else { panic!("{report}") };
    assert_eq!(what, "item 2 came after 1 had been asked for");
    assert!(log.contains("Next(\"1\")"), "{log}");
    assert!(report.to_string().contains("BROKEN"), "{report}");
}

/// A subscriber that breaks what it is told to.
struct Sloppy {
    rule: Option<Rule>,
    subscription: Option<Subscription>,
    seen: u64,
}

fn sloppy(rule: Option<Rule>) -> Report {
    let make = move || Sloppy { rule, subscription: None, seen: 0 };
    rules::subscriber(make, |n| n).failing(|| TestError(0)).check()
}

impl Subscriber<u64, TestError> for Sloppy {
    type Active = Self;

    fn on_subscribe(mut self, subscription: Subscription) -> Self {
        if self.rule != Some(Rule::R2_01) {
            subscription.request(Demand::of(2));
        }
        self.subscription = Some(subscription);
        self
    }
}

impl ActiveSubscriber<u64, TestError> for Sloppy {
    fn on_next(&mut self, _: u64) -> More {
        self.seen += 1;
        match self.rule {
            Some(Rule::R2_08) if self.seen == 3 => drop(self.subscription.take()),
            Some(Rule::R2_08) if self.seen > 3 => std::panic::resume_unwind(Box::new("late")),
            Some(Rule::R2_13) if self.seen == 3 => std::panic::resume_unwind(Box::new("panic")),
            _ => {}
        }
        More::ONE
    }

    fn on_complete(self) {
        match self.rule {
            Some(Rule::R2_03) => {
                if let Some(subscription) = &self.subscription {
                    subscription.request(Demand::ONE);
                }
            }
            Some(Rule::R2_09) if self.seen == 0 => std::panic::resume_unwind(Box::new("empty")),
            _ => {}
        }
    }

    fn on_error(self, _: TestError) {
        if self.rule == Some(Rule::R2_10) {
            std::panic::resume_unwind(Box::new("error"));
        }
    }
}

#[test]
fn a_subscriber_that_breaks_nothing_keeps_all_rules() {
    let report = sloppy(None);
    report.assert_kept();
    assert!(report.kept().len() >= 6, "{report}");
}

#[test]
fn subscribers_that_break_a_rule_are_told_which() {
    for rule in [Rule::R2_01, Rule::R2_03, Rule::R2_08, Rule::R2_09, Rule::R2_10, Rule::R2_13] {
        sloppy(Some(rule)).assert_broken(&[rule]);
    }
}

/// A publisher by hand that calls itself for each item.
struct Recursing(u64);

struct Line<A>(Mutex<State<A>>);

struct State<A> {
    active: Option<A>,
    demand: u64,
    next: u64,
    end: u64,
    cancelled: bool,
}

impl<A: ActiveSubscriber<u64, TestError>> Line<A> {
    fn state(&self) -> std::sync::MutexGuard<'_, State<A>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn step(&self, mut active: A) -> Option<A> {
        let item = {
            let mut state = self.state();
            if state.cancelled {
                return None;
            }
            if state.next == state.end {
                drop(state);
                let end = std::panic::AssertUnwindSafe(|| active.on_end(End::Completed));
                drop(std::panic::catch_unwind(end));
                return None;
            }
            if state.demand == 0 {
                return Some(active);
            }
            state.demand -= 1;
            state.next += 1;
            state.next
        };
        let signal = std::panic::AssertUnwindSafe(|| active.on_next(item));
        let Ok(answer) = std::panic::catch_unwind(signal) else { return None };
        {
            let mut state = self.state();
            state.demand = (state.demand + answer.count()).min(Demand::UNBOUNDED.get());
            state.cancelled |= answer.is_cancel();
        }
        let depth = vec![item];
        let active = self.step(active);
        drop(depth);
        active
    }

    fn run(&self) {
        let Some(active) = self.state().active.take() else { return };
        let active = self.step(active);
        self.state().active = active;
    }
}

impl<A: ActiveSubscriber<u64, TestError>> Upstream for Line<A> {
    fn request(&self, demand: Demand) {
        let mut state = self.state();
        state.demand = (state.demand + demand.get()).min(Demand::UNBOUNDED.get());
        drop(state);
        self.run();
    }

    fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        let active = state.active.take();
        drop(state);
        drop(active);
    }

    fn fail(&self, fault: Fault) {
        let active = self.state().active.take();
        if let Some(active) = active {
            active.on_end(End::Fault(fault));
        }
    }
}

impl Publisher for Recursing {
    type Item = u64;
    type Error = TestError;

    fn subscribe<S: Subscriber<u64, TestError>>(self, subscriber: S) {
        let state = State { active: None, demand: 0, next: 0, end: self.0, cancelled: false };
        let line = Arc::new(Line(Mutex::new(state)));
        let subscription = Subscription::new(line.clone());
        let subscribing = std::panic::AssertUnwindSafe(|| subscriber.on_subscribe(subscription));
        let Ok(active) = std::panic::catch_unwind(subscribing) else { return };
        if !line.state().cancelled {
            line.state().active = Some(active);
            line.run();
        }
    }
}

#[test]
fn a_publisher_that_recurses_is_told_before_the_stack_is_used_up() {
    rules::publisher(Recursing).check().assert_broken(&[Rule::R3_03]);
}

/// Takes an error for the end.
struct Swallowing;

impl Step<u64, TestError> for Swallowing {
    type Item = u64;
    type Error = TestError;
    type Books = Books<TestError>;

    fn next(&mut self, item: u64) -> Emit<u64, u64, TestError> {
        Emit::Item(item)
    }

    fn error(&mut self, _: TestError) -> Pulled<u64, TestError> {
        Pulled::Complete
    }
}

#[test]
fn an_operator_that_swallows_errors_is_told() {
    let report = rules::processor(|source| Stage::new(source, Swallowing)).check();
    report.assert_broken(&[Rule::R1_04, Rule::R4_02]);
    rules::processor(|source| Stage::new(source, Swallowing)).recovers().check().assert_kept();
}

/// Never asks upstream for more than the first item.
struct Stalling(bool);

impl Step<u64, TestError> for Stalling {
    type Item = u64;
    type Error = TestError;
    type Books = Books<TestError>;

    fn next(&mut self, item: u64) -> Emit<u64, u64, TestError> {
        Emit::Item(item)
    }

    fn demand(&mut self, more: More) -> More {
        if more == More::NONE || std::mem::replace(&mut self.0, true) {
            return More::NONE;
        }
        More::ONE
    }

    fn error(&mut self, error: TestError) -> Pulled<u64, TestError> {
        Pulled::Error(error)
    }
}

#[test]
fn an_operator_that_loses_demand_is_told() {
    let report = rules::processor(|source| Stage::new(source, Stalling(false))).check();
    let broken = report.broken();
    for rule in [Rule::R1_05, Rule::R3_02, Rule::R3_08, Rule::R3_17] {
        assert!(broken.contains(&rule), "{rule}\n{report}");
    }
    assert!(!broken.contains(&Rule::R1_01), "{report}");
}
