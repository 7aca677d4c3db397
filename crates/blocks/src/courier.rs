//! A courier: a stream that is subscribed to, and asked, on a task of an executor.
//!
//! ```text
//!  downstream ── request, cancel ──▶ Counter (token) ── wake ──▶ Courier: a future
//!      ▲                                                                   │ subscribe, request
//!      └────────── signals, straight through ◀── Carried ◀── upstream ◀────┘
//! ```
//!
//! Signals are not touched: they come on the thread that upstream sends them on, which for a
//! synchronous source is the one that asks it. What is asked is added up in the word and handed
//! on by the task.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `token` | anyone | any; its turn schedules, as for a [task](crate::task) |
//! | `link` | put by the subscriber, taken by the canceller or at the end, under its lock | any |
//! | publisher, demand before there is a link | the task | |
//!
//! * **Cancellation** is not scheduled: it closes the word first and takes the link second, while
//!   a subscription that arrives is put into the link first and looks at the word second. One of
//!   the two sees the other.
//! * **An executor that drops the task** ends the stream with [`Fault::ExecutorGone`], whether
//!   upstream was subscribed to before or not. One that was is cancelled, and the fault is told
//!   when it drops the subscriber: upstream may be anybody's, and need not know how to
//!   [fail](Upstream::fail).
//! * **Nothing keeps itself alive.** When downstream lets go of its handle, what it asked for is
//!   handed on, then the link is let go, and the task is over.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Panic, Progress, Publisher,
    Rest, Subscriber, Subscription, Upstream,
};
use millstream_sync::{Mutex, lock};

use crate::cause::{self, afresh, current, left, subscribing, within};
use crate::entrust::Errand;
use crate::mail::{self, Mail, leave_cause};
use crate::running::undelivered;
use crate::token::TaskToken;

/// Makes the task that subscribes `subscriber` to `publisher`, and asks it for what `subscriber`
/// asks; the caller hands it to an executor. `None` where downstream is gone already.
pub fn courier<P, S>(publisher: P, subscriber: S) -> Option<Courier<P, S::Active>>
where
    P: Publisher,
    S: Subscriber<P::Item, P::Error>,
{
    let counter = Arc::new(Counter {
        token: TaskToken::held(),
        link: Mutex::new(Link::Awaited),
        mail: Mutex::new(Mail::default()),
    });
    let context = subscriber.context();
    let subscription = Subscription::new(counter.clone());
    let active = match catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription))) {
        Ok(active) => active,
        Err(payload) => {
            counter.token.word().close();
            undelivered(payload);
            return None;
        }
    };
    if counter.token.word().is_closed() {
        within(mail::cause(&counter.mail), || drop(active));
        return None;
    }
    let going = Some((active, Finish(counter.clone())));
    let carried = Carried { active: ActiveCarried { going, signals: PhantomData }, context };
    Some(Courier {
        counter,
        errand: Some((publisher, carried)),
        owed: Credit::NONE,
        detached: false,
        over: false,
    })
}

/// What downstream asks, added up for the task.
struct Counter {
    token: TaskToken,
    link: Mutex<Link>,
    mail: Mutex<Mail>,
}

enum Link {
    /// The subscription has not arrived.
    Awaited,
    Here(Arc<dyn Upstream>),
    /// Something broke: upstream is cancelled, now or when it arrives, and the subscriber is told
    /// when it is dropped.
    Broken(Fault),
    /// Cancelled, let go, or over.
    Gone,
}

impl Counter {
    fn unlink(&self) -> Link {
        std::mem::replace(&mut *lock(&self.link), Link::Gone)
    }

    fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        match &*lock(&self.link) {
            Link::Here(upstream) => Some(upstream.clone()),
            _ => None,
        }
    }
}

impl Counter {
    /// Cancels upstream, now or when it arrives, and has downstream told of `fault`: upstream may
    /// be anybody's, and know no more than to cancel.
    fn break_off(&self, fault: Fault) {
        let upstream = {
            let mut link = lock(&self.link);
            match &*link {
                Link::Awaited => {
                    *link = Link::Broken(fault);
                    None
                }
                Link::Here(upstream) => {
                    let upstream = upstream.clone();
                    let before = std::mem::replace(&mut *link, Link::Broken(fault));
                    drop(link);
                    drop(before);
                    Some(upstream)
                }
                // The first stands.
                Link::Broken(_) | Link::Gone => None,
            }
        };
        if let Some(upstream) = upstream {
            cause::cancel(&*upstream, Cause::Failed);
        }
    }
}

impl Upstream for Counter {
    fn request(&self, demand: Demand) {
        self.token.request(demand);
    }

