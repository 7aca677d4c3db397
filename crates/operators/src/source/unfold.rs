//! `unfold`: each item with the state for the next.

use std::convert::Infallible;

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// Items from a state: each call takes the state and gives an item with the next state, or
/// `None` at the end.
///
/// ```text
/// f     (a, 2) (b, 3) None
/// down  ^--r2-a--b---r1-|
/// ```
///
/// # Demand
/// One call for each item asked for; no call without demand.
/// # Completion
/// When the function returns `None`, which takes a unit of demand.
/// # Errors
/// None; [`generate`](crate::source::generate) is for functions that fail. A panic in the
/// function becomes a fault.
/// # Cancellation
/// The state is dropped.
/// # Bounds
/// Holds the state. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let fibonacci = millstream::unfold((0, 1), |(a, b)| Some((a, (b, a + b))));
/// assert_eq!(fibonacci.take(6).collect::<Vec<_>>().block()?, [0, 1, 1, 2, 3, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "generate")]
pub fn unfold<S, T, F>(seed: S, f: F) -> FromPull<Unfold<S, F>>
where
    S: Send + 'static,
    T: Send + 'static,
    F: FnMut(S) -> Option<(T, S)> + Send + 'static,
{
    from_pull(Unfold { state: Some(seed), f })
}

/// The source of [`unfold`].
#[derive(Clone)]
pub struct Unfold<S, F> {
    /// Empty after the end.
    state: Option<S>,
    f: F,
}

crate::opaque_debug::opaque_debug!(Unfold<S, F>);

impl<S, T, F> Pull for Unfold<S, F>
where
    S: Send + 'static,
    T: Send + 'static,
    F: FnMut(S) -> Option<(T, S)> + Send + 'static,
{
    type Item = T;
    type Error = Infallible;

    #[inline]
    fn pull(&mut self) -> Pulled<T, Infallible> {
        match self.state.take().and_then(&mut self.f) {
            Some((item, next)) => {
                self.state = Some(next);
                Pulled::Item(item)
            }
            None => Pulled::Complete,
        }
    }
}
