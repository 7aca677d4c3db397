//! A subscriber that is driven by hand, and a source that is driven by hand and writes down what
//! it is asked for.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream::{
    ActiveSubscriber, BoxActive, BoxSubscriber, Cause, Demand, End, Failure, Fault, More, Progress,
    Publisher, Rest, Subscriber, Subscription, Upstream,
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a watched stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended<E> {
    Complete,
    Error(E),
    /// A panic, with its message.
    Fault(String),
    /// The subscriber was dropped without an end.
    Dropped,
}

struct Seen<T, E> {
    items: Vec<T>,
    end: Option<Ended<E>>,
    over: bool,
    cancel_at: Option<usize>,
}

/// Subscribes to `publisher` and asks for nothing yet.
pub(crate) fn watch<P: Publisher>(publisher: P) -> Watch<P::Item, P::Error> {
    watch_until(publisher, None)
}

/// As [`watch`], but answers the `n`-th item by cancelling.
pub(crate) fn watch_until<P: Publisher>(
    publisher: P,
    cancel_at: Option<usize>,
) -> Watch<P::Item, P::Error> {
    let seen = Arc::new(Mutex::new(Seen { items: Vec::new(), end: None, over: false, cancel_at }));
    let subscription = Arc::new(Mutex::new(None));
    publisher.subscribe(Eye { seen: seen.clone(), subscription: subscription.clone() });
    Watch { seen, subscription }
}

pub(crate) struct Watch<T, E> {
    seen: Arc<Mutex<Seen<T, E>>>,
    subscription: Arc<Mutex<Option<Arc<Subscription>>>>,
}

impl<T, E> Watch<T, E> {
    #[track_caller]
    pub(crate) fn request(&self, n: u64) {
        let subscription = lock(&self.subscription).clone();
        subscription.expect("a subscription").request(Demand::of(n));
    }

    pub(crate) fn request_all(&self) {
        self.request(u64::MAX);
    }

    pub(crate) fn cancel(&self) {
        let subscription = lock(&self.subscription).take();
        drop(subscription);
    }

    /// The items since the last call.
    pub(crate) fn items(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.seen).items)
    }

    /// The end since the last call.
    pub(crate) fn end(&self) -> Option<Ended<E>> {
        lock(&self.seen).end.take()
    }
}

