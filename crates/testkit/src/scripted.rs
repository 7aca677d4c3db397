//! A publisher that is driven by hand or by a script, and misbehaves on demand.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_blocks::boxed::{BoxActive, BoxSubscriber};
use millstream_core::{
    ActiveSubscriber, Cause, Credit, Demand, End, Fault, More, Panic, Progress, Publisher, Pull,
    Pulled, Rest, Subscriber, Subscription, Upstream,
};

use crate::lock::lock;
use crate::order;
use crate::probe::panic_on_purpose;

/// A way to break the protocol on purpose: see [`ScriptedPublisher::breaking`].
///
/// Some breaches cannot be written, here or anywhere in safe code:
///
/// | breach | forbidden by |
/// |---|---|
/// | two signals at the same time (1.3) | `ActiveSubscriber::on_next` takes `&mut self` |
/// | a signal after the end, two ends (1.7) | `on_end`, `on_complete`, `on_error` take `self` |
/// | an item before `on_subscribe` (1.9) | only what `on_subscribe` returns has `on_next` |
/// | a second `on_subscribe` (2.12), a second subscription (2.5) | `on_subscribe` takes `self` |
/// | a subscriber used twice (1.10) | `subscribe` takes it by value |
/// | a request for zero or fewer (3.9) | `Demand` is not zero; `request_raw` turns it into a fault |
/// | null (1.9, 2.13) | there is none |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// The script is sent as soon as there is any demand (1.1).
    IgnoresDemand,
    /// The first item of the script is sent before any demand (1.1).
    EmitsBeforeRequest,
    /// Each request gives one item more than it asks for (1.1).
    OneTooMany,
    /// Drops the subscriber without `on_subscribe` (1.9).
    NeverSubscribes,
    /// Panics in `subscribe` (1.9).
    PanicsInSubscribe,
    /// Drops the subscriber where it should complete (1.5) or fail (1.4).
    VanishesAtEnd,
    /// Sends nothing where it should complete (1.5) or fail (1.4).
    NeverEnds,
    /// Completes where it should fail (1.4).
    CompletesInsteadOfFailing,
    /// Keeps the subscriber after the end of it by cancellation, sending nothing (3.13).
    KeepsSubscriber,
    /// Cancellation changes nothing (1.8, 3.12).
    IgnoresCancel,
    /// A request after cancellation still gives an item (3.6).
    ServesRequestAfterCancel,
    /// A second cancellation panics (3.7).
    PanicsInSecondCancel,
    /// `cancel` panics (3.15).
    PanicsInCancel,
    /// `request` panics (3.16).
    PanicsInRequest,
    /// A panic in the subscriber goes through `request` and `subscribe` (2.13).
    Unwinds,
    /// Demand is set by a request, not added to (3.8).
    ReplacesDemand,
    /// Demand is added in a number that wraps (3.17).
    WrapsDemand,
    /// An invalid request is not told to the subscriber (3.9).
    IgnoresInvalidDemand,
    /// A request from inside a signal is forgotten (3.2).
    ForgetsNestedRequest,
    /// A request after the end panics (1.6).
    PanicsAfterEnd,
}

enum Signal<T, E> {
    Next(T),
    End(End<E>),
    Vanish,
}

enum Post<T, E> {
    Request(Demand),
    Signal(Signal<T, E>),
    Fault(Fault),
    Cancelled,
}

enum Receiver<T, E> {
    Vacant,
    Active(BoxActive<T, E>),
    Rest(Box<dyn Rest>),
}

impl<T, E> Receiver<T, E> {
    fn is_vacant(&self) -> bool {
        matches!(self, Receiver::Vacant)
    }
}

/// The lines of a script. Without demand (`wanted` is false) nothing has to be told.
trait Lines<T, E>: Send {
    fn next(&mut self, wanted: bool) -> Option<Signal<T, E>>;
}

struct Listed<I>(I);

impl<T, E, I: Iterator<Item = Signal<T, E>> + Send> Lines<T, E> for Listed<I> {
    fn next(&mut self, _: bool) -> Option<Signal<T, E>> {
        self.0.next()
    }
}

