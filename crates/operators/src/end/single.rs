//! `single`: the item of a stream that has exactly one.

use std::error::Error;
use std::fmt;

use millstream_core::{Cause, Demand, More};

use crate::shape::end::Gather;

/// The item of a stream that has exactly one: [`PublisherExt::single`](crate::PublisherExt::single).
///
/// ```text
/// up    --1--|
/// end        1
/// ```
///
/// # Demand
/// Two, to see a second item.
/// # Completion
/// The item, when upstream completes.
/// # Errors
/// [`SingleError`]: no item; a second one, which cancels upstream; or upstream's error.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter([7]).single().block()?, 7);
/// # Ok::<(), millstream::Failure<millstream::end::SingleError<std::convert::Infallible>>>(())
/// ```
#[derive(Clone)]
pub struct Single<T> {
    item: Option<T>,
    many: bool,
}

impl<T> Single<T> {
    pub(crate) fn new() -> Single<T> {
        Single { item: None, many: false }
    }
}

crate::opaque_debug::opaque_debug!(Single<T>);

impl<T, E> Gather<T, E> for Single<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = T;
    type Error = SingleError<E>;

    fn demand(&self) -> Demand {
        Demand::of(2)
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
        if self.item.is_some() {
            self.many = true;
            return More::CANCEL;
        }
        self.item = Some(item);
        More::NONE
    }

    fn cause(&self) -> Cause {
        if self.many { Cause::Failed } else { Cause::NoMoreNeeded }
    }

    fn finish(self) -> Result<T, SingleError<E>> {
        match self.item {
            Some(item) if !self.many => Ok(item),
            Some(_) => Err(SingleError::Many),
            None => Err(SingleError::Empty),
        }
    }

    fn error(self, error: E) -> Result<T, SingleError<E>> {
        Err(SingleError::Upstream(error))
    }
}

/// Why there is no single item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SingleError<E> {
    /// There was no item.
    Empty,
    /// There was a second item.
    Many,
    /// Upstream failed.
    Upstream(E),
}

impl<E: fmt::Display> fmt::Display for SingleError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SingleError::Empty => f.write_str("expected one item, got none"),
            SingleError::Many => f.write_str("expected one item, got more"),
            SingleError::Upstream(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for SingleError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SingleError::Upstream(error) => error.source(),
            SingleError::Empty | SingleError::Many => None,
        }
    }
}
