//! A boundary by hand: [`Handoff`].
//!
//! `publish_on(executor, 1)` does the same, and more: a stage of an application is made of the shapes
//! of the library, or of an `AsyncSource`. This one is for whoever has a reason not to.
//!
//! Two sides share a `Place`: the `Inlet`, which upstream sends to on any thread, and the
//! `Outlet`, a task that sends downstream. Whoever asks or cancels tells the outlet by the same
//! place. So downstream belongs to the task alone, and needs no lock.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Polling, Poll, Waker};

use millstream::executor::Executor;
use millstream::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Panic, Progress, Publisher,
    Rest, Subscriber, Subscription, Upstream,
};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

/// Hands items over to a task of an executor, with room for one.
///
/// # Demand
/// Upstream is asked for one item at first, and for another when one was taken.
///
/// # Bounds
/// One item.
///
/// ```
/// use millstream::executor::Pool;
/// use millstream::prelude::*;
/// use millstream_example_stages::handoff::Handoff;
///
/// let pool = Pool::new(1);
/// let numbers = Handoff::new(millstream::from_iter(1..=100), pool.handle());
/// assert_eq!(numbers.fold(0, |sum, n| sum + n).block()?, 5_050);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Handoff<P, X> {
    upstream: P,
    executor: X,
    mistake: Option<Mistake>,
}

/// What is easily done wrong here. The models make each mistake, to see that they catch it; nobody else
/// does: an ordinary build has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The task looks for news, and then leaves its waker: what comes in between wakes nobody.
    LooksBeforeItWaits,
    /// What was asked for is read, added to and written back, so that one of two requests is lost.
    AddsInTwoSteps,
    /// An item that comes behind a cancellation is kept.
    KeepsWhatComesLate,
    /// Upstream is asked for the next item before there is room for it.
    AsksTooEarly,
    /// The end goes before the item that waits.
    EndsAtOnce,
    /// An item is sent as soon as it is there.
    SendsUnasked,
}

impl<P: Publisher, X: Executor> Handoff<P, X> {
    /// `upstream`, whose items a task of `executor` sends on.
    pub fn new(upstream: P, executor: X) -> Handoff<P, X> {
        Handoff { upstream, executor, mistake: None }
    }

    /// For models: with a mistake.
    #[doc(hidden)]
    pub fn making(self, mistake: Mistake) -> Handoff<P, X> {
        Handoff { mistake: Some(mistake), ..self }
    }
}

impl<P: Publisher, X: Executor> Publisher for Handoff<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let context = subscriber.context().upstream();
        let place = Arc::new(Place::new(self.mistake));
        let subscription = Subscription::new(place.clone());
        let called = catch_unwind(AssertUnwindSafe(|| subscriber.on_subscribe(subscription)));
        // Where that panicked the subscriber is gone, and there is nobody to tell.
        let Ok(active) = called else { return };
        let outlet = Outlet {
            place: place.clone(),
            downstream: Downstream::New(active),
            credit: Credit::NONE,
        };
        // One that is refused is dropped, and says so downstream.
        let _refused = self.executor.spawn(Box::pin(outlet));
        self.upstream.subscribe(Inlet { place, context });
    }
}

/// What the two sides share.
struct Place<T, E> {
    /// What was asked for, and the outlet has not seen.
    asked: AtomicU64,
    state: Mutex<State<T, E>>,
    waker: Mutex<Option<Waker>>,
    mistake: Option<Mistake>,
}

struct State<T, E> {
    item: Option<T>,
    end: Option<End<E>>,
    /// What downstream, or whoever asked for it, broke.
    fault: Option<Fault>,
    upstream: Option<Arc<dyn Upstream>>,
    /// Why nothing is wanted any more.
    closed: Option<Cause>,
}

/// What the outlet is to do next.
enum News<T, E> {
    Closed,
    Fault(Fault),
    Asked(More),
    Item(T),
    End(End<E>),
}

impl<T, E> Place<T, E> {
    fn new(mistake: Option<Mistake>) -> Place<T, E> {
        let state = State { item: None, end: None, fault: None, upstream: None, closed: None };
        let (asked, state) = (AtomicU64::new(0), Mutex::new(state));
        Place { asked, state, waker: Mutex::new(None), mistake }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        cfg!(millstream_loom) && self.mistake == Some(mistake)
    }

