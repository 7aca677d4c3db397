//! `interleave`: so many items of each of several publishers, in turn.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::head::without_item;
use crate::shape::joined::{Feed, capacity, granting_feed};
use crate::shape::rounds::one;

/// So many items of each of several publishers, in turn: [`interleave_all`], and
/// [`PublisherExt::interleave`](crate::PublisherExt::interleave) for two.
///
/// ```text
///       interleave(b, 2)
/// a     1-2-------3------4-|
/// b     ----x--y-----z-|
/// down  1-2-x--y--3------4-z|
/// ```
///
/// Whose turn it is is waited for, whatever the others have, so the order of the items does not
/// depend on time. One that is over has no turns any more, and the others go on; or it ends all where
/// [`shortest`](Interleave::shortest) says so.
///
/// # Demand
/// A source is asked for `turn` items when downstream wants one and its turn begins, and for no more
/// before its next turn. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once. By
/// [`shortest`](Interleave::shortest) as soon as a source is complete whose turn it is.
/// # Errors
/// A failure of a source whose turn it is, after the items which it sent before. Of another: when
/// there is nothing at hand to be sent, and when its turn comes. The others are cancelled, and what is
/// queued is discarded.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// `turn` items of the source whose turn it is, unless that is synchronous.
/// # Panics
/// When `turn` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (few, many) = (millstream::from_iter([1, 2, 3]), millstream::from_iter(10..16));
/// let both = few.clone().interleave(many.clone(), 2).collect::<Vec<_>>().block()?;
/// assert_eq!(both, [1, 2, 10, 11, 3, 12, 13, 14, 15]);
/// let both = few.interleave(many, 2).shortest().collect::<Vec<_>>().block()?;
/// assert_eq!(both, [1, 2, 10, 11, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Interleave<P> {
    sources: Vec<P>,
    turn: NonZeroUsize,
    until: Until,
    site: Site,
}

/// When all is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    All,
    Shortest,
}

/// So many items of each of several publishers, in turn. See [`Interleave`].
#[doc(alias = "interleaveAll")]
#[track_caller]
pub fn interleave_all<P: Publisher>(
    sources: impl IntoIterator<Item = P>,
    turn: usize,
) -> Interleave<P> {
    Interleave::of("interleave_all(sources, 0)", sources, turn)
}

impl<P> Interleave<P> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(call: &str, sources: impl IntoIterator<Item = P>, turn: usize) -> Self {
        Interleave {
            sources: sources.into_iter().collect(),
            turn: capacity(call, turn),
            until: Until::All,
            site: Site::here("interleave"),
        }
    }

    /// Until the turn comes to a source that is over; the others are cancelled.
    #[doc(alias = "eager_close", alias = "interleave_shortest")]
    pub fn shortest(self) -> Interleave<P> {
        Interleave { until: Until::Shortest, ..self }
    }
}

crate::opaque_debug::opaque_debug!(Interleave<P>, turn);

impl<P: Publisher> Publisher for Interleave<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Interleave { sources, turn, until, site } = self;
        join(
            |bell, context| {
                let feed = |(n, source)| {
                    Some(granting_feed(source, turn, bell.clone(), context, site.number(n)))
                };
                let line = sources.into_iter().enumerate().map(feed).collect();
                let turn = turn.get() as u32;
                Interleaved { line, turn, left: turn, asked: false, until, started: false }
            },
            subscriber,
        );
    }
}

struct Interleaved<Q: Pull> {
    /// The sources, each until it is over. The first has its turn.
    line: VecDeque<Option<Feed<Q>>>,
    turn: u32,
    /// What is left of the turn.
    left: u32,
    /// Whether the first was asked for it.
    asked: bool,
    until: Until,
    /// Whether anything was pulled.
    started: bool,
}

impl<Q: Pull> Interleaved<Q> {
    fn begin(&mut self) {
        self.left = self.turn;
        self.asked = false;
    }

    /// The turn is over.
    #[inline]
    fn pass(&mut self) {
        self.line.rotate_left(1);
        self.begin();
    }

    /// The source whose turn it is is over.
    #[cold]
    fn over(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.line.pop_front();
        self.begin();
        let over = self.until == Until::Shortest || self.line.is_empty();
        if over { Pulled::Complete } else { Pulled::Skipped }
    }

    /// The one whose turn it is has nothing: looks for the ends of the others, which were sent
    /// all that they were asked for. It is what makes them tell when they have one.
    #[cold]
    fn wait(&mut self) -> Pulled<Q::Item, Q::Error> {
        let mut at = 1;
        while let Some(place) = self.line.get_mut(at) {
            // A synchronous one is pulled in its turn.
            let looked = match place {
                Some(feed) if !feed.is_pulled() => feed.look_ahead(self.started),
                _ => Pulled::Pending,
            };
            match looked {
                Pulled::Error(error) => return Pulled::Error(error),
                Pulled::Complete if self.until == Until::All => drop(self.line.remove(at)),
                // It ends all in its turn.
                Pulled::Complete => {
                    *place = None;
                    at += 1;
                }
                _ => at += 1,
            }
        }
        Pulled::Pending
    }
}

impl<Q: Pull> Pull for Interleaved<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        one(self)
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        self.started = true;
        loop {
            let feed = match self.line.front_mut() {
                Some(Some(feed)) => feed,
                Some(None) => return self.over(),
                None => return Pulled::Complete,
            };
            if !self.asked {
                self.asked = true;
                feed.grant(self.turn);
            }
            match feed.pull_turn(&mut self.left, &mut each) {
                None => self.pass(),
                Some(Pulled::Complete) => return self.over(),
                Some(Pulled::Pending) => return self.wait(),
                Some(other) => {
                    if self.left == 0 {
                        self.pass();
                    }
                    return without_item(other);
                }
            }
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        let looked = match self.line.front_mut() {
            Some(Some(feed)) => feed.look_ahead(self.started),
            Some(None) => return self.over(),
            None => return Pulled::Complete,
        };
        match looked {
            Pulled::Item(item) => {
                self.left -= 1;
                if self.left == 0 {
                    self.pass();
                }
                Pulled::Item(item)
            }
            Pulled::Complete => self.over(),
            Pulled::Pending => self.wait(),
            other => other,
        }
    }
}
