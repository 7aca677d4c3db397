//! A subscriber that is driven by hand and writes down what it is sent.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, Discards, Fault, More, Publisher, Subscriber,
    Subscription, Upstream,
};

use crate::lock::lock;
use crate::order;

/// What happened at a [`Probe`], in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<T, E> {
    /// It was given its subscription.
    Subscribed,
    /// It asked, from outside or from inside a signal.
    Requested(Demand),
    /// It asked for a raw number.
    RequestedRaw(i64),
    /// An item came.
    Next(T),
    /// It answered the item above with something other than [`More::NONE`].
    Answered(More),
    /// The stream completed.
    Completed,
    /// The stream failed.
    Failed(E),
    /// The pipeline broke.
    Faulted(Faulted),
    /// It dropped its subscription.
    Cancelled,
    /// It was dropped without an end.
    Dropped,
}

impl<T, E> Event<T, E> {
    /// Whether it is an end that was signalled.
    pub fn is_end(&self) -> bool {
        matches!(self, Event::Completed | Event::Failed(_) | Event::Faulted(_))
    }
}

/// A [`Fault`] as it was seen, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Faulted {
    /// User code panicked, with this message if it was text.
    Panicked(Option<String>),
    /// Somebody asked for this.
    InvalidDemand(i64),
    /// The source went away.
    SourceDropped,
    /// A blocking end on a thread of an executor.
    BlockedExecutor,
    /// Another one, as text.
    Other(String),
}

impl From<&Fault> for Faulted {
    fn from(fault: &Fault) -> Faulted {
        match fault {
            Fault::Panicked(panic) => Faulted::Panicked(panic.message().map(str::to_owned)),
            Fault::InvalidDemand(invalid) => Faulted::InvalidDemand(invalid.0),
            Fault::SourceDropped => Faulted::SourceDropped,
            Fault::BlockedExecutor => Faulted::BlockedExecutor,
            other => Faulted::Other(other.to_string()),
        }
    }
}

/// What a [`Probe`] does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// It answers this.
    More(More),
    /// It asks through its subscription, from inside the signal, and answers [`More::NONE`].
    Request(Demand),
    /// It drops its subscription inside the signal, and answers [`More::NONE`].
    Drop,
    /// It panics.
    Panic,
}

impl Answer {
    /// It asks for nothing more.
    pub const NONE: Answer = Answer::More(More::NONE);
    /// It asks for one more.
    pub const ONE: Answer = Answer::More(More::ONE);
    /// It has seen enough.
    pub const CANCEL: Answer = Answer::More(More::CANCEL);
}

/// A signal in which a [`Probe`] can panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `on_subscribe`.
    Subscribe,
    /// `on_complete`.
    Complete,
    /// `on_error`.
    Error,
    /// `on_fault`.
    Fault,
}

/// How a [`Probe`] behaves; unless told otherwise it asks for nothing by itself.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::{Answer, Behaviour, Probe};
///
/// // One at a time, and enough after the second.
/// let one_by_one = Behaviour::new().initially(1).each(Answer::ONE).at(2, Answer::CANCEL);
/// let (probe, handle) = Probe::with(one_by_one);
/// millstream::from_iter(1..10).subscribe(probe);
/// assert_eq!(handle.items(), [1, 2]);
/// handle.assert_dropped();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Behaviour {
    initially: Vec<Demand>,
    each: Option<Answer>,
    at: Vec<(u64, Answer)>,
    at_once: bool,
    panics: Vec<Place>,
    stack_limit: Option<usize>,
}

impl Behaviour {
    /// Asks for nothing by itself.
    pub fn new() -> Behaviour {
        Behaviour::default()
    }

    /// Asks for `n` from inside `on_subscribe`; several of these are several requests.
    pub fn initially(mut self, n: u64) -> Behaviour {
        self.initially.extend(Demand::new(n));
        self
    }

    /// Does this with each item.
    pub fn each(mut self, answer: Answer) -> Behaviour {
        self.each = Some(answer);
        self
    }

    /// Does this with the `k`-th item, counted from 1.
    pub fn at(mut self, k: u64, answer: Answer) -> Behaviour {
        self.at.push((k, answer));
        self
    }

    /// Drops its subscription inside `on_subscribe`.
    pub fn cancels_at_once(mut self) -> Behaviour {
        self.at_once = true;
        self
    }