struct Followed<T, E> {
    first: Option<Box<dyn Lines<T, E>>>,
    last: Option<Signal<T, E>>,
}

impl<T: Send, E: Send> Lines<T, E> for Followed<T, E> {
    fn next(&mut self, wanted: bool) -> Option<Signal<T, E>> {
        if let Some(first) = &mut self.first {
            if let Some(line) = first.next(wanted) {
                return Some(line);
            }
            self.first = None;
        }
        self.last.take()
    }
}

struct PulledLines<P> {
    pull: P,
    started: bool,
}

impl<P: Pull> Lines<P::Item, P::Error> for PulledLines<P> {
    fn next(&mut self, wanted: bool) -> Option<Signal<P::Item, P::Error>> {
        loop {
            let pulled = if wanted {
                self.started = true;
                self.pull.pull()
            } else {
                self.pull.look_ahead(self.started)
            };
            match pulled {
                Pulled::Item(item) => return Some(Signal::Next(item)),
                Pulled::Complete => return Some(Signal::End(End::Completed)),
                Pulled::Error(error) => return Some(Signal::End(End::Failed(error))),
                Pulled::Skipped => {}
                Pulled::Pending => return None,
            }
        }
    }
}

struct State<T, E> {
    receiver: Receiver<T, E>,
    /// Kept after the end by a breach.
    kept: Option<Receiver<T, E>>,
    busy: bool,
    subscribed: bool,
    /// Its subscription was dropped.
    cancelled: bool,
    /// The chain wants no more, but may still be owed what a stage holds.
    enough: bool,
    over: bool,
    posts: VecDeque<Post<T, E>>,
    lines: Option<Box<dyn Lines<T, E>>>,
    line: Option<Signal<T, E>>,
    credit: Credit,
    wrapping: i64,
    asked: Credit,
    requests: u64,
    requests_after_end: u64,
    cancels: u64,
    /// Why it was cancelled, and when.
    cause: Option<(Cause, u64)>,
    panics: u64,
    sent: u64,
    breaches: Vec<Breach>,
    threaded: bool,
}

struct Wire<T, E> {
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

impl<T, E> Wire<T, E> {
    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        lock(&self.state)
    }
}

impl<T, E> State<T, E> {
    fn breaks(&self, breach: Breach) -> bool {
        self.breaches.contains(&breach)
    }

    fn silenced(&self) -> bool {
        self.cancelled && !self.breaks(Breach::IgnoresCancel)
    }

    fn may_send(&self) -> bool {
        if self.breaks(Breach::IgnoresDemand) && self.requests > 0
            || self.breaks(Breach::EmitsBeforeRequest) && self.sent == 0
        {
            return true;
        }
        if self.breaks(Breach::WrapsDemand) {
            return self.wrapping > 0;
        }
        !self.credit.is_empty()
    }

    /// The first cause stands, and what has ended is not cancelled any more.
    fn told(&mut self, cause: Cause) {
        if !self.over && self.cause.is_none() {
            self.cause = Some((cause, order::tick()));
        }
    }

    fn add(&mut self, more: More) {
        self.asked.add(more);
        if self.breaks(Breach::ReplacesDemand) && more.count() > 0 {
            self.credit = Credit::NONE;
        }
        self.wrapping = self.wrapping.wrapping_add(more.count().cast_signed());
        if self.breaks(Breach::OneTooMany) && more.count() > 0 {
            self.credit.add(More::ONE);
        }
        self.credit.add(more);
    }
}

impl<T: Send + 'static, E: Send + 'static> Wire<T, E> {
    fn post(self: &Arc<Self>, post: Post<T, E>) {
        let (busy, threaded) = {
            let mut state = self.state();
            state.posts.push_back(post);
            (state.busy, state.threaded)
        };
        // Whoever is busy looks once more before it is not: a thread for each request from inside
        // would have nothing to do.
        if busy {
            return;
        }
        if threaded {
            let wire = self.clone();
            crate::reaper::spawn(move || wire.run());
        } else {
            self.run();
        }
    }

