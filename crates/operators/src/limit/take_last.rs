//! `take_last`: the last items.

use std::collections::VecDeque;

use millstream_core::{More, Pulled};

use crate::shape::stage::{Books, Emit, ItemStep};

/// The last `n` items: [`PublisherExt::take_last`](crate::PublisherExt::take_last).
///
/// ```text
///         take_last(2)
/// up    --1--2--3--|
/// down  -----------2--3|
/// ```
///
/// # Demand
/// Unbounded upstream, on subscription: the last items are known at the end. They are then sent as
/// downstream asks for them.
/// # Completion
/// After the last item; with upstream, where there is none.
/// # Errors
/// As upstream, at once; the items held are discarded.
/// # Cancellation
/// As downstream. The items held are discarded.
/// # Bounds
/// Holds `n` items. Items that are not among the last are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let tail = millstream::from_iter(1..=4).take_last(2);
/// assert_eq!(tail.collect::<Vec<_>>().block()?, [3, 4]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct TakeLast<T> {
    n: usize,
    asked: bool,
    kept: VecDeque<T>,
}

impl<T> TakeLast<T> {
    pub(crate) fn new(n: usize) -> TakeLast<T> {
        TakeLast { n, asked: false, kept: VecDeque::new() }
    }
}

crate::opaque_debug::opaque_debug!(TakeLast<T>, n);

impl<T: Send + 'static> ItemStep<T> for TakeLast<T> {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.kept.push_back(item);
        if self.kept.len() <= self.n {
            return Emit::Keep;
        }
        self.kept.pop_front().map_or(Emit::Keep, Emit::Discard)
    }

    fn demand(&mut self, _: More) -> More {
        if std::mem::replace(&mut self.asked, true) { More::NONE } else { More::UNBOUNDED }
    }

    fn complete<E>(&mut self) -> Pulled<T, E> {
        self.kept.pop_front().map_or(Pulled::Complete, Pulled::Item)
    }

    fn held(&mut self) -> Option<T> {
        self.kept.pop_front()
    }
}
