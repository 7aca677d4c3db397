//! `reduce`: all items folded into one, beginning with the first.

use millstream_core::More;

use crate::shape::end::Gather;

/// All items folded into one, beginning with the first: [`PublisherExt::reduce`](crate::PublisherExt::reduce).
///
/// ```text
/// up    --1--2--3--|
/// end              Some(6)
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// What came of it, when upstream completes; `None` where there was no item.
/// # Errors
/// As upstream. A panic in the function is a fault.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let sum = millstream::from_iter(1..=3).reduce(|a, b| a + b);
/// assert_eq!(sum.block()?, Some(6));
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Reduce<T, F> {
    item: Option<T>,
    f: F,
}

impl<T, F> Reduce<T, F> {
    pub(crate) fn new(f: F) -> Reduce<T, F> {
        Reduce { item: None, f }
    }
}

crate::opaque_debug::opaque_debug!(Reduce<T, F>);

impl<T, E, F> Gather<T, E> for Reduce<T, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(T, T) -> T + Send + 'static,
{
    type Output = Option<T>;
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        self.item = Some(match self.item.take() {
            Some(before) => (self.f)(before, item),
            None => item,
        });
        More::NONE
    }

    fn finish(self) -> Result<Option<T>, E> {
        Ok(self.item)
    }

    fn error(self, error: E) -> Result<Option<T>, E> {
        Err(error)
    }
}
