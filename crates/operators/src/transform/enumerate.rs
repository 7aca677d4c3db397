//! `enumerate`: each item with its number.

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Each item with its number, from zero: [`PublisherExt::enumerate`](crate::PublisherExt::enumerate).
///
/// ```text
/// up    --a------b------c------|
/// down  --(0,a)--(1,b)--(2,c)--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds a number.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let numbered = millstream::from_iter(["a", "b"]).enumerate();
/// assert_eq!(numbered.collect::<Vec<_>>().block()?, [(0, "a"), (1, "b")]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Enumerate {
    count: u64,
}

impl Enumerate {
    pub(crate) fn new() -> Enumerate {
        Enumerate { count: 0 }
    }
}

impl<T: Send + 'static> ItemStep<T> for Enumerate {
    type Item = (u64, T);
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<(u64, T), T, E> {
        let number = self.count;
        self.count += 1;
        Emit::Item((number, item))
    }
}
