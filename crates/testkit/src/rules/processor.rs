//! Chapter 4: processors, that is, operators.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use millstream_core::Publisher;

use crate::probe::{Behaviour, Event, ProbeHandle};
use crate::rules::publisher::{self, PublisherRules, Subject};
use crate::rules::{Check, Found, Report, Rule, Verdict, run};
use crate::scripted::{Script, ScriptedPublisher};
use crate::sweep::TestError;

/// What a processor is built on in these checks.
type Flow = ScriptedPublisher<u64, TestError>;

/// Judges an operator, built by `build` on a source of numbers, from both of its sides.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::rules;
///
/// let even = rules::processor(|source| source.filter(|n| n % 2 == 0)).gives(|n| n / 2);
/// even.check().assert_kept();
/// ```
pub fn processor<P>(
    build: impl Fn(ScriptedPublisher<u64, TestError>) -> P + Send + Sync + 'static,
) -> ProcessorRules
where
    P: Publisher<Item: Debug, Error: Debug>,
{
    let build = Arc::new(build);
    let (whole, failing, driven) = (build.clone(), build.clone(), build);
    ProcessorRules {
        publisher: publisher::publisher(move |n| {
            whole(ScriptedPublisher::playing(Script::items(1..=n).then_complete()))
        })
        .failing(move |n| {
            let script = Script::items(1..=n).then_error(TestError(n));
            failing(ScriptedPublisher::playing(script))
        }),
        begin: Box::new(move |behaviour| {
            let upstream = Flow::new();
            let (downstream, handle) = publisher::subscriber(behaviour, None);
            driven(upstream.clone()).subscribe(downstream);
            (upstream, handle)
        }),
        recovers: false,
    }
}

type Driven = (Flow, ProbeHandle<String, String>);

/// The rules for an operator: see [`processor`].
#[must_use = "nothing is tested before `check`"]
pub struct ProcessorRules {
    publisher: PublisherRules,
    begin: Box<dyn Fn(Behaviour) -> Driven + Send + Sync>,
    recovers: bool,
}

impl ProcessorRules {
    /// With a source of `n` items the operator gives another number of them.
    pub fn gives(mut self, items: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Self {
        self.publisher = self.publisher.gives(items);
        self
    }

    /// The operator handles errors: that of its source is not passed on.
    pub fn recovers(mut self) -> Self {
        self.recovers = true;
        self.publisher.0.failing = None;
        self
    }

    /// The operator uses other threads: each expectation is given so much time.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.publisher = self.publisher.patience(patience);
        self
    }

    /// Judges it.
    pub fn check(self) -> Report {
        let ProcessorRules { publisher, begin, recovers } = self;
        let subject = Arc::new(publisher.0);
        let mut report = publisher::check(&subject);
        let both = Arc::new(Both { subject, begin, recovers });
        if *report.verdict(Rule::R1_09) == Verdict::Kept {
            for (rule, check) in CHECKS {
                report.set(*rule, run(&both, *check));
            }
        }
        let broken = report.broken();
        let verdict = if broken.is_empty() {
            Verdict::Kept
        } else {
            let numbers: Vec<_> = broken.iter().map(|rule| rule.number()).collect();
            Verdict::NotTestable(format!("the sum of the others; see {}", numbers.join(", ")))
        };
        report.set(Rule::R4_01, verdict);
        report
    }
}

impl Debug for ProcessorRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProcessorRules")
    }
}

struct Both {
    subject: Arc<Subject>,
    begin: Box<dyn Fn(Behaviour) -> Driven + Send + Sync>,
    recovers: bool,
}

impl Both {
    fn wait(&self, upstream: &Flow, done: impl Fn(&Flow) -> bool) -> bool {
        upstream.wait_until(self.subject.patience, done)
    }

    fn ended(&self, handle: &ProbeHandle<String, String>) -> bool {
        handle.wait_until(self.subject.patience, ProbeHandle::is_ended)
    }
}

const CHECKS: &[Check<Both>] = &[
    (Rule::R2_01, it_asks),
    (Rule::R2_03, no_request_in_an_end),
    (Rule::R2_06, it_cancels),
    (Rule::R2_09, completion_without_demand),
    (Rule::R2_10, an_error_without_demand),
    (Rule::R4_02, an_error_is_passed_on),
];

fn expect(holds: bool, what: &str, handle: &ProbeHandle<String, String>) -> Found {
    if holds { Ok(()) } else { Err((what.into(), handle.log_text())) }
}

fn it_asks(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    handle.request(1);
    let asked = both.wait(&upstream, |upstream| {
        upstream.requested().count() > 0 || upstream.is_over() || handle.delivered() > 0
    });
    expect(asked, "downstream asked, and upstream was not asked", &handle)
}

fn no_request_in_an_end(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    handle.request_unbounded();
    upstream.complete();
    let over = both.ended(&handle);
    expect(!over || upstream.requests_after_end() == 0, "upstream was asked in its end", &handle)
}

fn it_cancels(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    handle.request(1);
    handle.cancel();
    // An upstream that was not subscribed to yet need not be cancelled.
    let over = both.wait(&upstream, |upstream| upstream.is_over() || !upstream.is_subscribed());
    expect(over, "downstream cancelled, and upstream was not cancelled", &handle)
}

fn completion_without_demand(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    upstream.complete();
    // An operator that adds items of its own may need demand for them.
    if !both.ended(&handle) {
        handle.request_unbounded();
    }
    expect(both.ended(&handle), "upstream completed without a request, downstream did not", &handle)
}

fn an_error_without_demand(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    upstream.error(TestError(0));
    if !both.ended(&handle) {
        handle.request_unbounded();
    }
    let done = both.recovers || both.ended(&handle);
    expect(done, "upstream failed without a request, and downstream did not end", &handle)
}

fn an_error_is_passed_on(both: &Both) -> Found {
    let (upstream, handle) = (both.begin)(Behaviour::new());
    handle.request_unbounded();
    let before = upstream.requested();
    if before.count() > 0 && !upstream.is_over() {
        upstream.next(1);
    }
    if upstream.is_over() {
        return Ok(());
    }
    upstream.error(TestError(1));
    both.ended(&handle);
    let end = handle.end();
    let passed = both.recovers || matches!(end, Some(Event::Failed(_)));
    expect(passed, "upstream failed, and downstream was not told the error", &handle)
}
