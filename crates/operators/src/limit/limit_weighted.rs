//! `limit_weighted`: an error where the items weigh too much.

use millstream_core::Pulled;

use crate::limit::LimitError;
use crate::shape::stage::{Books, Emit, Step};

/// An error where the items weigh more than `max` in all: [`PublisherExt::limit_weighted`](crate::PublisherExt::limit_weighted).
///
/// ```text
///         limit_weighted(10, |n| *n)
/// up    --5--3--4!
/// down  --5--3--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// [`LimitError::Exceeded`] at the item that goes beyond `max`, after upstream was cancelled;
/// those of upstream as [`LimitError::Upstream`]. A panic in the function becomes a fault.
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
/// let lines = millstream::from_iter(["one", "three"]).limit_weighted(7, |line| line.len() as u64);
/// let error = lines.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(error.into_error(), Some(LimitError::Exceeded { limit: 7 }));
/// ```
#[derive(Clone)]
pub struct LimitWeighted<F> {
    limit: u64,
    left: u64,
    weight: F,
}

impl<F> LimitWeighted<F> {
    pub(crate) fn new(max: u64, weight: F) -> LimitWeighted<F> {
        LimitWeighted { limit: max, left: max, weight }
    }
}

crate::opaque_debug::opaque_debug!(LimitWeighted<F>, limit, left);

impl<T, E, F> Step<T, E> for LimitWeighted<F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&T) -> u64 + Send + 'static,
{
    type Item = T;
    type Error = LimitError<E>;
    type Books = Books<LimitError<E>>;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, LimitError<E>> {
        match self.left.checked_sub((self.weight)(&item)) {
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
