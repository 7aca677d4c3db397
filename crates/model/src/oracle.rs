//! What models judge by: the ordered log of signals (values and the end in one list), the demand, and
//! the count of what is alive.
//!
//! None adds a schedule nor an edge between threads, which could hide that a stage lacks it. The log
//! is a plain field of the subscriber, guarded by nothing but what the stage does, and comes out
//! when the subscriber is dropped; what is alive is counted by an `Arc` of `std`, which loom does
//! not see. So is what was asked for: an item too many is an entry of the log.
//!
//! Stages catch the panics of user code, so no assertion stands inside of a signal.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use millstream_core::{
    ActiveSubscriber, Cause, Credit, Demand, Fault, InvalidDemand, More, Pull, Pulled, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::tell;

/// How the streams of models fail.
pub type Error = &'static str;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The item with this number.
    Item(u32),
    /// The item above came without demand.
    Unasked,
    /// The stream completed.
    Complete,
    /// The stream failed.
    Error(Error),
    /// The pipeline broke; the text of the fault.
    Fault(String),
}

/// The fault that [`Oracle::fail`] sends.
#[must_use]
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

/// Follows one stream: it makes the [`Probe`] at its end, asks and cancels from any thread, and
/// judges at the end.
///
/// | what must hold | how it is seen |
/// |---|---|
/// | no item without demand (rule 1.1) | [`finish`](Oracle::finish) panics, and the log has [`Signal::Unasked`] |
/// | in order, none twice, none lost | the log, beside [`all`] or [`begins`] |
/// | nothing after the end, no two signals at once | by type, as for any subscriber |
/// | every item is delivered or dropped, once | [`finish`](Oracle::finish) counts what is alive |
/// | the subscriber, the source and the stream are let go of | the same |
/// | nobody waits for ever | where all threads wait the model fails: `deadlock` |
///
/// ```
/// use millstream::prelude::*;
/// use millstream::More;
/// use millstream_testkit::model::{Oracle, all, model, thread};
///
/// model("two threads ask", || {
///     let oracle = Oracle::new();
///     millstream::from_pull(oracle.items(0..3)).subscribe(oracle.probe(|_| More::NONE));
///     let other = oracle.clone();
///     let asking = thread::spawn(move || other.request(1));
///     oracle.request(2);
///     asking.join().unwrap();
///     assert_eq!(oracle.finish(), all(0..3));
/// });
/// ```
#[derive(Clone)]
pub struct Oracle(Arc<Records>);

struct Records {
    log: Mutex<Option<Vec<Signal>>>,
    upstream: OnceLock<Arc<dyn Upstream>>,
    demand: Mutex<Credit>,
    alive: Alive,
}

impl Oracle {
    /// One that follows nothing yet.
    #[must_use]
    pub fn new() -> Oracle {
        Oracle(Arc::new(Records {
            log: Mutex::new(None),
            upstream: OnceLock::new(),
            demand: Mutex::new(Credit::NONE),
            alive: Arc::new(()),
        }))
    }

