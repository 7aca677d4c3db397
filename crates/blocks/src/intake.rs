//! An intake: a subscriber that fills a [basin](crate::basin), and is asked without regard to what
//! leaves it.
//!
//! ```text
//!  upstream ──signals──▶ Intake ─ fill ─▶ basin(capacity) ─▶ Stock: Pull ──▶ the host's emission
//!       ◀── request(ahead), by Start ──┘        │ spilled, or merged                │
//!       ◀── one for each item taken, where `ahead` is bounded ──────────────────────┘
//! ```
//!
//! For stages with an upstream that is not slowed down: it is asked for everything, and what comes
//! while downstream asks for nothing is kept, dropped or merged, as `fill` says. It is called on
//! the thread that sends, serially, with nothing locked. A [lane](crate::lane) is for upstreams
//! that wait.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | the basin | see [`basin`](crate::basin); the intake is its one inflow | |
//! | `link` | intake, stock and start, under its lock | any |
//!
//! * **Demand.** Nothing is asked for before the host rests first: an upstream that sends at once
//!   would find nobody who takes its items, though downstream has asked for them. So whoever
//!   subscribes [starts](Start::go) it when the host was run. The subscription may arrive before
//!   or after that; whichever comes second asks. An `ahead` that is bounded is kept up by one for
//!   each item that leaves: so an upstream without end that sends where it is asked stops.
//! * **The end** comes behind what is queued, and needs no demand of its own. A fault does not
//!   wait. An upstream that is over is let go, and not cancelled.
//! * **A panic in `fill`** breaks the stream of the host, and cancels upstream.
//! * **Cancellation.** A stock that is dropped gives up the basin first and cancels upstream
//!   second; what comes after that is refused, and discarded here. A subscription that arrives
//!   later is cancelled on arrival.
//! * **A source that goes away** without an end is `Fault::SourceDropped`, behind what is queued.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, Fault, More, Panic, Pull, Pulled,
    Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, lock};

use crate::basin::{Inflow, Outflow};
use crate::cause::{self, Note, current};

/// What became of an item that an intake was sent.
#[derive(Debug)]
#[must_use = "upstream goes on, or does not"]
pub enum Filled<H> {
    /// It was dealt with.
    On,
    /// It was dealt with, and the stream fails for it: upstream is cancelled.
    Failed,
    /// The basin takes nothing more in.
    Refused(H),
}

/// An intake that fills a basin by `fill`, what comes out of it, and what asks for the first
/// items. `outflow` is attached to the host, and `context` is that of the host's subscriber.
pub fn intake<T, H, E, F>(
    inflow: Inflow<H, E>,
    outflow: Outflow<H, E>,
    ahead: Demand,
    fill: F,
    context: &Context,
) -> (Intake<T, H, E, F>, Stock<H, E>, Start)
where
    F: FnMut(T, &Inflow<H, E>) -> Filled<H> + Send + 'static,
{
    let link = Arc::new(Mutex::new(Link {
        upstream: Place::Awaited,
        started: false,
        cause: Note::default(),
    }));
    let active = ActiveIntake {
        inflow,
        fill,
        link: link.clone(),
        discards: context.discards().clone(),
        marker: PhantomData,
    };
    let intake = Intake { active, ahead, context: context.upstream() };
    let stock = Stock { outflow, keeps_up: !ahead.is_unbounded(), tie: Tie(link.clone()) };
    (intake, stock, Start { link, ahead })
}

struct Link {
    upstream: Place,
    started: bool,
    /// Why upstream is cancelled.
    cause: Note,
}

enum Place {
    /// The subscription has not arrived.
    Awaited,
    Here(Arc<dyn Upstream>),
    /// The stock has gone, or upstream is over.
    Gone,
}

/// Lets go of upstream.
fn let_go(link: &Mutex<Link>) -> Place {
    std::mem::replace(&mut lock(link).upstream, Place::Gone)
}

/// Asks for the first items.
#[must_use = "upstream is asked for nothing before"]
pub struct Start {
    link: Arc<Mutex<Link>>,
    ahead: Demand,
}

