//! `aggregate_with_boundary`: items in aggregates, complete by an answer or by time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::shape::chunked::Put;
use crate::shape::joined::capacity;
use crate::shape::timed_chunks::{Fill, filling};

/// Items in aggregates, each of which is complete when the function that adds an item says so, or when
/// the time has come that it said: [`PublisherExt::aggregate_with_boundary`](crate::PublisherExt::aggregate_with_boundary).
///
/// ```text
///         aggregate_with_boundary(time, 16, || 0, add, |sum| sum)
///         where add answers Here from a sum of 5 on, and Within(3 s) below
/// up    --1--4--1--2--------3--|
/// down  -----5-----------3-----3|
///                  3 s
/// ```
///
/// `alloc` begins an aggregate with its first item, `aggregate` adds an item to it and answers by a
/// [`Boundary`], and `harvest` makes of one that is complete what is sent. So there is no chunk in
/// between, and none is empty. A [`Within`](Boundary::Within) that only the first item is answered with is
/// the most that an aggregate lasts; one for each item is the longest gap between two items of one.
///
/// An aggregate whose time has come is complete, asked for or not: an item that comes then begins the next.
/// An upstream that is synchronous is pulled by the task itself, and time is looked at between two of
/// its items: put one that blocks elsewhere, as [`subscribe_on`](crate::PublisherExt::subscribe_on) does.
///
/// # Demand
/// `prefetch` when it is subscribed to, and three quarters of it each time that as many items were taken
/// into an aggregate, asked for or not. None is taken beyond one that is complete and not asked for, but
/// for the item with which that is seen. An upstream that is synchronous is pulled as downstream asks.
/// # Completion
/// As upstream, after the aggregate that was begun.
/// # Errors
/// As upstream, after what is queued and complete, at once; the aggregate that was begun is dropped. A panic
/// in one of the functions becomes a fault.
/// # Cancellation
/// On the executor: upstream is cancelled, what is queued and what was harvested is discarded, and an
/// aggregate that was begun is dropped, when the task runs next.
/// # Bounds
/// `prefetch` items, an aggregate that is complete, and one that was begun: how much goes into that, is for
/// `aggregate` to say. One timer, which is set while an aggregate is asked for whose time is to come.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// Visits: pages that were looked at one after another, with no more than half a minute between two.
/// ```
/// use std::time::Duration;
///
/// use millstream::chunk::Boundary;
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (clicks, pages) = millstream::channel(4);
/// let visits = pages.aggregate_with_boundary(
///     time.clone(),
///     4,
///     Vec::new,
///     |visit, page| {
///         visit.push(page);
///         if page == "/bye" { Boundary::Here } else { Boundary::Within(Duration::from_secs(30)) }
///     },
///     |visit| visit.join(" "),
/// );
/// let seen = probe(visits, Behaviour::new().initially(10));
/// for page in ["/", "/mill", "/", "/bye"] {
///     assert!(clicks.try_send(page).is_ok());
///     time.advance(Duration::from_secs(if page == "/mill" { 40 } else { 20 }));
/// }
/// seen.assert_items(&["/ /mill".to_owned(), "/ /bye".to_owned()]);
/// # seen.cancel();
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AggregateWithBoundary<P, X, N, G, H> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    alloc: N,
    aggregate: G,
    harvest: H,
    site: Site,
}

/// What an item makes of the aggregate that it was added to: the answer of
/// [`aggregate_with_boundary`](crate::PublisherExt::aggregate_with_boundary)'s function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The next item is added to it as well. What was said of its time before holds.
    Open,
    /// The same, until so long from now; what was said of its time before is over.
    Within(Duration),
    /// It is complete, and the next item begins another.
    Here,
}

impl<P, X, N, G, H> AggregateWithBoundary<P, X, N, G, H> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        time: X,
        prefetch: usize,
        alloc: N,
        aggregate: G,
        harvest: H,
    ) -> Self {
        let what = "aggregate_with_boundary(time, 0, alloc, aggregate, harvest)";
        let prefetch = capacity(what, prefetch);
        let site = Site::here("aggregate_with_boundary");
        AggregateWithBoundary { upstream, time, prefetch, alloc, aggregate, harvest, site }
    }
}

crate::opaque_debug::opaque_debug!(AggregateWithBoundary<P, X, N, G, H>, prefetch);

impl<P, X, A, U, N, G, H> Publisher for AggregateWithBoundary<P, X, N, G, H>
where
    P: Publisher,
    X: Executor + Clock,
    A: Send + 'static,
    U: Send + 'static,
    N: FnMut() -> A + Send + 'static,
    G: FnMut(&mut A, P::Item) -> Boundary + Send + 'static,
    H: FnMut(A) -> U + Send + 'static,
{
    type Item = U;
    type Error = P::Error;

    fn subscribe<S: Subscriber<U, P::Error>>(self, subscriber: S) {
        let AggregateWithBoundary { upstream, time, prefetch, alloc, aggregate, harvest, site } =
            self;
        let (open, answer) = (None, Boundary::Open);
        let aggregates = Aggregates { alloc, aggregate, harvest, open, answer };
        filling(upstream, &time, prefetch, aggregates, site, subscriber);
    }
}

struct Aggregates<A, N, G, H> {
    alloc: N,
    aggregate: G,
    harvest: H,
    open: Option<A>,
    /// What was said of the one that is open.
    answer: Boundary,
}

impl<T, A, U, N, G, H> Fill<T> for Aggregates<A, N, G, H>
where
    A: Send + 'static,
    U: Send + 'static,
    N: FnMut() -> A + Send + 'static,
    G: FnMut(&mut A, T) -> Boundary + Send + 'static,
    H: FnMut(A) -> U + Send + 'static,
{
    type Whole = U;
    const ENDS_UNASKED: bool = true;

    #[inline]
    fn put(&mut self, item: T, ends: bool) -> Put<T, U> {
        let before = if ends { self.open.take().map(&mut self.harvest) } else { None };
        let open = self.open.get_or_insert_with(&mut self.alloc);
        self.answer = (self.aggregate)(open, item);
        match (before, self.answer) {
            (Some(before), Boundary::Here) => Put::Two(before),
            (Some(before), _) => Put::Chunk(before),
            (None, Boundary::Here) => {
                self.open.take().map(&mut self.harvest).map_or(Put::Kept, Put::Chunk)
            }
            (None, _) => Put::Kept,
        }
    }

    #[inline]
    fn lasts(&mut self, _: bool) -> Option<Duration> {
        match self.answer {
            Boundary::Within(lasts) => Some(lasts),
            Boundary::Open | Boundary::Here => None,
        }
    }

    #[inline]
    fn is_begun(&self) -> bool {
        self.open.is_some()
    }

    #[inline]
    fn is_complete(&self) -> bool {
        self.open.is_some() && self.answer == Boundary::Here
    }

    #[inline]
    fn take_complete(&mut self) -> Option<U> {
        if self.answer != Boundary::Here {
            return None;
        }
        self.open.take().map(&mut self.harvest)
    }

    fn close(&mut self) -> Option<U> {
        self.open.take().map(&mut self.harvest)
    }

    /// Its items are in it.
    fn discard(&mut self, _: &Discards) {}

    fn discard_whole(whole: U, discards: &Discards) {
        discards.discard(whole);
    }
}
