//! `combine_latest`: the latest items of several publishers, whenever one has a new one.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// The latest item of each of several publishers, whenever one of them has a new one:
/// [`combine_latest`].
///
/// ```text
/// a     --1-----2----------|
/// b     ----x------y--z-|
/// down  ----1x--2x-2y-2z---|
/// ```
///
/// The sources have their turns one after another, an item each. Items wait in their queues until
/// downstream asks for the row that they make: none is skipped. Until each source has an item there is no
/// row, and of one that is ahead the latest is kept; a synchronous source waits with its first.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as
/// many of its items were taken. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete, or one is that never sent an item.
/// # Errors
/// The first failure, after the items which that source sent before; the others are cancelled,
/// and what they sent is discarded. A panic while an item is cloned becomes a fault.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// One item of each source, and `prefetch` for each source that is not synchronous. A row of a `Vec` of
/// sources is an allocation.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter([1, 2]);
/// let letters = millstream::from_iter(["x", "y"]);
/// let rows = millstream::combine_latest((numbers, letters), 16);
/// assert_eq!(rows.collect::<Vec<_>>().block()?, [(1, "x"), (2, "x"), (2, "y")]);
///
/// // As many as there are.
/// let gauges: Vec<_> = (1..=3).map(|n| millstream::from_iter([n, 10 * n])).collect();
/// let rows = millstream::combine_latest(gauges, 16);
/// let [first, .., last] = &rows.collect::<Vec<_>>().block()?[..] else { panic!("there are four") };
/// assert_eq!((&first[..], &last[..]), (&[1, 2, 3][..], &[10, 20, 30][..]));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct CombineLatest<S> {
    sources: S,
    prefetch: NonZeroUsize,
    site: Site,
}

/// The latest items of several publishers: of a tuple of two to eight, as a tuple; of a `Vec` of any
/// number, as a `Vec`. None at all are complete at once. See [`CombineLatest`].
#[doc(alias = "combineLatest", alias = "zipLatest", alias = "mergeLatest")]
#[track_caller]
pub fn combine_latest<S>(sources: S, prefetch: usize) -> CombineLatest<S>
where
    CombineLatest<S>: Publisher,
{
    let prefetch = capacity("combine_latest(sources, 0)", prefetch);
    CombineLatest { sources, prefetch, site: Site::here("combine_latest") }
}

crate::opaque_debug::opaque_debug!(CombineLatest<S>, prefetch);

/// A source, until it is complete, and its latest item.
struct Latest<Q: Pull> {
    feed: Option<Feed<Q>>,
    item: Option<Q::Item>,
    started: bool,
}

/// What a look at a source came to.
enum Looked<E> {
    /// A new item.
    News,
    /// Nothing for now.
    Nothing,
    /// Nothing this time.
    Skipped,
    /// Nothing any more, and what it sent is still of use.
    Over,
    /// Nothing any more, and it never sent an item.
    Empty,
    Failed(E),
}

impl<Q: Pull> Latest<Q> {
    fn new(feed: Feed<Q>) -> Latest<Q> {
        Latest { feed: Some(feed), item: None, started: false }
    }

    /// `rows`: whether each has an item. One that is held in place waits with its first until then.
    #[inline]
    fn look(&mut self, demand: bool, rows: bool) -> Looked<Q::Error> {
        let Some(feed) = &mut self.feed else { return Looked::Over };
        if demand && !rows && self.item.is_some() && feed.is_pulled() {
            return Looked::Nothing;
        }
        let pulled = if demand {
            self.started = true;
            feed.pull()
        } else {
            feed.look_ahead(self.started)
        };
        match pulled {
            Pulled::Item(item) => {
                self.item = Some(item);
                Looked::News
            }
            Pulled::Pending => Looked::Nothing,
            Pulled::Skipped => Looked::Skipped,
            Pulled::Complete => {
                self.feed = None;
                if self.item.is_some() { Looked::Over } else { Looked::Empty }
            }
            Pulled::Error(error) => Looked::Failed(error),
        }
    }
}

/// A look at each of `n` sources, from the one whose turn it is, until one has something to say. `None`
/// where that is a new item.
#[inline]
fn round<T, E>(
    n: usize,
    turn: &mut usize,
    mut look: impl FnMut(usize) -> Looked<E>,
) -> Option<Pulled<T, E>> {
    let mut over = 0;
    for _ in 0..n {
        let whose = *turn;
        *turn = (whose + 1) % n;
        match look(whose) {
            Looked::News => return None,
            Looked::Skipped => return Some(Pulled::Skipped),
            Looked::Nothing => {}
            Looked::Over => over += 1,
            Looked::Empty => return Some(Pulled::Complete),
            Looked::Failed(error) => return Some(Pulled::Error(error)),
        }
    }
    Some(if over == n { Pulled::Complete } else { Pulled::Pending })
}

