//! `catch_unwind`: a panic of what is above is an error.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use millstream_blocks::switch::Switch;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, End, Fault, More, Panic, Publisher, Rest, Subscriber,
    Subscription, Upstream,
};

use crate::fault::OnErrorResume;
use crate::source::fail;

/// A panic of a stage above, or of the source, is an error, which a function makes of it:
/// [`PublisherExt::catch_unwind`](crate::PublisherExt::catch_unwind).
///
/// ```text
///         .map(|n| 6 / n)  .catch_unwind(|panic| ..)
/// up    --1--2--0
/// down  --6--3--x
/// ```
///
/// For what is not one's own and may break: a parser of others, a plug-in, a rule that a user wrote. From
/// here on it is an error as any other, which [`retry`](crate::PublisherExt::retry) tries again and
/// [`on_error_resume`](crate::PublisherExt::on_error_resume) replaces. What had been reached by the panic
/// is dropped by then; what it shares with others is in the state that the panic left.
///
/// A panic of what is *below* is none of this: it passes as the fault that it is, as do all other
/// faults.
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// Those of upstream, and what the function makes of a panic. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::transform::Signal;
///
/// let inverses = millstream::from_iter([1, 2, 0, 3])
///     .map(|n| 6 / n)
///     .fallible::<String>()
///     .catch_unwind(|panic| panic.message().unwrap_or("?").to_owned());
/// let seen = inverses.materialize().collect::<Vec<_>>().block()?;
/// let error = Signal::Error("attempt to divide by zero".to_owned());
/// assert_eq!(seen, [Signal::Item(6), Signal::Item(3), error]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CatchUnwind<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> CatchUnwind<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> CatchUnwind<P, F> {
        CatchUnwind { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(CatchUnwind<P, F>);

impl<P, F> Publisher for CatchUnwind<P, F>
where
    P: Publisher,
    F: FnOnce(Panic) -> P::Error + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        // The error is sent anew: what sends is at its end with the panic, and a stage below may make an
        // item of the error, for which it waits until that is asked for.
        OnErrorResume::new(Caught(self), fail).subscribe(subscriber);
    }
}

/// Its errors, those made of a panic among them, come with the end of what is above.
struct Caught<P, F>(CatchUnwind<P, F>);

impl<P, F> Publisher for Caught<P, F>
where
    P: Publisher,
    F: FnOnce(Panic) -> P::Error + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let CatchUnwind { upstream, f } = self.0;
        upstream.subscribe(Catching { f, downstream: subscriber });
    }
}

struct Catching<F, S> {
    f: F,
    downstream: S,
}

impl<T, E, F, S> Subscriber<T, E> for Catching<F, S>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Panic) -> E + Send + 'static,
    S: Subscriber<T, E>,
{
    type Active = ActiveCatching<F, S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let broken_below = Switch::new();
        let above = Above { upstream: subscription.into_upstream(), broken: broken_below.clone() };
        ActiveCatching {
            downstream: self.downstream.on_subscribe(Subscription::new(Arc::new(above))),
            f: self.f,
            below: false,
            broken_below,
        }
    }

    fn context(&self) -> Context {
        self.downstream.context()
    }
}

/// What downstream asks by, and breaks the stream off by.
struct Above {
    upstream: Arc<dyn Upstream>,
    broken: Switch<()>,
}

impl Upstream for Above {
    fn request(&self, demand: Demand) {
        self.upstream.request(demand);
    }

    fn cancel(&self) {
        self.upstream.cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        self.upstream.cancel_because(cause);
    }

    fn detach(&self) {
        self.upstream.detach();
    }

    fn fail(&self, fault: Fault) {
        // Before upstream is told, which sends it back down.
        let _thrown_before = self.broken.throw(());
        self.upstream.fail(fault);
    }
}

struct ActiveCatching<F, A> {
    downstream: A,
    f: F,
    /// The stages below have been called: a panic now is theirs.
    below: bool,
    /// One of them has broken the stream off.
    broken_below: Switch<()>,
}

impl<F, A> ActiveCatching<F, A> {
    #[inline]
    fn call(&mut self, f: impl FnOnce(&mut A) -> More) -> More {
        self.below = true;
        let answer = f(&mut self.downstream);
        self.below = false;
        answer
    }
}

impl<T, E, F, A> ActiveSubscriber<T, E> for ActiveCatching<F, A>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Panic) -> E + Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    const KEEPS_ITEMS: bool = A::KEEPS_ITEMS;

    #[inline]
    fn on_next(&mut self, item: T) -> More {
        self.call(|downstream| downstream.on_next(item))
    }

    #[inline]
    fn on_request(&mut self, more: More) -> More {
        self.call(|downstream| downstream.on_request(more))
    }

    fn cause(&self) -> Cause {
        self.downstream.cause()
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let ActiveCatching { downstream, f, below, broken_below } = self;
        let end = match end {
            End::Fault(Fault::Panicked(panic)) if !below && broken_below.thrown().is_none() => {
                match std::panic::catch_unwind(AssertUnwindSafe(|| f(panic))) {
                    Ok(error) => End::Failed(error),
                    Err(payload) => End::Fault(Fault::Panicked(Panic::new(payload))),
                }
            }
            other => other,
        };
        downstream.on_end(end)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(ActiveSubscriber::<T, E>::on_end(self, End::Fault(fault)));
    }
}
