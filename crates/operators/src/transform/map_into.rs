//! `map_into`: each item converted.

use std::marker::PhantomData;

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Each item converted into another type: [`PublisherExt::map_into`](crate::PublisherExt::map_into).
///
/// ```text
/// up    --1---2---3---|
/// down  --1.0-2.0-3.0-|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the conversion becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let wide = millstream::from_iter([1u8, 2]).map_into::<u64>();
/// assert_eq!(wide.collect::<Vec<u64>>().block()?, [1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub struct MapInto<U> {
    into: PhantomData<fn() -> U>,
}

impl<U> MapInto<U> {
    pub(crate) fn new() -> MapInto<U> {
        MapInto { into: PhantomData }
    }
}

impl<U> Clone for MapInto<U> {
    fn clone(&self) -> Self {
        MapInto::new()
    }
}

crate::opaque_debug::opaque_debug!(MapInto<U>);

impl<T, U> ItemStep<T> for MapInto<U>
where
    T: Into<U> + Send + 'static,
    U: Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        Emit::Item(item.into())
    }
}
