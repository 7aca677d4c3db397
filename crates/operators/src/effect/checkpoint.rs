//! `checkpoint`: where an error passed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// An error says that it passed here, with a description and the place in the source:
/// [`PublisherExt::checkpoint`](crate::PublisherExt::checkpoint).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--x at checkpoint
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// Upstream's, in an [`AtCheckpoint`].
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds the description.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let orders = millstream::from_iter(1..=2)
///     .fallible::<String>()
///     .checkpoint("read orders");
/// assert_eq!(orders.collect::<Vec<_>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<millstream::effect::AtCheckpoint<String>>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoint {
    description: Cow<'static, str>,
    location: &'static Location<'static>,
}

impl Checkpoint {
    pub(crate) fn new(
        description: Cow<'static, str>,
        location: &'static Location<'static>,
    ) -> Checkpoint {
        Checkpoint { description, location }
    }
}

impl<T, E> Step<T, E> for Checkpoint
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = AtCheckpoint<E>;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, AtCheckpoint<E>> {
        Emit::Item(item)
    }

    fn error(&mut self, error: E) -> Pulled<T, AtCheckpoint<E>> {
        Pulled::Error(AtCheckpoint {
            description: self.description.clone(),
            location: self.location,
            error,
        })
    }
}

/// An error, and the checkpoint that it passed.
#[derive(Debug, Clone)]
pub struct AtCheckpoint<E> {
    /// What the checkpoint says of itself.
    pub description: Cow<'static, str>,
    /// Where the call of [`checkpoint`](crate::PublisherExt::checkpoint) stands.
    pub location: &'static Location<'static>,
    /// What failed.
    pub error: E,
}

impl<E> fmt::Display for AtCheckpoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed at checkpoint `{}` ({})", self.description, self.location)
    }
}

impl<E: Error + 'static> Error for AtCheckpoint<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