    /// What to do next. The lines of a script come after all that was posted.
    fn next_post(&self) -> Option<Post<T, E>> {
        let mut state = self.state();
        if let Some(post) = state.posts.pop_front() {
            return Some(post);
        }
        if state.over {
            return None;
        }
        let wanted = state.may_send();
        if state.line.is_none()
            && let Some(mut lines) = state.lines.take()
        {
            // Whatever makes the lines is the test's own code: no lock is held meanwhile.
            drop(state);
            let line = catch_unwind(AssertUnwindSafe(|| lines.next(wanted)));
            let line = line.unwrap_or_else(|payload| {
                Some(Signal::End(End::Fault(Fault::Panicked(Panic::new(payload)))))
            });
            state = self.state();
            state.lines = Some(lines);
            state.line = line;
        }
        match &state.line {
            Some(Signal::Next(_)) if !state.may_send() => None,
            Some(_) => state.line.take().map(Post::Signal),
            None => None,
        }
    }

    /// Works off what there is to do, unless somebody does already.
    fn run(&self) {
        let mut receiver = {
            let mut state = self.state();
            if state.busy || !state.subscribed {
                return;
            }
            state.busy = true;
            std::mem::replace(&mut state.receiver, Receiver::Vacant)
        };
        loop {
            let cancelled = {
                let mut state = self.state();
                let cancelled = state.silenced() && !receiver.is_vacant();
                if cancelled {
                    state.over = true;
                    if state.breaks(Breach::KeepsSubscriber) {
                        state.kept = Some(std::mem::replace(&mut receiver, Receiver::Vacant));
                    }
                }
                cancelled
            };
            let post = if cancelled { Some(Post::Cancelled) } else { self.next_post() };
            let Some(post) = post else {
                let mut state = self.state();
                if !state.posts.is_empty() || state.silenced() && !receiver.is_vacant() {
                    continue;
                }
                state.receiver = receiver;
                state.busy = false;
                drop(state);
                self.changed.notify_all();
                return;
            };
            if self.state().breaks(Breach::Unwinds) {
                receiver = self.perform(receiver, post);
                continue;
            }
            let mut slot = receiver;
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let taken = std::mem::replace(&mut slot, Receiver::Vacant);
                self.perform(taken, post)
            }));
            receiver = outcome.unwrap_or_else(|_| {
                // A panic at an end, or while something was dropped: there is nobody to tell.
                let mut state = self.state();
                state.panics += 1;
                state.over = true;
                Receiver::Vacant
            });
        }
    }

    fn perform(&self, receiver: Receiver<T, E>, post: Post<T, E>) -> Receiver<T, E> {
        match (receiver, post) {
            (_, Post::Cancelled) => {
                let (posts, lines, line) = {
                    let mut state = self.state();
                    let keep = state.breaks(Breach::ServesRequestAfterCancel);
                    (
                        std::mem::take(&mut state.posts),
                        if keep { None } else { state.lines.take() },
                        state.line.take(),
                    )
                };
                drop((posts, lines, line));
                Receiver::Vacant
            }
            (Receiver::Vacant, _) => Receiver::Vacant,
            (Receiver::Active(active), Post::Request(demand)) => {
                self.call(active, |active| active.on_request(More::from(demand)))
            }
            (Receiver::Active(active), Post::Signal(Signal::Next(item))) => {
                {
                    let mut state = self.state();
                    state.sent += 1;
                    state.wrapping = state.wrapping.saturating_sub(1);
                    if !state.credit.is_empty() {
                        state.credit.spend();
                    }
                }
                self.call(active, |active| active.on_next(item))
            }
            (Receiver::Active(active), Post::Signal(Signal::End(end))) => {
                let (never, vanishes, completes) = {
                    let state = self.state();
                    (
                        state.breaks(Breach::NeverEnds),
                        state.breaks(Breach::VanishesAtEnd),
                        state.breaks(Breach::CompletesInsteadOfFailing),
                    )
                };
                match end {
                    End::Completed | End::Failed(_) if never => Receiver::Active(active),
                    End::Completed | End::Failed(_) if vanishes => {
                        self.perform(Receiver::Active(active), Post::Signal(Signal::Vanish))
                    }
                    End::Failed(_) if completes => self.end(active, End::Completed),
                    end => self.end(active, end),
                }
            }
            (Receiver::Active(active), Post::Fault(fault)) => self.end(active, End::Fault(fault)),
            (Receiver::Active(active), Post::Signal(Signal::Vanish)) => {
                self.state().over = true;
                drop(active);
                Receiver::Vacant
            }
            (Receiver::Rest(rest), Post::Request(demand)) => self.go_on(rest, More::from(demand)),
            (Receiver::Rest(rest), Post::Fault(fault)) => match rest.break_off(fault) {
                Some(rest) => self.go_on(rest, More::NONE),
                None => Receiver::Vacant,
            },
            (rest @ Receiver::Rest(_), Post::Signal(_)) => rest,
        }
    }

    fn call(
        &self,
        mut active: BoxActive<T, E>,
        signal: impl FnOnce(&mut BoxActive<T, E>) -> More,
    ) -> Receiver<T, E> {
        let unwinds = self.state().breaks(Breach::Unwinds);
        let answered = if unwinds {
            Ok(signal(&mut active))
        } else {
            catch_unwind(AssertUnwindSafe(|| signal(&mut active)))
        };
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(payload) => {
                self.state().panics += 1;
                return self.end(active, End::Fault(Fault::Panicked(Panic::new(payload))));
            }
        };
        while answer.is_yield() && !self.state().silenced() {
            answer = match catch_unwind(AssertUnwindSafe(|| active.on_request(More::NONE))) {
                Ok(answer) => answer,
                Err(payload) => {
                    return self.end(active, End::Fault(Fault::Panicked(Panic::new(payload))));
                }
            };
        }
        if answer.is_cancel() {
            let cause = active.cause();
            let ignored = {
                let mut state = self.state();
                state.enough = true;
                state.told(cause.clone());
                if state.breaks(Breach::KeepsSubscriber) {
                    state.cancelled = true;
                    state.over = true;
                    state.kept = Some(Receiver::Active(active));
                    return Receiver::Vacant;
                }
                state.breaks(Breach::IgnoresCancel)
            };
            if ignored {
                return Receiver::Active(active);
            }
            return self.end(active, End::Cancelled(cause));
        }
        self.state().add(answer);
        Receiver::Active(active)
    }

    fn end(&self, active: BoxActive<T, E>, end: End<E>) -> Receiver<T, E> {
        // The source is dropped before downstream is told.
        let source = {
            let mut state = self.state();
            state.over = true;
            (state.lines.take(), state.line.take())
        };
        drop(source);
        match active.on_end(end) {
            Some(rest) => self.go_on(rest, More::NONE),
            None => Receiver::Vacant,
        }
    }

    fn go_on(&self, mut rest: Box<dyn Rest>, mut more: More) -> Receiver<T, E> {
        let interrupted = || {
            let state = self.state();
            state.silenced() || !state.posts.is_empty()
        };
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(|| rest.go_on(more, &interrupted)));
            let next = match outcome {
                Ok(Progress::Ended) => rest.finish(),
                Ok(Progress::Interrupted) if !interrupted() => Some(rest),
                Ok(_) => return Receiver::Rest(rest),
                Err(payload) => rest.break_off(Fault::Panicked(Panic::new(payload))),
            };
            match next {
                Some(next) => rest = next,
                None => return Receiver::Vacant,
            }
            more = More::NONE;
        }
    }
}

