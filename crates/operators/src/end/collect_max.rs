//! `collect_max`: all items in a collection, of at most so many.

use std::error::Error;
use std::fmt;

use millstream_core::{Cause, Demand, More};

use crate::shape::end::Gather;

/// All items in a collection, of at most so many: [`PublisherExt::collect_max`](crate::PublisherExt::collect_max).
///
/// ```text
///       collect_max(3)
/// up    --1--2--3--|
/// end              [1, 2, 3]
/// ```
///
/// # Demand
/// `k + 1`, to see an item too many.
/// # Completion
/// The collection, when upstream completes.
/// # Errors
/// [`TooMany`]: an item more than `k`, which cancels upstream; or upstream's error. What was
/// collected is dropped.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// `k` items.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let all = millstream::from_iter(1..=3).collect_max::<Vec<_>>(3);
/// assert_eq!(all.block()?, [1, 2, 3]);
///
/// let all = millstream::from_iter(1..).collect_max::<Vec<_>>(3);
/// assert!(all.block().is_err());
/// # Ok::<(), millstream::Failure<millstream::end::TooMany<std::convert::Infallible>>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CollectMax<C> {
    collection: C,
    max: u64,
    left: u64,
    exceeded: bool,
}

impl<C: Default> CollectMax<C> {
    pub(crate) fn new(max: u64) -> CollectMax<C> {
        CollectMax { collection: C::default(), max, left: max, exceeded: false }
    }
}

impl<T, E, C> Gather<T, E> for CollectMax<C>
where
    E: Send + 'static,
    C: Default + Extend<T> + Send + 'static,
{
    type Output = C;
    type Error = TooMany<E>;

    fn demand(&self) -> Demand {
        Demand::of(self.max.saturating_add(1))
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
        if self.left == 0 {
            self.exceeded = true;
            return More::CANCEL;
        }
        self.left -= 1;
        self.collection.extend(Some(item));
        More::NONE
    }

    fn cause(&self) -> Cause {
        if self.exceeded { Cause::Failed } else { Cause::NoMoreNeeded }
    }

    fn finish(self) -> Result<C, TooMany<E>> {
        if self.exceeded { Err(TooMany::Exceeded(self.max)) } else { Ok(self.collection) }
    }

    fn error(self, error: E) -> Result<C, TooMany<E>> {
        Err(TooMany::Upstream(error))
    }
}

/// Why the collection was not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TooMany<E> {
    /// There were more items than this.
    Exceeded(u64),
    /// Upstream failed.
    Upstream(E),
}

impl<E: fmt::Display> fmt::Display for TooMany<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TooMany::Exceeded(max) => write!(f, "more than {max} items"),
            TooMany::Upstream(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TooMany<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TooMany::Upstream(error) => error.source(),
            TooMany::Exceeded(_) => None,
        }
    }
}
