//! `merge_delay_error`: items of several publishers, as they come; failures at the end.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Subscriber};

use crate::combine::merge::Merged;
use crate::shape::failing::Delaying;
use crate::shape::joined::{capacity, feed_of_many, gauge};
use crate::shape::table::Table;

/// Items of several publishers, as they come; what failed is told when all are over:
/// [`merge_all_delay_error`], and
/// [`PublisherExt::merge_delay_error`](crate::PublisherExt::merge_delay_error) for two.
///
/// ```text
/// a     --1-----x
/// b     ----9------8-----|
/// down  --1-9------8-----x
/// ```
///
/// It is fair, as [`merge`](crate::PublisherExt::merge) is.
///
/// # Demand
/// `prefetch` from each source when it is subscribed to, and three quarters of it each time as
/// many of its items were sent. A source that sends in the call which asks it is asked for a turn at
/// a time, up to 256. A synchronous source is pulled as downstream asks.
/// # Completion
/// When all sources are complete and their items sent. Of no sources: at once.
/// # Errors
/// When all sources are over and their items sent: all [`Failures`], in the order in which they
/// came. A fault does not wait.
/// # Cancellation
/// As downstream's: all sources are cancelled, and what is queued is discarded.
/// # Bounds
/// `prefetch` items for each source that is not synchronous, and one error for each.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::Failure;
/// use millstream::prelude::*;
///
/// let good = millstream::from_iter([1, 2]).fallible();
/// let bad = millstream::fail("broken");
/// let (heard, numbers) = std::sync::mpsc::channel();
/// let end = bad.merge_delay_error(good, 4).for_each(move |n: i32| heard.send(n).unwrap());
/// let Err(Failure::Error(failures)) = end.block() else { panic!() };
/// assert_eq!(failures.into_vec(), ["broken"]);
/// assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct MergeDelayError<P> {
    sources: Vec<P>,
    prefetch: NonZeroUsize,
    site: Site,
}

/// Items of several publishers, as they come; what failed is told when all are over. See
/// [`MergeDelayError`].
#[doc(alias = "mergeDelayError")]
#[track_caller]
pub fn merge_all_delay_error<P: Publisher>(
    sources: impl IntoIterator<Item = P>,
    prefetch: usize,
) -> MergeDelayError<P> {
    MergeDelayError::of("merge_all_delay_error(sources, 0)", sources, prefetch)
}

impl<P> MergeDelayError<P> {
    /// `call` is what the user wrote, with a zero.
    #[track_caller]
    pub(crate) fn of(call: &str, sources: impl IntoIterator<Item = P>, prefetch: usize) -> Self {
        let prefetch = capacity(call, prefetch);
        let sources = sources.into_iter().collect();
        MergeDelayError { sources, prefetch, site: Site::here("merge_delay_error") }
    }
}

crate::opaque_debug::opaque_debug!(MergeDelayError<P>, prefetch);

/// How several publishers failed: one error at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures<E>(pub(crate) Vec<E>);

impl<E> Failures<E> {
    /// The errors, in the order in which they came.
    #[must_use]
    pub fn errors(&self) -> &[E] {
        &self.0
    }

    /// The errors, in the order in which they came.
    #[must_use]
    pub fn into_vec(self) -> Vec<E> {
        self.0
    }
}

impl<E: fmt::Display> fmt::Display for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl<E: Error + 'static> Error for Failures<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.first().and_then(Error::source)
    }
}

impl<P: Publisher> Publisher for MergeDelayError<P> {
    type Item = P::Item;
    type Error = Failures<P::Error>;

    fn subscribe<S: Subscriber<P::Item, Failures<P::Error>>>(self, subscriber: S) {
        let MergeDelayError { sources, prefetch, site } = self;
        join(
            |bell, context| {
                let mut table = Table::new(sources.len());
                for (n, source) in sources.into_iter().enumerate() {
                    table.add(bell, |bell| {
                        let pulls = source.pulls();
                        let gauge = gauge(pulls, &bell, context, site.number(n), prefetch.get());
                        feed_of_many(gauge, source, prefetch, bell, context)
                    });
                }
                Delaying::new(Merged(table))
            },
            subscriber,
        );
    }
}
