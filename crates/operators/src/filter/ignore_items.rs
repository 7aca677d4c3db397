//! `ignore_items`: the end alone.

use millstream_core::More;

use crate::shape::stage::{Books, Emit, ItemStep};

/// The end alone, without the items: [`PublisherExt::ignore_items`](crate::PublisherExt::ignore_items).
///
/// ```text
/// up    --1--2--3--|
/// down  -----------|
/// ```
///
/// # Demand
/// Unbounded, on subscription. Downstream's is not needed.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. All items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let end = millstream::from_iter(1..=3).ignore_items();
/// assert_eq!(end.collect::<Vec<_>>().block()?, []);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct IgnoreItems {
    asked: bool,
}

impl IgnoreItems {
    pub(crate) fn new() -> IgnoreItems {
        IgnoreItems { asked: false }
    }
}

impl<T: Send + 'static> ItemStep<T> for IgnoreItems {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Discard(item)
    }

    fn demand(&mut self, _: More) -> More {
        if std::mem::replace(&mut self.asked, true) { More::NONE } else { More::UNBOUNDED }
    }
}
