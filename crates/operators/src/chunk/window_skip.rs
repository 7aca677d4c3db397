//! `window_skip`: a publisher for each so many items, with gaps between.

use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::shape::chunked::{Cut, Place};
use crate::shape::joined::capacity;
use crate::shape::windowing::{ByItems, Window};

/// A publisher for each `size` items, one beginning every `step` items:
/// [`PublisherExt::window_skip`](crate::PublisherExt::window_skip).
///
/// ```text
///         window_skip(2, 3)
/// up    --1--2--3--4-----5--6--7--|
/// down  --w--------w-----------w--|
///         1--2|
///                  4-----5|
///                              7--|
/// ```
///
/// As [`window`](crate::PublisherExt::window), and the items between two windows are discarded. For
/// windows that overlap, and need copies of items, there is
/// [`window_sliding`](crate::PublisherExt::window_sliding).
///
/// # Demand
/// As [`window`](crate::PublisherExt::window)'s; the items between two windows are taken when the next
/// is asked for.
/// # Completion
/// As [`window`](crate::PublisherExt::window)'s.
/// # Errors
/// As [`window`](crate::PublisherExt::window)'s.
/// # Cancellation
/// As [`window`](crate::PublisherExt::window)'s.
/// # Bounds
/// As [`window`](crate::PublisherExt::window)'s; nothing is kept of what is between two windows.
/// # Panics
/// When `size` is zero, or above 2<sup>24</sup>, or `step` smaller than `size`.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let windows = millstream::from_iter(1..=7).window_skip(2, 3);
/// let sums = windows.concat_map(|window| window.running_fold(0, |sum, n| sum + n).take_last(1));
/// assert_eq!(sums.collect::<Vec<_>>().block()?, [1 + 2, 4 + 5, 7]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowSkip<P> {
    windows: ByItems<P, EverySoMany>,
}

impl<P> WindowSkip<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, size: usize, step: usize) -> WindowSkip<P> {
        let max = capacity("window_skip(0, step)", size);
        assert!(
            step >= size,
            "window_skip({size}, {step}): windows of {size} items that begin every {step} items \
             overlap; `window_sliding({size}, {step})` gives such",
        );
        let site = Site::here("window_skip");
        WindowSkip {
            windows: ByItems { upstream, max, cut: EverySoMany { size, step, at: 0 }, site },
        }
    }
}

crate::opaque_debug::opaque_debug!(WindowSkip<P>, windows);

impl<P: Publisher<Error: Clone>> Publisher for WindowSkip<P> {
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        self.windows.subscribe(subscriber);
    }

    const HANDS: bool = <ByItems<P, EverySoMany> as Publisher>::HANDS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        self.windows.into_pull(context).map_err(|windows| WindowSkip { windows })
    }
}

/// The first `size` of each `step` items.
#[derive(Debug, Clone)]
struct EverySoMany {
    size: usize,
    step: usize,
    /// How many of the step have come.
    at: usize,
}

impl<T> Cut<T> for EverySoMany {
    #[inline]
    fn place(&mut self, _: &T, _: bool) -> Place {
        let at = self.at;
        self.at = if at + 1 == self.step { 0 } else { at + 1 };
        if at < self.size { Place::Within } else { Place::Between }
    }
}
