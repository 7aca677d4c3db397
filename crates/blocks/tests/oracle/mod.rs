//! What the models judge by: the ordered log of signals (values and the end in one list), and
//! the count of what is alive.
//!
//! Neither adds a schedule nor an edge between threads, which could hide that a block lacks it.
//! The log is a plain field of the subscriber, guarded by nothing but what the block does, and
//! comes out when the subscriber is dropped; what is alive is counted by an `Arc` of `std`,
//! which loom does not see. So is what was asked for: an item too many is an entry of the log.
//!
//! Blocks catch the panics of user code, so no assertion stands inside of a signal.

#![allow(dead_code, reason = "each file of models uses a part of it")]
#![allow(unreachable_pub, reason = "a module of several test crates")]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use millstream_blocks::island::emit;
use millstream_blocks::turn::{Holder, Turn};
use millstream_core::{
    ActiveSubscriber, Cause, Credit, Demand, End, Fault, InvalidDemand, More, Publisher, Pull,
    Pulled, Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, lock};

/// How the streams of the models fail.
pub type Error = &'static str;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    Item(u32),
    /// The item above came without demand.
    Unasked,
    Complete,
    Error(Error),
    Fault(String),
}

/// The fault that [`Oracle::fail`] sends.
pub fn broken() -> Signal {
    Signal::Fault(invalid().to_string())
}

fn invalid() -> Fault {
    Fault::InvalidDemand(InvalidDemand(0))
}

/// Something whose life is counted.
pub type Alive = Arc<()>;

/// An item.
#[derive(Debug, Clone)]
pub struct Token(pub u32, pub Alive);

/// Follows one stream.
#[derive(Clone)]
pub struct Oracle(Arc<Records>);

struct Records {
    log: std::sync::Mutex<Option<Vec<Signal>>>,
    upstream: OnceLock<Arc<dyn Upstream>>,
    demand: std::sync::Mutex<Credit>,
    alive: Alive,
}

impl Oracle {
    pub fn new() -> Oracle {
        Oracle(Arc::new(Records {
            log: std::sync::Mutex::new(None),
            upstream: OnceLock::new(),
            demand: std::sync::Mutex::new(Credit::NONE),
            alive: Arc::new(()),
        }))
    }

    /// A subscriber that asks for nothing by itself and answers items by `react`.
    pub fn probe<F: FnMut(u32) -> More + Send + 'static>(&self, react: F) -> Probe<F> {
        Probe { log: Vec::new(), oracle: self.clone(), alive: self.alive(), react }
    }

    /// A source of numbered items.
    pub fn items(&self, numbers: Range<u32>) -> Items {
        Items { numbers, alive: self.alive() }
    }

    pub fn alive(&self) -> Alive {
        self.0.alive.clone()
    }

    /// How many items, sources and subscribers there are.
    pub fn count(&self) -> usize {
        Arc::strong_count(&self.0.alive) - 1
    }

    fn upstream(&self) -> &Arc<dyn Upstream> {
        self.0.upstream.get().unwrap()
    }

    pub fn request(&self, n: u64) {
        self.asks(More::of(n));
        self.upstream().request(Demand::of(n));
    }

    /// Notes what is asked for by somebody else.
    pub fn asks(&self, more: More) {
        self.0.demand.lock().unwrap().add(more);
    }

    /// Counts an item; whether it was asked for.
    fn was_asked(&self) -> bool {
        let mut demand = self.0.demand.lock().unwrap();
        let asked = !demand.is_empty();
        if asked {
            demand.spend();
        }
        asked
    }

    pub fn cancel(&self) {
        self.upstream().cancel();
    }

    pub fn cancel_because(&self, cause: Cause) {
        self.upstream().cancel_because(cause);
    }

    pub fn detach(&self) {
        self.upstream().detach();
    }

    pub fn fail(&self) {
        self.upstream().fail(invalid());
    }

    /// Breaks the stream off as one whose source has gone.
    pub fn lose_the_source(&self) {
        self.upstream().fail(Fault::SourceDropped);
    }

    /// What the owner of the subscription can do: 0 is the fault of [`broken`].
    pub fn request_raw(&self, n: i64) {
        self.asks(u64::try_from(n).map_or(More::NONE, More::of));
        let subscription = Subscription::new(Arc::new(Handle(self.upstream().clone())));
        subscription.request_raw(n);
        drop(subscription.into_upstream());
    }

    /// The log so far, where the subscriber is gone.
    pub fn log(&self) -> Option<Vec<Signal>> {
        self.0.log.lock().unwrap().clone()
    }

    /// The log, at the end or after cancelling: then nothing is alive, and nothing but the
    /// oracle holds on to the stream.
    pub fn finish(&self) -> Vec<Signal> {
        self.cancel();
        assert_eq!(self.count(), 0, "still alive at the end");
        assert_eq!(Arc::strong_count(self.upstream()), 1, "the stream is still held");
        self.log().expect("the subscriber was dropped")
    }
}

