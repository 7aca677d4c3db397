//! `race`: whoever of several publishers is first.

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};

/// The publisher that is first to send an item or to end; the others are cancelled: [`race`].
///
/// ```text
/// a     ------1--2--3-|
/// b     --8------9-------|
/// down  --8------9-------|
/// ```
///
/// Where several have something at hand, the one that comes first in the list wins.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to; after that from the winner three
/// quarters of it each time as many items were taken. A synchronous source is pulled as
/// downstream asks.
/// # Completion
/// As the winner. Of no sources: at once.
/// # Errors
/// As the winner: a failure before any item wins as well.
/// # Cancellation
/// As downstream's: all are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items for each source that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let never = millstream::pending().boxed();
/// let soon = millstream::range(1..4).boxed();
/// let first = millstream::race([never, soon], 16);
/// assert_eq!(first.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Race<P> {
    sources: Vec<P>,
    prefetch: NonZeroUsize,
    site: Site,
}

/// The publisher that is first to send an item or to end. See [`Race`].
#[doc(alias = "amb", alias = "firstWithSignal", alias = "first")]
#[track_caller]
pub fn race<P: Publisher>(sources: impl IntoIterator<Item = P>, prefetch: usize) -> Race<P> {
    Race {
        sources: sources.into_iter().collect(),
        prefetch: capacity("race(sources, 0)", prefetch),
        site: Site::here("race"),
    }
}

crate::opaque_debug::opaque_debug!(Race<P>, prefetch);

impl<P: Publisher> Publisher for Race<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        join(|bell, context| runners(self, bell, context), subscriber);
    }
}

fn runners<P: Publisher>(
    race: Race<P>,
    bell: &Bell,
    context: &Context,
) -> impl Pull<Item = P::Item, Error = P::Error> + use<P> {
    let Race { sources, prefetch, site } = race;
    let feed = |(n, source)| feed(source, prefetch, bell.clone(), context, site.number(n));
    let feeds = sources.into_iter().enumerate().map(feed).collect();
    Runners { feeds, won: false, started: false }
}

struct Runners<Q: Pull> {
    /// One when there is a winner.
    feeds: Vec<Feed<Q>>,
    won: bool,
    started: bool,
}

impl<Q: Pull> Runners<Q> {
    fn look(&mut self, demand: bool) -> Pulled<Q::Item, Q::Error> {
        self.started |= demand;
        let (mut first, mut skipped) = (None, false);
        for (n, feed) in self.feeds.iter_mut().enumerate() {
            let pulled = if demand { feed.pull() } else { feed.look_ahead(self.started) };
            match pulled {
                Pulled::Pending => {}
                Pulled::Skipped => skipped = true,
                signal => {
                    first = Some((n, signal));
                    break;
                }
            }
        }
        match first {
            Some((n, signal)) => {
                self.won = true;
                self.feeds.swap(0, n);
                self.feeds.truncate(1);
                signal
            }
            None if self.feeds.is_empty() => Pulled::Complete,
            // Nobody rings for a source that is held in place.
            None if skipped => Pulled::Skipped,
            None => Pulled::Pending,
        }
    }
}

impl<Q: Pull> Pull for Runners<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match &mut self.feeds[..] {
            [winner] if self.won => winner.pull(),
            _ => self.look(true),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        match &mut self.feeds[..] {
            [winner] if self.won => winner.look_ahead(started),
            _ => self.look(false),
        }
    }
}