    fn wake(&self) {
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks upstream for the next item, if it is there by now.
    fn ask(&self) {
        let upstream = lock(&self.state).upstream.clone();
        if let Some(upstream) = upstream {
            upstream.request(Demand::ONE);
        }
    }

    /// What has come from upstream, the first end included; dropped where nobody wants it.
    fn put(&self, item: Option<T>, end: Option<End<E>>) {
        let late = {
            let mut state = lock(&self.state);
            if state.closed.is_some() && !self.makes(Mistake::KeepsWhatComesLate) {
                (item, end)
            } else {
                let over = item.and_then(|item| state.item.replace(item));
                let end = if state.end.is_none() { mem::replace(&mut state.end, end) } else { end };
                (over, end)
            }
        };
        // Destructors of items are code of the user: no lock is held.
        drop(late);
        self.wake();
    }

    /// Nothing is wanted any more.
    fn close(&self, cause: Cause) {
        let (left, upstream) = {
            let mut state = lock(&self.state);
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(cause.clone());
            ((state.item.take(), state.end.take()), state.upstream.take())
        };
        drop(left);
        if let Some(upstream) = upstream {
            upstream.cancel_because(cause);
        }
        self.wake();
    }

    fn is_closed(&self) -> bool {
        lock(&self.state).closed.is_some()
    }

    /// The next thing to do. An item that is not asked for stays, and an end behind it.
    fn next(&self, wanted: bool) -> Option<News<T, E>> {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return Some(News::Closed);
        }
        if let Some(fault) = state.fault.take() {
            return Some(News::Fault(fault));
        }
        // ordering: pairs with that of `request`, so that what was done before it is seen.
        let asked = self.asked.swap(0, Ordering::Acquire);
        if asked > 0 {
            return Some(News::Asked(More::of(asked)));
        }
        if state.item.is_none() || self.makes(Mistake::EndsAtOnce) {
            let end = state.end.take().map(News::End);
            if end.is_some() || state.item.is_none() {
                return end;
            }
        }
        if wanted || self.makes(Mistake::SendsUnasked) {
            return state.item.take().map(News::Item);
        }
        None
    }
}

/// The handle of downstream: from any thread, and also when all is over.
impl<T: Send, E: Send> Upstream for Place<T, E> {
    fn request(&self, demand: Demand) {
        let sum = |asked: u64| asked.saturating_add(demand.get()).min(Demand::UNBOUNDED.get());
        // ordering: pairs with that of `next`.
        if self.makes(Mistake::AddsInTwoSteps) {
            let asked = self.asked.load(Ordering::Relaxed);
            self.asked.store(sum(asked), Ordering::Release);
        } else {
            let mut asked = self.asked.load(Ordering::Relaxed);
            while let Err(now) = self.asked.compare_exchange_weak(
                asked,
                sum(asked),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                asked = now;
            }
        }
        self.wake();
    }

    fn cancel(&self) {
        self.close(Cause::NoMoreNeeded);
    }

    fn cancel_because(&self, cause: Cause) {
        self.close(cause);
    }

    fn fail(&self, fault: Fault) {
        lock(&self.state).fault.get_or_insert(fault);
        self.wake();
    }
}

