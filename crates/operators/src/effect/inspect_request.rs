//! `inspect_request`: a look at demand.

use millstream_core::{Demand, More};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A look at the demand that goes upstream:
/// [`PublisherExt::inspect_request`](crate::PublisherExt::inspect_request).
///
/// ```text
/// up    r2-1--2--r1-3--|
/// f     2        1
/// down  r2-1--2--r1-3--|
/// ```
///
/// # Demand
/// As downstream's. Both what is asked from outside and what is answered to an item are shown.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).take(2).inspect_request(move |n| sender.send(n.get()).unwrap());
/// numbers.take(5).collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectRequest<F> {
    f: F,
}

impl<F> InspectRequest<F> {
    pub(crate) fn new(f: F) -> InspectRequest<F> {
        InspectRequest { f }
    }
}

crate::opaque_debug::opaque_debug!(InspectRequest<F>);

impl<T, F> ItemStep<T> for InspectRequest<F>
where
    T: Send + 'static,
    F: FnMut(Demand) + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if let Some(demand) = more.demand() {
            (self.f)(demand);
        }
        more
    }
}
