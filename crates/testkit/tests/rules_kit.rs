//! The rules kit passes what is right, and names exactly the rules that are broken.

use millstream::prelude::*;
use std::sync::{Arc, Mutex};

use millstream::shape::stage::{Books, Emit, Stage, Step};
use millstream::{
    ActiveSubscriber, Credit, Demand, End, Fault, More, Progress, Pulled, Rest, Subscription,
    Upstream,
};
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
    keeping_the_subscriber: KeepsSubscriber => [R1_05, R3_13];
    ignoring_cancellation: IgnoresCancel => [R1_05, R1_08, R3_06, R3_12, R3_13];
    serving_requests_after_cancellation: ServesRequestAfterCancel => [R3_06, R3_13];
    a_panic_in_the_second_cancellation: PanicsInSecondCancel => [R3_07];
    a_panic_in_cancel: PanicsInCancel => [R3_15];
    a_panic_in_request: PanicsInRequest => [R3_16];
    a_panic_after_the_end: PanicsAfterEnd => [R1_05, R1_06];
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

/// A publisher of numbers by hand, with nothing but the contract, and what it leaves out.
struct ByHand {
    items: u64,
    neglects: Option<Neglect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neglect {
    /// It calls itself for each item.
    Recurses,
    /// Nobody is asked before there is a request.
    Beginning,
    /// A request is demand, whatever who is subscribed makes of it.
    Requests,
    /// Who has enough is dropped without a word.
    Cancellation,
    /// It completes by `on_complete`.
    Ends,
    /// What `on_end` gives back is dropped.
    Rest,
    /// Who yields is not asked again.
    Yields,
}

struct Line<A> {
    state: Mutex<State<A>>,
    neglects: Option<Neglect>,
}

enum Who<A> {
    /// Somebody sends signals, or nobody is there any more.
    Away,
    Active(A),
    Resting(Box<dyn Rest>),
}

struct State<A> {
    who: Who<A>,
    left: std::ops::Range<u64>,
    demand: Credit,
    /// What came by requests, and was not passed on.
    news: Credit,
    fault: Option<Fault>,
    cancelled: bool,
}

/// `None` where it panicked.
fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).ok()
}

fn end<A: ActiveSubscriber<u64, TestError>>(active: A, with: End<TestError>) -> Who<A> {
    caught(|| active.on_end(with)).flatten().map_or(Who::Away, Who::Resting)
}

impl<A: ActiveSubscriber<u64, TestError>> Line<A> {
    fn state(&self) -> std::sync::MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn does(&self, neglect: Neglect) -> bool {
        self.neglects != Some(neglect)
    }

    /// One signal after another, until there is nothing to do. Who comes meanwhile leaves a note.
    fn run(&self) {
        let mut who = std::mem::replace(&mut self.state().who, Who::Away);
        loop {
            if matches!(who, Who::Away) {
                return;
            }
            let mut state = self.state();
            let news = state.news.take();
            let fault = state.fault.take();
            let wanted = !state.demand.is_empty();
            who = match who {
                who if state.cancelled => {
                    drop(state);
                    return drop(who);
                }
                Who::Active(active) if fault.is_some() => {
                    drop(state);
                    end(active, End::Fault(fault.unwrap()))
                }
                Who::Active(active) if news != More::NONE => {
                    drop(state);
                    self.ask(active, news)
                }
                Who::Active(active) if state.left.is_empty() => {
                    drop(state);
                    self.complete(active)
                }
                Who::Active(active) if wanted => {
                    state.demand.spend();
                    let item = state.left.next().unwrap_or_default();
                    drop(state);
                    self.send(active, item)
                }
                Who::Resting(rest) if fault.is_some() => {
                    drop(state);
                    rest.break_off(fault.unwrap()).map_or(Who::Away, Who::Resting)
                }
                Who::Resting(mut rest) if news != More::NONE => {
                    drop(state);
                    match caught(|| rest.go_on(news, &|| self.state().cancelled)) {
                        Some(Progress::Ended) => rest.finish().map_or(Who::Away, Who::Resting),
                        Some(_) => Who::Resting(rest),
                        None => Who::Away,
                    }
                }
                who => {
                    state.who = who;
                    return;
                }
            };
            if self.neglects == Some(Neglect::Recurses) {
                self.state().who = who;
                let depth = [0_u8; 256];
                self.run();
                std::hint::black_box(depth);
                return;
            }
        }
    }

