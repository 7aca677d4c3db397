//! `skip_errors`: what is right of items that are results.

use crate::shape::stage::{Books, Emit, ItemStep};

/// What is right of items that are results, without those that are errors:
/// [`PublisherExt::skip_errors`](crate::PublisherExt::skip_errors).
///
/// ```text
/// up        --Ok(1)--Err(e)--Ok(3)--|
/// on_error           e
/// down      --1--------------3------|
/// ```
///
/// It is for one item that cannot be read, among many that can. The error is that of an item, and
/// is at hand where the item was; the error of the stream is another, and its end. So what decides to
/// go on stands in the pipeline at the place that it is about. `onErrorContinue` of Reactor and the
/// supervision strategies of Akka decide for stages further up, which have to know how to go on, do
/// not all know it, and have lost their state or their item when they do not.
///
/// # Demand
/// As downstream's, and one more for each item that is an error.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream: its errors do not come to the function. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. What becomes of an error is the function's business.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
///
/// use millstream::prelude::*;
///
/// let (sender, bad) = channel();
/// let numbers = millstream::from_iter(["1", "two", "3"])
///     .map(|text| text.parse::<u32>().map_err(|error| (text, error)))
///     .skip_errors(move |(text, _)| sender.send(text).unwrap());
/// assert_eq!(numbers.collect::<Vec<_>>().block()?, [1, 3]);
/// assert_eq!(bad.iter().collect::<Vec<_>>(), ["two"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct SkipErrors<F> {
    on_error: F,
}

impl<F> SkipErrors<F> {
    pub(crate) fn new(on_error: F) -> SkipErrors<F> {
        SkipErrors { on_error }
    }
}

crate::opaque_debug::opaque_debug!(SkipErrors<F>);

impl<T, X, F> ItemStep<Result<T, X>> for SkipErrors<F>
where
    T: Send + 'static,
    X: Send + 'static,
    F: FnMut(X) + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: Result<T, X>) -> Emit<T, Result<T, X>, E> {
        match item {
            Ok(item) => Emit::Item(item),
            Err(error) => {
                (self.on_error)(error);
                Emit::KeepAsking
            }
        }
    }
}
