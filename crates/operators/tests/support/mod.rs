//! What the tests of this folder share: items that are counted, sources that follow a script,
//! and a subscriber that writes down what it is told.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream::{
    ActiveSubscriber, BoxPublisher, Demand, Fault, More, Publisher, Pull, Pulled, Subscriber,
    Subscription,
};
use millstream_blocks::island::emit;

/// An item that knows how many of its kind are alive.
#[derive(Debug)]
pub(crate) struct Item(pub u32, Arc<()>);

impl Clone for Item {
    fn clone(&self) -> Item {
        Item(self.0, self.1.clone())
    }
}

/// Makes items, and counts those that are alive.
#[derive(Clone)]
pub(crate) struct Mint(Arc<()>);

impl Mint {
    pub(crate) fn new() -> Mint {
        Mint(Arc::new(()))
    }

    pub(crate) fn item(&self, n: u32) -> Item {
        Item(n, self.0.clone())
    }

    /// Something else that must be dropped.
    pub(crate) fn token(&self) -> Arc<()> {
        self.0.clone()
    }

    pub(crate) fn live(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// How a scripted source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    Fail(&'static str),
    Never,
}

/// A synchronous source of `1..=n` that starts from `base`, then ends.
#[derive(Clone)]
pub(crate) struct Script {
    mint: Mint,
    base: u32,
    n: u32,
    ending: Ending,
    /// Whether it can be pulled; else it only pushes.
    log: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn script(mint: &Mint, base: u32, n: u32, ending: Ending) -> Script {
    Script { mint: mint.clone(), base, n, ending, log: Arc::default() }
}

impl Publisher for Script {
    type Item = Item;
    type Error = &'static str;
    const PULLS: bool = true;

    fn subscribe<S: Subscriber<Item, &'static str>>(self, subscriber: S) {
        emit(ScriptPull { script: self, sent: 0 }, subscriber);
    }

    fn into_pull(
        self,
        _: millstream::Context,
    ) -> Result<impl Pull<Item = Item, Error = &'static str>, Self> {
        Ok(ScriptPull { script: self, sent: 0 })
    }
}

struct ScriptPull {
    script: Script,
    sent: u32,
}

impl Pull for ScriptPull {
    type Item = Item;
    type Error = &'static str;

    fn pull(&mut self) -> Pulled<Item, &'static str> {
        if self.sent == self.script.n {
            return match self.script.ending {
                Ending::Complete => Pulled::Complete,
                Ending::Fail(error) => Pulled::Error(error),
                Ending::Never => Pulled::Pending,
            };
        }
        self.sent += 1;
        Pulled::Item(self.script.mint.item(self.script.base + self.sent))
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Item, &'static str> {
        if self.sent == self.script.n { self.pull() } else { Pulled::Pending }
    }
}

/// What a probe was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Next(u32),
    Complete,
    Error(String),
    Fault(String),
}

pub(crate) fn next(items: impl IntoIterator<Item = u32>) -> Vec<Told> {
    items.into_iter().map(Told::Next).collect()
}

pub(crate) fn next_then(items: impl IntoIterator<Item = u32>, end: Told) -> Vec<Told> {
    let mut told = next(items);
    told.push(end);
    told
}

type Answers = Box<dyn FnMut(&Probe, u32) -> More + Send>;

/// A subscriber that keeps its subscription here, and what it was told.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Inside>);

struct Inside {
    subscription: Mutex<Option<Arc<Subscription>>>,
    told: Mutex<Vec<Told>>,
    answers: Mutex<Option<Answers>>,
    first: Mutex<More>,
    active: AtomicUsize,
}

impl Probe {
    pub(crate) fn new() -> Probe {
        Probe(Arc::new(Inside {
            subscription: Mutex::new(None),
            told: Mutex::default(),
            answers: Mutex::new(None),
            first: Mutex::new(More::NONE),
            active: AtomicUsize::new(0),
        }))
    }

    /// Asks for `n` inside `on_subscribe`.
    pub(crate) fn asking(self, more: More) -> Probe {
        *self.0.first.lock().unwrap() = more;
        self
    }

    /// Answers items so.
    pub(crate) fn answering(
        self,
        answers: impl FnMut(&Probe, u32) -> More + Send + 'static,
    ) -> Probe {
        *self.0.answers.lock().unwrap() = Some(Box::new(answers));
        self
    }

    pub(crate) fn on<P: Publisher<Item: Number, Error: std::fmt::Debug>>(
        self,
        publisher: P,
    ) -> Probe {
        publisher.subscribe(ProbeSubscriber(self.clone()));
        self
    }

    pub(crate) fn request(&self, n: u64) {
        let subscription = self.0.subscription.lock().unwrap().clone();
        if let Some(subscription) = subscription {
            subscription.request(Demand::of(n));
        }
    }

    pub(crate) fn request_raw(&self, n: i64) {
        let subscription = self.0.subscription.lock().unwrap().clone();
        if let Some(subscription) = subscription {
            subscription.request_raw(n);
        }
    }

    pub(crate) fn unbounded(&self) {
        self.request(u64::MAX);
    }

    pub(crate) fn cancel(&self) {
        let subscription = self.0.subscription.lock().unwrap().take();
        drop(subscription);
    }

    pub(crate) fn detach(&self) {
        let subscription = self.0.subscription.lock().unwrap().take();
        if let Some(subscription) = subscription.and_then(Arc::into_inner) {
            subscription.detach();
        }
    }

    /// What it was told since the last time.
    pub(crate) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.told.lock().unwrap())
    }

    /// Whether the pipeline still holds the subscriber.
    pub(crate) fn is_held(&self) -> bool {
        self.0.active.load(Ordering::SeqCst) > 0
    }

    fn tell(&self, told: Told) {
        self.0.told.lock().unwrap().push(told);
    }
}

