//! `balance`: each item to a reader that wants one.

use std::num::NonZeroUsize;

use millstream_blocks::branch::Branch;
use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};

use crate::shape::divided::{Choose, divided};

/// One of the readers that share the items of a stream by their demand:
/// [`PublisherExt::balance`](crate::PublisherExt::balance).
///
/// ```text
///           balance::<2>()    [1] asks for one
/// up    --1--2--3--4--|
/// [0]   --1-----3--4--|
/// [1]   -----2--------|
/// ```
///
/// Each is a publisher of its own, for one subscriber. An item goes to one that has demand and
/// nothing to send, by turns where several have. Upstream is subscribed to when each of them was
/// subscribed to or dropped.
///
/// Put [`publish_on`](crate::PublisherExt::publish_on) behind each to work on several items at a
/// time.
///
/// # Demand
/// The sum of what the readers ask for: an item is taken when one of them has demand and nothing
/// to send. An upstream that is not synchronous is asked for as many as there are readers, and
/// for three quarters of it each time as many items were taken.
/// # Completion
/// Of upstream completes all.
/// # Errors
/// Of upstream go to all, like completion. A panic below a reader ends that one alone.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of one: the others share what comes. An item that it was just being given is discarded. When
/// the last has gone, upstream is cancelled, and what nobody was given is discarded: the first
/// reader that wants to know is told.
/// # Bounds
/// One item for each reader, one that nobody wants, and one for each reader of an upstream that
/// is not synchronous.
///
/// # Examples
/// ```
/// use std::sync::mpsc;
/// use millstream::prelude::*;
///
/// let [one, other] = millstream::range(0..10).balance::<2>();
/// let (heard, others) = mpsc::channel();
/// other.subscribe_with(move |n| heard.send(n).unwrap(), drop, || ()).unbounded().detach();
/// let mut all = one.collect::<Vec<_>>().block()?;
/// all.extend(others);
/// all.sort();
/// assert_eq!(all, (0..10).collect::<Vec<_>>());
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug)]
#[must_use = "upstream runs when each reader was subscribed to or dropped"]
pub struct Balance<T: Send + 'static, E: Send + 'static>(Branch<T, E>);

impl<T: Send + 'static, E: Clone + Send + 'static> Balance<T, E> {
    #[track_caller]
    pub(crate) fn all<const K: usize, P>(upstream: P) -> [Balance<T, E>; K]
    where
        P: Publisher<Item = T, Error = E>,
    {
        const { assert!(K > 0, "balance::<0>: somebody must be there") };
        let by_turns = ByTurns { readers: K, last: 0 };
        let prefetch = NonZeroUsize::new(K).unwrap_or(NonZeroUsize::MIN);
        let site = Site::here("balance");
        divided(upstream, NonZeroUsize::MIN, prefetch, by_turns, site).map(Balance)
    }
}

struct ByTurns {
    readers: usize,
    last: usize,
}

impl<T> Choose<T> for ByTurns {
    const ANYWHERE: bool = true;

    fn choose(&mut self, _: &T, hungry: &dyn Fn(usize) -> bool) -> usize {
        let next = (1..=self.readers).map(|n| (self.last + n) % self.readers).find(|n| hungry(*n));
        self.last = next.unwrap_or(self.last);
        self.last
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Balance<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }
}
