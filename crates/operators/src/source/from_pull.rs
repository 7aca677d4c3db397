//! `from_pull`: a source of the user's own.

use std::fmt;

use millstream_blocks::island::emit;
use millstream_core::{Context, Publisher, Pull, Subscriber};

/// A publisher of anything that implements [`Pull`]: the library does the protocol.
///
/// ```text
/// pull  1 2 3
/// down  ^-r2-1--2-----r1-3--r1-|
/// ```
///
/// # Demand
/// One [`pull`](Pull::pull) for each item asked for, none without demand. When the demand is
/// used up [`look_ahead`](Pull::look_ahead) is called.
/// # Completion
/// When a pull says so, or a look ahead, which needs no demand.
/// # Errors
/// When a pull says so, or a look ahead. A panic in either becomes a fault.
/// # Cancellation
/// The source is dropped before the next pull.
/// # Bounds
/// Holds the source and at most one item that a look ahead gave. One allocation per
/// subscription. A source that says [`Pulled::Pending`](millstream_core::Pulled::Pending) from a
/// pull is pulled again at the next request.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
/// use millstream::prelude::*;
/// use millstream::{Pull, Pulled};
///
/// struct Countdown(u32);
///
/// impl Pull for Countdown {
///     type Item = u32;
///     type Error = Infallible;
///     fn pull(&mut self) -> Pulled<u32, Infallible> {
///         match self.0.checked_sub(1) {
///             Some(less) => Pulled::Item(std::mem::replace(&mut self.0, less)),
///             None => Pulled::Complete,
///         }
///     }
/// }
///
/// let numbers = millstream::from_pull(Countdown(3));
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [3, 2, 1]);
/// # Ok::<(), millstream::Failure<Infallible>>(())
/// ```
#[doc(alias = "fromGraph")]
pub fn from_pull<P: Pull>(pull: P) -> FromPull<P> {
    FromPull { pull }
}

/// The publisher of [`from_pull`], and of the synchronous sources of the library.
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromPull<P> {
    pull: P,
}

impl<P> fmt::Debug for FromPull<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromPull")
    }
}

impl<P: Pull> Publisher for FromPull<P> {
    type Item = P::Item;
    type Error = P::Error;
    const PULLS: bool = true;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        emit(self.pull, subscriber);
    }

    fn into_pull(self, _: Context) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Self> {
        Ok::<_, Self>(self.pull)
    }
}
