//! `step_by`: the first item and every so many after it.

use crate::shape::stage::{Books, Emit, ItemStep};

/// The first item and each `n`-th after it: [`PublisherExt::step_by`](crate::PublisherExt::step_by).
///
/// ```text
///         step_by(3)
/// up    --1--2--3--4--5--|
/// down  --1--------4-----|
/// ```
///
/// # Demand
/// As downstream's, and one more for each item that is dropped.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds a number. The items between are discarded.
/// # Panics
/// When `n` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let some = millstream::from_iter(1..=7).step_by(3);
/// assert_eq!(some.collect::<Vec<_>>().block()?, [1, 4, 7]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StepBy {
    step: u64,
    /// Items to drop before the next one that passes.
    left: u64,
}

impl StepBy {
    #[track_caller]
    pub(crate) fn new(step: u64) -> StepBy {
        assert!(step > 0, "step_by(0): a step is at least 1 item");
        StepBy { step, left: 0 }
    }
}

impl<T: Send + 'static> ItemStep<T> for StepBy {
    type Item = T;
    type Books<E: Send + 'static> = Books<E>;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Emit::Skip(item)
            }
            None => {
                self.left = self.step - 1;
                Emit::Item(item)
            }
        }
    }
}
