//! `generate`: what a function makes of a state it changes.

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// What a function makes of a state that it changes: an item, the end or an error per call.
///
/// ```text
/// f     Ok(Some(1)) Ok(Some(2)) Ok(None)
/// down  ^--r2-1--2------------r1-|
/// ```
///
/// Each call gives exactly one of `Ok(Some(item))`, `Ok(None)` for the end, and `Err(error)`.
///
/// # Demand
/// One call for each item asked for; no call without demand.
/// # Completion
/// When the function returns `Ok(None)`, which takes a unit of demand.
/// # Errors
/// What the function returns. A panic in it becomes a fault.
/// # Cancellation
/// The state is dropped. On every path it is dropped once, and before the subscriber is told
/// that the stream is complete or failed.
/// # Bounds
/// Holds the state. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let powers = millstream::generate(1u8, |power| {
///     let item = *power;
///     *power = power.checked_mul(4).ok_or("too large")?;
///     Ok(Some(item))
/// });
/// let first = powers.clone().take(3).collect::<Vec<_>>().block();
/// assert_eq!(first.unwrap(), [1, 4, 16]);
/// let all = powers.collect::<Vec<_>>().block();
/// assert_eq!(all.unwrap_err().into_error(), Some("too large"));
/// ```
#[doc(alias = "unfoldResource")]
pub fn generate<S, T, E, F>(state: S, f: F) -> FromPull<Generate<S, F>>
where
    S: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut S) -> Result<Option<T>, E> + Send + 'static,
{
    from_pull(Generate { state, f })
}

/// The source of [`generate`].
#[derive(Clone)]
pub struct Generate<S, F> {
    state: S,
    f: F,
}

crate::opaque_debug::opaque_debug!(Generate<S, F>);

impl<S, T, E, F> Pull for Generate<S, F>
where
    S: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut S) -> Result<Option<T>, E> + Send + 'static,
{
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        match (self.f)(&mut self.state) {
            Ok(Some(item)) => Pulled::Item(item),
            Ok(None) => Pulled::Complete,
            Err(error) => Pulled::Error(error),
        }
    }
}
