//! `combine_latest_conflated`: the latest items of several publishers, where downstream is slower.

use std::num::NonZeroUsize;

use millstream_blocks::cause::within;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Cause, Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// The latest item of each of several publishers, as they are when downstream asks:
/// [`combine_latest_conflated`].
///
/// ```text
/// a     --1-----2--3-------|
/// b     ----x--------y--z--|
/// down  r1--1x-----------r1-3z|   2x, 3x and 3y are never made
/// ```
///
/// Items are taken as they come, and each takes the place of the one before: sources are not slowed
/// down by downstream, and there is no queue of rows, as there is in effect where
/// [`combine_latest`](crate::combine::combine_latest) keeps items until their row is asked for. A row is
/// made when it is sent, of items of which one at least is new. An item that was in no row is discarded.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as many of
/// its items came; while downstream asks for nothing, 1024 of a source are taken at a stretch at most. A
/// synchronous source is pulled as downstream asks, by one item for a row.
/// # Completion
/// When all sources are complete, after the row that waits, if there is one. At once, where one
/// is complete that never sent an item.
/// # Errors
/// The first failure, after the row that waits; the others are cancelled at once. A panic while
/// an item is cloned becomes a fault.
/// # Cancellation
/// As downstream's: all sources are cancelled, and the items that were in no row are discarded.
/// # Bounds
/// One item of each source, and `prefetch` on their way for each source that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (price, prices) = millstream::channel(8);
/// let (rate, rates) = millstream::channel(8);
/// let mut rows = millstream::combine_latest_conflated((prices, rates), 8).cursor();
/// for (p, r) in [(100, 2), (101, 3), (99, 5)] {
///     assert!(price.try_send(p).is_ok() && rate.try_send(r).is_ok());
/// }
/// assert_eq!(rows.block_next()?, Some((99, 5)), "the newest of each");
/// assert!(price.try_send(98).is_ok());
/// assert_eq!(rows.block_next()?, Some((98, 5)));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CombineLatestConflated<S> {
    sources: S,
    prefetch: NonZeroUsize,
    site: Site,
}

/// The latest items of two to eight publishers, as a tuple, as they are when downstream asks. See
/// [`CombineLatestConflated`].
#[doc(alias = "combineLatest", alias = "combine")]
#[track_caller]
pub fn combine_latest_conflated<S>(sources: S, prefetch: usize) -> CombineLatestConflated<S>
where
    CombineLatestConflated<S>: Publisher,
{
    let prefetch = capacity("combine_latest_conflated(sources, 0)", prefetch);
    CombineLatestConflated { sources, prefetch, site: Site::here("combine_latest_conflated") }
}

crate::opaque_debug::opaque_debug!(CombineLatestConflated<S>, prefetch);

/// How many items of a source are taken at most before the others are looked at.
const LOOKS: usize = 1024;

/// A source, until it is over, and its latest item.
struct Newest<Q: Pull> {
    feed: Option<Feed<Q>>,
    item: Option<Q::Item>,
    /// The item was in a row.
    shown: bool,
    started: bool,
    discards: Discards,
}

/// What a look at a source came to.
enum Looked<E> {
    /// It has nothing more for now, or nothing any more.
    Settled,
    /// It is to be looked at again.
    Unsettled,
    /// It is over, and never sent an item.
    Empty,
    Failed(E),
}

impl<Q: Pull> Newest<Q> {
    fn new(feed: Feed<Q>, discards: &Discards) -> Newest<Q> {
        let discards = discards.clone();
        Newest { feed: Some(feed), item: None, shown: false, started: false, discards }
    }

    /// Whether it has an item that was in no row.
    #[inline]
    fn is_new(&self) -> bool {
        self.item.is_some() && !self.shown
    }

    fn put(&mut self, item: Option<Q::Item>) {
        let shown = std::mem::replace(&mut self.shown, false);
        if let Some(before) = std::mem::replace(&mut self.item, item)
            && !shown
        {
            self.discards.discard(before);
        }
    }

