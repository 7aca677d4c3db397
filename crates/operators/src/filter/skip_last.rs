//! `skip_last`: all but the last items.

use std::collections::VecDeque;

use millstream_core::More;

use crate::shape::stage::{Books, Emit, ItemStep};

/// All but the last `n` items: [`PublisherExt::skip_last`](crate::PublisherExt::skip_last).
///
/// ```text
///         skip_last(2)
/// up    --1--2--3--4--|
/// down  --------1--2--|
/// ```
///
/// # Demand
/// As downstream's. On subscription upstream is asked for `n` items more, which fill the store.
/// # Completion
/// As upstream. The last `n` items are discarded.
/// # Errors
/// As upstream, at once; the items held are discarded.
/// # Cancellation
/// As downstream. The items held are discarded.
/// # Bounds
/// Holds `n` items.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let head = millstream::from_iter(1..=4).skip_last(2);
/// assert_eq!(head.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct SkipLast<T> {
    n: usize,
    asked: bool,
    kept: VecDeque<T>,
}

impl<T> SkipLast<T> {
    pub(crate) fn new(n: usize) -> SkipLast<T> {
        SkipLast { n, asked: false, kept: VecDeque::new() }
    }
}

crate::opaque_debug::opaque_debug!(SkipLast<T>, n);

impl<T: Send + 'static> ItemStep<T> for SkipLast<T> {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.kept.push_back(item);
        if self.kept.len() <= self.n {
            return Emit::Keep;
        }
        self.kept.pop_front().map_or(Emit::Keep, Emit::Item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if std::mem::replace(&mut self.asked, true) {
            return more;
        }
        more.plus(More::of(self.n as u64))
    }

    fn held(&mut self) -> Option<T> {
        self.kept.pop_front()
    }
}