macro_rules! combine {
    ($pull:ident $n:literal: $($source:ident $latest:ident $number:literal),+) => {
        impl<Error: Send + 'static, $($source),+> Publisher for CombineLatest<($($source,)+)>
        where
            $($source: Publisher<Error = Error, Item: Clone>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            fn subscribe<Down: Subscriber<Self::Item, Error>>(self, subscriber: Down) {
                let CombineLatest { sources: ($($latest,)+), prefetch, site } = self;
                join(
                    |bell, context| $pull {
                        $($latest: Latest::new(
                            feed($latest, prefetch, bell.clone(), context, site.number($number)),
                        ),)+
                        turn: 0,
                        rows: false,
                    },
                    subscriber,
                );
            }
        }

        struct $pull<$($source: Pull),+> {
            $($latest: Latest<$source>,)+
            /// The source whose turn it is.
            turn: usize,
            /// Each has an item.
            rows: bool,
        }

        impl<Error: Send + 'static, $($source),+> $pull<$($source),+>
        where
            $($source: Pull<Error = Error, Item: Clone>,)+
        {
            #[inline]
            fn look(&mut self, demand: bool) -> Pulled<($($source::Item,)+), Error> {
                let looked = round($n, &mut self.turn, |turn| match turn {
                    $($number => self.$latest.look(demand, self.rows),)+
                    _ => unreachable!("one of the sources has its turn"),
                });
                looked.unwrap_or_else(|| self.row())
            }

            fn row(&mut self) -> Pulled<($($source::Item,)+), Error> {
                match ($(&self.$latest.item,)+) {
                    ($(Some($latest),)+) => {
                        self.rows = true;
                        Pulled::Item(($($latest.clone(),)+))
                    }
                    _ => Pulled::Skipped,
                }
            }
        }

        impl<Error: Send + 'static, $($source),+> Pull for $pull<$($source),+>
        where
            $($source: Pull<Error = Error, Item: Clone>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            #[inline]
            fn pull(&mut self) -> Pulled<Self::Item, Error> {
                self.look(true)
            }

            fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, Error> {
                self.look(false)
            }
        }
    };
}

combine!(Combine2 2: A a 0, B b 1);
combine!(Combine3 3: A a 0, B b 1, C c 2);
combine!(Combine4 4: A a 0, B b 1, C c 2, D d 3);
combine!(Combine5 5: A a 0, B b 1, C c 2, D d 3, F f 4);
combine!(Combine6 6: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5);
combine!(Combine7 7: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6);
combine!(Combine8 8: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6, I i 7);

impl<P: Publisher<Item: Clone>> Publisher for CombineLatest<Vec<P>> {
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let CombineLatest { sources, prefetch, site } = self;
        join(
            |bell, context| {
                let latest = |(n, source)| {
                    Latest::new(feed(source, prefetch, bell.clone(), context, site.number(n)))
                };
                let latest: Vec<_> = sources.into_iter().enumerate().map(latest).collect();
                Many { awaited: latest.len(), latest, turn: 0 }
            },
            subscriber,
        );
    }
}

/// As many as there are.
struct Many<Q: Pull> {
    latest: Vec<Latest<Q>>,
    /// The source whose turn it is.
    turn: usize,
    /// Sources that have no item yet.
    awaited: usize,
}

impl<Q: Pull<Item: Clone>> Many<Q> {
    fn look(&mut self, demand: bool) -> Pulled<Vec<Q::Item>, Q::Error> {
        let looked = round(self.latest.len(), &mut self.turn, |turn| {
            let latest = &mut self.latest[turn];
            let before = latest.item.is_some();
            let looked = latest.look(demand, self.awaited == 0);
            self.awaited -= usize::from(!before && latest.item.is_some());
            looked
        });
        looked.unwrap_or_else(|| self.row())
    }

    fn row(&self) -> Pulled<Vec<Q::Item>, Q::Error> {
        if self.awaited > 0 {
            return Pulled::Skipped;
        }
        Pulled::Item(self.latest.iter().filter_map(|latest| latest.item.clone()).collect())
    }
}

impl<Q: Pull<Item: Clone>> Pull for Many<Q> {
    type Item = Vec<Q::Item>;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Self::Item, Q::Error> {
        self.look(true)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, Q::Error> {
        self.look(false)
    }
}
