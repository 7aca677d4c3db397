//! Chapter 2: subscribers.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use millstream_core::{Publisher, Subscriber};

use crate::rules::{Check, Found, Report, Rule, Verdict, run, untested};
use crate::scripted::{Breach, ScriptedPublisher};

/// Judges the subscribers that `make` makes, which are sent what `item` makes.
///
/// It must ask of its own accord: in `on_subscribe`, by its answers, or from a thread.
///
/// ```
/// use millstream_testkit::{Answer, Behaviour, Probe, rules};
///
/// let make = || Probe::<u64, ()>::recording(
///     Behaviour::new().initially(1).each(Answer::ONE), |n| n, |e| e);
/// # let keep = std::sync::Mutex::new(Vec::new());
/// rules::subscriber(move || {
///     let (probe, handle) = make();
///     keep.lock().unwrap().push(handle); // a probe cancels with its last handle
///     probe
/// }, |n| n).failing(|| ()).check().assert_kept();
/// ```
pub fn subscriber<T, E, S>(
    make: impl Fn() -> S + Send + Sync + 'static,
    item: impl Fn(u64) -> T + Send + Sync + 'static,
) -> SubscriberRules<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    SubscriberRules(Subject {
        subscribe: Box::new(move |upstream| upstream.subscribe(make())),
        item: Box::new(item),
        error: None,
        patience: Duration::ZERO,
    })
}

/// The rules for a subscriber: see [`subscriber`].
#[must_use = "nothing is tested before `check`"]
pub struct SubscriberRules<T, E>(Subject<T, E>);

impl<T: Send + 'static, E: Send + 'static> SubscriberRules<T, E> {
    /// Also sends it this error (rule 2.10).
    pub fn failing(mut self, error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        self.0.error = Some(Box::new(error));
        self
    }

    /// The subscriber asks from other threads: each expectation is given so much time.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.0.patience = patience;
        self
    }

    /// Judges it.
    pub fn check(self) -> Report {
        let subject = Arc::new(self.0);
        let checks: [Check<Subject<T, E>>; 7] = [
            (Rule::R2_01, it_asks),
            (Rule::R2_03, no_request_in_an_end),
            (Rule::R2_04, no_request_after_an_end),
            (Rule::R2_08, an_item_after_cancellation),
            (Rule::R2_09, completion_without_demand),
            (Rule::R2_10, an_error_without_demand),
            (Rule::R2_13, signals_return),
        ];
        let cancels = {
            let upstream = subject.start(ScriptedPublisher::new());
            subject.feed(&upstream, 100);
            upstream.is_cancelled()
        };
        Report::of(|rule| match (rule, checks.iter().find(|(of, _)| *of == rule)) {
            (Rule::R2_08, _) if !cancels => Verdict::NotTestable(
                "this subscriber did not cancel within 100 items; an item in flight is dropped \
                 with it"
                    .into(),
            ),
            (Rule::R2_10, _) if subject.error.is_none() => {
                Verdict::NotTestable("no error was given".into())
            }
            (_, Some((_, check))) => run(&subject, *check),
            (_, None) if rule.number().starts_with('2') => untested(rule),
            (_, None) => Verdict::NotTestable("a rule for publishers: `rules::publisher`".into()),
        })
    }
}

impl<T, E> Debug for SubscriberRules<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubscriberRules")
    }
}

type Begin<T, E> = Box<dyn Fn(ScriptedPublisher<T, E>) + Send + Sync>;

struct Subject<T, E> {
    subscribe: Begin<T, E>,
    item: Box<dyn Fn(u64) -> T + Send + Sync>,
    error: Option<Box<dyn Fn() -> E + Send + Sync>>,
    patience: Duration,
}

impl<T: Send + 'static, E: Send + 'static> Subject<T, E> {
    fn start(&self, upstream: ScriptedPublisher<T, E>) -> ScriptedPublisher<T, E> {
        (self.subscribe)(upstream.clone());
        upstream
    }