/// A second handle on a stream.
pub struct Handle(pub Arc<dyn Upstream>);

impl Upstream for Handle {
    fn request(&self, demand: Demand) {
        self.0.request(demand);
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        self.0.cancel_because(cause);
    }

    fn fail(&self, fault: Fault) {
        self.0.fail(fault);
    }
}

/// The items of a log, where there is nothing else in it.
pub fn items(log: &[Signal]) -> Vec<u32> {
    log.iter()
        .map(|signal| match signal {
            Signal::Item(n) => *n,
            other => panic!("{other:?} in {log:?}"),
        })
        .collect()
}

/// Whether `log` is a beginning of `whole`.
pub fn begins(whole: &[Signal], log: &[Signal]) -> bool {
    whole.starts_with(log)
}

pub struct Probe<F> {
    log: Vec<Signal>,
    oracle: Oracle,
    alive: Alive,
    react: F,
}

impl<F: FnMut(u32) -> More + Send + 'static> Subscriber<Token, Error> for Probe<F> {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        let set = self.oracle.0.upstream.set(subscription.into_upstream());
        assert!(set.is_ok(), "subscribed twice");
        self
    }
}

impl<F: FnMut(u32) -> More + Send + 'static> ActiveSubscriber<Token, Error> for Probe<F> {
    fn on_next(&mut self, item: Token) -> More {
        self.log.push(Signal::Item(item.0));
        if !self.oracle.was_asked() {
            self.log.push(Signal::Unasked);
        }
        drop(item);
        let more = (self.react)(self.log.len() as u32);
        self.oracle.asks(more);
        more
    }

    fn on_complete(mut self) {
        self.log.push(Signal::Complete);
    }

    fn on_error(mut self, error: Error) {
        self.log.push(Signal::Error(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.log.push(Signal::Fault(fault.to_string()));
    }
}

impl<F> Drop for Probe<F> {
    fn drop(&mut self) {
        *self.oracle.0.log.lock().unwrap() = Some(std::mem::take(&mut self.log));
    }
}

/// A synchronous source.
pub struct Items {
    numbers: Range<u32>,
    alive: Alive,
}

impl Pull for Items {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match self.numbers.next() {
            Some(n) => Pulled::Item(Token(n, self.alive.clone())),
            None => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Token, Error> {
        if self.numbers.is_empty() { Pulled::Complete } else { Pulled::Pending }
    }
}

/// The sources of a relay.
pub enum Source {
    Items(Items),
    /// Subscribes when its [`Start`] says so.
    Late(Items, Start),
    /// Sends what its [`Hand`] says.
    Hand(Alive, Hand),
    /// Subscribes at once, and is asked in vain until its [`Start`] forgets it.
    Deaf(Alive, Start),
    /// Ends at once; its subscription alone holds something.
    Empty(Box<dyn Send + Sync>),
}

impl Publisher for Source {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        match self {
            Source::Items(items) => emit(items, subscriber),
            Source::Late(items, start) => {
                *start.0.lock().unwrap() = Some(Box::new(move || emit(items, subscriber)));
            }
            Source::Hand(alive, hand) => Line::begin(alive, &hand, subscriber),
            Source::Deaf(alive, start) => {
                let active =
                    subscriber.on_subscribe(Subscription::new(Arc::new(Idle(Box::new(())))));
                *start.0.lock().unwrap() = Some(Box::new(move || drop((alive, active))));
            }
            Source::Empty(held) => {
                let active = subscriber.on_subscribe(Subscription::new(Arc::new(Idle(held))));
                drop(active.on_end(End::Completed));
            }
        }
    }
}

struct Idle(#[expect(dead_code, reason = "held, to be dropped")] Box<dyn Send + Sync>);

impl Upstream for Idle {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {}
}

/// Starts a [`Source::Late`].
#[derive(Clone, Default)]
pub struct Start(Arc<std::sync::Mutex<Option<Starting>>>);

type Starting = Box<dyn FnOnce() + Send>;

impl Start {
    /// Starts it, if it was subscribed to by now.
    pub fn go(&self) {
        let start = self.0.lock().unwrap().take();
        if let Some(start) = start {
            start();
        }
    }

    /// What is done when it starts.
    pub fn set(&self, start: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(start));
    }

    /// Drops the subscriber without ever subscribing it.
    pub fn forget(&self) {
        drop(self.0.lock().unwrap().take());
    }
}

/// Subscribes to another source when its start says so.
pub struct Delayed<P>(pub Start, pub P);

impl<P: Publisher<Item = Token, Error = Error>> Publisher for Delayed<P> {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Delayed(start, source) = self;
        start.set(move || source.subscribe(subscriber));
    }
}