    fn ask(&self, mut active: A, more: More) -> Who<A> {
        if self.neglects == Some(Neglect::Requests) {
            return self.answered(active, Some(more));
        }
        let answer = caught(|| active.on_request(more));
        self.answered(active, answer)
    }

    fn send(&self, mut active: A, item: u64) -> Who<A> {
        let answer = caught(|| active.on_next(item));
        self.answered(active, answer)
    }

    fn answered(&self, active: A, answer: Option<More>) -> Who<A> {
        match answer {
            None => end(active, End::Fault(Fault::SourceDropped)),
            Some(answer) if answer.is_cancel() && self.does(Neglect::Cancellation) => {
                let cause = active.cause();
                end(active, End::Cancelled(cause))
            }
            Some(answer) if answer.is_cancel() => Who::Away,
            Some(answer) if answer.is_yield() && self.does(Neglect::Yields) => {
                self.ask(active, More::NONE)
            }
            Some(answer) if answer.is_yield() => Who::Active(active),
            Some(answer) => {
                self.state().demand.add(answer);
                Who::Active(active)
            }
        }
    }

    fn complete(&self, active: A) -> Who<A> {
        if self.neglects == Some(Neglect::Ends) {
            caught(|| active.on_complete());
            return Who::Away;
        }
        match end(active, End::Completed) {
            Who::Resting(_) if self.neglects == Some(Neglect::Rest) => Who::Away,
            who => who,
        }
    }
}

impl<A: ActiveSubscriber<u64, TestError>> Upstream for Line<A> {
    fn request(&self, demand: Demand) {
        self.state().news.add(demand.into());
        self.run();
    }

    fn cancel(&self) {
        self.state().cancelled = true;
        self.run();
    }

    fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
        self.run();
    }
}

impl Publisher for ByHand {
    type Item = u64;
    type Error = TestError;

    fn subscribe<S: Subscriber<u64, TestError>>(self, subscriber: S) {
        let (left, neglects) = (0..self.items, self.neglects);
        let (demand, news) = (Credit::NONE, Credit::NONE);
        let state = State { who: Who::Away, left, demand, news, fault: None, cancelled: false };
        let line = Arc::new(Line { state: Mutex::new(state), neglects });
        let subscription = Subscription::new(line.clone());
        if let Some(active) = caught(|| subscriber.on_subscribe(subscription)) {
            // Asked once before the first item, whatever came by requests.
            let asks = line.does(Neglect::Beginning);
            let who = if asks { line.ask(active, More::NONE) } else { Who::Active(active) };
            line.state().who = who;
            line.run();
        }
    }
}

fn by_hand(neglects: Option<Neglect>) -> Report {
    rules::publisher(move |items| ByHand { items, neglects }).check()
}

#[test]
fn a_publisher_by_hand_keeps_all_rules() {
    by_hand(None).assert_kept();
}

#[test]
fn a_publisher_that_recurses_is_told_before_the_stack_is_used_up() {
    by_hand(Some(Neglect::Recurses)).assert_broken(&[Rule::R3_03]);
}

/// What suits an end of a chain is too little for a stage.
#[test]
fn a_publisher_that_neglects_stages_is_told_what() {
    for (neglect, rule, says) in [
        (Neglect::Beginning, Rule::R1_05, "it is asked once by `on_request(NONE)`"),
        (Neglect::Requests, Rule::R3_08, "demand is what `on_request` answers"),
        (Neglect::Yields, Rule::R3_08, "it is asked again by `on_request(NONE)`"),
        (Neglect::Cancellation, Rule::R1_05, "that stage is told `on_end(Cancelled)`"),
        (Neglect::Ends, Rule::R1_05, "it ends by `on_end`"),
        (Neglect::Rest, Rule::R1_05, "what that gives back is asked to go on"),
    ] {
        let report = by_hand(Some(neglect));
        // One that is not asked does not know what is wanted of what it holds, either.
        let also = (neglect == Neglect::Requests).then_some(Rule::R1_05);
        report.assert_broken(&also.into_iter().chain([rule]).collect::<Vec<_>>());
        let Verdict::Broken { what, .. } = report.verdict(rule) else { unreachable!() };
        assert!(what.contains(says), "{neglect:?}: {what}");
    }
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
