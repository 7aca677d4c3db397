//! `default_if_empty`: an item in place of none.

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, ItemStep};

/// An item where upstream has none: [`PublisherExt::default_if_empty`](crate::PublisherExt::default_if_empty).
///
/// ```text
///         default_if_empty(9)
/// up    -----|
/// down  -----9|
/// ```
///
/// # Demand
/// As downstream's. The default takes a unit: it is held until there is one.
/// # Completion
/// As upstream; after the default, where upstream was empty.
/// # Errors
/// As upstream, without the default.
/// # Cancellation
/// As downstream. The default is dropped.
/// # Bounds
/// Holds the default, until the first item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let one = millstream::empty().default_if_empty(9);
/// assert_eq!(one.collect::<Vec<_>>().block()?, [9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct DefaultIfEmpty<T> {
    default: Option<T>,
}

impl<T> DefaultIfEmpty<T> {
    pub(crate) fn new(default: T) -> DefaultIfEmpty<T> {
        DefaultIfEmpty { default: Some(default) }
    }
}

crate::opaque_debug::opaque_debug!(DefaultIfEmpty<T>);

impl<T: Send + 'static> ItemStep<T> for DefaultIfEmpty<T> {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.default = None;
        Emit::Item(item)
    }

    fn complete<E>(&mut self) -> Pulled<T, E> {
        self.default.take().map_or(Pulled::Complete, Pulled::Item)
    }
}
