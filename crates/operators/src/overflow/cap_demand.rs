//! `cap_demand`: how much of what downstream asks for goes upstream at a time.

use std::num::NonZeroU64;

use millstream_core::{Credit, Demand, More};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// A function says how much of what downstream asks for goes upstream at a time:
/// [`PublisherExt::cap_demand`](crate::PublisherExt::cap_demand).
///
/// ```text
///           cap_demand(|n| half of n, rounded up)
/// down  r7
/// up    asked for 4, and when those have come for 2, and then for 1
/// ```
///
/// It is called with all that downstream has asked for and upstream was not, when upstream owes
/// nothing; what it answers is asked for, as far as downstream has.
///
/// # Demand
/// As the function says, and never more than downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Two counts.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use std::num::NonZeroU64;
///
/// let ten = NonZeroU64::new(10).unwrap();
/// let items = millstream::from_iter(1..=25).cap_demand(move |_| ten);
/// assert_eq!(items.count().block()?, 25);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct CapDemand<F> {
    cap: F,
    /// What upstream was asked for and has not sent.
    owed: Credit,
    /// What downstream wants and upstream was not asked for.
    withheld: Credit,
}

impl<F> CapDemand<F> {
    pub(crate) fn new(cap: F) -> CapDemand<F> {
        CapDemand { cap, owed: Credit::NONE, withheld: Credit::NONE }
    }
}

crate::opaque_debug::opaque_debug!(CapDemand<F>);

impl<T, F> ItemStep<T> for CapDemand<F>
where
    T: Send + 'static,
    F: FnMut(Demand) -> NonZeroU64 + Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        // Where it is pulled, nothing was asked for.
        self.owed.spend_up_to(1);
        Emit::Item(item)
    }

    fn demand(&mut self, more: More) -> More {
        self.withheld.add(more);
        match self.withheld.get().demand() {
            Some(demand) if self.owed.is_empty() => {
                let piece = More::of(self.withheld.spend_up_to((self.cap)(demand).get()));
                self.owed.add(piece);
                piece
            }
            _ => More::NONE,
        }
    }
}
