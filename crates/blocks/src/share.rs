//! One stream for many, who come at any time: a [hub](crate::hub), and where the source can run
//! again, another after it.
//!
//! ```text
//!  Share ─▶ current hub ─▶ outlets          over: the next who comes makes another the current
//!    │                                      one, and upstream is subscribed to again
//!    └───▶ spare: the source for the next
//! ```
//!
//! | `spare` | the source | who may do what |
//! |---|---|---|
//! | `Here` | is here | whoever finds the current hub over makes another, and gives it the source |
//! | `Out` | is with a hub, which gives a clone back when it subscribes | whoever finds the current hub over makes another, which waits for the source |
//! | `Gone` | there is none: it runs once, or its `Clone` panicked | who comes is told what the hub keeps |
//!
//! **Everybody who comes connects or is told.** A hub admits while it is not over, and says so
//! under the one lock that its end takes; so who does not get into the current hub knows that it
//! is over, and makes another, once. A `Clone` of the source runs under no lock: while it does, the
//! source is out, and who comes meanwhile waits in a hub that is given the clone.
//!
//! **The handles count.** When the last one is dropped nobody can come any more: the current hub
//! ends when the last who is there goes, whatever its plan says.

use std::fmt;
use std::sync::Arc;

use millstream_core::{Context, Publisher};
use millstream_sync::{Mutex, lock};

use crate::bell::Bell;
use crate::hub::{Hub, Outlet, Plan};

/// A handle on a shared stream. See the [module](self).
pub struct Share<P: Publisher>(Arc<Handle<P>>);

/// Dropped with the last handle.
struct Handle<P: Publisher>(Arc<Shared<P>>);

struct Shared<P: Publisher> {
    plan: Plan<P::Item, P::Error>,
    state: Mutex<State<P>>,
    /// How to run the source again.
    again: Option<fn(&P) -> P>,
}

struct State<P: Publisher> {
    hub: Hub<P::Item, P::Error>,
    spare: Spare<P>,
}

enum Spare<P> {
    Here(P),
    Out,
    Gone,
}

impl<P: Publisher<Item: Clone, Error: Clone>> Share<P> {
    /// Shares `source`, which runs once. Who comes after its end is told what `plan` keeps.
    #[must_use]
    pub fn once(source: P, plan: Plan<P::Item, P::Error>) -> Share<P> {
        let share = Share::new(plan, None, Spare::Gone);
        let hub = share.hub();
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        share
    }

    /// Shares `source`, which runs again for who comes after its end. `plan` keeps no end.
    #[must_use]
    pub fn again(source: P, plan: Plan<P::Item, P::Error>) -> Share<P>
    where
        P: Clone,
    {
        let plan = Plan { keep_end: None, ..plan };
        let share = Share::new(plan, Some(P::clone), Spare::Out);
        share.0.0.give(&share.hub(), source);
        share
    }

    fn new(plan: Plan<P::Item, P::Error>, again: Option<fn(&P) -> P>, spare: Spare<P>) -> Share<P> {
        let state = Mutex::new(State { hub: Hub::new(plan.clone()), spare });
        Share(Arc::new(Handle(Arc::new(Shared { plan, state, again }))))
    }

    fn hub(&self) -> Hub<P::Item, P::Error> {
        lock(&self.0.0.state).hub.clone()
    }

    /// An outlet for whoever has `bell`, whose context is `context`.
    ///
    /// May subscribe to the source, and so send items, before it returns.
    pub fn attach(&self, bell: &Bell, context: &Context) -> Outlet<P::Item, P::Error> {
        let shared = &self.0.0;
        loop {
            let hub = self.hub();
            if let Some(outlet) = hub.attach(bell.clone(), context) {
                return outlet;
            }
            // It is over. Outside of the lock, as its end may be the last that is held of it.
            let next = Hub::new(shared.plan.clone());
            let mut state = lock(&shared.state);
            if !state.hub.is(&hub) {
                continue;
            }
            match std::mem::replace(&mut state.spare, Spare::Out) {
                Spare::Here(source) => {
                    state.hub = next.clone();
                    drop(state);
                    shared.give(&next, source);
                }
                Spare::Out => state.hub = next,
                Spare::Gone => {
                    state.spare = Spare::Gone;
                    drop(state);
                    return hub.refuse(bell.clone(), context);
                }
            }
        }
    }

    /// Subscribes to the source now, whoever is there.
    pub fn connect(&self) {
        self.hub().connect();
    }
}

impl<P: Publisher<Item: Clone, Error: Clone>> Shared<P> {
    /// Gives `hub` the source, of which it gives back a clone when it subscribes.
    fn give(self: &Arc<Shared<P>>, hub: &Hub<P::Item, P::Error>, source: P) {
        let shared = self.clone();
        hub.on_quorum(move |hub| {
            // First, so that who is there is told if `Clone` panics.
            let distributor = hub.distributor();
            let lent = Lent { hub: hub.clone(), shared, back: None };
            lent.give_back(&source);
            // The last may have gone meanwhile.
            if !hub.is_over() {
                source.subscribe(distributor);
            }
        });
    }
}

/// The source is with `hub`.
struct Lent<P: Publisher<Item: Clone, Error: Clone>> {
    hub: Hub<P::Item, P::Error>,
    shared: Arc<Shared<P>>,
    back: Option<P>,
}

impl<P: Publisher<Item: Clone, Error: Clone>> Lent<P> {
    fn give_back(mut self, source: &P) {
        self.back = self.shared.again.map(|again| again(source));
    }
}

impl<P: Publisher<Item: Clone, Error: Clone>> Drop for Lent<P> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        let current = state.hub.clone();
        // Another is the current one: it was made meanwhile, and waits.
        let waits = !current.is(&self.hub);
        match self.back.take() {
            Some(source) if waits => {
                drop(state);
                self.shared.give(&current, source);
            }
            Some(source) => state.spare = Spare::Here(source),
            None => {
                state.spare = Spare::Gone;
                drop(state);
                if waits {
                    // Who waits there is told that the source went away.
                    drop(current.distributor());
                }
            }
        }
    }
}

impl<P: Publisher> Clone for Share<P> {
    fn clone(&self) -> Share<P> {
        Share(self.0.clone())
    }
}

impl<P: Publisher> Drop for Handle<P> {
    fn drop(&mut self) {
        let hub = lock(&self.0.state).hub.clone();
        hub.orphan();
    }
}

impl<P: Publisher> fmt::Debug for Share<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("plan", &self.0.0.plan).finish_non_exhaustive()
    }
}
