//! The oracle of `millstream-model`, and sources that are made of blocks: those that send by hand, and
//! those that do not keep to anything.

#![allow(dead_code, unused_imports, reason = "each file of models uses a part of it")]
#![allow(unreachable_pub, reason = "a module of several test crates")]

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use millstream_blocks::island::emit;
use millstream_blocks::turn::{Holder, Turn};
use millstream_core::{
    ActiveSubscriber, Credit, Demand, End, More, Publisher, Subscriber, Subscription, Upstream,
};
pub use millstream_model::*;
use millstream_sync::{Mutex, lock};

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
                start.set(move || emit(items, subscriber));
            }
            Source::Hand(alive, hand) => Line::begin(alive, &hand, subscriber),
            Source::Deaf(alive, start) => {
                let active =
                    subscriber.on_subscribe(Subscription::new(Arc::new(Idle(Box::new(())))));
                start.set(move || drop((alive, active)));
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
