//! `concat_map`: each item becomes a publisher, one after another.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use millstream_blocks::cause::{current, gone};
use millstream_blocks::gauge::Site;
use millstream_blocks::relay::{Feeder, Sequence, SourceEnd, Then, relay};
use millstream_core::{
    ActiveSubscriber, Context, Demand, End, Fault, More, Publisher, Pull, Pulled, Rest, Subscriber,
    Subscription,
};

use crate::flatten::flat_map_unordered::flatten;
use crate::shape::failing::{AtFirst, Failing};
use crate::shape::joined::unwatched;
use crate::shape::pump::{Expand, Pump};

/// Each item becomes a publisher, one after another:
/// [`PublisherExt::concat_map`](crate::PublisherExt::concat_map).
///
/// ```text
/// up     --1-------------2--|
/// f(1)     --a--b--|
/// f(2)                   --c--d--|
/// down   ----a--b----------c--d--|
/// ```
///
/// # Demand
/// One item of upstream at a time, and none before downstream's first request; the next when the
/// inner publisher is complete and there is demand. What an inner publisher has not used up is
/// carried over to the next. With [`prefetch(k)`](crate::PublisherExt::prefetch) before it, upstream is
/// asked for k at once, and for three quarters of that each time as many were taken.
/// # Completion
/// When upstream and the inner publisher are complete.
/// # Errors
/// An error of either, at once: an error of upstream cancels the inner publisher, an error of
/// that cancels upstream. One of upstream that ends a window or a group as well comes behind the items
/// of that, where it is held in place. A panic in the function becomes a fault.
/// # Cancellation
/// Both are cancelled. An inner publisher that is held in place looks for a cancellation after
/// each stretch of 1024 items; the answer [`More::CANCEL`] works at once.
/// # Bounds
/// Holds one inner publisher and no items. An inner publisher that is synchronous
/// ([`Publisher::PULLS`]) is held in place, without an allocation. So is a window, or a group, directly
/// below `window` or `group_by` over a synchronous upstream, where nobody
/// [looks](crate::PublisherExt::observed): each item comes from upstream as it is asked for, past the
/// queue of the window.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::from_iter(1..=3).concat_map(|n| millstream::from_iter(0..n));
/// assert_eq!(all.collect::<Vec<_>>().block()?, [0, 0, 1, 0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// Upstream works ahead of the inner publishers:
/// ```
/// use millstream::prelude::*;
///
/// let ahead = millstream::from_iter(1..=3).prefetch(8).concat_map(|n| millstream::range(0..n));
/// assert_eq!(ahead.collect::<Vec<_>>().block()?, [0, 0, 1, 0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// An item waits until a publisher of its own is complete:
/// ```
/// use millstream::prelude::*;
///
/// let ready = |n: u32| millstream::range(0..n).filter_map(|_| None);
/// let waited = millstream::from_iter(1..=3).concat_map(move |n| ready(n).chain(millstream::just(n)));
/// assert_eq!(waited.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ConcatMap<P, F> {
    upstream: P,
    f: F,
}

impl<P, F> ConcatMap<P, F> {
    pub(crate) fn new(upstream: P, f: F) -> ConcatMap<P, F> {
        ConcatMap { upstream, f }
    }
}

crate::opaque_debug::opaque_debug!(ConcatMap<P, F>);

impl<P, Q, F> Publisher for ConcatMap<P, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
{
    type Item = Q::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Q::Item, P::Error>>(self, subscriber: S) {
        let ConcatMap { upstream, mut f } = self;
        if Q::PULLS {
            let context = subscriber.context();
            let flatten = Flatten::new(move |item| match f(item).into_pull(context.clone()) {
                Ok(inner) => inner,
                Err(_) => unreachable!("a publisher that says `PULLS` can be pulled"),
            });
            Pump::new(upstream, flatten).subscribe(subscriber);
        } else if P::HANDS && Q::HOSTED && unwatched(&subscriber.context()) {
            // One at a time, which may be handed its items. Nobody looks, so nobody is told where.
            let one = NonZeroUsize::MIN;
            let unseen = Site::here("concat_map");
            flatten(upstream, f, (one, one), unseen, subscriber);
        } else {
            one_by_one(upstream, f, AtFirst, subscriber);
        }
    }
}

/// The inner publishers one after another, each subscribed to when the one before is over.
pub(super) fn one_by_one<P, Q, F, B, S>(upstream: P, f: F, failing: B, subscriber: S)
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(P::Item) -> Q + Send + 'static,
    B: Failing<P::Error>,
    S: Subscriber<Q::Item, B::Error>,
{
    let context = subscriber.context();
    let sequence = Inners { f, failing, outer: None, over: false, asked: false, item: PhantomData };
    relay(sequence, subscriber, |feeder| {
        let active = ActiveOuter { feeder: Some(feeder) };
        upstream.subscribe(Outer { active, context });
    });
}