/// An item that is a number.
pub(crate) trait Number {
    fn number(&self) -> u32;
}

impl Number for Item {
    fn number(&self) -> u32 {
        self.0
    }
}

impl Number for u32 {
    fn number(&self) -> u32 {
        *self
    }
}

struct ProbeSubscriber(Probe);

struct ActiveProbe(Probe);

impl<T: Number + Send + 'static, E: std::fmt::Debug + Send + 'static> Subscriber<T, E>
    for ProbeSubscriber
{
    type Active = ActiveProbe;

    fn on_subscribe(self, subscription: Subscription) -> ActiveProbe {
        let first = *self.0.0.first.lock().unwrap();
        if let Some(demand) = first.demand() {
            subscription.request(demand);
        }
        *self.0.0.subscription.lock().unwrap() = Some(Arc::new(subscription));
        self.0.0.active.fetch_add(1, Ordering::SeqCst);
        ActiveProbe(self.0.clone())
    }
}

impl<T: Number + Send + 'static, E: std::fmt::Debug + Send + 'static> ActiveSubscriber<T, E>
    for ActiveProbe
{
    fn on_next(&mut self, item: T) -> More {
        self.0.tell(Told::Next(item.number()));
        let answers = self.0.0.answers.lock().unwrap().take();
        let Some(mut answers) = answers else { return More::NONE };
        let more = answers(&self.0, item.number());
        *self.0.0.answers.lock().unwrap() = Some(answers);
        more
    }

    fn on_complete(self) {
        self.0.tell(Told::Complete);
    }

    fn on_error(self, error: E) {
        self.0.tell(Told::Error(format!("{error:?}")));
    }

    fn on_fault(self, fault: Fault) {
        self.0.tell(Told::Fault(fault.to_string()));
    }
}

impl Drop for ActiveProbe {
    fn drop(&mut self) {
        self.0.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A publisher that is driven by the test, from any thread: it sends what it is given, whatever
/// the demand, and counts what it is asked for.
pub(crate) struct Hand(Arc<HandInside>);

type Order = Box<dyn FnOnce(&mut Option<millstream::BoxActive<Item, &'static str>>) + Send>;

struct HandInside {
    asked: Mutex<Vec<u64>>,
    cancelled: AtomicUsize,
    active: Mutex<Option<millstream::BoxActive<Item, &'static str>>>,
    waiting: Mutex<Waiting>,
}

/// Orders, and whether somebody carries them out.
#[derive(Default)]
struct Waiting {
    orders: VecDeque<Order>,
    busy: bool,
}

impl Hand {
    pub(crate) fn new() -> (Hand, BoxPublisher<Item, &'static str>) {
        let inside = Arc::new(HandInside {
            asked: Mutex::default(),
            cancelled: AtomicUsize::new(0),
            active: Mutex::new(None),
            waiting: Mutex::default(),
        });
        (Hand(inside.clone()), BoxPublisher::new(HandPublisher(inside)))
    }

    /// The demand that came since the last time, grant by grant.
    pub(crate) fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn send(&self, item: Item) {
        let inside = self.0.clone();
        self.0.order(Box::new(move |active| {
            if let Some(active) = active {
                inside.granted(active.on_next(item));
            }
        }));
    }

    pub(crate) fn end(&self, end: millstream::End<&'static str>) {
        self.0.order(Box::new(move |active| {
            if let Some(active) = active.take() {
                drop(active.on_end(end));
            }
        }));
    }
}

impl Hand {
    /// Drops the subscriber without an end.
    pub(crate) fn go_away(&self) {
        self.0.order(Box::new(|active| *active = None));
    }
}

impl HandInside {
    fn granted(&self, more: More) {
        if more.count() > 0 {
            self.asked.lock().unwrap().push(more.count());
        }
    }

    /// Serially, and never recursively.
    fn order(&self, order: Order) {
        {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.orders.push_back(order);
            if std::mem::replace(&mut waiting.busy, true) {
                return;
            }
        }
        loop {
            let order = {
                let mut waiting = self.waiting.lock().unwrap();
                let order = waiting.orders.pop_front();
                waiting.busy = order.is_some();
                order
            };
            let Some(order) = order else { return };
            let mut active = self.active.lock().unwrap().take();
            if self.cancelled.load(Ordering::SeqCst) > 0 {
                active = None;
            }
            order(&mut active);
            *self.active.lock().unwrap() = active;
        }
    }
}

struct HandPublisher(Arc<HandInside>);

impl Publisher for HandPublisher {
    type Item = Item;
    type Error = &'static str;

    fn subscribe<S: Subscriber<Item, &'static str>>(self, subscriber: S) {
        let inside = self.0.clone();
        // In turn: what is asked for inside `on_subscribe` waits until it is over.
        self.0.order(Box::new(move |slot| {
            let subscription = Subscription::new(Arc::new(HandUpstream(inside.clone())));
            let mut active = millstream::BoxSubscriber::new(subscriber).on_subscribe(subscription);
            inside.granted(active.on_request(More::NONE));
            *slot = Some(active);
        }));
    }
}

struct HandUpstream(Arc<HandInside>);

impl millstream::Upstream for HandUpstream {
    fn request(&self, demand: Demand) {
        let inside = self.0.clone();
        self.0.order(Box::new(move |active| {
            if let Some(active) = active {
                inside.granted(active.on_request(More::from(demand)));
            }
        }));
    }

    fn cancel(&self) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        self.0.order(Box::new(|active| *active = None));
    }
}

/// Runs `f` on a thread with a small stack.
pub(crate) fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 * 1024).spawn(f).unwrap().join().unwrap();
}
