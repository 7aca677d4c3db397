//! `successors`: each item from the one before.

use std::iter::Successors;

use crate::source::{FromIter, from_iter};

/// `first`, and then what the function makes of each item, until it makes `None`.
///
/// ```text
/// f     1 → 2 → 4 → None
/// down  ^--r2-1--2------r1-4|
/// ```
///
/// # Demand
/// One call for each item asked for: with an item, the next one is made from it, and held.
/// # Completion
/// With the last item, without further demand; at once where `first` is `None`.
/// # Errors
/// None. A panic in the function becomes a fault, and the item it was given is not sent.
/// # Cancellation
/// The next item is dropped.
/// # Bounds
/// Holds one item. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let powers = millstream::successors(Some(1u8), |n| n.checked_mul(4));
/// assert_eq!(powers.collect::<Vec<_>>().block()?, [1, 4, 16, 64]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "iterate")]
pub fn successors<T, F>(first: Option<T>, f: F) -> FromIter<Successors<T, F>>
where
    T: Send + 'static,
    F: FnMut(&T) -> Option<T> + Send + 'static,
{
    from_iter(std::iter::successors(first, f))
}