    fn cancel(&self) {
        leave_cause(&self.mail);
        self.token.cancel();
        if let Link::Here(upstream) = self.unlink() {
            cause::cancel(&*upstream, current());
        }
    }

    fn cancel_because(&self, cause: Cause) {
        within(cause, || self.cancel());
    }

    fn detach(&self) {
        if !self.token.word().is_closed() {
            lock(&self.mail).detached = true;
            self.token.signal();
        }
    }

    fn fail(&self, fault: Fault) {
        let mut link = lock(&self.link);
        match &*link {
            Link::Awaited => {
                *link = Link::Broken(fault);
                drop(link);
                self.token.signal();
            }
            Link::Here(upstream) => {
                let upstream = upstream.clone();
                drop(link);
                upstream.fail(fault);
            }
            // The first stands.
            Link::Broken(_) | Link::Gone => drop(link),
        }
    }
}

/// Closes the word when the stream is over.
struct Finish(Arc<Counter>);

impl Finish {
    /// Upstream has dropped the subscriber without an end: `told` is given the fault that it was
    /// cancelled for, if there was one.
    fn tell(self, told: impl FnOnce(Fault) + 'static) {
        match self.0.unlink() {
            Link::Broken(fault) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| afresh(|| told(fault)))) {
                    undelivered(payload);
                }
            }
            // Cancelled: nobody listens.
            _ if self.0.token.word().is_closed() => drop(told),
            // By a panic in `subscribe`, or because the source went away.
            _ => drop(left(move |fault| {
                told(fault);
                drop(self);
            })),
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let knock = self.0.token.word().cancel();
        drop(self.0.unlink());
        self.0.token.knocked(knock);
    }
}

/// The subscriber on its way to upstream.
struct Carried<T, E, A: ActiveSubscriber<T, E>> {
    active: ActiveCarried<T, E, A>,
    context: Context,
}

impl<T, E, A> Subscriber<T, E> for Carried<T, E, A>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    type Active = ActiveCarried<T, E, A>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveCarried<T, E, A> {
        let Carried { active, .. } = self;
        let Some((_, Finish(counter))) = &active.going else { return active };
        let upstream = subscription.into_upstream();
        let cancelled = {
            let mut link = lock(&counter.link);
            match &*link {
                Link::Awaited => {
                    *link = Link::Here(upstream.clone());
                    None
                }
                Link::Broken(_) => Some(Cause::Failed),
                Link::Here(_) | Link::Gone => Some(mail::cause(&counter.mail)),
            }
        };
        match cancelled {
            // Demand may be waiting.
            None => counter.token.signal(),
            // A fault that waits in the link is told when upstream drops what it is given here.
            Some(cause) => cause::cancel(&*upstream, cause),
        }
        active
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

/// Passes everything on, and tells the fault that waits in the link where it is dropped without
/// an end.
struct ActiveCarried<T, E, A: ActiveSubscriber<T, E>> {
    /// Until the end.
    going: Option<(A, Finish)>,
    signals: PhantomData<fn(T, E)>,
}

impl<T, E, A> ActiveSubscriber<T, E> for ActiveCarried<T, E, A>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        match &mut self.going {
            Some((active, _)) => active.on_next(item),
            None => More::CANCEL,
        }
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }

    #[inline]
    fn on_request(&mut self, more: More) -> More {
        match &mut self.going {
            Some((active, _)) => active.on_request(more),
            None => More::CANCEL,
        }
    }

    fn cause(&self) -> Cause {
        self.going.as_ref().map_or(Cause::NoMoreNeeded, |(active, _)| active.cause())
    }

    fn on_end(mut self, end: End<E>) -> Option<Box<dyn Rest>> {
        let (active, finish) = self.going.take()?;
        let rest = active.on_end(end)?;
        Some(Box::new(CarriedRest(Some((rest, finish)))))
    }
}

impl<T, E, A: ActiveSubscriber<T, E>> Drop for ActiveCarried<T, E, A> {
    fn drop(&mut self) {
        if let Some((active, finish)) = self.going.take() {
            finish.tell(|fault| drop(active.on_end(End::Fault(fault))));
        }
    }
}

/// What a stage downstream still holds at the end; as [`ActiveCarried`] where it is dropped.
struct CarriedRest(Option<(Box<dyn Rest>, Finish)>);

impl Rest for CarriedRest {
    fn go_on(&mut self, more: More, interrupted: &dyn Fn() -> bool) -> Progress {
        match &mut self.0 {
            Some((rest, _)) => rest.go_on(more, interrupted),
            None => Progress::Ended,
        }
    }