    /// Takes what has come. A synchronous source gives an item for a row.
    #[inline]
    fn look(&mut self, demand: bool) -> Looked<Q::Error> {
        for _ in 0..LOOKS {
            let Some(feed) = &mut self.feed else { return Looked::Settled };
            let in_place = feed.is_pulled();
            if in_place && self.item.is_some() && !self.shown {
                return Looked::Settled;
            }
            let pulled = if in_place && !demand {
                feed.look_ahead(self.started)
            } else {
                self.started = true;
                feed.pull()
            };
            match pulled {
                Pulled::Item(item) => self.put(Some(item)),
                Pulled::Pending => return Looked::Settled,
                Pulled::Skipped => {}
                Pulled::Complete => {
                    self.feed = None;
                    return if self.item.is_some() { Looked::Settled } else { Looked::Empty };
                }
                Pulled::Error(error) => {
                    self.feed = None;
                    return Looked::Failed(error);
                }
            }
        }
        // While nobody asks, one that sends without end in the call that asks it is not to hold the
        // thread: it waits for demand, or for another to send.
        let waits = !demand && self.feed.as_ref().is_some_and(|feed| !feed.is_pulled());
        if waits { Looked::Settled } else { Looked::Unsettled }
    }
}

impl<Q: Pull> Drop for Newest<Q> {
    fn drop(&mut self) {
        self.put(None);
    }
}

macro_rules! conflates {
    ($pull:ident: $($source:ident $newest:ident $number:literal),+) => {
        impl<Error: Send + 'static, $($source),+> Publisher
            for CombineLatestConflated<($($source,)+)>
        where
            $($source: Publisher<Error = Error, Item: Clone>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            fn subscribe<Down: Subscriber<Self::Item, Error>>(self, subscriber: Down) {
                let CombineLatestConflated { sources: ($($newest,)+), prefetch, site } = self;
                join(
                    |bell, context| $pull {
                        $($newest: Newest::new(
                            feed($newest, prefetch, bell.clone(), context, site.number($number)),
                            context.discards(),
                        ),)+
                        failed: None,
                    },
                    subscriber,
                );
            }
        }

        struct $pull<Error, $($source: Pull),+> {
            $($newest: Newest<$source>,)+
            /// The failure that comes after the row that waits.
            failed: Option<Error>,
        }

        impl<Error: Send + 'static, $($source),+> $pull<Error, $($source),+>
        where
            $($source: Pull<Error = Error, Item: Clone>,)+
        {
            /// Takes what has come: why there is no row to wait for, or what to do where there is
            /// none yet.
            #[inline]
            fn look(&mut self, demand: bool) -> Pulled<($($source::Item,)+), Error> {
                let mut nothing = Pulled::Pending;
                $(
                    match self.$newest.look(demand) {
                        Looked::Settled => {}
                        Looked::Unsettled => nothing = Pulled::Skipped,
                        Looked::Empty => return Pulled::Complete,
                        Looked::Failed(error) => self.fail(error),
                    }
                )+
                if self.has_row() {
                    return nothing;
                }
                if let Some(error) = self.failed.take() {
                    return Pulled::Error(error);
                }
                if $(self.$newest.feed.is_none())&&+ { Pulled::Complete } else { nothing }
            }

            #[inline]
            fn has_row(&self) -> bool {
                $(self.$newest.item.is_some())&&+ && ($(self.$newest.is_new())||+)
            }

            #[cold]
            fn fail(&mut self, error: Error) {
                self.failed = Some(error);
                within(Cause::Failed, || {
                    $(self.$newest.feed = None;)+
                });
            }
        }

        impl<Error: Send + 'static, $($source),+> Pull for $pull<Error, $($source),+>
        where
            $($source: Pull<Error = Error, Item: Clone>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            fn pull(&mut self) -> Pulled<Self::Item, Error> {
                let nothing = self.look(true);
                match ($(&self.$newest.item,)+) {
                    ($(Some($newest),)+) if self.has_row() => {
                        let row = ($($newest.clone(),)+);
                        $(self.$newest.shown = true;)+
                        Pulled::Item(row)
                    }
                    _ => nothing,
                }
            }

            fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, Error> {
                self.look(false)
            }
        }
    };
}

conflates!(Conflate2: A a 0, B b 1);
conflates!(Conflate3: A a 0, B b 1, C c 2);
conflates!(Conflate4: A a 0, B b 1, C c 2, D d 3);
conflates!(Conflate5: A a 0, B b 1, C c 2, D d 3, F f 4);
conflates!(Conflate6: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5);
conflates!(Conflate7: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6);
conflates!(Conflate8: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6, I i 7);
