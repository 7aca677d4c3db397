//! `subscribe_with`: functions for items, error and completion, with a demand that must be named.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_blocks::cause::within;
use millstream_blocks::slot::{Filler, Slot, slot};
use millstream_core::{
    ActiveSubscriber, Cause, End, Fault, IntoDemand, More, Panic, Publisher, Subscriber,
    Subscription, Undelivered, report_undelivered,
};
use millstream_executors::executor_thread;

/// Functions for items, error and completion, with a demand that must be named:
/// [`PublisherExt::subscribe_with`](crate::PublisherExt::subscribe_with).
///
/// ```text
///           batch(2)
/// up     r2-1--2--r2-3--|
/// calls     1  2     3  complete
/// ```
///
/// It runs with [`unbounded`](SubscribeWith::unbounded), [`batch`](SubscribeWith::batch) or
/// [`manual`](SubscribeWith::manual).
///
/// # Demand
/// What was named.
/// # Completion
/// The function for it is called.
/// # Errors
/// The function for them is called. A panic in a function ends the stream, and no function is
/// called after it. It goes to whoever awaits the [`Handle`], as other faults do, and to the hook
/// of [`on_undelivered`](millstream_core::on_undelivered) where nobody does.
/// # Cancellation
/// Dropping the [`Handle`] cancels upstream; no function is called then.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let handle = millstream::from_iter(1..=3)
///     .subscribe_with(move |n| sender.send(n).unwrap(), |never| match never {}, || {})
///     .manual();
/// handle.request(millstream::Demand::of(2));
/// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Clone)]
#[must_use = "nothing runs before `unbounded`, `batch` or `manual`"]
pub struct SubscribeWith<P, F, G, H> {
    upstream: P,
    next: F,
    error: G,
    complete: H,
}

impl<P, F, G, H> SubscribeWith<P, F, G, H>
where
    P: Publisher,
    F: FnMut(P::Item) + Send + 'static,
    G: FnOnce(P::Error) + Send + 'static,
    H: FnOnce() + Send + 'static,
{
    pub(crate) fn new(upstream: P, next: F, error: G, complete: H) -> Self {
        SubscribeWith { upstream, next, error, complete }
    }

    /// Runs with unbounded demand: upstream is as fast as the function.
    pub fn unbounded(self) -> Handle {
        self.run(More::UNBOUNDED, 0)
    }

    /// Runs with demand for `n` items, and for `n` more whenever they have come.
    ///
    /// # Panics
    /// Where `n` is zero.
    #[track_caller]
    pub fn batch(self, n: u64) -> Handle {
        assert!(n > 0, "batch(0): a batch holds at least 1 item");
        self.run(More::of(n), n)
    }

    /// Runs with the demand that [`Handle::request`] asks for.
    pub fn manual(self) -> Handle {
        self.run(More::NONE, 0)
    }

    fn run(self, first: More, batch: u64) -> Handle {
        let (filler, slot) = slot();
        let SubscribeWith { upstream, next, error, complete } = self;
        upstream.subscribe(Closures { next, error, complete, first, batch, left: batch, filler });
        Handle(Some(slot))
    }
}

crate::opaque_debug::opaque_debug!(SubscribeWith<P, F, G, H>);

/// The handle on a stream that runs into functions: dropping it cancels, awaiting it gives the end.
///
/// The end is `Ok` when the function for completion or for an error has returned.
#[must_use = "dropping the handle cancels its stream; `detach` lets it run"]
pub struct Handle(Option<Slot<(), ()>>);

impl Handle {
    /// Asks for `demand` items more.
    pub fn request(&self, demand: impl IntoDemand) {
        if let Some(slot) = &self.0 {
            slot.request(demand.into_demand());
        }
    }

    /// Waits on this thread for the end.
    ///
    /// # Errors
    /// As awaiting it; and [`Fault::BlockedExecutor`] on a thread that runs an executor, where
    /// dropping the handle cancels the stream.
    pub fn block(mut self) -> Result<(), Fault> {
        if executor_thread::is_current() {
            return Err(Fault::BlockedExecutor);
        }
        let Some(mut slot) = self.0.take() else { return Ok(()) };
        ended(slot.wait_unasked())
    }

    /// Nothing more is wanted. The same as dropping it, with a name.
    pub fn cancel(self) {
        drop(self);
    }

    /// Nothing more is wanted, and upstream is told why.
    pub fn cancel_because(self, cause: Cause) {
        within(cause, || drop(self));
    }

    /// Lets the stream run on its own, as far as its demand goes.
    pub fn detach(mut self) {
        tell(self.0.take().and_then(Slot::detach));
    }
}

fn ended(taken: Result<(), End<()>>) -> Result<(), Fault> {
    match taken {
        Err(End::Fault(fault)) => Err(fault),
        _ => Ok(()),
    }
}

impl Future for Handle {
    type Output = Result<(), Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match &mut self.0 {
            Some(slot) => slot.poll_unasked(context).map(ended),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        tell(self.0.take().and_then(Slot::close));
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

struct Closures<F, G, H> {
    next: F,
    error: G,
    complete: H,
    first: More,
    batch: u64,
    /// How many items of the batch are still to come; counted only where there are batches.
    left: u64,
    filler: Filler<(), ()>,
}

impl<T, E, F, G, H> Subscriber<T, E> for Closures<F, G, H>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) + Send + 'static,
    G: FnOnce(E) + Send + 'static,
    H: FnOnce() + Send + 'static,
{
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        if let Some(demand) = self.first.demand() {
            subscription.request(demand);
        }
        self.filler.attach(subscription);
        self
    }
}

impl<T, E, F, G, H> ActiveSubscriber<T, E> for Closures<F, G, H>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T) + Send + 'static,
    G: FnOnce(E) + Send + 'static,
    H: FnOnce() + Send + 'static,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        (self.next)(item);
        if self.batch == 0 {
            return More::NONE;
        }
        self.left -= 1;
        if self.left > 0 {
            return More::NONE;
        }
        self.left = self.batch;
        More::of(self.batch)
    }

    fn on_complete(self) {
        let Closures { complete, filler, .. } = self;
        end(filler, complete);
    }

    fn on_error(self, error: E) {
        let Closures { error: told, filler, .. } = self;
        end(filler, || told(error));
    }

    fn on_fault(self, fault: Fault) {
        broke(self.filler, fault);
    }
}

/// Calls the last function, and tells whoever awaits the end.
fn end(filler: Filler<(), ()>, last: impl FnOnce()) {
    match catch_unwind(AssertUnwindSafe(last)) {
        Ok(()) => drop(filler.end(End::Completed)),
        Err(payload) => broke(filler, Fault::Panicked(Panic::new(payload))),
    }
}

fn broke(filler: Filler<(), ()>, fault: Fault) {
    tell(filler.end(End::Fault(fault)));
}

/// Tells the hook of a fault that nobody awaits.
fn tell(end: Option<End<()>>) {
    if let Some(End::Fault(fault)) = end {
        report_undelivered(&Undelivered::Fault(fault));
    }
}
