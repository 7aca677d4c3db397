//! `using_when`: a resource that is acquired and cleaned up asynchronously.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::task::{Context, Poll, Waker};

use millstream_blocks::bell::Bell;
use millstream_blocks::cause::current;
use millstream_blocks::island::join;
use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{
    ActiveSubscriber, Cause, Demand, Failure, Fault, More, Publisher, Pull, Pulled, Subscriber,
    Subscription, Undelivered, report_undelivered,
};
use millstream_executors::Executor;

use crate::edge::from_try_future;
use crate::either::Same;
use crate::guard::contained;
use crate::shape::stage::{Books, Emit, Stage, Step};

/// A stream made from a resource that takes time to acquire, and time to clean up: a transaction, a
/// session, a lease.
///
/// ```text
/// acquire        --r
/// use_(&mut r)     ^-1--2--|
/// clean_up(r, ..)          ^---✓
/// down           ----1--2------|   the end waits for the clean-up
/// ```
///
/// `acquire` is a publisher, whose first item is the resource; a future is one by
/// [`from_try_future`](crate::edge::from_try_future). `use_` makes a publisher from it; it is given the
/// resource for the time of the call, so what the publisher needs of it is a handle or a clone.
/// `clean_up` is called exactly once if there was a resource, however the stream ends, and is told how:
/// commit, or roll back. Its future is driven by a task of `executor`, to its end: once begun it is not
/// cancelled, whatever becomes of the stream.
///
/// # Demand
/// One item of `acquire`, from the subscription on, and what downstream asks for from the publisher. None
/// is needed for the clean-up.
/// # Completion
/// When the publisher is complete and the clean-up is over. Where `acquire` is complete without an item:
/// at once, and there is nothing to clean up.
/// # Errors
/// As `acquire`. As the publisher, when the clean-up is over; where that fails too, the error of the
/// publisher stands, and the other is [reported](millstream_core::on_undelivered). After completion what
/// the clean-up fails with is the end of the stream.
///
/// A fault does not wait: the clean-up is begun, as for a cancellation with
/// [`Cause::Failed`], and downstream is told at once. A panic in `use_` is such a fault. One in
/// `clean_up` or in its future, and an executor that refuses or drops it, break the stream that waits for
/// it.
/// # Cancellation
/// The publisher is cancelled and dropped, or `acquire` is where there is no resource yet; then the
/// clean-up is begun, and nobody waits for it. So it is where a stage further down ends the stream by
/// itself (`take`), whose end does not wait. What it fails with, or breaks by, is
/// [reported](millstream_core::on_undelivered). A resource that arrives while the stream is cancelled is
/// cleaned up as well.
/// # Bounds
/// Holds the resource. Some allocations per subscription, and those of a task for the clean-up; none
/// per item.
///
/// # Examples
/// ```
/// use std::sync::{Arc, Mutex};
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
/// use millstream::source::UseEnd;
///
/// #[derive(Clone, Default)]
/// struct Transaction(Arc<Mutex<Vec<&'static str>>>);
///
/// impl Transaction {
///     async fn end(self, how: &'static str) -> Result<(), String> {
///         self.0.lock().unwrap().push(how);
///         Ok(())
///     }
/// }
///
/// let executor = CurrentThread::new();
/// let transaction = Transaction::default();
/// let begun = transaction.clone();
/// let rows = millstream::using_when(
///     executor.handle(),
///     millstream::from_try_future(executor.handle(), async { Ok::<_, String>(begun) }),
///     |_transaction| millstream::from_iter(1..=3).fallible(),
///     |transaction, how| match how {
///         UseEnd::Completed => transaction.end("commit"),
///         UseEnd::Failed | UseEnd::Cancelled(_) => transaction.end("roll back"),
///     },
/// );
/// assert_eq!(executor.run_until(rows.collect::<Vec<_>>())?, [1, 2, 3]);
/// assert_eq!(*transaction.0.lock().unwrap(), ["commit"]);
/// # Ok::<(), millstream::Failure<String>>(())
/// ```
#[doc(alias = "usingWhen", alias = "unfoldResourceAsync", alias = "bracket")]
pub fn using_when<X, A, P, U, C, Fut>(
    executor: X,
    acquire: A,
    use_: U,
    clean_up: C,
) -> UsingWhen<X, A, U, C>
where
    X: Executor,
    A: Publisher<Error = P::Error>,
    P: Publisher<Error: fmt::Debug>,
    U: FnOnce(&mut A::Item) -> P + Send + 'static,
    C: FnOnce(A::Item, UseEnd) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), P::Error>> + Send + 'static,
{
    UsingWhen { executor, acquire, use_, clean_up }
}

