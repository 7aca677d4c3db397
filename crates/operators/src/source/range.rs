//! `range`: consecutive numbers.

use std::ops::Range;

use crate::source::{FromIter, from_iter};

/// Consecutive numbers: [`from_iter`] over a range, under the name that readers look for.
///
/// ```text
/// down  ^-r2-0--1-----r1-2|
/// ```
///
/// # Demand
/// One number per item asked for.
/// # Completion
/// With the last number, without further demand; an empty range completes at once.
/// # Errors
/// None.
/// # Cancellation
/// Nothing is dropped but the range.
/// # Bounds
/// Holds the range. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::range(0..3).collect::<Vec<_>>().block()?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub fn range<T: Send + 'static>(range: Range<T>) -> FromIter<Range<T>>
where
    Range<T>: Iterator<Item = T>,
{
    from_iter(range)
}
