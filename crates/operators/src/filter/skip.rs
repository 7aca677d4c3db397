//! `skip`: all but the first items.

use millstream_core::More;

use crate::shape::stage::{Books, Emit, ItemStep};

/// All but the first `n` items: [`PublisherExt::skip`](crate::PublisherExt::skip).
///
/// ```text
///         skip(2)
/// up    --1--2--3--4--|
/// down  --------3--4--|
/// ```
///
/// # Demand
/// As downstream's. On subscription upstream is asked for the `n` items to be discarded, so that
/// downstream's first request reaches upstream whole.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. The first `n` items are discarded.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let rest = millstream::from_iter(1..=4).skip(2);
/// assert_eq!(rest.collect::<Vec<_>>().block()?, [3, 4]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Skip {
    left: u64,
    asked: bool,
}

impl Skip {
    pub(crate) fn new(n: u64) -> Skip {
        Skip { left: n, asked: false }
    }
}

impl<T: Send + 'static> ItemStep<T> for Skip {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if self.left == 0 {
            return Emit::Item(item);
        }
        self.left -= 1;
        Emit::Discard(item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if std::mem::replace(&mut self.asked, true) {
            return more;
        }
        more.plus(More::of(self.left))
    }
}
