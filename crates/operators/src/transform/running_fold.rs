//! `running_fold`: a fold that sends each of its states.

use millstream_core::{Credit, More, Pulled};

use crate::shape::stage::{Books, Emit, ItemStep};

/// A fold that sends each of its states, the seed first: [`PublisherExt::running_fold`](crate::PublisherExt::running_fold).
///
/// ```text
///       running_fold(0, |sum, n| sum + n)
/// up    ----1--2--3--|
/// down  -0--1--3--6--|
/// ```
///
/// # Demand
/// The first unit is for the seed and stays here; all others pass. Upstream is asked for nothing
/// before the seed was sent.
/// # Completion
/// As upstream. Where upstream completes before there was any demand, the seed is still sent when
/// it is asked for, and then the end.
/// # Errors
/// As upstream, at once: a seed that was not sent is dropped. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream. The state is dropped.
/// # Bounds
/// Holds the state; each item sent is a clone of it.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let sums = millstream::from_iter([1, 2, 3]).running_fold(0, |sum, n| sum + n);
/// assert_eq!(sums.collect::<Vec<_>>().block()?, [0, 1, 3, 6]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct RunningFold<S, F> {
    /// Empty only while the function has it.
    state: Option<S>,
    f: F,
    seed: Seed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seed {
    Unsent,
    /// Sent, and its unit of demand is still to be taken off.
    Sent,
    Settled,
}

impl<S, F> RunningFold<S, F> {
    pub(crate) fn new(seed: S, f: F) -> RunningFold<S, F> {
        RunningFold { state: Some(seed), f, seed: Seed::Unsent }
    }
}

crate::opaque_debug::opaque_debug!(RunningFold<S, F>, seed);

impl<T, S, F> ItemStep<T> for RunningFold<S, F>
where
    T: Send + 'static,
    S: Clone + Send + 'static,
    F: FnMut(S, T) -> S + Send + 'static,
{
    type Item = S;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<S, T, E> {
        let Some(state) = self.state.take() else { return Emit::Complete };
        let state = (self.f)(state, item);
        self.state = Some(state.clone());
        Emit::Item(state)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if self.seed != Seed::Sent || more == More::NONE {
            return more;
        }
        self.seed = Seed::Settled;
        let mut credit = Credit::NONE;
        credit.add(more);
        credit.spend();
        credit.get()
    }

    fn first(&mut self) -> Option<S> {
        if self.seed != Seed::Unsent {
            return None;
        }
        self.seed = Seed::Sent;
        self.state.clone()
    }

    fn complete<E>(&mut self) -> Pulled<S, E> {
        match <Self as ItemStep<T>>::first(self) {
            Some(seed) => Pulled::Item(seed),
            None => Pulled::Complete,
        }
    }
}