    /// Panics in that signal.
    pub fn panics_in(mut self, place: Place) -> Behaviour {
        self.panics.push(place);
        self
    }

    /// Cancels, and notes a violation of rule 3.3, when the stack between two items on one
    /// thread grows by more than this number of bytes.
    pub fn stack_limit(mut self, bytes: usize) -> Behaviour {
        self.stack_limit = Some(bytes);
        self
    }

    fn answer(&self, k: u64) -> Answer {
        let at = self.at.iter().find(|(at, _)| *at == k).map(|(_, answer)| *answer);
        at.or(self.each).unwrap_or(Answer::NONE)
    }
}

/// A breach of the protocol that a [`Probe`] saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, as in "1.1".
    pub rule: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.what)
    }
}

struct Record<T, E> {
    log: Vec<Event<T, E>>,
    discarded: Vec<T>,
    requested: Credit,
    delivered: u64,
    inside: Option<(&'static str, ThreadId)>,
    violations: Vec<Violation>,
    subscribed: bool,
    ended: bool,
    gone: bool,
    enough: bool,
    stack: Option<(ThreadId, usize)>,
    /// When it panicked in an item.
    panicked: Option<u64>,
}

struct Shared<T, E> {
    record: Mutex<Record<T, E>>,
    changed: Condvar,
    upstream: Mutex<Slot>,
}

impl<T, E> Shared<T, E> {
    fn new() -> Arc<Shared<T, E>> {
        Arc::new(Shared {
            record: Mutex::new(Record {
                log: Vec::new(),
                discarded: Vec::new(),
                requested: Credit::NONE,
                delivered: 0,
                inside: None,
                violations: Vec::new(),
                subscribed: false,
                ended: false,
                gone: false,
                enough: false,
                stack: None,
                panicked: None,
            }),
            changed: Condvar::new(),
            upstream: Mutex::new(Slot::Empty),
        })
    }
}

enum Slot {
    Empty,
    Held(Arc<dyn Upstream>),
    /// Cancelled, or nobody holds a handle any more.
    Closed,
}

impl<T, E> Shared<T, E> {
    fn record(&self) -> MutexGuard<'_, Record<T, E>> {
        lock(&self.record)
    }

    fn note(&self, event: Event<T, E>) {
        self.record().log.push(event);
        self.changed.notify_all();
    }

    fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        match &*lock(&self.upstream) {
            Slot::Held(upstream) => Some(upstream.clone()),
            _ => None,
        }
    }

    fn request(&self, demand: Demand) {
        {
            let mut record = self.record();
            record.requested.add(More::from(demand));
            record.log.push(Event::Requested(demand));
        }
        if let Some(upstream) = self.upstream() {
            upstream.request(demand);
        }
    }

    fn cancel(&self, cause: Option<Cause>) {
        let slot = std::mem::replace(&mut *lock(&self.upstream), Slot::Closed);
        if let Slot::Held(upstream) = slot {
            self.note(Event::Cancelled);
            match cause {
                Some(cause) => upstream.cancel_because(cause),
                None => upstream.cancel(),
            }
        }
    }

    fn violation(record: &mut Record<T, E>, rule: &'static str, what: String) {
        record.violations.push(Violation { rule, what });
    }

    fn enter(&self, name: &'static str) -> Inside<'_, T, E> {
        let mut record = self.record();
        let thread = std::thread::current().id();
        if let Some((other, where_)) = record.inside {
            let what = format!("{name} on {thread:?} while {other} ran on {where_:?}");
            Self::violation(&mut record, "1.3", what);
        }
        if record.ended {
            Self::violation(&mut record, "1.7", format!("{name} after the end"));
        }
        if record.enough {
            Self::violation(&mut record, "1.8", format!("{name} after the answer `cancel`"));
        }
        record.inside = Some((name, thread));
        Inside(self)
    }
}

struct Inside<'a, T, E>(&'a Shared<T, E>);

impl<T, E> Drop for Inside<'_, T, E> {
    fn drop(&mut self) {
        self.0.record().inside = None;
        self.0.changed.notify_all();
    }
}

type Recorder<T, V> = Box<dyn FnMut(T) -> V + Send>;