/// Each item becomes something to pull from, held in place.
pub(crate) struct Flatten<F, I> {
    f: F,
    inner: Option<I>,
    /// Whether something was pulled from `inner`.
    started: bool,
}

impl<F, I> Flatten<F, I> {
    pub(crate) fn new<T>(f: F) -> Flatten<F, I>
    where
        F: FnMut(T) -> I,
    {
        Flatten { f, inner: None, started: false }
    }
}

impl<F, I: Pull> Flatten<F, I> {
    fn digest(&mut self, pulled: Pulled<I::Item, I::Error>) -> Pulled<I::Item, I::Error> {
        match pulled {
            Pulled::Complete => {
                self.inner = None;
                Pulled::Skipped
            }
            // There is nobody to say when there is an item.
            Pulled::Pending => unreachable!("what is pulled in place has its items at hand"),
            other => other,
        }
    }
}

impl<F, I: Pull> Flatten<F, I> {
    /// The inner publisher is a local, which stays in registers, and is put in its place only
    /// where `send` stops it.
    #[inline]
    fn send_from(
        &mut self,
        mut inner: I,
        mut send: impl FnMut(Option<I::Item>) -> bool,
    ) -> Pulled<Infallible, I::Error> {
        loop {
            let goes_on = match inner.pull() {
                Pulled::Item(item) => send(Some(item)),
                Pulled::Skipped => send(None),
                Pulled::Complete => return Pulled::Pending,
                Pulled::Error(error) => return Pulled::Error(error),
                Pulled::Pending => unreachable!("what is pulled in place has its items at hand"),
            };
            if !goes_on {
                keep(&mut self.inner, &mut self.started, inner);
                return Pulled::Skipped;
            }
        }
    }
}

/// Seldom, and out of line: the loop around it has the registers for what each item needs.
#[cold]
#[inline(never)]
fn keep<I>(place: &mut Option<I>, started: &mut bool, inner: I) {
    *place = Some(inner);
    *started = true;
}

impl<T, F, I> Expand<T, I::Error> for Flatten<F, I>
where
    T: Send + 'static,
    F: FnMut(T) -> I + Send + 'static,
    I: Pull,
{
    type Item = I::Item;
    type Error = I::Error;

    #[inline]
    fn accept(&mut self, item: T) {
        self.inner = Some((self.f)(item));
        self.started = false;
    }

    #[inline]
    fn produce(&mut self) -> Pulled<I::Item, I::Error> {
        let Some(inner) = &mut self.inner else { return Pulled::Pending };
        self.started = true;
        let pulled = inner.pull();
        self.digest(pulled)
    }

    #[inline]
    fn send_each(
        &mut self,
        send: impl FnMut(Option<I::Item>) -> bool,
    ) -> Pulled<Infallible, I::Error> {
        match self.inner.take() {
            Some(inner) => self.send_from(inner, send),
            None => Pulled::Pending,
        }
    }

    #[inline]
    fn send_all(
        &mut self,
        item: T,
        send: impl FnMut(Option<I::Item>) -> bool,
    ) -> Pulled<Infallible, I::Error> {
        let inner = (self.f)(item);
        self.send_from(inner, send)
    }

    fn look_ahead(&mut self) -> Pulled<I::Item, I::Error> {
        let Some(inner) = &mut self.inner else { return Pulled::Complete };
        match inner.look_ahead(self.started) {
            Pulled::Complete => {
                self.inner = None;
                Pulled::Complete
            }
            other => other,
        }
    }

    fn error(&mut self, error: I::Error) -> I::Error {
        error
    }
}

/// The inner publishers that are subscribed to, one after another.
struct Inners<T, F, B> {
    f: F,
    failing: B,
    outer: Option<Subscription>,
    /// The outer publisher has ended.
    over: bool,
    /// The outer publisher owes an item.
    asked: bool,
    item: PhantomData<fn(T)>,
}

/// What comes from the outer publisher. A failure that does not wait for the end of the inner ones does
/// not wait in line.
enum Feed<T, E> {
    Subscribed(Subscription),
    Item(T),
    Complete,
    Failed(E),
}

impl<T, F, B> Inners<T, F, B> {
    /// The outer publisher has ended.
    fn ended<Q, E>(&mut self, busy: bool) -> Then<Q, B::Error>
    where
        B: Failing<E>,
    {
        self.over = true;
        self.outer = None;
        if busy { Then::Wait } else { self.failing.over().map_or(Then::Complete, Then::Fail) }
    }
}

