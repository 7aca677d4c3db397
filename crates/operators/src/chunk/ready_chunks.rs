//! `ready_chunks`: what is there, together.

use std::marker::PhantomData;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::shape::gathering::{Occasion, Outside, UpTo, Word, gathering};
use crate::shape::joined::capacity;

/// The items that are there when they are asked for, up to a number of them:
/// [`PublisherExt::ready_chunks`](crate::PublisherExt::ready_chunks).
///
/// ```text
///         ready_chunks(3)
/// asked   -x---------x----x-----x----
/// up      ---1--2-3-----4---5-6---7--|
/// down    ---[1]-----[2,3][4]---[5,6][7]|
/// ```
///
/// Nothing waits for a chunk to become full: downstream is sent what there is as soon as it asks.
/// So chunks are long where downstream is slow, and short where it is not.
///
/// # Demand
/// `max` when it is subscribed to, and another for each item that was sent. A synchronous upstream
/// is pulled as downstream asks; it always has the next item, so its chunks are full.
/// # Completion
/// After what is there.
/// # Errors
/// After what is there: an item that came before the failure is not lost. A fault does not wait.
/// # Cancellation
/// As downstream. What is there is discarded.
/// # Bounds
/// `max` items. One allocation per chunk.
/// # Panics
/// When `max` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (sender, items) = millstream::channel(8);
/// for n in 1..=5 {
///     sender.try_send(n).unwrap();
/// }
/// sender.complete();
/// let chunks = items.ready_chunks(3).collect::<Vec<_>>().block()?;
/// assert_eq!(chunks, [vec![1, 2, 3], vec![4, 5]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ReadyChunks<P> {
    upstream: P,
    max: NonZeroUsize,
    site: Site,
}

impl<P> ReadyChunks<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, max: usize) -> ReadyChunks<P> {
        let max = capacity("ready_chunks(0)", max);
        ReadyChunks { upstream, max, site: Site::here("ready_chunks") }
    }
}

crate::opaque_debug::opaque_debug!(ReadyChunks<P>, max);

impl<P: Publisher> Publisher for ReadyChunks<P> {
    type Item = Vec<P::Item>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Vec<P::Item>, P::Error>>(self, subscriber: S) {
        let ReadyChunks { upstream, max, site } = self;
        join(
            |bell, context| {
                let there = WhatIsThere(PhantomData);
                gathering(upstream, max, UpTo, there, bell.clone(), context, site)
            },
            subscriber,
        );
    }
}

/// A chunk is complete when it was asked for.
struct WhatIsThere<E>(PhantomData<fn() -> E>);

impl<E: 'static> Outside for WhatIsThere<E> {
    type Error = E;
    const SENDS_BEGUN: bool = true;

    fn look(&mut self, occasion: Occasion) -> Word<E> {
        match occasion {
            Occasion::Idle => Word::Complete,
            Occasion::Item | Occasion::Unwanted => Word::Open,
        }
    }
}
