//! `try_map`: each item through a function that can fail.

use std::marker::PhantomData;

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};
use crate::transform::FromUpstream;

/// Each item through a function that can fail: [`PublisherExt::try_map`](crate::PublisherExt::try_map).
///
/// ```text
/// up    --1--2--3!
/// f       a  b  Err(e)
/// down  --a--b--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// The error of the function, after upstream was cancelled; and those of upstream, as
/// [`FromUpstream`] says. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbers = millstream::from_iter(["1", "2", "three"]).try_map(|text| text.parse::<u32>());
/// let error = numbers.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
///
/// `?` converts errors, so nothing says into which type in `|text| Ok(text.parse()?)`, and the compiler
/// complains of `!`, or wants type annotations. The closure says what it returns:
///
/// ```
/// use millstream::prelude::*;
///
/// type BoxError = Box<dyn std::error::Error + Send + Sync>;
///
/// let numbers = millstream::from_iter(["1", "2"])
///     .try_map(|text| -> Result<u32, BoxError> { Ok(text.parse()?) });
/// assert_eq!(numbers.fold(0, |sum, n| sum + n).block()?, 3);
/// # Ok::<(), millstream::Failure<BoxError>>(())
/// ```
pub struct TryMap<F, How> {
    f: F,
    how: PhantomData<fn() -> How>,
}

impl<F, How> TryMap<F, How> {
    pub(crate) fn new(f: F) -> TryMap<F, How> {
        TryMap { f, how: PhantomData }
    }
}

impl<F: Clone, How> Clone for TryMap<F, How> {
    fn clone(&self) -> Self {
        TryMap::new(self.f.clone())
    }
}

crate::opaque_debug::opaque_debug!(TryMap<F, How>);

impl<T, E, U, G, F, How> Step<T, E> for TryMap<F, How>
where
    T: Send + 'static,
    E: Send + 'static,
    U: Send + 'static,
    G: FromUpstream<E, How> + Send + 'static,
    F: FnMut(T) -> Result<U, G> + Send + 'static,
    How: 'static,
{
    type Item = U;
    type Error = G;
    type Books = Books<G>;

    #[inline]
    fn next(&mut self, item: T) -> Emit<U, T, G> {
        match (self.f)(item) {
            Ok(item) => Emit::Item(item),
            Err(error) => Emit::Error(error),
        }
    }

    fn error(&mut self, error: E) -> Pulled<U, G> {
        Pulled::Error(G::from_upstream(error))
    }
}
