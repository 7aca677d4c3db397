//! `sequence_equal`: whether two publishers have the same items.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Demand, More, Publisher, Pull, Pulled, Subscriber};

use crate::shape::end::Gather;
use crate::shape::head::Head;
use crate::shape::joined::{capacity, feed};

/// Whether two publishers have the same items, in the same order, and as many:
/// [`PublisherExt::sequence_equal`](crate::PublisherExt::sequence_equal).
///
/// ```text
/// up     --1--2----3!
/// other  1---2--4!
/// end               false
/// ```
///
/// The items are compared by a function, in pairs, as they come; so is the length. The answer is the
/// one item of this publisher, which the method waits for.
///
/// # Demand
/// `prefetch` from both when they are subscribed to, and three quarters of it each time as many of
/// their items were compared. One that is synchronous is pulled, an item at a time.
/// # Completion
/// `false` with the first pair that is not the same, or with an item of one where the other is
/// complete, which cancels both; `true` where both are complete and all pairs were the same.
/// # Errors
/// The first failure, after the items which that source sent before; the other is cancelled. A panic
/// in the function is a fault.
/// # Cancellation
/// Dropping the end cancels both and discards what is queued.
/// # Bounds
/// One item of each, and `prefetch` for each that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (numbers, others) = (millstream::range(0..1_000), millstream::from_iter(0..1_000));
/// assert!(numbers.clone().sequence_equal(others, 16, PartialEq::eq).block()?);
/// let endless = millstream::from_iter(0..);
/// assert!(!numbers.sequence_equal(endless, 16, |a, b| a % 10 == b % 10).block()?);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SequenceEqual<P, Q, F> {
    upstream: P,
    other: Q,
    prefetch: NonZeroUsize,
    same: F,
    site: Site,
}

impl<P, Q, F> SequenceEqual<P, Q, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, other: Q, prefetch: usize, same: F) -> SequenceEqual<P, Q, F> {
        let prefetch = capacity("sequence_equal(other, 0, same)", prefetch);
        SequenceEqual { upstream, other, prefetch, same, site: Site::here("sequence_equal") }
    }
}

crate::opaque_debug::opaque_debug!(SequenceEqual<P, Q, F>, prefetch);

impl<P, Q, F> Publisher for SequenceEqual<P, Q, F>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
    F: FnMut(&P::Item, &Q::Item) -> bool + Send + 'static,
{
    type Item = bool;
    type Error = P::Error;

    fn subscribe<S: Subscriber<bool, P::Error>>(self, subscriber: S) {
        let SequenceEqual { upstream, other, prefetch, same, site } = self;
        join(
            |bell, context| {
                let one = feed(upstream, prefetch, bell.clone(), context, site.number(0));
                let other = feed(other, prefetch, bell.clone(), context, site.number(1));
                Comparing {
                    one: Some(Head::new(one, context.discards())),
                    other: Some(Head::new(other, context.discards())),
                    same,
                    answered: false,
                }
            },
            subscriber,
        );
    }
}

/// How many pairs are compared at most before somebody looks for a cancellation.
const PAIRS: usize = 1024;

struct Comparing<P: Pull, Q: Pull, F> {
    /// Each until it is over.
    one: Option<Head<P>>,
    other: Option<Head<Q>>,
    same: F,
    answered: bool,
}

/// Where a source is.
enum At<E> {
    /// It has an item.
    Item,
    End,
    /// Nothing for now.
    Nothing,
    /// Nothing this time.
    Skipped,
    Failed(E),
}

/// Fetches an item of a source, unless one waits.
#[inline]
fn fetch<Q: Pull>(place: &mut Option<Head<Q>>) -> At<Q::Error> {
    let Some(head) = place else { return At::End };
    settle(head.fetch(), place)
}

/// Looks for the end of a source.
fn look<Q: Pull>(place: &mut Option<Head<Q>>) -> At<Q::Error> {
    let Some(head) = place else { return At::End };
    let end = head.end().or((head.item.is_none()).then_some(Pulled::Pending));
    settle(end, place)
}

#[inline]
fn settle<Q: Pull>(
    fetched: Option<Pulled<Q::Item, Q::Error>>,
    place: &mut Option<Head<Q>>,
) -> At<Q::Error> {
    match fetched {
        None | Some(Pulled::Item(_)) => At::Item,
        Some(Pulled::Pending) => At::Nothing,
        Some(Pulled::Skipped) => At::Skipped,
        Some(Pulled::Complete) => {
            *place = None;
            At::End
        }
        Some(Pulled::Error(error)) => At::Failed(error),
    }
}

impl<P, Q, F> Comparing<P, Q, F>
where
    P: Pull,
    Q: Pull<Error = P::Error>,
    F: FnMut(&P::Item, &Q::Item) -> bool,
{
    /// What is known of the sources: the answer, or that they are to be looked at again.
    #[inline]
    fn compare(&mut self, one: At<P::Error>, other: At<P::Error>) -> Pulled<bool, P::Error> {
        match (one, other) {
            (At::Failed(error), _) | (_, At::Failed(error)) => Pulled::Error(error),
            (At::Item, At::Item) => {
                let one = self.one.as_mut().and_then(|head| head.item.take());
                let other = self.other.as_mut().and_then(|head| head.item.take());
                match one.zip(other) {
                    Some((one, other)) if !(self.same)(&one, &other) => Pulled::Item(false),
                    _ => Pulled::Skipped,
                }
            }
            (At::End, At::End) => Pulled::Item(true),
            (At::Item, At::End) | (At::End, At::Item) => Pulled::Item(false),
            (At::Skipped, _) | (_, At::Skipped) => Pulled::Skipped,
            (At::Nothing, _) | (_, At::Nothing) => Pulled::Pending,
        }
    }
}

impl<P, Q, F> Pull for Comparing<P, Q, F>
where
    P: Pull,
    Q: Pull<Error = P::Error>,
    F: FnMut(&P::Item, &Q::Item) -> bool + Send + 'static,
{
    type Item = bool;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<bool, P::Error> {
        if self.answered {
            return Pulled::Complete;
        }
        for _ in 0..PAIRS {
            // Both are asked, so that both tell when they have news.
            let (one, other) = (fetch(&mut self.one), fetch(&mut self.other));
            match self.compare(one, other) {
                Pulled::Skipped => {}
                other => {
                    self.answered = matches!(other, Pulled::Item(_));
                    return other;
                }
            }
        }
        Pulled::Skipped
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<bool, P::Error> {
        if self.answered {
            return Pulled::Complete;
        }
        // An answer waits for demand, a failure does not.
        match (look(&mut self.one), look(&mut self.other)) {
            (At::Failed(error), _) | (_, At::Failed(error)) => Pulled::Error(error),
            _ => Pulled::Pending,
        }
    }
}

/// The answer of [`SequenceEqual`].
#[derive(Debug, Clone, Default)]
pub struct Answer {
    equal: bool,
}

impl<E: Send + 'static> Gather<bool, E> for Answer {
    type Output = bool;
    type Error = E;

    fn demand(&self) -> Demand {
        Demand::ONE
    }

    fn next(&mut self, equal: bool) -> More {
        self.equal = equal;
        More::CANCEL
    }

    fn finish(self) -> Result<bool, E> {
        Ok(self.equal)
    }

    fn error(self, error: E) -> Result<bool, E> {
        Err(error)
    }
}
