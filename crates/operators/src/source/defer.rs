//! `defer`: a publisher that is made on subscription.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::source::broken::broken;
use crate::source::late::late;

/// A publisher that is made anew for each subscription.
///
/// ```text
/// f     → 1 2
/// down  ^--r1-1---r1-2|
/// ```
///
/// # Demand
/// As the publisher; the function is called on subscription, before any demand.
/// # Completion
/// As the publisher.
/// # Errors
/// As the publisher. A panic in the function reaches the subscriber as a fault, after its
/// subscription.
/// # Cancellation
/// As the publisher.
/// # Bounds
/// Holds nothing of its own, and allocates nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut calls = 0;
/// let fresh = millstream::defer(move || {
///     calls += 1;
///     millstream::just(calls)
/// });
/// assert_eq!(fresh.clone().collect::<Vec<_>>().block()?, [1]);
/// assert_eq!(fresh.collect::<Vec<_>>().block()?, [1]); // each clone has its own state
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "lazily", alias = "Source.lazySource")]
pub fn defer<P, F>(f: F) -> Defer<F>
where
    P: Publisher,
    F: FnOnce() -> P + Send + 'static,
{
    Defer { f }
}

/// The publisher of [`defer`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Defer<F> {
    f: F,
}

crate::opaque_debug::opaque_debug!(Defer<F>);

impl<P, F> Publisher for Defer<F>
where
    P: Publisher,
    F: FnOnce() -> P + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;
    const PULLS: bool = P::PULLS;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        match catch_unwind(AssertUnwindSafe(self.f)) {
            Ok(publisher) => publisher.subscribe(subscriber),
            Err(payload) => broken(payload, subscriber),
        }
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Self> {
        // Not called here: a panic belongs to whoever pulls.
        if P::PULLS { Ok(late(self.f, context, true)) } else { Err(self) }
    }
}
