//! `empty`: no item.

use std::convert::Infallible;
use std::marker::PhantomData;

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// No item: complete at once.
///
/// ```text
/// down  ^|
/// ```
///
/// # Demand
/// None is needed.
/// # Completion
/// Right after the subscription was handed out.
/// # Errors
/// None.
/// # Cancellation
/// There is nothing to cancel.
/// # Bounds
/// Holds nothing. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let nothing = millstream::empty::<u32>();
/// assert_eq!(nothing.collect::<Vec<_>>().block()?, []);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub fn empty<T: Send + 'static>() -> FromPull<Empty<T>> {
    from_pull(Empty { item: PhantomData })
}

/// The source of [`empty`].
pub struct Empty<T> {
    item: PhantomData<fn() -> T>,
}

impl<T> Clone for Empty<T> {
    fn clone(&self) -> Self {
        Empty { item: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(Empty<T>);

impl<T: Send + 'static> Pull for Empty<T> {
    type Item = T;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<T, Infallible> {
        Pulled::Complete
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<T, Infallible> {
        Pulled::Complete
    }
}
