//! `error_on_overflow`: an item that comes while downstream asks for none is an error.

use std::marker::PhantomData;

use millstream_blocks::purse::{Unwanted, hasty};
use millstream_core::{Publisher, Subscriber};

use crate::shape::hurried::ahead;
use crate::transform::FromUpstream;

/// An item that comes while downstream asks for none is an error:
/// [`PublisherExt::error_on_overflow`](crate::PublisherExt::error_on_overflow).
///
/// ```text
///           error_on_overflow(f)
/// up    --1-2-3!
/// f           3
/// down  r2-1-2-x
/// ```
///
/// For streams of which no item may be missing, from a source that cannot be slowed down.
///
/// # Demand
/// Everything. An upstream that is synchronous is asked for what downstream asks, and for 1024 items
/// more.
/// # Completion
/// As upstream.
/// # Errors
/// What the function makes of the item that nobody asked for, after upstream was cancelled; and
/// those of upstream, as [`FromUpstream`] says. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut cursor = millstream::just(7).error_on_overflow(|n| format!("{n} was too early")).cursor();
/// let failure = cursor.block_next().unwrap_err();
/// assert_eq!(failure.into_error().as_deref(), Some("7 was too early"));
/// ```
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ErrorOnOverflow<P, F, How> {
    upstream: P,
    error: F,
    how: PhantomData<fn() -> How>,
}

impl<P, F, How> ErrorOnOverflow<P, F, How> {
    pub(crate) fn new(upstream: P, error: F) -> ErrorOnOverflow<P, F, How> {
        ErrorOnOverflow { upstream, error, how: PhantomData }
    }
}

impl<P: Clone, F: Clone, How> Clone for ErrorOnOverflow<P, F, How> {
    fn clone(&self) -> Self {
        ErrorOnOverflow::new(self.upstream.clone(), self.error.clone())
    }
}

crate::opaque_debug::opaque_debug!(ErrorOnOverflow<P, F, How>);

impl<P, G, F, How> Publisher for ErrorOnOverflow<P, F, How>
where
    P: Publisher,
    G: FromUpstream<P::Error, How> + Send + 'static,
    F: FnMut(P::Item) -> G + Send + 'static,
    How: 'static,
{
    type Item = P::Item;
    type Error = G;

    fn subscribe<S: Subscriber<P::Item, G>>(self, subscriber: S) {
        let ErrorOnOverflow { upstream, mut error, .. } = self;
        let unwanted = move |item| Unwanted::Fails(error(item));
        let ahead = ahead(&upstream);
        upstream.subscribe(hasty(subscriber, ahead, unwanted, G::from_upstream));
    }
}