struct Line<T, E>(Arc<Wire<T, E>>);

impl<T: Send + 'static, E: Send + 'static> Upstream for Line<T, E> {
    fn request(&self, demand: Demand) {
        {
            let mut state = self.0.state();
            state.requests += 1;
            if state.over || state.cancelled || state.enough {
                state.requests_after_end += 1;
            }
            let after_end = state.over && !state.cancelled && !state.enough;
            if state.breaks(Breach::PanicsInRequest)
                || after_end && state.breaks(Breach::PanicsAfterEnd)
            {
                drop(state);
                panic_on_purpose("request panicked");
            }
            if state.cancelled && state.breaks(Breach::ServesRequestAfterCancel) {
                if let Some(kept) = state.kept.take() {
                    state.receiver = kept;
                    state.cancelled = false;
                    state.over = false;
                }
            } else if state.cancelled && !state.breaks(Breach::IgnoresCancel) {
                return;
            }
            if state.busy && state.sent > 0 && state.breaks(Breach::ForgetsNestedRequest) {
                return;
            }
        }
        self.0.post(Post::Request(demand));
    }

    fn cancel(&self) {
        {
            let mut state = self.0.state();
            state.cancels += 1;
            state.told(Cause::NoMoreNeeded);
            let (first, second) =
                (state.breaks(Breach::PanicsInCancel), state.breaks(Breach::PanicsInSecondCancel));
            if first || second && state.cancels > 1 {
                drop(state);
                panic_on_purpose("cancel panicked");
            }
            state.cancelled = true;
            if state.breaks(Breach::ServesRequestAfterCancel) && !state.busy && !state.over {
                let receiver = std::mem::replace(&mut state.receiver, Receiver::Vacant);
                state.kept = Some(receiver);
                state.over = true;
                return;
            }
        }
        self.0.changed.notify_all();
        self.0.run();
    }