/// How the use of a resource ended: for the clean-up of [`using_when`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseEnd {
    /// The publisher is complete.
    Completed,
    /// The publisher failed.
    Failed,
    /// Downstream wanted no more, and why; or the stream broke, which is [`Cause::Failed`].
    Cancelled(Cause),
}

/// The publisher of [`using_when`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct UsingWhen<X, A, U, C> {
    executor: X,
    acquire: A,
    use_: U,
    clean_up: C,
}

crate::opaque_debug::opaque_debug!(UsingWhen<X, A, U, C>);

impl<X, A, P, U, C, Fut> Publisher for UsingWhen<X, A, U, C>
where
    X: Executor,
    A: Publisher<Error = P::Error>,
    P: Publisher<Error: fmt::Debug>,
    U: FnOnce(&mut A::Item) -> P + Send + 'static,
    C: FnOnce(A::Item, UseEnd) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), P::Error>> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let UsingWhen { executor, acquire, use_, clean_up } = self;
        let (completer, arrived) = outcome();
        let arrival = Arrival {
            awaited: Some((completer, executor, clean_up)),
            asked: false,
            like: PhantomData,
        };
        let acquire = Some(Stage::new(acquire, arrival));
        relay(Uses { acquire, arrived, use_: Some(use_), held: None }, subscriber, |_| {});
    }
}

/// A resource, until its clean-up is begun: at the end of its use, or else when it is dropped.
struct Held<R, X: Executor, C, Fut, E>
where
    R: Send + 'static,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    held: Option<(R, X, C)>,
}

impl<R, X, C, Fut, E> Held<R, X, C, Fut, E>
where
    R: Send + 'static,
    X: Executor,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    /// Begins the clean-up, unless that was done: its end.
    fn clean_up(&mut self, how: UseEnd) -> Option<Outcome<CleanedUp<E>>> {
        let (resource, executor, clean_up) = self.held.take()?;
        let (completer, cleaned_up) = outcome();
        from_try_future(executor, clean_up(resource, how)).subscribe(CleanUp(completer));
        Some(cleaned_up)
    }
}

impl<R, X, C, Fut, E> Drop for Held<R, X, C, Fut, E>
where
    R: Send + 'static,
    X: Executor,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    fn drop(&mut self) {
        if self.held.is_some() {
            let how = UseEnd::Cancelled(current());
            contained(|| drop(self.clean_up(how)));
        }
    }
}

/// How a clean-up ended. It is reported where nobody takes it.
struct CleanedUp<E: fmt::Debug>(Option<Result<(), Failure<E>>>);

impl<E: fmt::Debug> Drop for CleanedUp<E> {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Err(Failure::Error(error))) => {
                report_undelivered(&Undelivered::Error(format!("{error:?}")));
            }
            Some(Err(Failure::Fault(fault))) => report_undelivered(&Undelivered::Fault(fault)),
            Some(Ok(())) | None => {}
        }
    }
}

/// Who is told how a clean-up ended.
struct CleanUp<E: fmt::Debug>(Completer<CleanedUp<E>>);

impl<E: fmt::Debug> CleanUp<E> {
    fn ended(self, how: Result<(), Failure<E>>) {
        self.0.complete(CleanedUp(Some(how)));
    }
}

impl<E: fmt::Debug + Send + 'static> Subscriber<(), E> for CleanUp<E> {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::UNBOUNDED);
        // It goes on to its end, whether or not anybody waits for it.
        subscription.detach();
        self
    }
}

impl<E: fmt::Debug + Send + 'static> ActiveSubscriber<(), E> for CleanUp<E> {
    fn on_next(&mut self, (): ()) -> More {
        More::NONE
    }

    fn on_complete(self) {
        self.ended(Ok(()));
    }

    fn on_error(self, error: E) {
        self.ended(Err(Failure::Error(error)));
    }

    fn on_fault(self, fault: Fault) {
        self.ended(Err(Failure::Fault(fault)));
    }
}

/// Where a resource is brought to, and what cleans it up.
type Bringing<R, X, C, Fut, E> = (Completer<Held<R, X, C, Fut, E>>, X, C);

/// The publisher of the resource, as a source that sends nothing: complete with its first item.
struct Arrival<R, X: Executor, C, Fut, E, T>
where
    R: Send + 'static,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    awaited: Option<Bringing<R, X, C, Fut, E>>,
    asked: bool,
    like: PhantomData<fn() -> T>,
}

impl<R, X, C, Fut, E, T> Step<R, E> for Arrival<R, X, C, Fut, E, T>
where
    R: Send + 'static,
    X: Executor,
    C: FnOnce(R, UseEnd) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
    T: Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = Books<E>;
    // It is asked for its one item whatever downstream asks for.
    const PULLS: bool = false;

    fn next(&mut self, resource: R) -> Emit<T, R, E> {
        if let Some((completer, executor, clean_up)) = self.awaited.take() {
            // Held from here on: where nobody waits any more, this cleans up.
            completer.complete(Held { held: Some((resource, executor, clean_up)) });
        }
        Emit::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        Pulled::Error(error)
    }

    fn demand(&mut self, _: More) -> More {
        if std::mem::replace(&mut self.asked, true) { More::NONE } else { More::ONE }
    }
}

