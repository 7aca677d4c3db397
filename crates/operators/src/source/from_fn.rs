//! `from_fn`: what a function returns.

use std::convert::Infallible;

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// What a function returns, until it returns `None`.
///
/// ```text
/// f     Some(1) Some(2) None
/// down  ^-r2-1--2---r1-|
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
/// The function is dropped.
/// # Bounds
/// Holds the function. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut left = vec!["c", "b", "a"];
/// let letters = millstream::from_fn(move || left.pop());
/// assert_eq!(letters.collect::<Vec<_>>().block()?, ["a", "b", "c"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "generate", alias = "fromCallable", alias = "fromSupplier", alias = "poll_fn")]
pub fn from_fn<T, F>(f: F) -> FromPull<FromFn<F>>
where
    T: Send + 'static,
    F: FnMut() -> Option<T> + Send + 'static,
{
    from_pull(FromFn { f })
}

/// The source of [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F> {
    f: F,
}

crate::opaque_debug::opaque_debug!(FromFn<F>);

impl<T, F> Pull for FromFn<F>
where
    T: Send + 'static,
    F: FnMut() -> Option<T> + Send + 'static,
{
    type Item = T;
    type Error = Infallible;

    #[inline]
    fn pull(&mut self) -> Pulled<T, Infallible> {
        match (self.f)() {
            Some(item) => Pulled::Item(item),
            None => Pulled::Complete,
        }
    }
}
