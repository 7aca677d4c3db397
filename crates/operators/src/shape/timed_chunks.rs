//! Chunks that are complete after some time as well: `chunks_timeout`, `chunks_weighted_timeout`,
//! `aggregate_with_boundary`.
//!
//! What items are put into is a [`Fill`]: a chunk that a [`Cut`] completes, or an aggregate. Here is the
//! time, which is counted from an item. A chunk goes down when it is complete or its time has come, and
//! was asked for: one whose time has come while nobody asked goes on to be filled, and goes at the next
//! request. Of something else the `Fill` [says](Fill::ENDS_UNASKED) whether its time ends it all the same.
//!
//! This is not [`gathering`](super::gathering), whose chunks end where something outside says, for
//! three reasons. A chunk that is due and not asked for takes more items; there it is cut. The
//! prefetch is an argument beside the size of a chunk, since it says how far upstream runs ahead in
//! that time; there one number is both. And a synchronous upstream fills a chunk in a loop of its own
//! (`pull_while`), in which the time is a comparison; a look outside after each item would break that
//! loop up.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::chunked::{Cut, Open, Put};
use crate::shape::joined::{Feed, feed, on};
use crate::shape::timed::Alarm;

/// How many items are taken at most before somebody looks for a cancellation.
const LOOKS: u32 = 1024;

/// What the items of a stage with a time are put into.
pub(crate) trait Fill<T>: Send + 'static {
    /// What is sent.
    type Whole: Send + 'static;

    /// Whether what is open is complete when its time has come, asked for or not: an item that comes then
    /// begins another. Else that item goes in as well.
    const ENDS_UNASKED: bool;

    /// Puts an item into what is open, and begins that if nothing is. `ends` says that what is open is
    /// complete before, because of its time.
    fn put(&mut self, item: T, ends: bool) -> Put<T, Self::Whole>;

    /// How long what is open stays so from now, where the item that was put says that; `timed` tells
    /// whether it has a time.
    fn lasts(&mut self, timed: bool) -> Option<Duration>;

    /// Whether there is something that is open, or complete and waits to be taken.
    fn is_begun(&self) -> bool;

    /// Whether it is complete.
    fn is_complete(&self) -> bool;

    /// It, if it is complete.
    fn take_complete(&mut self) -> Option<Self::Whole>;

    /// It, if there is anything: it is complete now.
    fn close(&mut self) -> Option<Self::Whole>;

    /// It is not to be sent any more.
    fn discard(&mut self, discards: &Discards);

    /// Nor is this, which was complete.
    fn discard_whole(whole: Self::Whole, discards: &Discards);
}

/// What a stage of timed chunks is made of.
pub(crate) struct TimedChunks<C> {
    pub(crate) cut: C,
    /// The most items that a chunk has.
    pub(crate) max: usize,
    pub(crate) within: Duration,
    pub(crate) prefetch: NonZeroUsize,
    pub(crate) site: Site,
}

impl<C> TimedChunks<C> {
    /// Runs the stage on a task of `time`.
    pub(crate) fn run<P, X, S>(self, upstream: P, time: &X, subscriber: S)
    where
        P: Publisher,
        C: Cut<P::Item>,
        X: Executor + Clock,
        S: Subscriber<Vec<P::Item>, P::Error>,
    {
        let TimedChunks { cut, max, within, prefetch, site } = self;
        let chunk = Chunk { open: Open::new(max, cut), within };
        filling(upstream, time, prefetch, chunk, site, subscriber);
    }
}

/// A chunk, and how long it is open from its first item on.
struct Chunk<T, C> {
    open: Open<T, C>,
    within: Duration,
}

impl<T: Send + 'static, C: Cut<T>> Fill<T> for Chunk<T, C> {
    type Whole = Vec<T>;
    const ENDS_UNASKED: bool = false;

    #[inline]
    fn put(&mut self, item: T, _: bool) -> Put<T> {
        self.open.put(item)
    }

    #[inline]
    fn lasts(&mut self, timed: bool) -> Option<Duration> {
        (!timed).then_some(self.within)
    }

    #[inline]
    fn is_begun(&self) -> bool {
        self.open.len() > 0
    }

    #[inline]
    fn is_complete(&self) -> bool {
        self.open.is_complete()
    }

    #[inline]
    fn take_complete(&mut self) -> Option<Vec<T>> {
        self.open.take_complete()
    }

    #[inline]
    fn close(&mut self) -> Option<Vec<T>> {
        self.open.close()
    }

    fn discard(&mut self, discards: &Discards) {
        Self::discard_whole(self.open.take_items(), discards);
    }

    fn discard_whole(chunk: Vec<T>, discards: &Discards) {
        for item in chunk {
            discards.discard(item);
        }
    }
}

/// Fills `fill` with the items of `upstream`, on a task of `time`.
pub(crate) fn filling<P, F, X, S>(
    upstream: P,
    time: &X,
    prefetch: NonZeroUsize,
    fill: F,
    site: Site,
    subscriber: S,
) where
    P: Publisher,
    F: Fill<P::Item>,
    X: Executor + Clock,
    S: Subscriber<F::Whole, P::Error>,
{
    on(
        time,
        |bell, context| Filling {
            feed: Some(feed(upstream, prefetch, bell.clone(), context, site)),
            open: Timed { fill, until: Moment::NEVER, alarm: Alarm::new(time, bell) },
            complete: None,
            bell: bell.clone(),
            discards: context.discards().clone(),
        },
        subscriber,
    );
}

/// What is open, and its time.
struct Timed<F> {
    fill: F,
    /// [`NEVER`](Moment::NEVER) while nothing is open that has one.
    until: Moment,
    alarm: Alarm,
}

