//! `zip`: the first items together, then the second, and so on.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Context, Discards, Publisher, Pull, Pulled, Subscriber};

use crate::shape::head::{Head, without_item};
use crate::shape::joined::{capacity, feed, in_place, unwatched};
use crate::shape::rounds::one;

/// One item of each of several publishers at a time: [`zip`], and
/// [`PublisherExt::zip`](crate::PublisherExt::zip) for two.
///
/// ```text
/// a     --1---2---3------|
/// b     ----x---y-|
/// down  ----1x--2y|
/// ```
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as
/// many of its items were taken. A synchronous source is pulled as downstream asks.
/// # Completion
/// As soon as one source is complete and its items are used up; the others are cancelled, and what
/// they sent is discarded. It needs no demand.
/// # Errors
/// The first failure, after the items which that source sent before; the others are cancelled,
/// and what they sent is discarded.
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
/// let numbers = millstream::from_iter(1..);
/// let letters = millstream::from_iter(["a", "b"]);
/// let flags = millstream::from_iter([true, false, true]);
/// let rows = millstream::zip((numbers, letters, flags), 16);
/// assert_eq!(rows.collect::<Vec<_>>().block()?, [(1, "a", true), (2, "b", false)]);
///
/// // As many as there are.
/// let columns: Vec<_> = (0..3).map(|n| millstream::from_iter([n, 10 * n])).collect();
/// let rows = millstream::zip(columns, 16);
/// assert_eq!(rows.collect::<Vec<_>>().block()?, [[0, 1, 2], [0, 10, 20]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Zip<S> {
    sources: S,
    prefetch: NonZeroUsize,
    site: Site,
}

/// One item of each of several publishers at a time: of a tuple of two to eight, as a tuple; of a `Vec`
/// of any number, as a `Vec`. None at all are complete at once. See [`Zip`].
#[doc(alias = "zipWith", alias = "zipN", alias = "zipArray", alias = "zipWithN")]
#[track_caller]
pub fn zip<S>(sources: S, prefetch: usize) -> Zip<S>
where
    Zip<S>: Publisher,
{
    Zip::of("zip(sources, 0)", sources, prefetch)
}

impl<S> Zip<S> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(call: &str, sources: S, prefetch: usize) -> Self {
        Zip { sources, prefetch: capacity(call, prefetch), site: Site::here("zip") }
    }
}

crate::opaque_debug::opaque_debug!(Zip<S>, prefetch);

/// Two synchronous sources, held in place.
struct Pair<A: Pull, B: Pull> {
    a: A,
    b: B,
    /// Items that wait for another: of the first while the second skips, and of either where one
    /// was taken to find out whether its source is over.
    waiting: (Option<A::Item>, Option<B::Item>),
    started: bool,
    discards: Discards,
}

impl<A: Pull, B: Pull> Pair<A, B> {
    fn new(a: A, b: B, context: &Context) -> Pair<A, B> {
        let discards = context.discards().clone();
        Pair { a, b, waiting: (None, None), started: false, discards }
    }
}

impl<A: Pull, B: Pull> Drop for Pair<A, B> {
    fn drop(&mut self) {
        let (first, second) = (self.waiting.0.take(), self.waiting.1.take());
        first.into_iter().for_each(|item| self.discards.discard(item));
        second.into_iter().for_each(|item| self.discards.discard(item));
    }
}

impl<A: Pull, B: Pull<Error = A::Error>> Pull for Pair<A, B> {
    type Item = (A::Item, B::Item);
    type Error = A::Error;

    fn pull(&mut self) -> Pulled<Self::Item, A::Error> {
        one(self)
    }

