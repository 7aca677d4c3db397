//! `single_or_none`: the item of a stream that has at most one.

use millstream_core::{Cause, Demand, More};

use crate::end::SingleError;

use crate::shape::end::Gather;

/// The item of a stream that has at most one: [`PublisherExt::single_or_none`](crate::PublisherExt::single_or_none).
///
/// ```text
/// up    --1--|
/// end        Some(1)
/// ```
///
/// # Demand
/// Two, to see a second item.
/// # Completion
/// The item, if there is one, when upstream completes.
/// # Errors
/// [`SingleError`]: a second item, which cancels upstream; or upstream's error.
/// # Cancellation
/// Dropping the end cancels upstream and drops what it holds.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// assert_eq!(millstream::from_iter([7]).single_or_none().block()?, Some(7));
/// # Ok::<(), millstream::Failure<millstream::end::SingleError<std::convert::Infallible>>>(())
/// ```
#[derive(Clone)]
pub struct SingleOrNone<T> {
    item: Option<T>,
    many: bool,
}

impl<T> SingleOrNone<T> {
    pub(crate) fn new() -> SingleOrNone<T> {
        SingleOrNone { item: None, many: false }
    }
}

crate::opaque_debug::opaque_debug!(SingleOrNone<T>);

impl<T, E> Gather<T, E> for SingleOrNone<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Option<T>;
    type Error = SingleError<E>;

    fn demand(&self) -> Demand {
        Demand::of(2)
    }

    #[inline]
    fn next(&mut self, item: T) -> More {
        if self.item.is_some() {
            self.many = true;
            return More::CANCEL;
        }
        self.item = Some(item);
        More::NONE
    }

    fn cause(&self) -> Cause {
        if self.many { Cause::Failed } else { Cause::NoMoreNeeded }
    }

    fn finish(self) -> Result<Option<T>, SingleError<E>> {
        if self.many { Err(SingleError::Many) } else { Ok(self.item) }
    }

    fn error(self, error: E) -> Result<Option<T>, SingleError<E>> {
        Err(SingleError::Upstream(error))
    }
}