/// A subscriber with demand by hand and a log of what it is sent.
///
/// It comes with a [`ProbeHandle`], which asks, cancels and looks. It checks on its own that no
/// more comes than was asked for, that signals do not overlap and that none follows the end.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::{Event, Probe};
///
/// let (probe, handle) = Probe::new();
/// millstream::from_iter(1..=2).subscribe(probe);
/// handle.request(1);
/// handle.assert_items(&[1]);
/// handle.request(5);
/// handle.assert_items(&[1, 2]);
/// handle.assert_completed();
/// assert_eq!(handle.log().last(), Some(&Event::Completed));
/// ```
#[doc(alias = "TestSubscriber", alias = "TestSink", alias = "AssertSubscriber")]
pub struct Probe<T, E, V = T, F = E> {
    presence: Presence<V, F>,
    behaviour: Behaviour,
    record: Recorder<T, V>,
    record_error: Recorder<E, F>,
    context: Context,
}

impl<T: Send + 'static, E: Send + 'static> Probe<T, E> {
    /// Also notes the items of its type that stages upstream discard: see
    /// [`ProbeHandle::discarded`].
    #[must_use]
    pub fn noting_discards(mut self) -> Probe<T, E> {
        let shared = self.presence.0.clone();
        let hook = move |item: T| shared.record().discarded.push(item);
        let discards = Discards::new(hook, self.context.discards().clone());
        self.context = self.context.with_discards(discards);
        self
    }

    /// A probe that asks for nothing by itself.
    #[must_use]
    pub fn new() -> (Probe<T, E>, ProbeHandle<T, E>) {
        Probe::with(Behaviour::new())
    }

    /// A probe with a behaviour.
    #[must_use]
    pub fn with(behaviour: Behaviour) -> (Probe<T, E>, ProbeHandle<T, E>) {
        Probe::recording(behaviour, |item| item, |error| error)
    }
}

impl<T, E, V, F> Probe<T, E, V, F> {
    /// A probe that keeps something else than the items and the errors themselves, which it
    /// drops: values of counted items, or their text.
    #[must_use]
    pub fn recording(
        behaviour: Behaviour,
        record: impl FnMut(T) -> V + Send + 'static,
        record_error: impl FnMut(E) -> F + Send + 'static,
    ) -> (Probe<T, E, V, F>, ProbeHandle<V, F>) {
        let shared = Shared::new();
        let probe = Probe {
            presence: Presence(shared.clone()),
            behaviour,
            record: Box::new(record),
            record_error: Box::new(record_error),
            context: Context::default(),
        };
        (probe, ProbeHandle(Arc::new(Hold(shared))))
    }
}

impl<T, E, V, F> fmt::Debug for Probe<T, E, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("behaviour", &self.behaviour).finish_non_exhaustive()
    }
}

/// Notes when the subscriber goes away.
struct Presence<V, F>(Arc<Shared<V, F>>);

impl<V, F> Drop for Presence<V, F> {
    fn drop(&mut self) {
        let mut record = self.0.record();
        record.gone = true;
        if !record.ended {
            record.log.push(Event::Dropped);
        }
        drop(record);
        // A subscriber that is gone keeps its subscription no longer.
        let slot = std::mem::replace(&mut *lock(&self.0.upstream), Slot::Closed);
        drop(slot);
        self.0.changed.notify_all();
    }
}

/// A panic on purpose: it does not go through the panic hook, which would print it.
pub(crate) fn panic_on_purpose(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}

impl<T, E, V, F> Subscriber<T, E> for Probe<T, E, V, F>
where
    T: Send + 'static,
    E: Send + 'static,
    V: Send + 'static,
    F: Send + 'static,
{
    type Active = ActiveProbe<T, E, V, F>;

    fn context(&self) -> Context {
        self.context.clone()
    }

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let shared = &self.presence.0;
        let inside = shared.enter("on_subscribe");
        {
            let mut record = shared.record();
            record.subscribed = true;
            record.log.push(Event::Subscribed);
        }
        // From here on the handle cancels, and no longer the drop of the subscription.
        let upstream = subscription.into_upstream();
        let abandoned = {
            let mut slot = lock(&shared.upstream);
            let abandoned = matches!(*slot, Slot::Closed);
            if !abandoned {
                *slot = Slot::Held(upstream.clone());
            }
            abandoned
        };
        if abandoned {
            upstream.cancel();
        }
        if self.behaviour.panics.contains(&Place::Subscribe) {
            shared.cancel(None);
            panic_on_purpose("a probe panicked in on_subscribe");
        }
        for demand in &self.behaviour.initially {
            shared.request(*demand);
        }
        if self.behaviour.at_once {
            shared.cancel(None);
        }
        drop(inside);
        ActiveProbe {
            presence: self.presence,
            behaviour: self.behaviour,
            record: self.record,
            record_error: self.record_error,
        }
    }
}