    #[inline]
    fn pull_while(
        &mut self,
        mut each: impl FnMut(Self::Item) -> bool,
    ) -> Pulled<Self::Item, A::Error> {
        self.started = true;
        let mut waiting = (self.waiting.0.take(), self.waiting.1.take());
        loop {
            let first = match waiting.0.take().map_or_else(|| self.a.pull(), Pulled::Item) {
                Pulled::Item(item) => item,
                other => {
                    self.waiting.1 = waiting.1;
                    return without_item(other);
                }
            };
            match waiting.1.take().map_or_else(|| self.b.pull(), Pulled::Item) {
                Pulled::Item(second) => {
                    if !each((first, second)) {
                        return Pulled::Skipped;
                    }
                }
                other => {
                    self.waiting.0 = Some(first);
                    return without_item(other);
                }
            }
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, A::Error> {
        if self.waiting.0.is_none() {
            match self.a.look_ahead(self.started) {
                Pulled::Pending => {}
                Pulled::Item(item) => self.waiting.0 = Some(item),
                other => return without_item(other),
            }
        }
        if self.waiting.1.is_none() {
            match self.b.look_ahead(self.started) {
                Pulled::Pending => {}
                Pulled::Item(item) => self.waiting.1 = Some(item),
                other => return without_item(other),
            }
        }
        Pulled::Pending
    }
}

/// Pairs of pairs as tuples.
struct Abreast<P, F> {
    pairs: P,
    tuple: F,
}

impl<P, T, F> Pull for Abreast<P, F>
where
    P: Pull,
    T: Send + 'static,
    F: Fn(P::Item) -> T + Send + 'static,
{
    type Item = T;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<T, P::Error> {
        one(self)
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(T) -> bool) -> Pulled<T, P::Error> {
        without_item(self.pairs.pull_while(|item| each((self.tuple)(item))))
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<T, P::Error> {
        without_item(self.pairs.look_ahead(started))
    }
}

macro_rules! pairs {
    ($context:ident: $last:expr) => { $last };
    ($context:ident: $head:expr, $($rest:expr),+) => {
        Pair::new($head, pairs!($context: $($rest),+), $context)
    };
}

macro_rules! paired {
    ($last:ident) => { $last };
    ($item:ident $($rest:ident)+) => { ($item, paired!($($rest)+)) };
}

macro_rules! zips {
    ($pull:ident: $($source:ident $head:ident $item:ident $number:literal),+) => {
        impl<Error: Send + 'static, $($source),+> Publisher for Zip<($($source,)+)>
        where
            $($source: Publisher<Error = Error>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            fn subscribe<Down: Subscriber<Self::Item, Error>>(self, subscriber: Down) {
                let Zip { sources: ($($head,)+), prefetch, site } = self;
                if $($source::MAY_PULL)&&+
                    && $($head.pulls())&&+
                    && unwatched(&subscriber.context())
                {
                    return join(
                        |_, context| {
                            let above = context.upstream();
                            let pairs =
                                pairs!(context: $(in_place($head, above.clone())),+);
                            Abreast { pairs, tuple: |paired!($($item)+)| ($($item,)+) }
                        },
                        subscriber,
                    );
                }
                join(
                    |bell, context| $pull {
                        $($head: Head::new(
                            feed($head, prefetch, bell.clone(), context, site.number($number)),
                            context.discards(),
                        ),)+
                    },
                    subscriber,
                );
            }
        }

        struct $pull<$($source: Pull),+> {
            $($head: Head<$source>,)+
        }

        impl<Error: Send + 'static, $($source),+> Pull for $pull<$($source),+>
        where
            $($source: Pull<Error = Error>,)+
        {
            type Item = ($($source::Item,)+);
            type Error = Error;

            #[inline]
            fn pull(&mut self) -> Pulled<Self::Item, Error> {
                // All are asked, so that all that wait are told of news.
                let mut pending = None;
                $(
                    match self.$head.fetch() {
                        None => {}
                        Some(Pulled::Pending) => {
                            pending.get_or_insert(Pulled::Pending);
                        }
                        // Nobody rings for a source that is held in place.
                        Some(Pulled::Skipped) => pending = Some(Pulled::Skipped),
                        Some(other) => return other,
                    }
                )+
                if let Some(pending) = pending {
                    return pending;
                }
                match ($(self.$head.item.take(),)+) {
                    ($(Some($item),)+) => Pulled::Item(($($item,)+)),
                    _ => unreachable!("every head has an item"),
                }
            }

            fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, Error> {
                $(
                    if let Some(end) = self.$head.end() {
                        return end;
                    }
                )+
                Pulled::Pending
            }
        }
    };
}

zips!(Zip2: A a x0 0, B b x1 1);
zips!(Zip3: A a x0 0, B b x1 1, C c x2 2);
zips!(Zip4: A a x0 0, B b x1 1, C c x2 2, D d x3 3);
zips!(Zip5: A a x0 0, B b x1 1, C c x2 2, D d x3 3, F f x4 4);
zips!(Zip6: A a x0 0, B b x1 1, C c x2 2, D d x3 3, F f x4 4, G g x5 5);
zips!(Zip7: A a x0 0, B b x1 1, C c x2 2, D d x3 3, F f x4 4, G g x5 5, H h x6 6);
zips!(Zip8: A a x0 0, B b x1 1, C c x2 2, D d x3 3, F f x4 4, G g x5 5, H h x6 6, I i x7 7);

impl<P: Publisher> Publisher for Zip<Vec<P>> {
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let Zip { sources, prefetch, site } = self;
        join(
            |bell, context| {
                let head = |(n, source)| {
                    let feed = feed(source, prefetch, bell.clone(), context, site.number(n));
                    Head::new(feed, context.discards())
                };
                Many(sources.into_iter().enumerate().map(head).collect())
            },
            subscriber,
        );
    }
}

/// As many as there are.
struct Many<Q: Pull>(Vec<Head<Q>>);

impl<Q: Pull> Pull for Many<Q> {
    type Item = Vec<Q::Item>;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Self::Item, Q::Error> {
        if self.0.is_empty() {
            return Pulled::Complete;
        }
        // As in the others.
        let mut pending = None;
        for head in &mut self.0 {
            match head.fetch() {
                None => {}
                Some(Pulled::Pending) => {
                    pending.get_or_insert(Pulled::Pending);
                }
                Some(Pulled::Skipped) => pending = Some(Pulled::Skipped),
                Some(other) => return other,
            }
        }
        if let Some(pending) = pending {
            return pending;
        }
        Pulled::Item(self.0.iter_mut().filter_map(|head| head.item.take()).collect())
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Self::Item, Q::Error> {
        if self.0.is_empty() {
            return Pulled::Complete;
        }
        self.0.iter_mut().find_map(Head::end).unwrap_or(Pulled::Pending)
    }
}
