//! Demand that waits until another thread says so: [`Gated`].

use std::sync::{Arc, OnceLock};

use millstream::{
    Cause, Context, Credit, Demand, Fault, Publisher, Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, lock};

/// A publisher whose demand waits at a [`Gate`]. Items and ends pass as they come.
#[derive(Debug)]
pub struct Gated<P> {
    upstream: P,
    gate: Arc<Gate>,
}

/// Keeps what is asked for until it is opened.
pub struct Gate {
    state: Mutex<State>,
    upstream: OnceLock<Arc<dyn Upstream>>,
    mistake: Option<Mistake>,
}

#[derive(Debug)]
struct State {
    open: bool,
    kept: Credit,
}

/// What is easily done wrong here; made in models only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// It looks whether it is open, and keeps the demand in a second step.
    LooksBeforeItKeeps,
    /// What was kept stays there.
    ForgetsWhatIsKept,
    /// What was kept is asked for, and stays there.
    AsksTwice,
}

/// `upstream` behind a gate, and the gate, which is shut.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_example_stages::gate::gated;
/// use millstream_testkit::{Behaviour, probe};
///
/// let (numbers, gate) = gated(millstream::from_iter(1..=3));
/// let probe = probe(numbers, Behaviour::new().initially(2));
/// assert!(probe.items().is_empty());
/// gate.open();
/// assert_eq!(probe.items(), [1, 2]);
/// ```
pub fn gated<P: Publisher>(upstream: P) -> (Gated<P>, Arc<Gate>) {
    with(upstream, None)
}

/// For models: with a mistake, or without.
#[doc(hidden)]
pub fn with<P: Publisher>(upstream: P, mistake: Option<Mistake>) -> (Gated<P>, Arc<Gate>) {
    let state = Mutex::new(State { open: false, kept: Credit::NONE });
    let gate = Arc::new(Gate { state, upstream: OnceLock::new(), mistake });
    (Gated { upstream, gate: gate.clone() }, gate)
}

impl Gate {
    /// Asks for what was kept, and from here on for whatever is asked.
    pub fn open(&self) {
        let kept = {
            let mut state = lock(&self.state);
            state.open = true;
            match self.mistake {
                Some(Mistake::ForgetsWhatIsKept) => return,
                Some(Mistake::AsksTwice) => state.kept.get(),
                _ => state.kept.take(),
            }
        };
        if let Some(demand) = kept.demand() {
            self.upstream().request(demand);
        }
    }

    /// Whether it is shut: then it keeps `demand`.
    fn keeps(&self, demand: Demand) -> bool {
        if self.mistake == Some(Mistake::LooksBeforeItKeeps) && lock(&self.state).open {
            return false;
        }
        let mut state = lock(&self.state);
        let keeps = !state.open || self.mistake == Some(Mistake::LooksBeforeItKeeps);
        if keeps {
            state.kept.add(demand.into());
        }
        keeps
    }

    /// It is there as soon as anybody can ask or cancel.
    fn upstream(&self) -> &Arc<dyn Upstream> {
        self.upstream.get().unwrap_or_else(|| unreachable!("set before there is a handle"))
    }
}

impl Upstream for Gate {
    fn request(&self, demand: Demand) {
        if !self.keeps(demand) {
            self.upstream().request(demand);
        }
    }

    fn cancel(&self) {
        self.upstream().cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        self.upstream().cancel_because(cause);
    }

    fn detach(&self) {
        self.upstream().detach();
    }

    fn fail(&self, fault: Fault) {
        self.upstream().fail(fault);
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<P: Publisher> Publisher for Gated<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.upstream.subscribe(Behind { subscriber, gate: self.gate });
    }
}

/// Whoever is subscribed, with the gate for a handle.
struct Behind<S> {
    subscriber: S,
    gate: Arc<Gate>,
}

impl<T, E, S: Subscriber<T, E>> Subscriber<T, E> for Behind<S> {
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        let set = self.gate.upstream.set(subscription.into_upstream());
        assert!(set.is_ok(), "a gate is for one stream");
        self.subscriber.on_subscribe(Subscription::new(self.gate))
    }

    fn context(&self) -> Context {
        self.subscriber.context()
    }
}