impl<T, Q, F, B> Sequence for Inners<T, F, B>
where
    T: Send + 'static,
    Q: Publisher,
    F: FnMut(T) -> Q + Send + 'static,
    B: Failing<Q::Error>,
{
    type Item = Q::Item;
    type Error = B::Error;
    type Source = Q;
    type Feed = Feed<T, Q::Error>;

    fn start(&mut self) -> Then<Q, B::Error> {
        Then::Wait
    }

    fn after(&mut self, end: SourceEnd<Q::Error>, _: bool) -> Then<Q, B::Error> {
        if let SourceEnd::Failed(error) = end
            && let Some(error) = self.failing.failed(error)
        {
            return Then::Fail(error);
        }
        if self.over { self.ended(false) } else { Then::Wait }
    }

    fn fed(&mut self, feed: Feed<T, Q::Error>, busy: bool) -> Then<Q, B::Error> {
        match feed {
            Feed::Subscribed(outer) => {
                self.outer = Some(outer);
                Then::Wait
            }
            Feed::Item(item) => {
                self.asked = false;
                Then::Subscribe((self.f)(item))
            }
            Feed::Complete => self.ended(busy),
            Feed::Failed(error) => match self.failing.failed(error) {
                Some(error) => Then::Fail(error),
                None => self.ended(busy),
            },
        }
    }

    fn wanted(&mut self) {
        if let Some(outer) = &self.outer
            && !self.asked
            && !self.over
        {
            self.asked = true;
            outer.request(Demand::ONE);
        }
    }
}

impl<T, F, B> Drop for Inners<T, F, B> {
    fn drop(&mut self) {
        if let Some(outer) = self.outer.take() {
            outer.cancel_because(current());
        }
    }
}

type Inner<T, F, B> = <Inners<T, F, B> as Sequence>::Item;
type InnerError<T, F, B> = <Inners<T, F, B> as Sequence>::Error;

/// The subscriber of the outer publisher.
struct Outer<T, F, B, A>
where
    Inners<T, F, B>: Sequence,
    A: ActiveSubscriber<Inner<T, F, B>, InnerError<T, F, B>>,
{
    active: ActiveOuter<T, F, B, A>,
    context: Context,
}

struct ActiveOuter<T, F, B, A>
where
    Inners<T, F, B>: Sequence,
    A: ActiveSubscriber<Inner<T, F, B>, InnerError<T, F, B>>,
{
    /// Gone when the end was told.
    feeder: Option<Feeder<Inners<T, F, B>, A>>,
}

impl<T, E, Q, F, B, A> Subscriber<T, E> for Outer<T, F, B, A>
where
    T: Send + 'static,
    E: Send + 'static,
    Q: Publisher<Error = E>,
    F: FnMut(T) -> Q + Send + 'static,
    B: Failing<E>,
    A: ActiveSubscriber<Q::Item, B::Error>,
{
    type Active = ActiveOuter<T, F, B, A>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        if let Some(feeder) = &self.active.feeder {
            feeder.feed(Feed::Subscribed(subscription));
        }
        self.active
    }

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl<T, E, Q, F, B, A> ActiveSubscriber<T, E> for ActiveOuter<T, F, B, A>
where
    T: Send + 'static,
    E: Send + 'static,
    Q: Publisher<Error = E>,
    F: FnMut(T) -> Q + Send + 'static,
    B: Failing<E>,
    A: ActiveSubscriber<Q::Item, B::Error>,
{
    fn on_next(&mut self, item: T) -> More {
        if let Some(feeder) = &self.feeder {
            feeder.feed(Feed::Item(item));
        }
        More::NONE
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

    fn on_end(mut self, end: End<E>) -> Option<Box<dyn Rest>> {
        if let Some(feeder) = self.feeder.take() {
            match end {
                End::Completed => feeder.feed(Feed::Complete),
                End::Failed(error) => match B::at_once(error) {
                    Ok(error) => feeder.end(End::Failed(error)),
                    Err(error) => feeder.feed(Feed::Failed(error)),
                },
                End::Cancelled(cause) => feeder.end(End::Cancelled(cause)),
                End::Fault(fault) => feeder.end(End::Fault(fault)),
            }
        }
        None
    }
}

impl<T, F, B, A> Drop for ActiveOuter<T, F, B, A>
where
    Inners<T, F, B>: Sequence,
    A: ActiveSubscriber<Inner<T, F, B>, InnerError<T, F, B>>,
{
    fn drop(&mut self) {
        // Without an end: cancelled, and then nobody listens, or gone.
        if let Some(feeder) = self.feeder.take() {
            gone(move |fault| feeder.end(End::Fault(fault)));
        }
    }
}
