//! `just`: one item.

use std::convert::Infallible;

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// One item.
///
/// ```text
/// down  ^--r1-x|
/// ```
///
/// # Demand
/// The item is sent on the first request.
/// # Completion
/// With the item, without further demand.
/// # Errors
/// None.
/// # Cancellation
/// The item is dropped, if it was not sent.
/// # Bounds
/// Holds the item. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::just(7).collect::<Vec<_>>().block()?, [7]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "once", alias = "single")]
pub fn just<T: Send + 'static>(item: T) -> FromPull<Just<T>> {
    from_pull(Just { item: Some(item) })
}

/// The source of [`just`].
#[derive(Clone)]
pub struct Just<T> {
    item: Option<T>,
}

crate::opaque_debug::opaque_debug!(Just<T>);

impl<T: Send + 'static> Pull for Just<T> {
    type Item = T;
    type Error = Infallible;

    #[inline]
    fn pull(&mut self) -> Pulled<T, Infallible> {
        match self.item.take() {
            Some(item) => Pulled::Item(item),
            None => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<T, Infallible> {
        if self.item.is_none() { Pulled::Complete } else { Pulled::Pending }
    }
}
