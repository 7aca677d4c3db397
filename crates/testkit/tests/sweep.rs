//! The sweep says what is wrong with an operator that is wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millstream::{
    ActiveSubscriber, Cause, Context, Demand, End, Fault, More, Publisher, Rest, Subscriber,
    Subscription, Upstream,
};
use millstream_testkit::sweep::{self, Options, Source, TestError};
use millstream_testkit::{Faulted, Token};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    LosesItems,
    ReplacesItems,
    KeepsItems,
    DoublesDemand,
    SwallowsCompletion,
    SwallowsErrors,
    SwallowsFaults,
    ForgetsDemand,
    RecursesOverItems,
    ForgetsTheCause,
    ClaimsAFailure,
}

/// A stage by hand that passes everything on, but for one thing.
struct Stage<P>(P, Wrong);

impl<P: Publisher<Item = Token, Error = TestError>> Publisher for Stage<P> {
    type Item = Token;
    type Error = TestError;

    fn subscribe<S: Subscriber<Token, TestError>>(self, downstream: S) {
        self.0.subscribe(Before(downstream, self.1));
    }
}

struct Before<S>(S, Wrong);

impl<S: Subscriber<Token, TestError>> Subscriber<Token, TestError> for Before<S> {
    type Active = Active<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let subscription = match self.1 {
            Wrong::ForgetsTheCause | Wrong::ClaimsAFailure => {
                Subscription::new(Arc::new(Between(subscription.into_upstream(), self.1)))
            }
            _ => subscription,
        };
        Active { downstream: self.0.on_subscribe(subscription), wrong: self.1, kept: Vec::new() }
    }

    fn context(&self) -> Context {
        self.0.context()
    }
}

/// Has nothing to say about why it is cancelled, or the wrong thing.
struct Between(Arc<dyn Upstream>, Wrong);

impl Upstream for Between {
    fn request(&self, demand: Demand) {
        self.0.request(demand);
    }

    fn cancel(&self) {
        match self.1 {
            Wrong::ClaimsAFailure => self.0.cancel_because(Cause::Failed),
            _ => self.0.cancel(),
        }
    }

    fn fail(&self, fault: Fault) {
        self.0.fail(fault);
    }
}

struct Active<A> {
    downstream: A,
    wrong: Wrong,
    kept: Vec<Token>,
}

impl<A: ActiveSubscriber<Token, TestError>> ActiveSubscriber<Token, TestError> for Active<A> {
    fn on_next(&mut self, item: Token) -> More {
        match self.wrong {
            Wrong::LosesItems if item.value() == 2 => More::NONE,
            Wrong::ReplacesItems if item.value() == 2 => self.downstream.on_next(item.map(|_| 7)),
            Wrong::KeepsItems => {
                std::mem::forget(item.clone());
                self.downstream.on_next(item)
            }
            Wrong::RecursesOverItems => {
                self.kept.push(item);
                deliver(&mut self.kept, &mut self.downstream)
            }
            _ => self.downstream.on_next(item),
        }
    }

    fn on_request(&mut self, more: More) -> More {
        let more = self.downstream.on_request(more);
        match self.wrong {
            Wrong::DoublesDemand => more.plus(more),
            Wrong::ForgetsDemand if more == More::of(3) => More::ONE,
            _ => more,
        }
    }

    fn on_end(self, end: End<TestError>) -> Option<Box<dyn Rest>> {
        match (end, self.wrong) {
            (End::Completed, Wrong::SwallowsCompletion) => None,
            (End::Failed(_), Wrong::SwallowsErrors) => self.downstream.on_end(End::Completed),
            (End::Fault(_), Wrong::SwallowsFaults) => self.downstream.on_end(End::Completed),
            (end, _) => self.downstream.on_end(end),
        }
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: TestError) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }
}

fn deliver<A: ActiveSubscriber<Token, TestError>>(kept: &mut Vec<Token>, to: &mut A) -> More {
    match kept.pop() {
        Some(item) => to.on_next(item).plus(deliver(kept, to)),
        None => More::NONE,
    }
}

