//! `merge`: items of several publishers, as they come.

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{all_pull, capacity, feed_of_many, gauge, in_place, unwatched};
use crate::shape::roster::Order;
use crate::shape::rounds::{Played, Rounds, one};
use crate::shape::table::Table;

/// Items of several publishers, as they come: [`merge_all`], and
/// [`PublisherExt::merge`](crate::PublisherExt::merge) for two.
///
/// ```text
/// a     --1-----2--------3--|
/// b     ----9------8-|
/// down  --1-9---2--8-----3--|
/// ```
///
/// It is fair: a source with items at hand gives up to 64, and then the next has its turn; one that
/// sends in the call which asks it, up to 256; where all are synchronous, up to 1024. The order of the
/// items of one source is kept. What a source sends elsewhere waits for at most one turn of each other.
/// What follows runs on the thread that sends or asks, one at a time.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as
/// many of its items were sent. A source that sends in the call which asks it is asked for a turn at
/// a time, up to 256. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once.
/// # Errors
/// The first failure, after the items which that source sent before; the other sources are
/// cancelled, and what they sent is discarded. While nobody asks, and another source has items at
/// hand, a failure waits for the next request.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items for each source that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let odd = millstream::from_iter(vec![1, 3, 5]);
/// let even = millstream::from_iter(vec![2, 4]);
/// let mut all = millstream::merge_all([odd, even], 16).collect::<Vec<_>>().block()?;
/// all.sort();
/// assert_eq!(all, [1, 2, 3, 4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Merge<P> {
    sources: Vec<P>,
    prefetch: NonZeroUsize,
    site: Site,
}

/// Items of several publishers, as they come. See [`Merge`].
#[doc(alias = "mergeAll", alias = "select_all", alias = "flatten_unordered")]
#[track_caller]
pub fn merge_all<P: Publisher>(sources: impl IntoIterator<Item = P>, prefetch: usize) -> Merge<P> {
    Merge::of("merge_all(sources, 0)", sources, prefetch)
}

impl<P> Merge<P> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(call: &str, sources: impl IntoIterator<Item = P>, prefetch: usize) -> Self {
        let prefetch = capacity(call, prefetch);
        Merge { sources: sources.into_iter().collect(), prefetch, site: Site::here("merge") }
    }
}

crate::opaque_debug::opaque_debug!(Merge<P>, prefetch);

impl<P: Publisher> Publisher for Merge<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Merge { sources, prefetch, site } = self;
        if P::MAY_PULL && all_pull(&sources) && unwatched(&subscriber.context()) {
            return join(
                |_, context| {
                    let above = context.upstream();
                    let held = |source| in_place(source, above.clone());
                    Taking(Rounds::new(sources.into_iter().map(held).collect()))
                },
                subscriber,
            );
        }
        join(
            |bell, context| merged(sources, Order::Round, prefetch, (bell, context), site),
            subscriber,
        );
    }
}

/// Sources that have their turns in this order.
pub(super) fn merged<P: Publisher>(
    sources: Vec<P>,
    order: Order,
    prefetch: NonZeroUsize,
    (bell, context): (&Bell, &Context),
    site: Site,
) -> impl Pull<Item = P::Item, Error = P::Error> + use<P> {
    let mut table = Table::ordered(sources.len(), order);
    for (n, source) in sources.into_iter().enumerate() {
        table.add(bell, |bell| {
            let gauge = gauge(source.pulls(), &bell, context, site.number(n), prefetch.get());
            feed_of_many(gauge, source, prefetch, bell, context)
        });
    }
    Merged(table)
}

/// Of synchronous sources, which nobody looks at.
struct Taking<Q>(Rounds<Q>);

impl<Q: Pull> Pull for Taking<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        one(self)
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        let Taking(rounds) = self;
        while let Some(source) = rounds.resume().or_else(|| rounds.first()) {
            match rounds.play(source, &mut each) {
                Played::Over => {}
                Played::Empty | Played::Stopped => return Pulled::Skipped,
                Played::Failed(error) => return Pulled::Error(error),
            }
        }
        Pulled::Complete
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        let Taking(rounds) = self;
        match rounds.resume().or_else(|| rounds.first()) {
            Some(source) => match rounds.look_ahead(source) {
                // The others.
                Pulled::Complete => Pulled::Skipped,
                seen => seen,
            },
            None => Pulled::Complete,
        }
    }
}

/// Of others.
pub(super) struct Merged<Q: Pull>(pub(super) Table<Q>);

impl<Q: Pull> Pull for Merged<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.0.pull()
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        loop {
            if let Some(pulled) = self.0.play(&mut each) {
                return pulled;
            }
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        self.0.look_ahead()
    }
}
