//! `fail`: an error at once.

use std::marker::PhantomData;

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// An error at once.
///
/// ```text
/// down  ^x
/// ```
///
/// # Demand
/// None is needed.
/// # Completion
/// Never.
/// # Errors
/// `error`, right after the subscription was handed out.
/// # Cancellation
/// The error is dropped, if it was not sent.
/// # Bounds
/// Holds the error. One allocation per subscription.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let failed = millstream::fail::<u32, _>("out of paper");
/// let result = failed.collect::<Vec<_>>().block();
/// assert_eq!(result.unwrap_err().into_error(), Some("out of paper"));
/// ```
#[doc(alias = "error", alias = "failed", alias = "throw")]
pub fn fail<T, E>(error: E) -> FromPull<Fail<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    from_pull(Fail { error: Some(error), item: PhantomData })
}

/// The source of [`fail`].
pub struct Fail<T, E> {
    error: Option<E>,
    item: PhantomData<fn() -> T>,
}

impl<T, E: Clone> Clone for Fail<T, E> {
    fn clone(&self) -> Self {
        Fail { error: self.error.clone(), item: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(Fail<T, E>);

impl<T: Send + 'static, E: Send + 'static> Pull for Fail<T, E> {
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        match self.error.take() {
            Some(error) => Pulled::Error(error),
            None => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<T, E> {
        self.pull()
    }
}
