//! `take`: the first items.

use millstream_core::{Credit, Demand, More};

use crate::shape::stage::{Books, Emit, ItemStep};

/// The first `n` items: [`PublisherExt::take`](crate::PublisherExt::take).
///
/// ```text
///         take(2)
/// up    --1--2!
/// down  --1--2|
/// ```
///
/// # Demand
/// As downstream's, but never more than `n` in all: upstream produces nothing in vain.
/// # Completion
/// With the `n`-th item, after upstream was cancelled; at once where `n` is zero.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let first = millstream::from_iter(1..).take(3);
/// assert_eq!(first.collect::<Vec<_>>().block()?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Take {
    left: u64,
    /// How many of them upstream has not been asked for.
    unasked: Credit,
}

impl Take {
    pub(crate) fn new(n: u64) -> Take {
        let mut unasked = Credit::NONE;
        unasked.add(More::of(n));
        Take { left: n, unasked }
    }
}

impl<T: Send + 'static> ItemStep<T> for Take {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.left -= 1;
        if self.left == 0 { Emit::Last(item) } else { Emit::Item(item) }
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if self.left == 0 {
            return More::CANCEL;
        }
        match more.demand() {
            // A limit that does not fit a demand is no limit to it.
            Some(_) if self.unasked.is_unbounded() => more,
            Some(demand) => More::from(Demand::new(self.unasked.spend_up_to(demand.get()))),
            None => More::NONE,
        }
    }
}