    fn cancel_because(&self, cause: Cause) {
        self.0.state().told(cause);
        self.cancel();
    }

    fn fail(&self, fault: Fault) {
        if self.0.state().breaks(Breach::IgnoresInvalidDemand) {
            return;
        }
        self.0.post(Post::Fault(fault));
    }
}

/// A publisher that a test drives by hand, or that plays a [`Script`].
///
/// It keeps the contract of a sender, unless it is told to [break](ScriptedPublisher::breaking)
/// it. Clones are handles on the same publisher, which is subscribed to once.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, ScriptedPublisher, probe};
///
/// let upstream = ScriptedPublisher::<u32, ()>::new();
/// let handle = probe(upstream.clone().map(|n| n * 10), Behaviour::new());
/// upstream.assert_requested(0);
/// handle.request(2);
/// upstream.assert_requested(2);
/// upstream.next(1);
/// upstream.complete();
/// handle.assert_items(&[10]);
/// handle.assert_completed();
/// ```
#[doc(alias = "TestPublisher", alias = "TestSource", alias = "PublisherProbe")]
pub struct ScriptedPublisher<T, E>(Arc<Wire<T, E>>);

impl<T, E> Clone for ScriptedPublisher<T, E> {
    fn clone(&self) -> Self {
        ScriptedPublisher(self.0.clone())
    }
}

impl<T: Send + 'static, E: Send + 'static> Default for ScriptedPublisher<T, E> {
    fn default() -> Self {
        ScriptedPublisher::new()
    }
}

impl<T: Send + 'static, E: Send + 'static> ScriptedPublisher<T, E> {
    /// A publisher that does nothing of its own accord.
    #[must_use]
    pub fn new() -> Self {
        ScriptedPublisher::with(None)
    }

    /// A publisher that sends what `script` says, as far as it is asked for.
    #[must_use]
    pub fn playing(script: Script<T, E>) -> Self {
        ScriptedPublisher::with(Some(script.0))
    }

    /// A publisher that sends what `pull` gives, and its end: an item for each asked for.
    #[must_use]
    pub fn pulling(pull: impl Pull<Item = T, Error = E>) -> Self {
        ScriptedPublisher::with(Some(Box::new(PulledLines { pull, started: false })))
    }