/// The side of upstream.
struct Inlet<T, E> {
    place: Arc<Place<T, E>>,
    context: Context,
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for Inlet<T, E> {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        let upstream = subscription.into_upstream();
        let closed = {
            let mut state = lock(&self.place.state);
            if state.closed.is_none() {
                state.upstream = Some(upstream.clone());
            }
            state.closed.clone()
        };
        match closed {
            Some(cause) => upstream.cancel_because(cause),
            None => upstream.request(Demand::ONE),
        }
        self
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for Inlet<T, E> {
    fn on_next(&mut self, item: T) -> More {
        self.place.put(Some(item), None);
        if self.place.makes(Mistake::AsksTooEarly) { More::ONE } else { More::NONE }
    }

    fn on_complete(self) {
        self.place.put(None, Some(End::Completed));
    }

    fn on_error(self, error: E) {
        self.place.put(None, Some(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        self.place.put(None, Some(End::Fault(fault)));
    }
}

/// Of several ends the first counts: this one where there was none.
impl<T, E> Drop for Inlet<T, E> {
    fn drop(&mut self) {
        self.place.put(None, Some(End::Fault(Fault::SourceDropped)));
    }
}

/// The side of downstream: a task.
struct Outlet<T, E, A: ActiveSubscriber<T, E>> {
    place: Arc<Place<T, E>>,
    downstream: Downstream<A>,
    /// What downstream may still be sent.
    credit: Credit,
}

enum Downstream<A> {
    /// Has not been asked for its demand.
    New(A),
    Active(A),
    /// The end was told, and a stage has items left.
    Rest(Box<dyn Rest>),
    Gone,
}

/// Calls what may panic: it is code of the user.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| Fault::Panicked(Panic::new(payload)))
}

impl<T, E, A: ActiveSubscriber<T, E>> Outlet<T, E, A> {
    /// Does one thing for downstream, and says where it is then.
    fn deal(&mut self, downstream: Downstream<A>, news: News<T, E>) -> Downstream<A> {
        match (downstream, news) {
            (_, News::Closed) => Downstream::Gone,
            (Downstream::New(active) | Downstream::Active(active), News::Asked(more)) => {
                self.asks(active, more)
            }
            (Downstream::New(active) | Downstream::Active(active), News::Item(item)) => {
                if !self.credit.is_empty() {
                    self.credit.spend();
                }
                self.place.ask();
                let mut active = active;
                let answer = caught(|| active.on_next(item));
                self.answered(active, answer)
            }
            (Downstream::New(active) | Downstream::Active(active), News::End(end)) => {
                Self::end(active, end)
            }
            (Downstream::New(active) | Downstream::Active(active), News::Fault(fault)) => {
                self.place.close(Cause::Failed);
                Self::end(active, End::Fault(fault))
            }
            (Downstream::Rest(mut rest), News::Asked(more)) => {
                match caught(|| rest.go_on(more, &|| self.place.is_closed())) {
                    Ok(Progress::Ended) => Self::after(caught(|| rest.finish())),
                    Ok(_) => Downstream::Rest(rest),
                    Err(_) => Downstream::Gone,
                }
            }
            (Downstream::Rest(rest), News::Fault(fault)) => {
                Self::after(caught(|| rest.break_off(fault)))
            }
            (rest @ Downstream::Rest(_), _) => rest,
            (Downstream::Gone, _) => Downstream::Gone,
        }
    }

    fn asks(&mut self, mut active: A, more: More) -> Downstream<A> {
        let answer = caught(|| active.on_request(more));
        self.answered(active, answer)
    }

    fn answered(&mut self, active: A, answer: Result<More, Fault>) -> Downstream<A> {
        match answer {
            Ok(answer) if answer.is_cancel() => {
                let cause = active.cause();
                self.place.close(cause.clone());
                Self::end(active, End::Cancelled(cause))
            }
            Ok(answer) if answer.is_yield() => self.asks(active, More::NONE),
            Ok(answer) => {
                self.credit.add(answer);
                Downstream::Active(active)
            }
            Err(fault) => {
                self.place.close(Cause::Failed);
                Self::end(active, End::Fault(fault))
            }
        }
    }

    fn end(active: A, end: End<E>) -> Downstream<A> {
        Self::after(caught(|| active.on_end(end)))
    }

    /// An end that panics has nobody left to tell.
    fn after(rest: Result<Option<Box<dyn Rest>>, Fault>) -> Downstream<A> {
        rest.ok().flatten().map_or(Downstream::Gone, Downstream::Rest)
    }
}

impl<T, E, A: ActiveSubscriber<T, E>> Unpin for Outlet<T, E, A> {}

impl<T, E, A: ActiveSubscriber<T, E>> Future for Outlet<T, E, A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<()> {
        self.downstream = match mem::replace(&mut self.downstream, Downstream::Gone) {
            Downstream::New(active) => self.asks(active, More::NONE),
            begun => begun,
        };
        loop {
            let late = self.place.makes(Mistake::LooksBeforeItWaits);
            if !late {
                // First the waker, then the look: what comes after the look finds the waker.
                *lock(&self.place.waker) = Some(polling.waker().clone());
            }
            let wanted = !self.credit.is_empty();
            let Some(news) = self.place.next(wanted) else {
                if late {
                    *lock(&self.place.waker) = Some(polling.waker().clone());
                }
                return Poll::Pending;
            };
            let downstream = mem::replace(&mut self.downstream, Downstream::Gone);
            self.downstream = self.deal(downstream, news);
            if matches!(self.downstream, Downstream::Gone) {
                return Poll::Ready(());
            }
        }
    }
}

/// An executor that drops its task has had enough of it, which is told. Where all is over nobody is
/// there to be told, nor upstream.
impl<T, E, A: ActiveSubscriber<T, E>> Drop for Outlet<T, E, A> {
    fn drop(&mut self) {
        self.place.close(Cause::Failed);
        drop(lock(&self.place.waker).take());
        match mem::replace(&mut self.downstream, Downstream::Gone) {
            Downstream::New(active) | Downstream::Active(active) => {
                drop(caught(|| active.on_end(End::Fault(Fault::ExecutorGone))));
            }
            Downstream::Rest(rest) => drop(caught(|| rest.break_off(Fault::ExecutorGone))),
            Downstream::Gone => {}
        }
    }
}