/// A [`Probe`] that has its subscription.
pub struct ActiveProbe<T, E, V = T, F = E> {
    presence: Presence<V, F>,
    behaviour: Behaviour,
    record: Recorder<T, V>,
    record_error: Recorder<E, F>,
}

impl<T, E, V, F> fmt::Debug for ActiveProbe<T, E, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveProbe").finish_non_exhaustive()
    }
}

impl<T, E, V, F> ActiveProbe<T, E, V, F> {
    fn end(&self, name: &'static str, place: Place, event: Event<V, F>) {
        let shared = &self.presence.0;
        let inside = shared.enter(name);
        {
            let mut record = shared.record();
            record.ended = true;
            record.log.push(event);
        }
        if self.behaviour.panics.contains(&place) {
            panic_on_purpose("a probe panicked at the end");
        }
        drop(inside);
    }
}

impl<T, E, V, F> ActiveSubscriber<T, E> for ActiveProbe<T, E, V, F>
where
    T: Send + 'static,
    E: Send + 'static,
    V: Send + 'static,
    F: Send + 'static,
{
    fn on_next(&mut self, item: T) -> More {
        let shared = &self.presence.0;
        let inside = shared.enter("on_next");
        let value = (self.record)(item);
        let mark = 0_u8;
        let here = std::ptr::from_ref(&mark).addr();
        let (index, too_deep) = {
            let mut record = shared.record();
            record.delivered += 1;
            if !record.requested.is_unbounded() && record.delivered > record.requested.get().count()
            {
                let what = format!(
                    "item {} came after {:?} had been asked for",
                    record.delivered, record.requested
                );
                Shared::violation(&mut record, "1.1", what);
            }
            record.log.push(Event::Next(value));
            let thread = std::thread::current().id();
            let grown = match record.stack {
                Some((first, base)) if first == thread => base.abs_diff(here),
                _ => {
                    record.stack = Some((thread, here));
                    0
                }
            };
            let too_deep = self.behaviour.stack_limit.is_some_and(|limit| grown > limit);
            if too_deep {
                let what = format!("{grown} bytes of stack after {} items", record.delivered);
                Shared::violation(&mut record, "3.3", what);
            }
            (record.delivered, too_deep)
        };
        let answer = if too_deep { Answer::CANCEL } else { self.behaviour.answer(index) };
        let more = match answer {
            Answer::More(more) => {
                let mut record = shared.record();
                record.requested.add(more);
                record.enough |= more.is_cancel();
                if more != More::NONE {
                    record.log.push(Event::Answered(more));
                }
                more
            }
            Answer::Request(demand) => {
                shared.request(demand);
                More::NONE
            }
            Answer::Drop => {
                shared.cancel(None);
                More::NONE
            }
            Answer::Panic => {
                shared.record().panicked = Some(order::tick());
                panic_on_purpose("a probe panicked in on_next")
            }
        };
        drop(inside);
        more
    }

    fn on_complete(self) {
        self.end("on_complete", Place::Complete, Event::Completed);
    }

    fn on_error(mut self, error: E) {
        let error = (self.record_error)(error);
        self.end("on_error", Place::Error, Event::Failed(error));
    }

    fn on_fault(self, fault: Fault) {
        self.end("on_fault", Place::Fault, Event::Faulted(Faulted::from(&fault)));
    }
}

/// The last handle cancels.
struct Hold<V, F>(Arc<Shared<V, F>>);

impl<V, F> Drop for Hold<V, F> {
    fn drop(&mut self) {
        self.0.cancel(None);
    }
}

/// The outside of a [`Probe`]: asks, cancels, looks. Clones are handles on the same probe.
///
/// It may be used from any thread. When the last handle is dropped, the probe cancels.
pub struct ProbeHandle<T, E>(Arc<Hold<T, E>>);