impl<F> Timed<F> {
    #[inline]
    fn put<T>(&mut self, item: T) -> Put<T, F::Whole>
    where
        F: Fill<T>,
    {
        let ends = F::ENDS_UNASKED && self.has_come();
        let put = self.fill.put(item, ends);
        match &put {
            Put::Kept => self.time(self.until != Moment::NEVER),
            _ => self.cut(),
        }
        put
    }

    #[inline]
    fn time<T>(&mut self, timed: bool)
    where
        F: Fill<T>,
    {
        if let Some(lasts) = self.fill.lasts(timed) {
            self.until = self.alarm.now() + lasts;
        }
    }

    /// What was open is complete: what is, if anything, was begun just now. What is complete as well has
    /// no time: it would be that of the next.
    #[cold]
    fn cut<T>(&mut self)
    where
        F: Fill<T>,
    {
        self.until = Moment::NEVER;
        if self.fill.is_begun() && !self.fill.is_complete() {
            self.time(false);
        }
    }

    #[inline]
    fn has_come(&mut self) -> bool {
        self.until != Moment::NEVER && self.alarm.has_come(self.until)
    }

    fn close<T>(&mut self) -> Option<F::Whole>
    where
        F: Fill<T>,
    {
        self.until = Moment::NEVER;
        self.fill.close()
    }
}

struct Filling<Q: Pull, F: Fill<Q::Item>> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
    open: Timed<F>,
    /// What waits to be asked for.
    complete: Option<F::Whole>,
    bell: Bell,
    discards: Discards,
}

impl<Q: Pull, F: Fill<Q::Item>> Filling<Q, F> {
    /// What was complete before.
    #[inline]
    fn ready(&mut self) -> Option<F::Whole> {
        self.complete.take().or_else(|| self.open.fill.take_complete())
    }

    /// Upstream is over, and so is what was begun.
    fn last(&mut self) -> Pulled<F::Whole, Q::Error> {
        self.feed = None;
        self.open.close().map_or(Pulled::Complete, Pulled::Item)
    }

    /// What an item completed, if anything.
    fn completed(&mut self, put: Put<Q::Item, F::Whole>) -> Option<F::Whole> {
        match put {
            Put::Kept => None,
            Put::Chunk(whole) | Put::Two(whole) => Some(whole),
            Put::Between(item) => {
                self.discards.discard(item);
                self.open.fill.take_complete()
            }
        }
    }

    /// Takes what is there, without demand, until something is complete. How upstream ended, if it
    /// did.
    fn take_ahead(&mut self, started: bool) -> Option<Result<(), Q::Error>> {
        for _ in 0..LOOKS {
            if self.complete.is_some() || self.open.fill.is_complete() {
                return None;
            }
            let feed = self.feed.as_mut()?;
            let pulled = match feed.is_pulled() {
                // One that is synchronous gives no more than it must to say whether it is over.
                true if self.open.fill.is_begun() => return None,
                true => feed.look_ahead(started),
                false => feed.pull(),
            };
            match pulled {
                Pulled::Item(item) => {
                    let put = self.open.put(item);
                    self.complete = self.completed(put);
                }
                Pulled::Skipped => {}
                Pulled::Pending => return None,
                Pulled::Complete => return Some(Ok(())),
                Pulled::Error(error) => return Some(Err(error)),
            }
        }
        // There may be more, and nobody else would say so.
        self.bell.ring();
        None
    }
}

impl<Q: Pull, F: Fill<Q::Item>> Pull for Filling<Q, F> {
    type Item = F::Whole;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<F::Whole, Q::Error> {
        if let Some(whole) = self.ready() {
            return Pulled::Item(whole);
        }
        let Some(feed) = &mut self.feed else { return self.last() };
        let (open, mut left) = (&mut self.open, LOOKS);
        let mut cut = None;
        // What has no time left takes no more.
        let pulled = if open.has_come() {
            Pulled::Skipped
        } else {
            feed.pull_while(|item| {
                left -= 1;
                match open.put(item) {
                    // Where its time ends it, it is looked at with the next item.
                    Put::Kept => left > 0 && (F::ENDS_UNASKED || !open.has_come()),
                    put => {
                        cut = Some(put);
                        false
                    }
                }
            })
        };
        if let Some(put) = cut {
            return self.completed(put).map_or(Pulled::Skipped, Pulled::Item);
        }
        match pulled {
            Pulled::Complete => self.last(),
            Pulled::Error(error) => Pulled::Error(error),
            pulled => {
                if self.open.has_come()
                    && let Some(whole) = self.open.close()
                {
                    return Pulled::Item(whole);
                }
                if matches!(pulled, Pulled::Pending) {
                    self.open.alarm.rest_until(self.open.until);
                    return Pulled::Pending;
                }
                Pulled::Skipped
            }
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<F::Whole, Q::Error> {
        match self.take_ahead(started) {
            Some(Ok(())) => self.feed = None,
            Some(Err(error)) => return Pulled::Error(error),
            None => {}
        }
        let holds = self.complete.is_some() || self.open.fill.is_begun();
        if self.feed.is_none() && !holds {
            return Pulled::Complete;
        }
        // Whose time has come goes at the next request, and nobody waits for it before.
        self.open.alarm.rest_until(Moment::NEVER);
        Pulled::Pending
    }
}

impl<Q: Pull, F: Fill<Q::Item>> Drop for Filling<Q, F> {
    fn drop(&mut self) {
        if self.discards.is_none() {
            return;
        }
        if let Some(whole) = self.complete.take() {
            F::discard_whole(whole, &self.discards);
        }
        self.open.fill.discard(&self.discards);
    }
}
