//! `materialize`: the end of a stream as an item.

use std::convert::Infallible;

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, Step};

/// Items and the end of a stream, as items: [`PublisherExt::materialize`](crate::PublisherExt::materialize).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--(x)|
/// ```
///
/// # Demand
/// As downstream's. The end takes a unit of its own: it is held until there is one.
/// # Completion
/// After the item that stands for the end of upstream.
/// # Errors
/// None: they become items. A fault stays a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds at most the end.
///
/// # Examples
/// ```
/// use millstream::transform::Signal;
/// use millstream::prelude::*;
///
/// let signals = millstream::just(1).materialize().collect::<Vec<_>>().block()?;
/// assert_eq!(signals, [Signal::Item(1), Signal::Complete]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Materialize {
    ended: bool,
}

/// A signal of a stream, as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal<T, E> {
    /// An item.
    Item(T),
    /// The stream completed.
    Complete,
    /// The stream failed.
    Error(E),
}

impl Materialize {
    pub(crate) fn new() -> Materialize {
        Materialize { ended: false }
    }
}

impl<T: Send + 'static, E: Send + 'static> Step<T, E> for Materialize {
    type Item = Signal<T, E>;
    type Error = Infallible;
    type Books = Books<Infallible>;
    const HOLDS: bool = true;

    #[inline]
    fn next(&mut self, item: T) -> Emit<Signal<T, E>, T, Infallible> {
        Emit::Item(Signal::Item(item))
    }

    fn complete(&mut self) -> Pulled<Signal<T, E>, Infallible> {
        match std::mem::replace(&mut self.ended, true) {
            false => Pulled::Item(Signal::Complete),
            true => Pulled::Complete,
        }
    }

    fn error(&mut self, error: E) -> Pulled<Signal<T, E>, Infallible> {
        self.ended = true;
        Pulled::Item(Signal::Error(error))
    }
}
