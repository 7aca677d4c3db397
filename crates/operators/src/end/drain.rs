//! `drain`: all items dropped, to run the stream to its end.

use millstream_core::More;

use crate::shape::end::Gather;

/// All items dropped, to run the stream to its end: [`PublisherExt::drain`](crate::PublisherExt::drain).
///
/// ```text
/// up    --1--2--3--|
/// end              ()
/// ```
///
/// # Demand
/// Unbounded.
/// # Completion
/// When upstream completes.
/// # Errors
/// As upstream.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// millstream::from_iter(1..=3).drain().block()?;
/// assert_eq!(millstream::from_iter(1..=3).count().block()?, 3);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Drain {
    _private: (),
}

impl<T, E> Gather<T, E> for Drain
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = ();
    type Error = E;

    #[inline]
    fn next(&mut self, item: T) -> More {
        drop(item);
        More::NONE
    }

    fn finish(self) -> Result<(), E> {
        Ok(())
    }

    fn error(self, error: E) -> Result<(), E> {
        Err(error)
    }
}