    fn finish(mut self: Box<Self>) -> Option<Box<dyn Rest>> {
        let (rest, finish) = self.0.take()?;
        Some(Box::new(CarriedRest(Some((rest.finish()?, finish)))))
    }

    fn break_off(mut self: Box<Self>, fault: Fault) -> Option<Box<dyn Rest>> {
        let (rest, finish) = self.0.take()?;
        Some(Box::new(CarriedRest(Some((rest.break_off(fault)?, finish)))))
    }
}

impl Drop for CarriedRest {
    fn drop(&mut self) {
        if let Some((rest, finish)) = self.0.take() {
            finish.tell(|fault| drop(rest.break_off(fault)));
        }
    }
}

/// A publisher, and its subscriber on its way.
type ToCarry<P, A> = (P, Carried<<P as Publisher>::Item, <P as Publisher>::Error, A>);

/// A future that subscribes and asks, and is ready when nobody can ask any more. See the
/// [module](self).
#[must_use = "a task does nothing unless an executor runs it, and ends its stream when dropped"]
pub struct Courier<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> {
    counter: Arc<Counter>,
    /// Until it subscribes.
    errand: Option<ToCarry<P, A>>,
    /// Demand that waits for the subscription.
    owed: Credit,
    detached: bool,
    over: bool,
}

// What it carries is moved, never pinned.
impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Unpin for Courier<P, A> {}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Courier<P, A> {
    /// Hands on what was asked until there is nothing to do, and leaves `waker` then; `false` when it
    /// is over.
    fn turns(&mut self, waker: &Waker) -> bool {
        loop {
            let claim = self.counter.token.claim();
            let lets_go = claim.signalled && lock(&self.counter.mail).take().detached;
            if claim.closed {
                self.dismiss();
                return false;
            }
            self.owed.add(claim.more);
            if let Some((publisher, carried)) = self.errand.take() {
                if let Link::Broken(_) = &*lock(&self.counter.link) {
                    self.errand = Some((publisher, carried));
                    return false;
                }
                subscribing(|| publisher.subscribe(carried));
            }
            if let Some(upstream) = self.counter.upstream() {
                if let Some(demand) = self.owed.take().demand() {
                    upstream.request(demand);
                }
                if self.detached {
                    drop(self.counter.unlink());
                    upstream.detach();
                    return false;
                }
            }
            if lets_go {
                // What was asked before letting go may have come after the claim.
                self.detached = true;
            } else if self.counter.token.rest(waker) {
                return true;
            }
        }
    }

    /// Cancelled: what was not subscribed to is dropped.
    fn dismiss(&mut self) {
        let errand = self.errand.take();
        within(mail::cause(&self.counter.mail), || drop(errand));
    }

    /// The end: nobody enters again, and a stream that was not subscribed to yet, or is still
    /// going on, is broken off by `fault`.
    fn finish(&mut self, fault: Fault) {
        self.over = true;
        let Some((publisher, carried)) = self.errand.take() else {
            return self.counter.break_off(fault);
        };
        let fault = match self.counter.unlink() {
            Link::Broken(first) => first,
            _ => fault,
        };
        self.counter.token.word().close();
        let Carried { active: mut carried, .. } = carried;
        let Some((active, finish)) = carried.going.take() else { return };
        let told = catch_unwind(AssertUnwindSafe(|| {
            within(Cause::Failed, || drop(publisher));
            drop(active.on_end(End::Fault(fault)));
        }));
        drop(finish);
        if let Err(payload) = told {
            undelivered(payload);
        }
    }
}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Future for Courier<P, A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(());
        }
        if !this.counter.token.is_due(cx.waker()) {
            return Poll::Pending;
        }
        match catch_unwind(AssertUnwindSafe(|| this.turns(cx.waker()))) {
            Ok(true) => return Poll::Pending,
            Ok(false) => {
                this.over = this.errand.is_none();
                if !this.over {
                    // Broken before it began: `finish` tells the fault that waits in the link.
                    this.finish(Fault::ExecutorGone);
                }
            }
            Err(payload) => this.finish(Fault::Panicked(Panic::new(payload))),
        }
        Poll::Ready(())
    }
}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Errand for Courier<P, A> {
    fn break_off(&mut self, fault: Fault) {
        if self.over {
            return;
        }
        if self.counter.token.word().is_closed() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.dismiss())) {
                undelivered(payload);
            }
        } else {
            self.finish(fault);
        }
    }
}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> Drop for Courier<P, A> {
    fn drop(&mut self) {
        self.break_off(Fault::ExecutorGone);
    }
}

impl<P: Publisher, A: ActiveSubscriber<P::Item, P::Error>> fmt::Debug for Courier<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("over", &self.over).finish_non_exhaustive()
    }
}
