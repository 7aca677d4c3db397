//! [`Subscriber`] before its subscription, [`ActiveSubscriber`] after it.

use crate::{Cause, Context, Fault, More, Subscription, Undelivered, report_undelivered};

/// Who wants to receive a stream: it is given its [`Subscription`], once, and becomes an
/// [`ActiveSubscriber`].
///
/// The step is a method that consumes: before it no item can arrive, it cannot happen twice,
/// and there is no field to fill in later (rules 1.9, 2.5, 2.12). The simplest subscriber turns
/// into itself:
///
/// ```
/// use std::convert::Infallible;
/// use millstream_core::{ActiveSubscriber, Demand, More, Subscriber, Subscription};
///
/// struct Printer;
///
/// impl Subscriber<u32, Infallible> for Printer {
///     type Active = Self;
///     fn on_subscribe(self, subscription: Subscription) -> Self {
///         subscription.request(Demand::ONE);
///         subscription.detach(); // from here on, demand is what `on_next` answers
///         self
///     }
/// }
///
/// impl ActiveSubscriber<u32, Infallible> for Printer {
///     fn on_next(&mut self, item: u32) -> More {
///         println!("{item}");
///         More::ONE
///     }
///     fn on_complete(self) {
///         println!("done");
///     }
///     fn on_error(self, error: Infallible) {
///         match error {}
///     }
/// }
/// ```
///
/// Subscribing is final: the subscriber is gone, and a second subscription for it cannot be
/// written (rules 2.5, 2.12):
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn twice<S: Subscriber<u8, ()>>(subscriber: S, a: Subscription, b: Subscription) {
///     let _first = subscriber.on_subscribe(a);
///     let _second = subscriber.on_subscribe(b); // used after it was moved
/// }
/// ```
///
/// No item comes before the subscription (rule 1.9):
///
/// ```compile_fail,E0599
/// # use millstream_core::*;
/// fn early<S: Subscriber<u8, ()>>(mut subscriber: S) {
///     let _ = subscriber.on_next(1);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot subscribe to items of type `{T}` with errors of type `{E}`",
    note = "a subscriber implements `Subscriber<{T}, {E}>` and its `Active` type `ActiveSubscriber<{T}, {E}>`"
)]
pub trait Subscriber<T, E>: Send + Sized + 'static {
    /// What receives the signals.
    type Active: ActiveSubscriber<T, E>;

    /// Receives the subscription. To ask for items, call
    /// [`request`](Subscription::request) here or later; until then none comes.
    ///
    /// The subscription may be kept, moved to another thread, or
    /// [let go](Subscription::detach). Dropping it cancels the stream (rule 2.6). A subscriber
    /// that keeps it inside itself and then stops asking keeps itself alive: nobody else can
    /// end that stream.
    fn on_subscribe(self, subscription: Subscription) -> Self::Active;

    /// What surrounds this subscriber: who is told of discarded items, and more. Whoever subscribes
    /// it may ask before it does. A stage passes on what its downstream says.
    fn context(&self) -> Context {
        Context::default()
    }
}

