//! `inspect`: a look at each item.

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A look at each item:
/// [`PublisherExt::inspect`](crate::PublisherExt::inspect).
///
/// ```text
/// up    --1--2--3--|
/// f       1  2  3
/// down  --1--2--3--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).inspect(move |n| sender.send(*n).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Inspect<F> {
    f: F,
}

impl<F> Inspect<F> {
    pub(crate) fn new(f: F) -> Inspect<F> {
        Inspect { f }
    }
}

crate::opaque_debug::opaque_debug!(Inspect<F>);

impl<T, F> ItemStep<T> for Inspect<F>
where
    T: Send + 'static,
    F: FnMut(&T) + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        (self.f)(&item);
        Emit::Item(item)
    }
}
