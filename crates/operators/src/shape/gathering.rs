//! Chunks that are completed from outside of their items as well: `chunk_when`, `ready_chunks`.
//!
//! A [`Pull`] over one upstream. Items go into the chunk that is open, which a [`Cut`] completes,
//! and an [`Outside`] too: a signal, a timer, the demand for what is there. What completes it need
//! only ring the bell of the host.
//!
//! ```text
//!  upstream ─▶ queue ─▶ the open chunk ─▶ one that is complete ─▶ downstream, when it asks
//!                            ▲
//!                  Cut, Outside: it is complete
//! ```
//!
//! Items are taken in while no complete chunk waits, whether or not one was asked for, so that
//! what comes from outside finds the items that came before it. All three places have room for as
//! many items together as one chunk.
//!
//! Chunks that a time completes are [another shape](super::timed_chunks). What comes from outside
//! here cuts between the items that came before it and those after, whether or not a chunk is asked
//! for; so it is looked at after each item of an upstream that is held in place. A time that has
//! come cuts at the next request alone: there a chunk is filled in one loop of the source.

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_core::{Context, Discards, Publisher, Pull, Pulled};

use crate::shape::chunked::{Cut, Open, Place, Put};
use crate::shape::joined::{Granted, granted_feed};

/// How many items of an upstream that is held in place are taken before it is looked for a
/// cancellation.
const BURST: usize = 64;

/// What completes the open chunk from outside of its items.
pub(crate) trait Outside: Send + 'static {
    /// How it fails.
    type Error;

    /// Whether the chunk that was begun is sent before an error of upstream; else it is discarded.
    const SENDS_BEGUN: bool = false;

    /// The first item of a chunk came: a timer starts.
    fn begun(&mut self) {}

    /// The chunk that was open is complete: a timer is stopped.
    fn completed(&mut self) {}

    /// Whether the chunk that is open is complete by now. Looked at only while one may be, so what
    /// comes meanwhile must wait.
    fn look(&mut self, occasion: Occasion) -> Word<Self::Error>;
}

/// When an [`Outside`] is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// After an item of an upstream that is held in place, and has the next at once.
    Item,
    /// Upstream has nothing for now, and a chunk was asked for.
    Idle,
    /// Upstream has nothing for now, and no chunk was asked for.
    Unwanted,
}

/// What an [`Outside`] says.
pub(crate) enum Word<E> {
    /// The chunk is open, until its bell rings.
    Open,
    /// The chunk is complete; where none is open, nothing happens, until its bell rings.
    Complete,
    /// All has failed.
    Failed(E),
}

/// Chunks are completed by their length alone.
#[derive(Debug, Clone)]
pub(crate) struct UpTo;

impl<T> Cut<T> for UpTo {
    #[inline]
    fn place(&mut self, _: &T, _: bool) -> Place {
        Place::Within
    }
}

/// See the [module](self).
pub(crate) struct Gathering<O: Pull, C, X> {
    upstream: Granted<O>,
    open: Open<O::Item, C>,
    outside: X,
    /// A chunk that is complete, and goes before the open one.
    before: Option<Vec<O::Item>>,
    /// How upstream failed, to be told behind what is complete.
    error: Option<O::Error>,
    started: bool,
    discards: Discards,
}