/// Receives the signals of one stream: items while it has demand, then at most one end.
///
/// A subscriber at the end of a stream implements the three methods without a body, as it would
/// in any Reactive Streams library. The other four have a body that is right for it; a *stage*
/// that passes signals on to a downstream of its own must write all seven
/// (the shapes of `millstream` do).
///
/// Signals are serial by type: `&mut self` cannot be had twice (rule 1.3).
///
/// ```compile_fail,E0499
/// # use millstream_core::*;
/// fn overlap<A: ActiveSubscriber<u8, ()>>(mut active: A) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| { let _ = active.on_next(1); });
///         scope.spawn(|| { let _ = active.on_next(2); }); // a second mutable borrow
///     });
/// }
/// ```
///
/// An end consumes: nothing comes after it, and it comes once (rules 1.7, 2.4).
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn late<A: ActiveSubscriber<u8, ()>>(mut active: A) {
///     active.on_complete();
///     let _ = active.on_next(1); // used after it was moved
/// }
/// ```
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn twice<A: ActiveSubscriber<u8, ()>>(active: A) {
///     active.on_complete();
///     active.on_error(()); // used after it was moved
/// }
/// ```
///
/// Items of a stream that nobody may send elsewhere do not fit (rule 2.11: what happens before
/// a signal is visible to whoever receives it, because all of it is `Send`):
///
/// ```compile_fail,E0277
/// # use millstream_core::*;
/// struct Local(std::rc::Rc<()>);
/// impl ActiveSubscriber<u8, ()> for Local { // `Rc` cannot be sent between threads
///     fn on_next(&mut self, _: u8) -> More { More::NONE }
///     fn on_complete(self) {}
///     fn on_error(self, _: ()) {}
/// }
/// ```
pub trait ActiveSubscriber<T, E>: Send + Sized + 'static {
    /// For whoever sends signals: whether a stage keeps items for later. What it keeps is in memory,
    /// where a short loop is faster than a long one.
    #[doc(hidden)]
    const KEEPS_ITEMS: bool = false;

    /// For whoever sends signals: whether all that [`on_next`](ActiveSubscriber::on_next) does is to jump
    /// through a pointer, as into a box. A loop then calls a function that jumps.
    #[doc(hidden)]
    const JUMPS: bool = false;

    /// Receives an item, and answers how many **more** it wants, on top of what it asked
    /// before.
    fn on_next(&mut self, item: T) -> More;

    /// The stream is complete.
    fn on_complete(self);

    /// The stream failed.
    fn on_error(self, error: E);

    /// The pipeline broke: user code panicked, a source went away. After a panic in this
    /// subscriber's own code its state is what the panic left. Unless implemented, the fault
    /// goes to the hook of [`on_undelivered`](crate::on_undelivered), or, where none is set, to standard
    /// error.
    fn on_fault(self, fault: Fault) {
        report_undelivered(&Undelivered::Fault(fault));
    }

    /// For stages: turns demand of the end of the chain into demand for upstream.
    ///
    /// Whoever sends the signals calls it, serially with them: once with [`More::NONE`] before
    /// the first item, and then for each request that came through the subscription. A stage
    /// asks its downstream first, and turns the answer into its own unit (`chunks(3)` times
    /// three). It may emit from here. At the end of a chain the demand is what was asked.
    #[inline]
    fn on_request(&mut self, more: More) -> More {
        more
    }

    /// For whoever sends signals: why the last answer was [`More::CANCEL`]. Asked right after it, and
    /// only then.
    ///
    /// A subscriber that answers so because it failed says [`Cause::Failed`]; a stage that passes
    /// an answer on passes the question on. Unless implemented, no more is needed.
    ///
    /// ```
    /// # use millstream_core::*;
    /// struct Write<W> {
    ///     to: W,
    ///     failed: bool,
    /// }
    ///
    /// impl<W: std::io::Write + Send + 'static, E> ActiveSubscriber<Vec<u8>, E> for Write<W> {
    ///     fn on_next(&mut self, bytes: Vec<u8>) -> More {
    ///         self.failed = self.to.write_all(&bytes).is_err();
    ///         if self.failed { More::CANCEL } else { More::ONE }
    ///     }
    ///     fn cause(&self) -> Cause {
    ///         if self.failed { Cause::Failed } else { Cause::NoMoreNeeded }
    ///     }
    ///     fn on_complete(self) {}
    ///     fn on_error(self, _: E) {}
    /// }
    /// ```
    fn cause(&self) -> Cause {
        Cause::NoMoreNeeded
    }

    /// For whoever sends signals: the stream is over. Delivers the end, and gives back what is
    /// still to be delivered, if a stage holds items for which there is no demand yet.
    ///
    /// Senders call this, never [`on_complete`](ActiveSubscriber::on_complete) or
    /// [`on_error`](ActiveSubscriber::on_error) themselves. [`End::Cancelled`] is the end after
    /// the answer [`More::CANCEL`]: a stage that gave that answer (`take`) ends its downstream
    /// now; whoever is cancelled is just dropped.
    #[inline]
    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        match end {
            End::Completed => self.on_complete(),
            End::Failed(error) => self.on_error(error),
            End::Fault(fault) => self.on_fault(fault),
            End::Cancelled(_) => {}
        }
        None
    }
}

/// How a stream ended.
#[derive(Debug)]
pub enum End<E> {
    /// All items were sent.
    Completed,
    /// The source failed.
    Failed(E),
    /// Downstream wanted no more, and why.
    Cancelled(Cause),
    /// The pipeline broke.
    Fault(Fault),
}

impl<E> End<E> {
    /// Why whoever is cancelled because a stream ended so is cancelled: the rest of what it was made
    /// of, for one.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            End::Completed => Cause::NoMoreNeeded,
            End::Failed(_) | End::Fault(_) => Cause::Failed,
            End::Cancelled(cause) => cause.clone(),
        }
    }

    /// The same end with another error.
    pub fn map_err<F>(self, f: impl FnOnce(E) -> F) -> End<F> {
        match self {
            End::Completed => End::Completed,
            End::Failed(error) => End::Failed(f(error)),
            End::Cancelled(cause) => End::Cancelled(cause),
            End::Fault(fault) => End::Fault(fault),
        }
    }
}

/// What a stream still has to deliver after its source has ended.
///
/// It stands in for the source and the stages above the one that holds the items, which are
/// gone by then.
pub trait Rest: Send {
    /// Delivers while there is demand: what it had, and what `more` of the end of the chain
    /// comes to. Stops early when `interrupted` says so.
    fn go_on(&mut self, more: More, interrupted: &dyn Fn() -> bool) -> Progress;

    /// Delivers the end, after [`Progress::Ended`]. A stage further down may again have
    /// something left.
    fn finish(self: Box<Self>) -> Option<Box<dyn Rest>>;

    /// Breaks off: what is left is dropped, and the end is a fault.
    fn break_off(self: Box<Self>, fault: Fault) -> Option<Box<dyn Rest>>;
}

/// How far a sender got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Up to the demand.
    Starved,
    /// Up to what the source has for now.
    Pending,
    /// Up to an interruption: the demand word has news.
    Interrupted,
    /// To the end, which is still to be delivered.
    Ended,
}