    /// A subscriber that asks for nothing by itself and answers an item by `react`, which is given
    /// how many signals there were, that item included.
    pub fn probe<F: FnMut(u32) -> More + Send + 'static>(&self, react: F) -> Probe<F> {
        Probe { log: Vec::new(), oracle: self.clone(), alive: self.alive(), react }
    }

    /// A source of numbered items that ends behind the last.
    #[must_use]
    pub fn items(&self, numbers: Range<u32>) -> Items {
        Items { numbers, alive: self.alive() }
    }

    /// An item with this number.
    #[must_use]
    pub fn token(&self, number: u32) -> Token {
        Token(number, self.alive())
    }

    /// What a source, or something else that must not be kept, holds while it is alive.
    #[must_use]
    pub fn alive(&self) -> Alive {
        self.0.alive.clone()
    }

    /// How many items, sources and subscribers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        Arc::strong_count(&self.0.alive) - 1
    }

    fn upstream(&self) -> &Arc<dyn Upstream> {
        let upstream = self.0.upstream.get();
        upstream.unwrap_or_else(|| panic!("the probe was given no subscription"))
    }

    /// Asks for `n` items more.
    ///
    /// # Panics
    /// For zero, and where the probe was given no subscription: so do all that act on the stream.
    #[track_caller]
    pub fn request(&self, n: u64) {
        self.asks(More::of(n));
        tell(|| format!("request({n})"));
        self.upstream().request(Demand::of(n));
    }

    /// Notes what is asked for by somebody else.
    pub fn asks(&self, more: More) {
        lock(&self.0.demand).add(more);
    }

    /// Counts an item; whether it was asked for.
    fn was_asked(&self) -> bool {
        let mut demand = lock(&self.0.demand);
        let asked = !demand.is_empty();
        if asked {
            demand.spend();
        }
        asked
    }

    /// Cancels.
    #[track_caller]
    pub fn cancel(&self) {
        tell(|| "cancel".to_owned());
        self.upstream().cancel();
    }

    /// Cancels, and says why.
    #[track_caller]
    pub fn cancel_because(&self, cause: Cause) {
        tell(|| format!("cancel: {cause:?}"));
        self.upstream().cancel_because(cause);
    }

    /// Lets go of the subscription without cancelling.
    #[track_caller]
    pub fn detach(&self) {
        tell(|| "detach".to_owned());
        self.upstream().detach();
    }

    /// Breaks the stream off, with the fault that [`broken`] is.
    #[track_caller]
    pub fn fail(&self) {
        tell(|| "fail".to_owned());
        self.upstream().fail(invalid());
    }

    /// Breaks the stream off as one whose source has gone.
    #[track_caller]
    pub fn lose_the_source(&self) {
        tell(|| "fail: the source has gone".to_owned());
        self.upstream().fail(Fault::SourceDropped);
    }

    /// What the owner of the subscription can do: 0 is the fault of [`broken`].
    #[track_caller]
    pub fn request_raw(&self, n: i64) {
        self.asks(u64::try_from(n).map_or(More::NONE, More::of));
        tell(|| format!("request_raw({n})"));
        let subscription = Subscription::new(Arc::new(Handle(self.upstream().clone())));
        subscription.request_raw(n);
        drop(subscription.into_upstream());
    }

    /// The log, where the subscriber is gone.
    #[must_use]
    pub fn log(&self) -> Option<Vec<Signal>> {
        lock(&self.0.log).clone()
    }

    /// Cancels, if the stream has not ended, and gives the log: nothing is alive then, and nothing
    /// but the oracle holds on to the stream. Called once all other threads have been joined.
    ///
    /// # Panics
    /// Where that is not so, where an item came without demand, and where the subscriber was not
    /// dropped.
    #[track_caller]
    pub fn finish(&self) -> Vec<Signal> {
        self.cancel();
        let (alive, held) = (self.count(), Arc::strong_count(self.upstream()) - 1);
        let log = self.log();
        assert_eq!(alive, 0, "still alive at the end; the log is {log:?}");
        assert_eq!(held, 0, "the stream is still held at the end; the log is {log:?}");
        let log = log.unwrap_or_else(|| panic!("the subscriber was not dropped"));
        assert!(!log.contains(&Signal::Unasked), "an item came without demand: {log:?}");
        log
    }
}

impl Default for Oracle {
    fn default() -> Oracle {
        Oracle::new()
    }
}

impl fmt::Debug for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Oracle");
        shown.field("alive", &self.count()).field("log", &self.log()).finish_non_exhaustive()
    }
}

/// The locks are held for what cannot panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// The log of a stream that sends the items of `numbers` and completes.
pub fn all(numbers: impl IntoIterator<Item = u32>) -> Vec<Signal> {
    numbers.into_iter().map(Signal::Item).chain([Signal::Complete]).collect()
}

/// The items of a log, where there is nothing else in it.
///
/// # Panics
/// Where there is.
#[must_use]
#[track_caller]
pub fn items(log: &[Signal]) -> Vec<u32> {
    log.iter()
        .map(|signal| match signal {
            Signal::Item(n) => *n,
            other => panic!("{other:?} in {log:?}"),
        })
        .collect()
}

/// Whether `log` is a beginning of `whole`: what a stream that was cancelled may have sent.
#[must_use]
pub fn begins(whole: &[Signal], log: &[Signal]) -> bool {
    whole.starts_with(log)
}

/// A subscriber that notes what it is sent, for its [`Oracle`].
pub struct Probe<F> {
    log: Vec<Signal>,
    oracle: Oracle,
    #[expect(dead_code, reason = "held while the subscriber is alive")]
    alive: Alive,
    react: F,
}

impl<F> Probe<F> {
    fn note(&mut self, signal: Signal) {
        tell(|| format!("signal: {signal:?}"));
        self.log.push(signal);
    }
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
        self.note(Signal::Item(item.0));
        if !self.oracle.was_asked() {
            self.note(Signal::Unasked);
        }
        drop(item);
        let more = (self.react)(self.log.len() as u32);
        self.oracle.asks(more);
        more
    }

    fn on_complete(mut self) {
        self.note(Signal::Complete);
    }

    fn on_error(mut self, error: Error) {
        self.note(Signal::Error(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.note(Signal::Fault(fault.to_string()));
    }
}

impl<F> Drop for Probe<F> {
    fn drop(&mut self) {
        *lock(&self.oracle.0.log) = Some(std::mem::take(&mut self.log));
    }
}

impl<F> fmt::Debug for Probe<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("log", &self.log).finish_non_exhaustive()
    }
}

/// A synchronous source of numbered items: `millstream::from_pull` makes a publisher of it.
#[derive(Debug)]
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
