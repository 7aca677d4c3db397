//! `pending`: no signal at all.

use std::convert::Infallible;
use std::marker::PhantomData;

use millstream_blocks::island::emit;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

/// No item and no end.
///
/// ```text
/// down  ^--r5-----!
/// ```
///
/// # Demand
/// Any is accepted, none is served.
/// # Completion
/// Never.
/// # Errors
/// None.
/// # Cancellation
/// The subscriber is dropped. That is the only way to end it.
/// # Bounds
/// Holds nothing. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// // `take` ends what does not end by itself.
/// let nothing = millstream::pending::<u32>().take(0);
/// assert_eq!(nothing.collect::<Vec<_>>().block()?, []);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "never")]
pub fn pending<T: Send + 'static>() -> Pending<T> {
    Pending { item: PhantomData }
}

/// The publisher of [`pending`]. It is not pulled: one that is held in place has its items at hand.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Pending<T> {
    item: PhantomData<fn() -> T>,
}

impl<T> Clone for Pending<T> {
    fn clone(&self) -> Self {
        Pending { item: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(Pending<T>);

impl<T: Send + 'static> Publisher for Pending<T> {
    type Item = T;
    type Error = Infallible;

    fn subscribe<S: Subscriber<T, Infallible>>(self, subscriber: S) {
        emit(Silent(self), subscriber);
    }
}

struct Silent<T>(Pending<T>);

impl<T: Send + 'static> Pull for Silent<T> {
    type Item = T;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<T, Infallible> {
        Pulled::Pending
    }
}
