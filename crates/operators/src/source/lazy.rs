//! `lazy`: a synchronous publisher that is made on the first request.

use millstream_blocks::island::emit;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::source::late::late;

/// A synchronous publisher that is made on the first request.
///
/// ```text
/// f                → 1 2
/// down  ^-------r1-1---r1-2|
/// ```
///
/// It takes publishers that can be [pulled](Publisher::PULLS): sources of this family and
/// stages after them. Any other does not compile; [`defer`](crate::source::defer) takes them
/// all, and makes them on subscription.
///
/// ```compile_fail,E0080
/// use millstream::prelude::*;
///
/// // Whether a boxed publisher can be pulled is not known before there is one.
/// let boxed = millstream::lazy(|| millstream::just(1).boxed());
/// let _ = boxed.collect::<Vec<_>>().block();
/// ```
///
/// # Demand
/// The first request calls the function; then as the publisher it made.
/// # Completion
/// As the publisher. It needs a request even where the publisher is empty.
/// # Errors
/// As the publisher. A panic in the function becomes a fault.
/// # Cancellation
/// As the publisher; before the first request the function is dropped without a call.
/// # Bounds
/// Holds nothing of its own. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let squares = millstream::lazy(|| millstream::range(1..4).map(|n| n * n));
/// assert_eq!(squares.collect::<Vec<_>>().block()?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "lazySource")]
pub fn lazy<P, F>(f: F) -> Lazy<F>
where
    P: Publisher,
    F: FnOnce() -> P + Send + 'static,
{
    const {
        assert!(P::PULLS, "`lazy` takes a publisher that can be pulled; `defer` takes any");
    }
    Lazy { f }
}

/// The publisher of [`lazy`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Lazy<F> {
    f: F,
}

crate::opaque_debug::opaque_debug!(Lazy<F>);

impl<P, F> Publisher for Lazy<F>
where
    P: Publisher,
    F: FnOnce() -> P + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;
    const PULLS: bool = true;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        emit(late(self.f, subscriber.context(), false), subscriber);
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Self> {
        Ok::<_, Self>(late(self.f, context, false))
    }
}
