//! `drop_unwanted`: items that come while downstream asks for none are dropped.

use millstream_blocks::purse::{Unwanted, hasty};
use millstream_core::{Publisher, Subscriber};

use crate::shape::hurried::ahead;

/// Items that come while downstream asks for none are dropped:
/// [`PublisherExt::drop_unwanted`](crate::PublisherExt::drop_unwanted).
///
/// ```text
///           drop_unwanted(f)
/// up    --1-2-3-------4-5-|
/// f         2 3         5
/// down  r1-1--------r1-4---|
/// ```
///
/// # Demand
/// Everything. An upstream that is synchronous is asked for what downstream asks, and once for 1024
/// items more.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use std::sync::mpsc;
///
/// let (sends, dropped) = mpsc::channel();
/// let ticks = millstream::range(1..10).drop_unwanted(move |n| sends.send(n).unwrap());
/// assert_eq!(ticks.take(2).collect::<Vec<_>>().block()?, [1, 2]);
/// assert_eq!(dropped.try_iter().count(), 0, "two were asked for, and then it was cancelled");
///
/// let (sends, dropped) = mpsc::channel();
/// let mut cursor = millstream::range(1..4).drop_unwanted(move |n| sends.send(n).unwrap()).cursor();
/// assert_eq!(cursor.block_next()?, None, "nothing was asked for when they came");
/// assert_eq!(dropped.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct DropUnwanted<P, F> {
    upstream: P,
    on_drop: F,
}

impl<P, F> DropUnwanted<P, F> {
    pub(crate) fn new(upstream: P, on_drop: F) -> DropUnwanted<P, F> {
        DropUnwanted { upstream, on_drop }
    }
}

crate::opaque_debug::opaque_debug!(DropUnwanted<P, F>);

impl<P, F> Publisher for DropUnwanted<P, F>
where
    P: Publisher,
    F: FnMut(P::Item) + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let DropUnwanted { upstream, mut on_drop } = self;
        let unwanted = move |item| {
            on_drop(item);
            Unwanted::Dropped
        };
        let ahead = ahead(&upstream);
        upstream.subscribe(hasty(subscriber, ahead, unwanted, |error| error));
    }
}