/// Gathers the items of `publisher` in chunks of at most `max`.
pub(crate) fn gathering<P, C, X>(
    publisher: P,
    max: NonZeroUsize,
    cut: C,
    outside: X,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Gathering<impl Pull<Item = P::Item, Error = P::Error> + use<P, C, X>, C, X>
where
    P: Publisher,
    C: Cut<P::Item>,
    X: Outside<Error = P::Error>,
{
    Gathering {
        upstream: granted_feed(publisher, max, bell, context, site),
        open: Open::new(max.get(), cut),
        outside,
        before: None,
        error: None,
        started: false,
        discards: context.discards().clone(),
    }
}

impl<O: Pull, C: Cut<O::Item>, X: Outside<Error = O::Error>> Gathering<O, C, X> {
    fn put(&mut self, item: O::Item) {
        match self.open.put(item) {
            Put::Kept => {
                if self.open.len() == 1 {
                    self.outside.begun();
                }
            }
            Put::Chunk(chunk) => {
                self.before = Some(chunk);
                self.outside.completed();
                if self.open.len() > 0 {
                    self.outside.begun();
                }
            }
            Put::Two(chunk) => {
                self.before = Some(chunk);
                self.outside.completed();
            }
            Put::Between(item) => {
                self.upstream.done(1);
                self.discards.discard(item);
                if self.open.is_complete() {
                    self.outside.completed();
                }
            }
        }
    }

    fn take_complete(&mut self) -> Option<Vec<O::Item>> {
        let chunk = self.before.take().or_else(|| self.open.take_complete())?;
        self.upstream.done(chunk.len() as u64);
        Some(chunk)
    }

    /// Whether a chunk waits, and no item may be taken.
    fn is_full(&self) -> bool {
        self.before.is_some() || self.open.is_complete()
    }

    /// Looks at what is outside; [`None`] where the chunk is complete, if one was open.
    fn look<T>(&mut self, occasion: Occasion) -> Option<Pulled<T, O::Error>> {
        match self.outside.look(occasion) {
            Word::Open => Some(Pulled::Pending),
            Word::Failed(error) => Some(Pulled::Error(error)),
            Word::Complete => {
                self.before = self.open.close();
                if self.before.is_some() {
                    self.outside.completed();
                }
                None
            }
        }
    }

    /// Takes items until a chunk is complete; else why it is not.
    fn gather<T>(&mut self, idle: Occasion) -> Pulled<T, O::Error> {
        let mut left = if self.upstream.is_pulled() { BURST } else { usize::MAX };
        while !self.is_full() && !self.upstream.is_over() {
            match self.upstream.pull() {
                Pulled::Item(item) => {
                    self.put(item);
                    if !self.upstream.is_pulled() || self.is_full() {
                        continue;
                    }
                    if let Some(Pulled::Error(error)) = self.look::<T>(Occasion::Item) {
                        return Pulled::Error(error);
                    }
                    left -= 1;
                    if left == 0 {
                        return Pulled::Skipped;
                    }
                }
                Pulled::Skipped => {
                    if let Some(Pulled::Error(error)) = self.look::<T>(Occasion::Item) {
                        return Pulled::Error(error);
                    }
                    return Pulled::Skipped;
                }
                Pulled::Pending => match self.look(idle) {
                    Some(word) => return word,
                    None if self.is_full() => {}
                    None => return Pulled::Pending,
                },
                Pulled::Complete => self.outside.completed(),
                Pulled::Error(error) => {
                    self.outside.completed();
                    self.error = Some(error);
                }
            }
        }
        Pulled::Pending
    }

    /// What comes when all that is complete was sent, and upstream is over.
    fn last(&mut self) -> Pulled<Vec<O::Item>, O::Error> {
        if (X::SENDS_BEGUN || self.error.is_none())
            && let Some(chunk) = self.open.close()
        {
            return Pulled::Item(chunk);
        }
        self.error.take().map_or(Pulled::Complete, Pulled::Error)
    }
}

impl<O: Pull, C: Cut<O::Item>, X: Outside<Error = O::Error>> Pull for Gathering<O, C, X> {
    type Item = Vec<O::Item>;
    type Error = O::Error;

    fn pull(&mut self) -> Pulled<Vec<O::Item>, O::Error> {
        self.started = true;
        let pulled = self.gather(Occasion::Idle);
        if let Pulled::Error(_) = pulled {
            return pulled;
        }
        match self.take_complete() {
            Some(chunk) => Pulled::Item(chunk),
            None if self.upstream.is_over() => self.last(),
            None => pulled,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Vec<O::Item>, O::Error> {
        // One that is held in place gives an item only if a chunk was asked for.
        if self.upstream.is_pulled() && !self.upstream.is_over() && !self.is_full() {
            match self.upstream.look_ahead(self.started) {
                Pulled::Item(item) => self.put(item),
                Pulled::Error(error) => self.error = Some(error),
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending | Pulled::Complete => {}
            }
            if !self.is_full()
                && !self.upstream.is_over()
                && let Some(Pulled::Error(error)) = self.look::<()>(Occasion::Unwanted)
            {
                return Pulled::Error(error);
            }
        } else if let Pulled::Error(error) = self.gather::<()>(Occasion::Unwanted) {
            return Pulled::Error(error);
        }
        if self.is_full() || !self.upstream.is_over() {
            return Pulled::Pending;
        }
        if self.open.len() > 0 && (X::SENDS_BEGUN || self.error.is_none()) {
            return Pulled::Pending;
        }
        self.error.take().map_or(Pulled::Complete, Pulled::Error)
    }
}

impl<O: Pull, C, X> Drop for Gathering<O, C, X> {
    fn drop(&mut self) {
        if self.discards.is_none() {
            return;
        }
        let before = self.before.take().into_iter().flatten();
        for item in before.chain(self.open.take_items()) {
            self.discards.discard(item);
        }
    }
}
