//! `inspect_first`: a look at the first item.

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A look at the first item:
/// [`PublisherExt::inspect_first`](crate::PublisherExt::inspect_first).
///
/// ```text
/// up    --1--2--3--|
/// f       1
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
/// let numbers = millstream::from_iter(1..=3).inspect_first(move |n| sender.send(*n).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [1]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectFirst<F> {
    f: F,
    seen: bool,
}

impl<F> InspectFirst<F> {
    pub(crate) fn new(f: F) -> InspectFirst<F> {
        InspectFirst { f, seen: false }
    }
}

crate::opaque_debug::opaque_debug!(InspectFirst<F>);

impl<T, F> ItemStep<T> for InspectFirst<F>
where
    T: Send + 'static,
    F: FnMut(&T) + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        if !std::mem::replace(&mut self.seen, true) {
            (self.f)(&item);
        }
        Emit::Item(item)
    }
}
