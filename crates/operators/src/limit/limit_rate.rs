//! `limit_rate`: upstream never owes more than so many items.

use millstream_core::{Credit, More};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Upstream never owes more than `high` items, and is asked again when it owes `low`:
/// [`PublisherExt::limit_rate`](crate::PublisherExt::limit_rate).
///
/// ```text
///         limit_rate(4, 1)         downstream asks for 100
/// up    --1-2-3-4-5-6-7-8-9--      asked for 4; for 3 after the third, the sixth, the ninth
/// down  --1-2-3-4-5-6-7-8-9--
/// ```
///
/// It holds back demand, not items: there is no queue, and upstream is never asked for more than
/// downstream wants. For a source that fetches as much as it is asked for: pages of a table,
/// messages of a broker. To ask *before* downstream asks, see
/// [`prefetch`](crate::PublisherExt::prefetch).
///
/// # Demand
/// As downstream's, in pieces: as much as upstream may owe, `high` at most, whenever it owes `low`
/// or less. With `low` zero the next piece is asked for when the one before has come.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds two numbers.
/// # Panics
/// When `low` is not less than `high`; so `high` is at least one.
///
/// # Examples
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use millstream::prelude::*;
///
/// let asked = Arc::new(Mutex::new(Vec::new()));
/// let log = asked.clone();
/// let items = millstream::from_iter(1..=8)
///     .inspect_request(move |n| log.lock().unwrap().push(n.get()))
///     .limit_rate(4, 1)
///     .collect::<Vec<_>>();
/// assert_eq!(items.block()?, [1, 2, 3, 4, 5, 6, 7, 8]);
/// assert_eq!(*asked.lock().unwrap(), [4, 3, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LimitRate {
    high: u64,
    low: u64,
    /// What upstream was asked for and has not sent.
    outstanding: u64,
    /// What downstream wants and upstream was not asked for.
    withheld: Credit,
}

impl LimitRate {
    #[track_caller]
    pub(crate) fn new(high: u64, low: u64) -> LimitRate {
        assert!(
            low < high,
            "limit_rate({high}, {low}): upstream is asked again when it owes no more than the \
             second number, which must be less than the first"
        );
        LimitRate { high, low, outstanding: 0, withheld: Credit::NONE }
    }
}

impl<T: Send + 'static> ItemStep<T> for LimitRate {
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        // Where it is pulled, nothing was asked for.
        self.outstanding = self.outstanding.saturating_sub(1);
        Emit::Item(item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        self.withheld.add(more);
        if self.outstanding > self.low {
            return More::NONE;
        }
        let piece = self.withheld.spend_up_to(self.high - self.outstanding);
        self.outstanding += piece;
        More::of(piece)
    }
}
