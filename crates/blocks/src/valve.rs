//! A valve: while it is shut, what downstream asks for is kept, and upstream is asked for nothing.
//!
//! ```text
//!  upstream ──item──▶ Valved ──▶ downstream
//!      ▲                │ ▲ take
//!      └─ at most `ahead`, while the valve is open
//!                         Purse ◀─ request(n), any thread
//!                       Valve ─ pause, resume, any thread
//! ```
//!
//! Upstream owes at most `ahead` items, so that no more come when the valve is shut, whatever
//! downstream has asked for.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `shut` | anyone | any |
//! | `streams` | a stage enters and leaves, under their lock; who opens looks at them | any |
//! | `withheld`, `owed` | the stage | serially, in a signal |
//!
//! * **Who opens runs what was kept**: it marks the valve as open and tells each upstream of a
//!   request after that, which runs the stage now, or again when it runs already. The number is not
//!   looked at: what was asked for is in a [purse](crate::purse), so that nothing counts that
//!   nobody asked for. A stage that saw the valve shut is told, because it entered before it looked.
//! * **A stream is held by its valve** while it runs, so that it can be told; nobody else might. What
//!   is let go downstream is marked, and told: when it has all that was asked for, nobody can ask any
//!   more, and it is cancelled, whether the valve is open or not.
//! * **The last handle on a valve opens it** when it is dropped: nobody else could.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Rest, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock};

use crate::purse::{Left, Purse, Purser};

/// Stops and starts the streams that it is [in](valved). Clones are handles on the same valve.
#[derive(Clone)]
pub struct Valve(Arc<Handle>);

struct Handle(Arc<Shared>);

const OPEN: usize = 0;
const SHUT: usize = 1;

#[derive(Default)]
struct Shared {
    /// [`OPEN`] or [`SHUT`].
    shut: AtomicUsize,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    next: u64,
    list: Vec<(u64, Arc<dyn Upstream>)>,
}

impl Default for Valve {
    fn default() -> Valve {
        Valve::new()
    }
}

impl Valve {
    /// A valve that is open.
    #[must_use]
    pub fn new() -> Valve {
        Valve(Arc::new(Handle(Arc::default())))
    }

    /// Shuts it: upstream is asked for nothing more. What it was asked for already still comes.
    pub fn pause(&self) {
        // ordering: release, as in `open`; what the stage keeps for it needs no edge.
        self.0.0.shut.store(SHUT, Ordering::Release);
    }

    /// Opens it: what was asked for in the meantime is asked upstream, on this thread if nobody
    /// runs it.
    pub fn resume(&self) {
        self.0.0.open();
    }

    /// Whether it is shut.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.0.is_shut()
    }
}

impl fmt::Debug for Valve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valve").field("is_paused", &self.is_paused()).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Shared {
    fn is_shut(&self) -> bool {
        // ordering: acquire pairs with the release in `open`: a stage that goes on sees what was
        // done before (model `who_opens_publishes`).
        self.shut.load(Ordering::Acquire) == SHUT
    }

    fn open(&self) {
        // ordering: release pairs with the acquire in `is_shut` (model `who_opens_publishes`).
        self.shut.store(OPEN, Ordering::Release);
        // After it: whoever is told finds it open (model `opening_races_an_answer`).
        let list = lock(&self.streams).list.clone();
        for (_, upstream) in list {
            upstream.request(Demand::ONE);
        }
    }

    fn enter(&self, upstream: Arc<dyn Upstream>) -> u64 {
        let mut streams = lock(&self.streams);
        let number = streams.next;
        streams.next += 1;
        streams.list.push((number, upstream));
        number
    }
}

/// The place of a stream in its valve.
struct Entry {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut streams = lock(&self.shared.streams);
        let place = streams.list.iter().position(|(number, _)| *number == self.number);
        let gone = place.map(|place| streams.list.swap_remove(place));
        drop(streams);
        drop(gone);
    }
}

/// A subscriber whose demand `valve` stops, and who is owed at most `ahead` items.
pub fn valved<S>(subscriber: S, valve: &Valve, ahead: NonZeroU64) -> Valved<S> {
    Valved { subscriber, shared: valve.0.0.clone(), ahead }
}