/// The resource arrives, is used, and is cleaned up: three sources.
struct Uses<A, R, X: Executor, U, C, Fut, E>
where
    R: Send + 'static,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    acquire: Option<A>,
    arrived: Outcome<Held<R, X, C, Fut, E>>,
    /// Until there is a resource.
    use_: Option<U>,
    /// While it is used.
    held: Option<Held<R, X, C, Fut, E>>,
}

impl<A, R, X, U, C, Fut, P> Sequence for Uses<A, R, X, U, C, Fut, P::Error>
where
    A: Publisher<Item = P::Item, Error = P::Error>,
    R: Send + 'static,
    X: Executor,
    P: Publisher<Error: fmt::Debug>,
    U: FnOnce(&mut R) -> P + Send + 'static,
    C: FnOnce(R, UseEnd) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), P::Error>> + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = Same<Same<A, P>, CleaningUp<P::Item, P::Error>>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Self::Source, P::Error> {
        let acquire = self.acquire.take();
        acquire.map_or(Then::Complete, |acquire| Then::Subscribe(Same::First(Same::First(acquire))))
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<Self::Source, P::Error> {
        if let Some(mut held) = self.held.take() {
            let (how, end) = match end {
                SourceEnd::Completed => (UseEnd::Completed, Ok(())),
                SourceEnd::Failed(error) => (UseEnd::Failed, Err(error)),
            };
            return match held.clean_up(how) {
                Some(cleaned_up) => {
                    Then::Subscribe(Same::Second(CleaningUp { cleaned_up, end, like: PhantomData }))
                }
                None => unreachable!("what is held was not cleaned up"),
            };
        }
        match end {
            SourceEnd::Failed(error) => Then::Fail(error),
            SourceEnd::Completed => match (self.use_.take(), self.arrival()) {
                (Some(use_), Some(mut held)) => {
                    let used = held.held.as_mut().map(|(resource, ..)| use_(resource));
                    self.held = Some(held);
                    used.map_or(Then::Complete, |used| {
                        Then::Subscribe(Same::First(Same::Second(used)))
                    })
                }
                _ => Then::Complete,
            },
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Self::Source, P::Error> {
        match feed {}
    }
}

impl<A, R, X: Executor, U, C, Fut, E> Uses<A, R, X, U, C, Fut, E>
where
    R: Send + 'static,
    C: FnOnce(R, UseEnd) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    /// The resource, if it came: whoever would have brought it is complete.
    fn arrival(&mut self) -> Option<Held<R, X, C, Fut, E>> {
        match self.arrived.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(held) => held,
            Poll::Pending => None,
        }
    }
}

/// A source that sends nothing, and ends as the use did, when the clean-up is over.
struct CleaningUp<T, E: fmt::Debug> {
    cleaned_up: Outcome<CleanedUp<E>>,
    end: Result<(), E>,
    like: PhantomData<fn() -> T>,
}

impl<T: Send + 'static, E: fmt::Debug + Send + 'static> Publisher for CleaningUp<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        let CleaningUp { cleaned_up, end, like } = self;
        join(
            |bell, _| Waiting {
                cleaned_up,
                end: Some(end),
                waker: bell.clone().into_waker(),
                bell: bell.clone(),
                like,
            },
            subscriber,
        );
    }
}

struct Waiting<T, E: fmt::Debug> {
    cleaned_up: Outcome<CleanedUp<E>>,
    end: Option<Result<(), E>>,
    waker: Waker,
    bell: Bell,
    like: PhantomData<fn() -> T>,
}

impl<T: Send + 'static, E: fmt::Debug + Send + 'static> Pull for Waiting<T, E> {
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        let Poll::Ready(how) = self.cleaned_up.poll(&mut Context::from_waker(&self.waker)) else {
            return Pulled::Pending;
        };
        let Some(mut how) = how else {
            self.bell.fail(Fault::SourceDropped);
            return Pulled::Pending;
        };
        match self.end.take() {
            // The first error stands; the other is reported where `how` is dropped.
            Some(Err(error)) if !matches!(how.0, Some(Err(Failure::Fault(_)))) => {
                Pulled::Error(error)
            }
            _ => match how.0.take() {
                Some(Err(Failure::Error(error))) => Pulled::Error(error),
                Some(Err(Failure::Fault(fault))) => {
                    self.bell.fail(fault);
                    Pulled::Pending
                }
                Some(Ok(())) | None => Pulled::Complete,
            },
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<T, E> {
        self.pull()
    }
}
