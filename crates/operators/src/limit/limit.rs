//! `limit`: an error where there are too many items.

use std::error::Error;
use std::fmt;

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};

/// An error where there are more than `max` items: [`PublisherExt::limit`](crate::PublisherExt::limit).
///
/// ```text
///         limit(2)
/// up    --1--2--3!
/// down  --1--2--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// [`LimitError::Exceeded`] at item `max + 1`, after upstream was cancelled; those of upstream as
/// [`LimitError::Upstream`].
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds a number. The item beyond the limit is discarded.
///
/// # Examples
/// ```
/// use millstream::limit::LimitError;
/// use millstream::prelude::*;
///
/// // Guards a collection against a stream that does not end.
/// let all = millstream::from_iter(1..).limit(1000).collect::<Vec<_>>().block();
/// assert_eq!(all.unwrap_err().into_error(), Some(LimitError::Exceeded { limit: 1000 }));
/// ```
#[derive(Debug, Clone)]
pub struct Limit {
    limit: u64,
    left: u64,
}

/// How a stream with a limit fails: [`limit`](crate::PublisherExt::limit),
/// [`limit_weighted`](crate::PublisherExt::limit_weighted).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitError<E> {
    /// There was more than the limit allows.
    Exceeded {
        /// The limit.
        limit: u64,
    },
    /// Upstream failed.
    Upstream(E),
}

impl<E> fmt::Display for LimitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitError::Exceeded { limit } => write!(f, "the stream exceeds its limit of {limit}"),
            LimitError::Upstream(_) => f.write_str("the stream failed before its limit"),
        }
    }
}

impl<E: Error + 'static> Error for LimitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LimitError::Exceeded { .. } => None,
            LimitError::Upstream(error) => Some(error),
        }
    }
}

impl Limit {
    pub(crate) fn new(max: u64) -> Limit {
        Limit { limit: max, left: max }
    }
}

impl<T: Send + 'static, E: Send + 'static> Step<T, E> for Limit {
    type Item = T;
    type Error = LimitError<E>;
    type Books = Books<LimitError<E>>;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, LimitError<E>> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Emit::Item(item)
            }
            None => Emit::Reject(item, LimitError::Exceeded { limit: self.limit }),
        }
    }

    fn error(&mut self, error: E) -> Pulled<T, LimitError<E>> {
        Pulled::Error(LimitError::Upstream(error))
    }
}
