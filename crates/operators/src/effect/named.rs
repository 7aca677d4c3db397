//! `named`: a name for what is above.

use std::borrow::Cow;

use millstream_core::{Context, Fault, More};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A name for the stages above, told where one of them panics, and for the nearest boundary above,
/// where somebody [looks](crate::effect::Observed) at it:
/// [`PublisherExt::named`](crate::PublisherExt::named).
///
/// ```text
/// up    --1--2--x
/// down  --1--2--x
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in a stage above, or at the source, gets the name, unless a named stage
/// nearer to it gave its own.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds the name. Its publisher is not pulled in place.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use millstream::{Failure, Fault};
///
/// let broken = millstream::from_iter([1, 0])
///     .map(|n| 1 / n)
///     .named("invert");
/// let end = broken.collect::<Vec<_>>().block();
/// let Err(Failure::Fault(Fault::Panicked(panic))) = end else { unreachable!() };
/// assert_eq!(panic.stage(), Some("invert"));
/// ```
#[derive(Debug, Clone)]
pub struct Named {
    name: Cow<'static, str>,
    /// An item is with the stages below: a panic now is theirs.
    below: bool,
}

impl Named {
    pub(crate) fn new(name: Cow<'static, str>) -> Named {
        Named { name, below: false }
    }
}

impl<T> ItemStep<T> for Named
where
    T: Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.below = true;
        Emit::Item(item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        self.below = false;
        more
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Panicked(panic) if !self.below => Fault::Panicked(panic.at(self.name.clone())),
            other => other,
        }
    }

    fn context(&self, downstream: Context) -> Context {
        downstream.with_name(self.name.clone())
    }
}
