//! `cycle`: the items of an iterator, again and again.

use std::iter::Cycle;

use crate::source::{FromIter, from_iter};

/// The items of an iterator, again and again.
///
/// ```text
/// iter  1 2
/// down  ^--r3-1--2--1-----r1-2---
/// ```
///
/// # Demand
/// As [`from_iter`]: one step per item asked for, and one step further where the iterator does
/// not say that it goes on.
/// # Completion
/// Only where the iterator is empty.
/// # Errors
/// None. A panic in the iterator or in its `clone` becomes a fault.
/// # Cancellation
/// The iterator is dropped.
/// # Bounds
/// Holds the iterator twice and at most one item. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let beat = millstream::cycle(["one", "two"]).take(3);
/// assert_eq!(beat.collect::<Vec<_>>().block()?, ["one", "two", "one"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "repeat", alias = "Source.cycle")]
pub fn cycle<I>(iter: I) -> FromIter<Cycle<I::IntoIter>>
where
    I: IntoIterator<IntoIter: Clone + Send + 'static, Item: Send + 'static>,
{
    from_iter(iter.into_iter().cycle())
}