    fn with(lines: Option<Box<dyn Lines<T, E>>>) -> Self {
        ScriptedPublisher(Arc::new(Wire {
            state: Mutex::new(State {
                receiver: Receiver::Vacant,
                kept: None,
                busy: false,
                subscribed: false,
                cancelled: false,
                enough: false,
                over: false,
                posts: VecDeque::new(),
                lines,
                line: None,
                credit: Credit::NONE,
                wrapping: 0,
                asked: Credit::NONE,
                requests: 0,
                requests_after_end: 0,
                cancels: 0,
                cause: None,
                panics: 0,
                sent: 0,
                breaches: Vec::new(),
                threaded: false,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Breaks the protocol in this way. Several may be given.
    #[must_use]
    pub fn breaking(self, breach: Breach) -> Self {
        self.0.state().breaches.push(breach);
        self
    }

    /// Sends its signals from threads of its own.
    #[must_use]
    pub fn on_other_threads(self) -> Self {
        self.0.state().threaded = true;
        self
    }

    /// Sends an item. Where the subscriber is gone, it is dropped.
    ///
    /// # Panics
    /// Where there is no demand for it: that would break rule 1.1. See
    /// [`next_unasked`](ScriptedPublisher::next_unasked).
    #[track_caller]
    pub fn next(&self, item: T) {
        let state = self.0.state();
        if !state.over && !state.silenced() {
            let planned = state
                .posts
                .iter()
                .filter(|post| matches!(post, Post::Signal(Signal::Next(_))))
                .count() as u64;
            let open = state.credit.is_unbounded() || state.credit.get().count() > planned;
            let asked = state.asked;
            drop(state);
            assert!(open, "no demand for another item (rule 1.1): {asked:?} were asked for in all");
        } else {
            drop(state);
        }
        self.0.post(Post::Signal(Signal::Next(item)));
    }

    /// Sends an item, whether there is demand for it or not (which breaks rule 1.1).
    pub fn next_unasked(&self, item: T) {
        self.0.post(Post::Signal(Signal::Next(item)));
    }

    /// Completes.
    pub fn complete(&self) {
        self.0.post(Post::Signal(Signal::End(End::Completed)));
    }

    /// Fails.
    pub fn error(&self, error: E) {
        self.0.post(Post::Signal(Signal::End(End::Failed(error))));
    }

    /// Breaks.
    pub fn fault(&self, fault: Fault) {
        self.0.post(Post::Signal(Signal::End(End::Fault(fault))));
    }

    /// Drops the subscriber without an end, which a publisher must not do.
    pub fn vanish(&self) {
        self.0.post(Post::Signal(Signal::Vanish));
    }

    /// How many items were asked for in all.
    pub fn requested(&self) -> More {
        self.0.state().asked.get()
    }

    /// How many of them were not sent yet.
    pub fn outstanding(&self) -> More {
        self.0.state().credit.get()
    }

    /// How many items it sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.state().sent
    }

    /// How many calls of `request` there were, apart from answers.
    #[must_use]
    pub fn request_calls(&self) -> u64 {
        self.0.state().requests
    }

    /// How many calls of `request` there were after the end or a cancellation.
    #[must_use]
    pub fn requests_after_end(&self) -> u64 {
        self.0.state().requests_after_end
    }

    /// How many signals ended in a panic of the subscriber.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.0.state().panics
    }

    /// Whether somebody subscribed.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.0.state().subscribed
    }

    /// Whether it was cancelled, by dropping the subscription or by an answer, before its end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let state = self.0.state();
        state.cancelled || state.enough
    }

    /// Why it was cancelled, if it was: as the first said who did.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.0.state().cause.as_ref().map(|(cause, _)| cause.clone())
    }

    /// Why it was cancelled, and when, in the order of what is noted.
    pub(crate) fn told(&self) -> Option<(Cause, u64)> {
        self.0.state().cause.clone()
    }

    /// Whether it was cancelled or has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let state = self.0.state();
        state.cancelled || state.enough || state.over
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
            let step = left.min(Duration::from_millis(1));
            let state = self.0.state();
            drop(self.0.changed.wait_timeout(state, step).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// `n` items were asked for in all.
    #[track_caller]
    pub fn assert_requested(&self, n: u64) {
        let asked = self.requested();
        assert!(asked == More::of(n), "expected {n} items to be asked for in all, got {asked:?}");
    }

    /// It was cancelled.
    #[track_caller]
    pub fn assert_cancelled(&self) {
        assert!(self.is_cancelled(), "expected a cancellation");
    }

    /// It was cancelled because something below failed, or because of what was given, and not because
    /// no more was needed.
    #[track_caller]
    pub fn assert_cancelled_by_failure(&self) {
        let cause = self.cause();
        let failed = cause.as_ref().is_some_and(Cause::is_failure);
        assert!(failed, "expected a cancellation by a failure, got {cause:?}");
    }

    /// It was not cancelled.
    #[track_caller]
    pub fn assert_not_cancelled(&self) {
        assert!(!self.is_cancelled(), "expected no cancellation");
    }

    /// Somebody subscribed.
    #[track_caller]
    pub fn assert_subscribed(&self) {
        assert!(self.is_subscribed(), "expected a subscription");
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for ScriptedPublisher<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.begin(BoxSubscriber::new(subscriber));
    }
}

impl<T: Send + 'static, E: Send + 'static> ScriptedPublisher<T, E> {
    /// The same code for all subscribers.
    fn begin(self, boxed: BoxSubscriber<T, E>) {
        {
            let mut state = self.0.state();
            assert!(!state.subscribed, "a scripted publisher is subscribed to once");
            if state.breaks(Breach::PanicsInSubscribe) {
                drop(state);
                panic_on_purpose("subscribe panicked");
            }
            if state.breaks(Breach::NeverSubscribes) {
                return;
            }
            state.subscribed = true;
            state.busy = true;
        }
        let subscription = Subscription::new(Arc::new(Line(self.0.clone())));
        let unwinds = self.0.state().breaks(Breach::Unwinds);
        let subscribed = if unwinds {
            Ok(boxed.on_subscribe(subscription))
        } else {
            catch_unwind(AssertUnwindSafe(|| boxed.on_subscribe(subscription)))
        };
        let receiver = match subscribed {
            // Before the first item a stage is asked what it wants of its own accord.
            Ok(active) => catch_unwind(AssertUnwindSafe(|| {
                self.0.call(active, |active| active.on_request(More::NONE))
            }))
            .unwrap_or(Receiver::Vacant),
            Err(_) => {
                self.0.state().panics += 1;
                Receiver::Vacant
            }
        };
        {
            let mut state = self.0.state();
            if receiver.is_vacant() {
                state.over = true;
            }
            state.receiver = receiver;
            state.busy = false;
        }
        self.0.run();
    }
}

impl<T, E> fmt::Debug for ScriptedPublisher<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("ScriptedPublisher")
            .field("asked", &state.asked)
            .field("sent", &state.sent)
            .field("cancelled", &(state.cancelled || state.enough))
            .field("over", &state.over)
            .finish_non_exhaustive()
    }
}