impl Start {
    /// From here on upstream is asked: now, or when its subscription arrives.
    pub fn go(self) {
        let mut link = lock(&self.link);
        link.started = true;
        let upstream = match &link.upstream {
            Place::Here(upstream) => Some(upstream.clone()),
            Place::Awaited | Place::Gone => None,
        };
        drop(link);
        if let Some(upstream) = upstream {
            upstream.request(self.ahead);
        }
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// The subscriber that fills a basin.
pub struct Intake<T, H, E, F> {
    active: ActiveIntake<T, H, E, F>,
    ahead: Demand,
    context: Context,
}

impl<T, H, E, F> Subscriber<T, E> for Intake<T, H, E, F>
where
    T: Send + 'static,
    H: Send + 'static,
    E: Send + 'static,
    F: FnMut(T, &Inflow<H, E>) -> Filled<H> + Send + 'static,
{
    type Active = ActiveIntake<T, H, E, F>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let upstream = subscription.into_upstream();
        let mut link = lock(&self.active.link);
        let gone = matches!(link.upstream, Place::Gone);
        if !gone {
            link.upstream = Place::Here(upstream.clone());
        }
        let started = link.started;
        let cause = link.cause.get();
        drop(link);
        if gone {
            cause::cancel(&*upstream, cause);
        } else if started {
            upstream.request(self.ahead);
        }
        self.active
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl<T, H, E, F> fmt::Debug for Intake<T, H, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// An intake with its subscription.
pub struct ActiveIntake<T, H, E, F> {
    inflow: Inflow<H, E>,
    fill: F,
    link: Arc<Mutex<Link>>,
    discards: Discards,
    marker: PhantomData<fn(T)>,
}

impl<T, H, E, F> ActiveSubscriber<T, E> for ActiveIntake<T, H, E, F>
where
    T: Send + 'static,
    H: Send + 'static,
    E: Send + 'static,
    F: FnMut(T, &Inflow<H, E>) -> Filled<H> + Send + 'static,
{
    fn on_next(&mut self, item: T) -> More {
        let ActiveIntake { inflow, fill, .. } = self;
        match catch_unwind(AssertUnwindSafe(|| fill(item, inflow))) {
            Ok(Filled::On) => return More::NONE,
            Ok(Filled::Failed) => lock(&self.link).cause.put(Cause::Failed),
            Ok(Filled::Refused(item)) => self.discards.discard(item),
            Err(payload) => {
                lock(&self.link).cause.put(Cause::Failed);
                self.inflow.break_off(Fault::Panicked(Panic::new(payload)));
            }
        }
        More::CANCEL
    }

    fn cause(&self) -> Cause {
        lock(&self.link).cause.get()
    }

    fn on_complete(self) {
        drop(let_go(&self.link));
        self.inflow.complete();
    }

    fn on_error(self, error: E) {
        drop(let_go(&self.link));
        // Nobody is there to be told, if it comes back.
        let _undelivered = self.inflow.fail(error);
    }

    fn on_fault(self, fault: Fault) {
        drop(let_go(&self.link));
        self.inflow.break_off(fault);
    }
}

impl<T, H, E, F> fmt::Debug for ActiveIntake<T, H, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveIntake").field("inflow", &self.inflow).finish_non_exhaustive()
    }
}

/// What comes out of the basin. Whoever pulls it must be the host that its outflow is attached to.
pub struct Stock<H: 'static, E> {
    // Before the tie: what upstream still sends while it is cancelled is refused.
    outflow: Outflow<H, E>,
    /// Whether upstream is asked for one more for each item that leaves.
    keeps_up: bool,
    tie: Tie,
}

/// Cancels upstream when it is dropped.
struct Tie(Arc<Mutex<Link>>);

impl Tie {
    fn ask(&self) {
        let upstream = match &lock(&self.0).upstream {
            Place::Here(upstream) => upstream.clone(),
            Place::Awaited | Place::Gone => return,
        };
        upstream.request(Demand::ONE);
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        if let Place::Here(upstream) = let_go(&self.0) {
            cause::cancel(&*upstream, current());
        }
    }
}

impl<H: 'static, E> Drop for Stock<H, E> {
    fn drop(&mut self) {
        // Before the basin is given up: who finds it closed is asked why.
        Note::leave(&self.tie.0, |link| &mut link.cause);
    }
}

impl<H: Send + 'static, E: Send + 'static> Pull for Stock<H, E> {
    type Item = H;
    type Error = E;

    fn pull(&mut self) -> Pulled<H, E> {
        let pulled = self.outflow.pull();
        if self.keeps_up && matches!(pulled, Pulled::Item(_)) {
            self.tie.ask();
        }
        pulled
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<H, E> {
        self.outflow.look_ahead(started)
    }
}

impl<H: 'static, E> fmt::Debug for Stock<H, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock").field("outflow", &self.outflow).finish_non_exhaustive()
    }
}