    /// Sends up to `n` items as they are asked for; says how many.
    fn feed(&self, upstream: &ScriptedPublisher<T, E>, n: u64) -> u64 {
        for index in 0..n {
            let asked = upstream.wait_until(self.patience, |upstream| {
                upstream.is_over() || upstream.outstanding().count() > 0
            });
            if !asked || upstream.is_over() {
                return index;
            }
            upstream.next((self.item)(index));
        }
        n
    }
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err((what(), String::new())) }
}

fn it_asks<T: Send + 'static, E: Send + 'static>(subject: &Subject<T, E>) -> Found {
    let upstream = subject.start(ScriptedPublisher::new());
    let fed = subject.feed(&upstream, 100);
    let asked = upstream.requested();
    expect(fed == 100 || upstream.is_over() || fed > 0 && fed == asked.count(), || {
        format!("it asked for {asked:?} in all and did not cancel")
    })?;
    expect(fed > 0 || upstream.is_over(), || "it asked for nothing".into())
}

fn no_request_in_an_end<T: Send + 'static, E: Send + 'static>(subject: &Subject<T, E>) -> Found {
    let upstream = subject.start(ScriptedPublisher::new());
    subject.feed(&upstream, 1);
    if upstream.is_over() {
        return Ok(());
    }
    upstream.complete();
    let late = upstream.requests_after_end();
    expect(late == 0, || format!("{late} requests from inside on_complete"))?;
    if let Some(error) = &subject.error {
        let upstream = subject.start(ScriptedPublisher::new());
        upstream.error(error());
        let late = upstream.requests_after_end();
        expect(late == 0, || format!("{late} requests from inside on_error"))?;
    }
    Ok(())
}

fn no_request_after_an_end<T: Send + 'static, E: Send + 'static>(subject: &Subject<T, E>) -> Found {
    let upstream = subject.start(ScriptedPublisher::new());
    subject.feed(&upstream, 1);
    upstream.complete();
    let inside = upstream.requests_after_end();
    let more =
        upstream.wait_until(subject.patience, |upstream| upstream.requests_after_end() > inside);
    expect(!more, || "a request after the end".into())
}

fn an_item_after_cancellation<T: Send + 'static, E: Send + 'static>(
    subject: &Subject<T, E>,
) -> Found {
    let upstream = subject.start(ScriptedPublisher::new().breaking(Breach::IgnoresCancel));
    for index in 0..200 {
        if upstream.is_cancelled() {
            break;
        }
        if upstream.outstanding().count() > 0 {
            upstream.next((subject.item)(index));
        }
    }
    let before = upstream.panics();
    upstream.next_unasked((subject.item)(200));
    expect(upstream.panics() == before, || "an item after its cancellation made it panic".into())
}

fn completion_without_demand<T: Send + 'static, E: Send + 'static>(
    subject: &Subject<T, E>,
) -> Found {
    let upstream = subject.start(ScriptedPublisher::new());
    upstream.complete();
    expect(upstream.panics() == 0, || "on_complete before any item panicked".into())
}

fn an_error_without_demand<T: Send + 'static, E: Send + 'static>(subject: &Subject<T, E>) -> Found {
    let Some(error) = &subject.error else { return Ok(()) };
    let upstream = subject.start(ScriptedPublisher::new());
    upstream.error(error());
    expect(upstream.panics() == 0, || "on_error before any item panicked".into())
}

fn signals_return<T: Send + 'static, E: Send + 'static>(subject: &Subject<T, E>) -> Found {
    let upstream = subject.start(ScriptedPublisher::new());
    expect(upstream.panics() == 0, || "on_subscribe panicked".into())?;
    let fed = subject.feed(&upstream, 100);
    expect(upstream.panics() == 0, || format!("on_next panicked at item {fed}"))?;
    // An end right at the beginning is judged by rules 2.9 and 2.10.
    if fed > 0 && !upstream.is_over() {
        upstream.complete();
        expect(upstream.panics() == 0, || format!("on_complete panicked after {fed} items"))?;
    }
    Ok(())
}