/// What a [`ScriptedPublisher`] sends, in order: items as far as they are asked for, and an end
/// as soon as it is its turn.
///
/// ```
/// use millstream_testkit::{Behaviour, Script, ScriptedPublisher, probe};
///
/// let script = Script::items([1, 2, 3]).then_error("broken");
/// let handle = probe(ScriptedPublisher::playing(script), Behaviour::new().initially(9));
/// handle.assert_items(&[1, 2, 3]);
/// handle.assert_failed(&"broken");
/// ```
pub struct Script<T, E>(Box<dyn Lines<T, E>>);

impl<T: Send + 'static, E: Send + 'static> Script<T, E> {
    /// These items, and then nothing.
    #[must_use]
    pub fn items<I>(items: I) -> Script<T, E>
    where
        I: IntoIterator<Item = T, IntoIter: Send + 'static>,
    {
        Script(Box::new(Listed(items.into_iter().map(Signal::Next))))
    }

    /// Then it completes.
    #[must_use]
    pub fn then_complete(self) -> Script<T, E> {
        self.then(Signal::End(End::Completed))
    }

    /// Then it fails.
    #[must_use]
    pub fn then_error(self, error: E) -> Script<T, E> {
        self.then(Signal::End(End::Failed(error)))
    }

    /// Then it breaks.
    #[must_use]
    pub fn then_fault(self, fault: Fault) -> Script<T, E> {
        self.then(Signal::End(End::Fault(fault)))
    }

    /// Then it drops the subscriber without an end.
    #[must_use]
    pub fn then_vanish(self) -> Script<T, E> {
        self.then(Signal::Vanish)
    }

    fn then(self, signal: Signal<T, E>) -> Script<T, E> {
        Script(Box::new(Followed { first: Some(self.0), last: Some(signal) }))
    }
}

impl<T, E> fmt::Debug for Script<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}