/// See [`valved`].
pub struct Valved<S> {
    subscriber: S,
    shared: Arc<Shared>,
    ahead: NonZeroU64,
}

impl<T, E, S> Subscriber<T, E> for Valved<S>
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    type Active = ActiveValved<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let Valved { subscriber, shared, ahead } = self;
        let upstream = subscription.into_upstream();
        let number = shared.enter(upstream.clone());
        let purse = Arc::new(Purse::default());
        let let_go = Arc::new(AtomicUsize::new(0));
        let purser = Purser { purse: purse.clone(), upstream };
        let tap = Arc::new(Tap { purser, let_go: let_go.clone() });
        ActiveValved {
            downstream: subscriber.on_subscribe(Subscription::new(tap)),
            purse,
            let_go,
            last: false,
            withheld: Credit::NONE,
            owed: 0,
            ahead: ahead.get(),
            entry: Entry { shared, number },
        }
    }

    fn context(&self) -> Context {
        self.subscriber.context()
    }
}

impl<S> fmt::Debug for Valved<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valved").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// What downstream asks by.
struct Tap {
    purser: Purser,
    let_go: Arc<AtomicUsize>,
}

impl Upstream for Tap {
    fn request(&self, demand: Demand) {
        self.purser.request(demand);
    }

    fn cancel(&self) {
        self.purser.cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        self.purser.cancel_because(cause);
    }

    fn detach(&self) {
        // ordering: release pairs with the acquire in `on_request`: what was asked before is in the purse
        // then (model `what_was_asked_before_letting_go_comes`).
        self.let_go.store(1, Ordering::Release);
        // Looked at by the stage, which must not be dropped while the valve is shut.
        self.purser.upstream.request(Demand::ONE);
    }

    fn fail(&self, fault: Fault) {
        self.purser.fail(fault);
    }
}

/// A valved subscriber with its subscription.
pub struct ActiveValved<A> {
    downstream: A,
    purse: Arc<Purse>,
    /// Downstream let go of its handle.
    let_go: Arc<AtomicUsize>,
    /// The stage has seen that, and what was asked before.
    last: bool,
    /// What downstream asked for, and upstream was not.
    withheld: Credit,
    /// What upstream was asked for, and has not sent.
    owed: u64,
    ahead: u64,
    entry: Entry,
}

impl<A> ActiveValved<A> {
    /// Notes an answer of downstream; what upstream is asked for.
    fn ask(&mut self, answer: More) -> More {
        if answer.is_special() {
            return answer;
        }
        self.withheld.add(answer);
        // Nobody can ask any more, and all has come.
        if self.last && self.owed == 0 && self.withheld.is_empty() {
            return More::CANCEL;
        }
        if self.entry.shared.is_shut() || self.owed == self.ahead {
            return More::NONE;
        }
        let piece = self.withheld.spend_up_to(self.ahead.saturating_sub(self.owed));
        self.owed += piece;
        More::of(piece)
    }
}

impl<T, E, A> ActiveSubscriber<T, E> for ActiveValved<A>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    fn on_next(&mut self, item: T) -> More {
        self.owed = self.owed.saturating_sub(1);
        let answer = self.downstream.on_next(item);
        self.ask(answer)
    }

    fn on_request(&mut self, _: More) -> More {
        // ordering: acquire pairs with the release in `detach`; before the purse is looked at.
        self.last = self.let_go.load(Ordering::Acquire) != 0;
        let answer = self.downstream.on_request(self.purse.take());
        self.ask(answer)
    }

    fn cause(&self) -> Cause {
        self.downstream.cause()
    }

    fn on_complete(self) {
        drop(ActiveSubscriber::<T, E>::on_end(self, End::Completed));
    }

    fn on_error(self, error: E) {
        drop(ActiveSubscriber::<T, E>::on_end(self, End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(ActiveSubscriber::<T, E>::on_end(self, End::Fault(fault)));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let ActiveValved { downstream, purse, entry, .. } = self;
        drop(entry);
        Left::of(downstream.on_end(end), purse)
    }
}

impl<A> fmt::Debug for ActiveValved<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveValved")
            .field("withheld", &self.withheld)
            .field("owed", &self.owed)
            .finish_non_exhaustive()
    }
}