struct Eye<T, E> {
    seen: Arc<Mutex<Seen<T, E>>>,
    subscription: Arc<Mutex<Option<Arc<Subscription>>>>,
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for Eye<T, E> {
    type Active = ActiveEye<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveEye<T, E> {
        *lock(&self.subscription) = Some(Arc::new(subscription));
        ActiveEye { seen: self.seen }
    }
}

struct ActiveEye<T, E> {
    seen: Arc<Mutex<Seen<T, E>>>,
}

impl<T, E> ActiveEye<T, E> {
    fn ended(&self, end: Ended<E>) {
        let mut seen = lock(&self.seen);
        if !std::mem::replace(&mut seen.over, true) {
            seen.end = Some(end);
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for ActiveEye<T, E> {
    fn on_next(&mut self, item: T) -> More {
        let mut seen = lock(&self.seen);
        assert!(!seen.over, "rule 1.7: an item after the end");
        seen.items.push(item);
        if seen.cancel_at == Some(seen.items.len()) { More::CANCEL } else { More::NONE }
    }

    fn on_complete(self) {
        self.ended(Ended::Complete);
    }

    fn on_error(self, error: E) {
        self.ended(Ended::Error(error));
    }

    fn on_fault(self, fault: Fault) {
        self.ended(Ended::Fault(match fault {
            Fault::Panicked(panic) => panic.message().unwrap_or("no text").to_owned(),
            other => other.to_string(),
        }));
    }
}

impl<T, E> Drop for ActiveEye<T, E> {
    fn drop(&mut self) {
        self.ended(Ended::Dropped);
    }
}

/// A publisher driven by hand through its [`Control`].
pub(crate) fn scripted<T: Send + 'static, E: Send + 'static>() -> (Scripted<T, E>, Control<T, E>) {
    let state = Arc::new(Mutex::new(State {
        active: None,
        rest: None,
        raw: More::NONE,
        asked: Vec::new(),
        cancelled: false,
    }));
    (Scripted(state.clone()), Control(state))
}

pub(crate) struct Scripted<T, E>(Arc<Mutex<State<T, E>>>);

/// See [`scripted`].
pub(crate) struct Control<T, E>(Arc<Mutex<State<T, E>>>);

struct State<T, E> {
    active: Option<BoxActive<T, E>>,
    rest: Option<Box<dyn Rest>>,
    /// Demand that came while a signal was being sent.
    raw: More,
    asked: Vec<More>,
    cancelled: bool,
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Scripted<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let subscription = Subscription::new(Arc::new(Asked(self.0.clone())));
        let active = BoxSubscriber::new(subscriber).on_subscribe(subscription);
        let control = Control(self.0);
        control.with(active, |active| active.on_request(More::NONE));
        control.serve(More::NONE);
    }
}

struct Asked<T, E>(Arc<Mutex<State<T, E>>>);

impl<T: Send + 'static, E: Send + 'static> Upstream for Asked<T, E> {
    fn request(&self, demand: Demand) {
        Control(self.0.clone()).serve(More::from(demand));
    }

    fn cancel(&self) {
        let mut state = lock(&self.0);
        state.cancelled = true;
        let gone = (state.active.take(), state.rest.take());
        drop(state);
        drop(gone);
    }
}

impl<T: Send + 'static, E: Send + 'static> Control<T, E> {
    /// Sends a signal, writes down the answer, and puts the subscriber back.
    fn with(&self, mut active: BoxActive<T, E>, signal: impl FnOnce(&mut BoxActive<T, E>) -> More) {
        let mut answer = signal(&mut active);
        while answer.is_yield() {
            answer = active.on_request(More::NONE);
        }
        if answer != More::NONE {
            lock(&self.0).asked.push(answer);
        }
        if answer.is_cancel() {
            lock(&self.0).cancelled = true;
            let rest = active.on_end(End::Cancelled(Cause::NoMoreNeeded));
            lock(&self.0).rest = rest;
            return;
        }
        let mut state = lock(&self.0);
        if state.cancelled {
            drop(state);
            drop(active);
        } else {
            state.active = Some(active);
        }
    }

    fn serve(&self, more: More) {
        let mut state = lock(&self.0);
        let raw = state.raw.plus(more);
        state.raw = More::NONE;
        if raw == More::NONE {
            return;
        }
        if let Some(active) = state.active.take() {
            drop(state);
            self.with(active, |active| active.on_request(raw));
            return self.serve(More::NONE);
        }
        if let Some(mut rest) = state.rest.take() {
            drop(state);
            let left = match rest.go_on(raw, &|| false) {
                Progress::Ended => rest.finish(),
                _ => Some(rest),
            };
            lock(&self.0).rest = left;
            return;
        }
        state.raw = raw;
    }

    /// Sends an item, whether or not it was asked for; `false` where nobody takes it.
    pub(crate) fn next(&self, item: T) -> bool {
        let Some(active) = lock(&self.0).active.take() else { return false };
        self.with(active, |active| active.on_next(item));
        self.serve(More::NONE);
        true
    }

    pub(crate) fn complete(&self) {
        self.end(End::Completed);
    }

    pub(crate) fn error(&self, error: E) {
        self.end(End::Failed(error));
    }

    fn end(&self, end: End<E>) {
        let active = lock(&self.0).active.take().expect("nobody to end");
        let rest = active.on_end(end);
        lock(&self.0).rest = rest;
        self.serve(More::NONE);
    }

    /// What it was asked for since the last call, answer by answer, without those that ask for
    /// nothing.
    pub(crate) fn asked(&self) -> Vec<More> {
        std::mem::take(&mut lock(&self.0).asked)
    }

    /// The sum of what it was asked for since the last call.
    pub(crate) fn asked_in_all(&self) -> u64 {
        self.asked().into_iter().map(More::count).sum()
    }

    /// Whether downstream cancelled, by an answer or by its subscription.
    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.0).cancelled
    }
}

/// An item whose copies that are alive can be counted.
#[derive(Debug, Clone)]
pub(crate) struct Token(pub(crate) u32, Arc<()>);

/// Makes tokens.
#[derive(Debug, Default)]
pub(crate) struct Mint(Arc<()>);

impl Mint {
    pub(crate) fn token(&self, n: u32) -> Token {
        Token(n, self.0.clone())
    }

    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.0 == other.0
    }
}

/// The message of the panic that a blocking end gave.
#[track_caller]
pub(crate) fn panic_message<T, E: std::fmt::Debug>(result: Result<T, Failure<E>>) -> String {
    match result {
        Err(Failure::Fault(Fault::Panicked(panic))) => panic.message().unwrap_or("").to_owned(),
        Err(other) => panic!("not a panic: {other:?}"),
        Ok(_) => panic!("not a panic: a result"),
    }
}