/// Sends by hand, from any thread, what a [`Source::Hand`] sends.
#[derive(Clone, Default)]
pub struct Hand(Arc<OnceLock<Arc<dyn Put>>>);

impl Hand {
    pub fn send(&self, item: Token) {
        self.0.get().unwrap().put(Some(item));
    }

    pub fn complete(&self) {
        self.0.get().unwrap().put(None);
    }
}

trait Put: Send + Sync {
    fn put(&self, item: Option<Token>);
}

/// A source that items come to from outside: the sender's contract, on a turn of its own.
struct Line<A> {
    turn: Turn<Option<Sending<A>>>,
    inbox: Mutex<VecDeque<Option<Token>>>,
}

struct Sending<A> {
    active: A,
    credit: Credit,
    queue: VecDeque<Option<Token>>,
    _alive: Alive,
}

impl<A: ActiveSubscriber<Token, Error>> Line<A> {
    fn begin<S: Subscriber<Token, Error, Active = A>>(alive: Alive, hand: &Hand, subscriber: S) {
        let line = Arc::new(Line { turn: Turn::new(None), inbox: Mutex::new(VecDeque::new()) });
        let mut holder = line.turn.enter().unwrap();
        let active = subscriber.on_subscribe(Subscription::new(line.clone()));
        assert!(hand.0.set(line.clone()).is_ok(), "a hand for each source");
        line.turn.with(&mut holder, |sending| {
            let queue = VecDeque::new();
            *sending = Some(Sending { active, credit: Credit::NONE, queue, _alive: alive });
        });
        line.drive(holder);
    }

    fn drive(&self, mut holder: Holder<'_>) {
        loop {
            let claim = holder.claim();
            let sending = self.turn.with(&mut holder, Option::take);
            let Some(mut sending) = sending else { break };
            sending.queue.append(&mut lock(&self.inbox));
            if claim.closed {
                drop(sending);
                break;
            }
            match sending.send(claim.more) {
                Ok(()) => self.turn.with(&mut holder, |home| *home = Some(sending)),
                Err(end) => {
                    drop(sending.active.on_end(end));
                    break;
                }
            }
            if holder.leave() {
                return;
            }
        }
        drop(holder);
        drop(std::mem::take(&mut *lock(&self.inbox)));
    }
}

impl<A: ActiveSubscriber<Token, Error>> Sending<A> {
    fn send(&mut self, more: More) -> Result<(), End<Error>> {
        let mut answer = self.active.on_request(more);
        loop {
            if answer.is_cancel() {
                return Err(End::Cancelled(self.active.cause()));
            }
            if answer.is_yield() {
                answer = self.active.on_request(More::NONE);
                continue;
            }
            self.credit.add(answer);
            match self.queue.front() {
                Some(None) => return Err(End::Completed),
                Some(Some(_)) if !self.credit.is_empty() => {}
                _ => return Ok(()),
            }
            let Some(Some(item)) = self.queue.pop_front() else { return Ok(()) };
            self.credit.spend();
            answer = self.active.on_next(item);
        }
    }
}

impl<A: ActiveSubscriber<Token, Error>> Put for Line<A> {
    fn put(&self, item: Option<Token>) {
        if self.turn.is_closed() {
            return;
        }
        lock(&self.inbox).push_back(item);
        match self.turn.signal() {
            Some(holder) => self.drive(holder),
            None if self.turn.is_closed() => lock(&self.inbox).clear(),
            None => {}
        }
    }
}

impl<A: ActiveSubscriber<Token, Error>> Upstream for Line<A> {
    fn request(&self, demand: Demand) {
        if let Some(holder) = self.turn.request(demand) {
            self.drive(holder);
        }
    }

    fn cancel(&self) {
        if let Some(holder) = self.turn.cancel() {
            self.drive(holder);
        }
    }
}