impl<T, E> Clone for ProbeHandle<T, E> {
    fn clone(&self) -> Self {
        ProbeHandle(self.0.clone())
    }
}

impl<T, E> ProbeHandle<T, E> {
    fn shared(&self) -> &Shared<T, E> {
        &self.0.0
    }

    /// Asks for `n` more.
    ///
    /// # Panics
    /// When `n` is zero; see [`request_raw`](ProbeHandle::request_raw).
    #[track_caller]
    pub fn request(&self, n: u64) {
        self.shared().request(Demand::of(n));
    }

    /// Asks for all there is.
    pub fn request_unbounded(&self) {
        self.shared().request(Demand::UNBOUNDED);
    }

    /// Asks for a raw number, as [`Subscription::request_raw`] does.
    pub fn request_raw(&self, n: i64) {
        match Demand::from_raw(n) {
            Ok(demand) => self.shared().request(demand),
            Err(invalid) => {
                self.shared().note(Event::RequestedRaw(n));
                if let Some(upstream) = self.upstream() {
                    upstream.fail(Fault::InvalidDemand(invalid));
                }
            }
        }
    }

    /// Drops the subscription. Doing it again does nothing.
    pub fn cancel(&self) {
        self.shared().cancel(None);
    }

    /// As [`cancel`](ProbeHandle::cancel), and says why.
    pub fn cancel_because(&self, cause: Cause) {
        self.shared().cancel(Some(cause));
    }

    /// The other end of the subscription, while there is one: for calls that the type of a
    /// subscription does not allow, such as a request after `cancel`.
    #[must_use]
    pub fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        self.shared().upstream()
    }

    /// Whether it has its subscription.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.shared().record().subscribed
    }

    /// Whether an end was signalled.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.shared().record().ended
    }

    /// Whether the subscriber is gone: after an end, after cancellation.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.shared().record().gone
    }

    /// How many items came.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.shared().record().delivered
    }

    /// How many items were asked for, by requests and by answers.
    pub fn requested(&self) -> More {
        self.shared().record().requested.get()
    }

    /// When it panicked in an item, in the order of what is noted.
    pub(crate) fn panicked(&self) -> Option<u64> {
        self.0.0.record().panicked
    }

    /// What `look` makes of all that happened. Signals wait until it has returned.
    pub(crate) fn with_log<R>(&self, look: impl FnOnce(&[Event<T, E>]) -> R) -> R {
        look(&self.shared().record().log)
    }

    /// As [`with_log`](ProbeHandle::with_log), of what was discarded.
    pub(crate) fn with_discarded<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        look(&self.shared().record().discarded)
    }

    /// The breaches it saw.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared().record().violations.clone()
    }

    /// Waits until `done`, at most for `patience`; says whether it came to that.
    pub fn wait_until(&self, patience: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if done(self) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // `done` takes the lock itself, so a change may slip in before the wait.
            let step = left.min(Duration::from_millis(1));
            let record = self.shared().record();
            drop(
                self.shared()
                    .changed
                    .wait_timeout(record, step)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }
}

impl<T: Clone, E: Clone> ProbeHandle<T, E> {
    /// All that happened, in order.
    #[must_use]
    pub fn log(&self) -> Vec<Event<T, E>> {
        self.shared().record().log.clone()
    }

    /// The items that came.
    #[must_use]
    pub fn items(&self) -> Vec<T> {
        let record = self.shared().record();
        let items = record.log.iter().filter_map(|event| match event {
            Event::Next(item) => Some(item.clone()),
            _ => None,
        });
        items.collect()
    }

    /// The items that stages upstream discarded, where the probe
    /// [notes](Probe::noting_discards) them.
    #[must_use]
    pub fn discarded(&self) -> Vec<T> {
        self.shared().record().discarded.clone()
    }

    /// The end that was signalled, if one was.
    #[must_use]
    pub fn end(&self) -> Option<Event<T, E>> {
        self.shared().record().log.iter().find(|event| event.is_end()).cloned()
    }
}