fn run(wrong: Wrong) -> Result<(), String> {
    let work = move || {
        sweep::check(
            "stage",
            |source: Source<false>| Stage(source, wrong),
            |items| items,
            Options::default().long(100),
        );
    };
    std::panic::catch_unwind(work).map_err(|payload| {
        payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".into())
    })
}

#[track_caller]
fn says(wrong: Wrong, expected: &str) {
    let said = run(wrong).expect_err("the sweep must fail");
    assert!(said.contains(expected), "expected {expected:?} in:\n{said}");
    assert!(said.starts_with("row `stage`"), "{said}");
}

#[test]
fn a_stage_that_is_right_passes() {
    assert_eq!(run(Wrong::Nothing), Ok(()));
    assert_eq!(run(Wrong::RecursesOverItems), Ok(()));
}

#[test]
fn a_lost_item_is_found() {
    says(Wrong::LosesItems, "expected items [1, 2], got [1]");
}

#[test]
fn another_item_is_found() {
    says(Wrong::ReplacesItems, "expected items [1, 2], got [1, 7]");
}

#[test]
fn a_kept_item_is_found() {
    says(Wrong::KeepsItems, "items are still held: 1");
}

#[test]
fn an_item_without_demand_is_found() {
    says(Wrong::DoublesDemand, "rule 1.1: item 2 came after 1 had been asked for");
}

#[test]
fn a_missing_end_is_found() {
    says(Wrong::SwallowsCompletion, "it did not end");
}

#[test]
fn a_swallowed_error_is_found() {
    says(Wrong::SwallowsErrors, "the source ended by Fails(0), downstream by Some(Completed)");
}

#[test]
fn a_swallowed_fault_is_found() {
    says(Wrong::SwallowsFaults, "the source ended by Breaks(0), downstream by Some(Completed)");
}

#[test]
fn forgotten_demand_is_found() {
    says(Wrong::ForgetsDemand, "it stalls: 2 items could be sent, and 1 were");
}

#[test]
fn a_cause_that_does_not_arrive_is_found() {
    says(Wrong::ForgetsTheCause, "a cause was given, and the source was told Some(NoMoreNeeded)");
}

#[test]
fn a_failure_that_was_none_is_found() {
    says(Wrong::ClaimsAFailure, "no more was needed, and the source was told: downstream failed");
}

#[test]
fn a_publisher_that_lets_panics_out_is_found() {
    use millstream_testkit::{Breach, Script, ScriptedPublisher};
    let work = || {
        sweep::check(
            "unwinding",
            |_: Source<false>| {
                let items = Script::<i64, TestError>::items(1..=5).then_complete();
                ScriptedPublisher::playing(items).breaking(Breach::Unwinds)
            },
            |_| 1..=5,
            Options::default().recovers().keeps_faults(),
        );
    };
    let payload = std::panic::catch_unwind(work).expect_err("the sweep must fail");
    let said = payload.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("a panic came out of"), "{said}");
}

#[test]
fn faults_can_be_compared() {
    assert_eq!(Faulted::from(&Fault::SourceDropped), Faulted::SourceDropped);
}

type Jobs = Arc<Mutex<Vec<Box<dyn FnOnce() + Send>>>>;

/// Subscribes when its jobs are run, as on an executor that is driven by hand.
struct Deferred<P>(P, Jobs);

impl<P: Publisher> Publisher for Deferred<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Deferred(upstream, jobs) = self;
        jobs.lock().unwrap().push(Box::new(|| upstream.subscribe(subscriber)));
    }
}

#[test]
fn an_operator_that_is_driven_by_hand_is_swept_too() {
    let driven = AtomicU64::new(0);
    sweep::check_driven(
        "deferred",
        |source: Source<false>| {
            let jobs = Jobs::default();
            let drive = {
                let (jobs, driven) = (jobs.clone(), &driven);
                move || loop {
                    driven.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.lock().unwrap().pop() else { break };
                    job();
                }
            };
            (Deferred(source, jobs), drive)
        },
        |items| items,
        Options::default(),
    );
    assert!(driven.into_inner() > 1_000);
}
