//! `repeat_value`: the same item for ever.

use std::iter::Repeat;

use crate::source::{FromIter, from_iter};

/// The same item, for ever.
///
/// ```text
/// down  ^--r2-x--x-----r1-x---
/// ```
///
/// # Demand
/// One clone per item asked for.
/// # Completion
/// Never.
/// # Errors
/// None. A panic in `clone` becomes a fault.
/// # Cancellation
/// The item is dropped.
/// # Bounds
/// Holds the item. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let line = millstream::repeat_value('-').take(5);
/// assert_eq!(line.collect::<String>().block()?, "-----");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "repeat", alias = "Source.repeat")]
pub fn repeat_value<T: Clone + Send + 'static>(item: T) -> FromIter<Repeat<T>> {
    from_iter(std::iter::repeat(item))
}