impl<T, E> ProbeHandle<T, E>
where
    T: fmt::Debug,
    E: fmt::Debug,
{
    /// The log as text, an event a line.
    #[must_use]
    pub fn log_text(&self) -> String {
        let record = self.shared().record();
        let mut text = String::new();
        let all = record.log.len();
        for (index, event) in record.log.iter().enumerate() {
            // The beginning and the end of a long run tell more than its middle.
            if index < 20 || index + 20 >= all {
                text.push_str(&format!("  {event:?}\n"));
            } else if index == 20 {
                text.push_str(&format!("  .. {} events ..\n", all - 40));
            }
        }
        for violation in record.violations.iter().take(20) {
            text.push_str(&format!("  ! {violation}\n"));
        }
        text
    }
}

impl<T, E> ProbeHandle<T, E>
where
    T: Clone + fmt::Debug,
    E: Clone + fmt::Debug,
{
    #[track_caller]
    fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        assert!(holds, "{}\nlog:\n{}", what(), self.log_text());
    }

    /// Exactly these items came so far.
    #[track_caller]
    pub fn assert_items(&self, expected: &[T])
    where
        T: PartialEq,
    {
        let items = self.items();
        self.check(items == expected, || format!("expected items {expected:?}, got {items:?}"));
    }

    /// The log is exactly this.
    #[track_caller]
    pub fn assert_log(&self, expected: &[Event<T, E>])
    where
        T: PartialEq,
        E: PartialEq,
    {
        self.check(self.log() == expected, || format!("expected the log {expected:?}"));
    }

    /// The stream completed.
    #[track_caller]
    pub fn assert_completed(&self) {
        let end = self.end();
        self.check(matches!(end, Some(Event::Completed)), || {
            format!("expected completion, got {end:?}")
        });
    }

    /// The stream failed with this error.
    #[track_caller]
    pub fn assert_failed(&self, expected: &E)
    where
        E: PartialEq,
    {
        let end = self.end();
        self.check(matches!(&end, Some(Event::Failed(error)) if error == expected), || {
            format!("expected the error {expected:?}, got {end:?}")
        });
    }

    /// The pipeline broke by this fault.
    #[track_caller]
    pub fn assert_faulted(&self, expected: &Faulted) {
        let end = self.end();
        self.check(matches!(&end, Some(Event::Faulted(fault)) if fault == expected), || {
            format!("expected the fault {expected:?}, got {end:?}")
        });
    }

    /// No end was signalled so far.
    #[track_caller]
    pub fn assert_no_end(&self) {
        let end = self.end();
        self.check(end.is_none(), || format!("expected no end, got {end:?}"));
    }

    /// The subscriber is gone.
    #[track_caller]
    pub fn assert_dropped(&self) {
        self.check(self.is_dropped(), || "expected the subscriber to be dropped".into());
    }

    /// It saw no breach of the protocol.
    #[track_caller]
    pub fn assert_no_violation(&self) {
        let violations = self.violations();
        self.check(violations.is_empty(), || format!("the protocol was broken: {}", violations[0]));
    }
}

impl<T, E> fmt::Debug for ProbeHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.shared().record();
        f.debug_struct("ProbeHandle")
            .field("delivered", &record.delivered)
            .field("requested", &record.requested)
            .field("ended", &record.ended)
            .finish_non_exhaustive()
    }
}

/// Subscribes a probe with `behaviour` to `publisher`.
///
/// ```
/// use millstream_testkit::{Behaviour, probe};
///
/// let handle = probe(millstream::from_iter(1..=3), Behaviour::new().initially(2));
/// handle.assert_items(&[1, 2]);
/// handle.assert_no_end();
/// ```
pub fn probe<P: Publisher>(publisher: P, behaviour: Behaviour) -> ProbeHandle<P::Item, P::Error> {
    let (probe, handle) = Probe::with(behaviour);
    publisher.subscribe(probe);
    handle
}

#[cfg(test)]
mod tests {
    use super::*;

    // Safe code cannot make two signals overlap, so this goes below the types.
    #[test]
    fn overlapping_signals_are_a_violation_with_both_names() {
        let (probe, handle) = Probe::<u8, ()>::new();
        let first = probe.presence.0.enter("on_next");
        let second = probe.presence.0.enter("on_complete");
        drop((first, second));
        let violations = handle.violations();
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].rule, "1.3");
        assert!(violations[0].what.starts_with("on_complete on "), "{}", violations[0]);
        assert!(violations[0].what.contains("while on_next ran on"), "{}", violations[0]);
    }
}
