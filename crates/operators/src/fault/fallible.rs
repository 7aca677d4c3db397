//! `fallible`: a stream that cannot fail as one that could.

use std::convert::Infallible;
use std::marker::PhantomData;

use millstream_core::Pulled;

use crate::shape::stage::{Emit, NoBooks, Step};

/// A stream that cannot fail as one that could: [`PublisherExt::fallible`](crate::PublisherExt::fallible).
///
/// ```text
///          fallible::<E>()
/// up    --1--2--|     fails with Infallible: never
/// down  --1--2--|     could fail with E, and does not
/// ```
///
/// `from_iter`, `just` and their kin have the error type [`Infallible`]. Where a stage wants
/// publishers that fail in the same way, as `flat_map_unordered` of a function whose publishers can
/// fail, or `merge` with one, it is converted first; the type is mostly inferred. A stage with errors of
/// its own, as `try_map`, does without. For a stream that can fail see
/// [`map_err`](crate::PublisherExt::map_err).
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// None, whatever the type says.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use std::num::ParseIntError;
///
/// use millstream::prelude::*;
///
/// fn parsed(line: &'static str) -> impl Publisher<Item = u32, Error = ParseIntError> {
///     millstream::from_iter(line.split(' ')).try_map(str::parse)
/// }
/// let lines = millstream::from_iter(["1 2", "3"]);
/// let numbers = lines.fallible().concat_map(parsed).chain(millstream::just(4).fallible());
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 2, 3, 4]);
/// # Ok::<(), millstream::Failure<ParseIntError>>(())
/// ```
pub struct Fallible<G> {
    error: PhantomData<fn() -> G>,
}

impl<G> Fallible<G> {
    pub(crate) fn new() -> Fallible<G> {
        Fallible { error: PhantomData }
    }
}

// Not derived: nothing is asked of the error.
impl<G> Clone for Fallible<G> {
    fn clone(&self) -> Self {
        Fallible::new()
    }
}

crate::opaque_debug::opaque_debug!(Fallible<G>);

impl<T, G> Step<T, Infallible> for Fallible<G>
where
    T: Send + 'static,
    G: Send + 'static,
{
    type Item = T;
    type Error = G;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, G> {
        Emit::Item(item)
    }

    fn error(&mut self, never: Infallible) -> Pulled<T, G> {
        match never {}
    }
}
