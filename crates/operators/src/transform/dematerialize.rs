//! `dematerialize`: items that stand for signals, as those signals.

use std::marker::PhantomData;

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};
use crate::transform::{FromUpstream, Signal};

/// Items that stand for signals, as those signals: [`PublisherExt::dematerialize`](crate::PublisherExt::dematerialize).
///
/// ```text
/// up    --1--2--(|)!
/// down  --1--2--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// With an item [`Signal::Complete`], after upstream was cancelled; and as upstream.
/// # Errors
/// With an item [`Signal::Error`], after upstream was cancelled; and those of upstream, as
/// [`FromUpstream`] says. Where neither can fail, the compiler asks which of the two rules is meant;
/// either is right: `dematerialize::<_, _, Never>()`.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let there_and_back = millstream::fail::<u8, _>("no").materialize().dematerialize();
/// let error = there_and_back.collect::<Vec<_>>().block().unwrap_err();
/// assert_eq!(error.into_error(), Some("no"));
/// ```
pub struct Dematerialize<How> {
    how: PhantomData<fn() -> How>,
}

impl<How> Dematerialize<How> {
    pub(crate) fn new() -> Dematerialize<How> {
        Dematerialize { how: PhantomData }
    }
}

impl<How> Clone for Dematerialize<How> {
    fn clone(&self) -> Self {
        Dematerialize::new()
    }
}

crate::opaque_debug::opaque_debug!(Dematerialize<How>);

impl<T, E, G, How> Step<Signal<T, G>, E> for Dematerialize<How>
where
    T: Send + 'static,
    E: Send + 'static,
    G: FromUpstream<E, How> + Send + 'static,
    How: 'static,
{
    type Item = T;
    type Error = G;
    type Books = Books<G>;

    #[inline]
    fn next(&mut self, item: Signal<T, G>) -> Emit<T, Signal<T, G>, G> {
        match item {
            Signal::Item(item) => Emit::Item(item),
            Signal::Complete => Emit::Complete,
            Signal::Error(error) => Emit::Error(error),
        }
    }

    fn error(&mut self, error: E) -> Pulled<T, G> {
        Pulled::Error(G::from_upstream(error))
    }
}
