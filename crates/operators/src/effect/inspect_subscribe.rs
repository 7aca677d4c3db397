//! `inspect_subscribe`: a call when somebody subscribes.

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A call when somebody subscribes, before anything else:
/// [`PublisherExt::inspect_subscribe`](crate::PublisherExt::inspect_subscribe).
///
/// ```text
/// f     f()
/// up    ^--1--2--|
/// down  ^--1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function, when nobody is subscribed yet, goes to the hook of
/// [`on_undelivered`](millstream_core::on_undelivered), and whoever awaits the end is told
/// [`SourceDropped`](millstream_core::Fault::SourceDropped).
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
/// let numbers = millstream::from_iter(1..=3).inspect_subscribe(move || sender.send(()).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().count(), 1);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct InspectSubscribe<F> {
    f: F,
}

impl<F> InspectSubscribe<F> {
    pub(crate) fn new(f: F) -> InspectSubscribe<F> {
        InspectSubscribe { f }
    }
}

crate::opaque_debug::opaque_debug!(InspectSubscribe<F>);

impl<T, F> ItemStep<T> for InspectSubscribe<F>
where
    T: Send + 'static,
    F: FnMut() + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn subscribed(&mut self) {
        (self.f)();
    }
}
