//! `on_error_return`: one item in place of an error.

use std::convert::Infallible;

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};

/// One item in place of an error:
/// [`PublisherExt::on_error_return`](crate::PublisherExt::on_error_return).
///
/// ```text
///         on_error_return(0)
/// up    --1--2--x
/// down  --1--2--0|
/// ```
///
/// # Demand
/// As downstream's; the item waits until there is demand for it.
/// # Completion
/// As upstream, or with the item.
/// # Errors
/// None. Faults pass.
/// # Cancellation
/// As downstream; the item is dropped.
/// # Bounds
/// Holds the one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(1..=2).on_error_return(0);
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct OnErrorReturn<T> {
    item: Option<T>,
}

impl<T> OnErrorReturn<T> {
    pub(crate) fn new(item: T) -> OnErrorReturn<T> {
        OnErrorReturn { item: Some(item) }
    }
}

crate::opaque_debug::opaque_debug!(OnErrorReturn<T>);

impl<T, E> Step<T, E> for OnErrorReturn<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = Infallible;
    type Books = Books<Infallible>;
    const HOLDS: bool = true;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, Infallible> {
        Emit::Item(item)
    }

    fn error(&mut self, _: E) -> Pulled<T, Infallible> {
        match self.item.take() {
            Some(item) => Pulled::Item(item),
            None => Pulled::Complete,
        }
    }
}
