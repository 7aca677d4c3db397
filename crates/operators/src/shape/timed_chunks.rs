//! Chunks that are complete after some time as well: `chunks_timeout`, `chunks_weighted_timeout`.
//!
//! What cuts the chunks is a [`Cut`]; here is the time, which is counted from the first item of a
//! chunk. A chunk goes down when it is complete or its time has come, and was asked for: one whose
//! time has come while nobody asked goes on to be filled, and goes at the next request.
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
        on(
            time,
            |bell, context| Filling {
                feed: Some(feed(upstream, prefetch, bell.clone(), context, site)),
                chunk: Timed {
                    open: Open::new(max, cut),
                    until: Moment::NEVER,
                    within,
                    alarm: Alarm::new(time, bell),
                },
                complete: None,
                bell: bell.clone(),
                discards: context.discards().clone(),
            },
            subscriber,
        );
    }
}

/// The open chunk, and its time.
struct Timed<T, C> {
    open: Open<T, C>,
    /// [`NEVER`](Moment::NEVER) while no chunk is open.
    until: Moment,
    within: Duration,
    alarm: Alarm,
}

impl<T, C: Cut<T>> Timed<T, C> {
    #[inline]
    fn put(&mut self, item: T) -> Put<T> {
        let put = self.open.put(item);
        match &put {
            Put::Kept if self.until != Moment::NEVER => {}
            Put::Kept => self.until = self.alarm.now() + self.within,
            _ => self.cut(),
        }
        put
    }

    /// A chunk was completed: the open one, if there is one, was begun just now. One that is complete
    /// as well has no time: it would be that of the next.
    #[cold]
    fn cut(&mut self) {
        let begun = self.open.len() > 0 && !self.open.is_complete();
        self.until = if begun { self.alarm.now() + self.within } else { Moment::NEVER };
    }

    #[inline]
    fn has_come(&mut self) -> bool {
        self.until != Moment::NEVER && self.alarm.has_come(self.until)
    }

    fn close(&mut self) -> Option<Vec<T>> {
        self.until = Moment::NEVER;
        self.open.close()
    }
}

struct Filling<Q: Pull, C: Cut<Q::Item>> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
    chunk: Timed<Q::Item, C>,
    /// A chunk that waits to be asked for.
    complete: Option<Vec<Q::Item>>,
    bell: Bell,
    discards: Discards,
}

impl<Q: Pull, C: Cut<Q::Item>> Filling<Q, C> {
    /// A chunk that was complete before.
    #[inline]
    fn ready(&mut self) -> Option<Vec<Q::Item>> {
        self.complete.take().or_else(|| self.chunk.open.take_complete())
    }

    /// Upstream is over, and so is what was begun.
    fn last(&mut self) -> Pulled<Vec<Q::Item>, Q::Error> {
        self.feed = None;
        self.chunk.close().map_or(Pulled::Complete, Pulled::Item)
    }

    /// What an item completed, if anything.
    fn completed(&mut self, put: Put<Q::Item>) -> Option<Vec<Q::Item>> {
        match put {
            Put::Kept => None,
            Put::Chunk(chunk) | Put::Two(chunk) => Some(chunk),
            Put::Between(item) => {
                self.discards.discard(item);
                self.chunk.open.take_complete()
            }
        }
    }

    /// Takes what is there, without demand, until a chunk is complete. How upstream ended, if it
    /// did.
    fn take_ahead(&mut self, started: bool) -> Option<Result<(), Q::Error>> {
        for _ in 0..LOOKS {
            if self.complete.is_some() || self.chunk.open.is_complete() {
                return None;
            }
            let feed = self.feed.as_mut()?;
            let pulled = match feed.is_pulled() {
                // One that is synchronous gives no more than it must to say whether it is over.
                true if self.chunk.open.len() > 0 => return None,
                true => feed.look_ahead(started),
                false => feed.pull(),
            };
            match pulled {
                Pulled::Item(item) => {
                    let put = self.chunk.put(item);
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

impl<Q: Pull, C: Cut<Q::Item>> Pull for Filling<Q, C> {
    type Item = Vec<Q::Item>;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Vec<Q::Item>, Q::Error> {
        if let Some(chunk) = self.ready() {
            return Pulled::Item(chunk);
        }
        let Some(feed) = &mut self.feed else { return self.last() };
        let (chunk, mut left) = (&mut self.chunk, LOOKS);
        let mut cut = None;
        // A chunk whose time has come takes no more.
        let pulled = if chunk.has_come() {
            Pulled::Skipped
        } else {
            feed.pull_while(|item| {
                left -= 1;
                match chunk.put(item) {
                    Put::Kept => left > 0 && !chunk.has_come(),
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
                if self.chunk.has_come()
                    && let Some(chunk) = self.chunk.close()
                {
                    return Pulled::Item(chunk);
                }
                if matches!(pulled, Pulled::Pending) {
                    self.chunk.alarm.rest_until(self.chunk.until);
                    return Pulled::Pending;
                }
                Pulled::Skipped
            }
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Vec<Q::Item>, Q::Error> {
        match self.take_ahead(started) {
            Some(Ok(())) => self.feed = None,
            Some(Err(error)) => return Pulled::Error(error),
            None => {}
        }
        let holds = self.complete.is_some() || self.chunk.open.len() > 0;
        if self.feed.is_none() && !holds {
            return Pulled::Complete;
        }
        // Whose time has come goes at the next request, and nobody waits for it before.
        self.chunk.alarm.rest_until(Moment::NEVER);
        Pulled::Pending
    }
}

impl<Q: Pull, C: Cut<Q::Item>> Drop for Filling<Q, C> {
    fn drop(&mut self) {
        if self.discards.is_none() {
            return;
        }
        let chunks = [self.complete.take(), self.chunk.close()];
        for item in chunks.into_iter().flatten().flatten() {
            self.discards.discard(item);
        }
    }
}
