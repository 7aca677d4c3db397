//! `window`: a publisher for each so many items.

use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};

use crate::shape::gathering::UpTo;
use crate::shape::joined::capacity;
use crate::shape::windowing::{ByItems, Window};

/// A publisher for each `size` items: [`PublisherExt::window`](crate::PublisherExt::window).
///
/// ```text
///         window(2)
/// up    --1--2--3-----4--5--|
/// down  --w-----w--------w--|
///         1--2|
///               3-----4|
///                        5--|
/// ```
///
/// Each [`Window`] is read on its own: one after another by `concat_map`, several at a time by
/// `flat_map_unordered`, or not at all. One that is dropped unread, or cancelled, discards what it
/// has and what comes for it; it is counted on, so the next begins where it would have.
///
/// A window is sent with its first item, so none is empty. One that is sent and neither subscribed
/// to nor dropped is somebody's, and is waited for.
///
/// # Demand
/// An upstream that is not synchronous is asked for `size`, and for three quarters of it each
/// time as many items were taken; one that is synchronous is pulled. Items are taken only while
/// somebody wants what there is not: the reader of the open window an item, or downstream another
/// window. Each window has its own demand. Where nobody [looks](crate::PublisherExt::observed), a
/// `concat_map` or `flat_map_unordered` directly below a `window` over a synchronous upstream cuts the
/// windows itself, as it is asked for items: all but the first of a window come past its queue.
/// # Completion
/// A window is complete with its last item. Of upstream completes the open window, behind its
/// items, and downstream.
/// # Errors
/// Of upstream go to the open window, behind its items, and to downstream. One below a window, in
/// its reader, ends that window alone.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of downstream: no more windows are opened; the open one goes on until it is complete, and
/// those that are complete until they are read. Then upstream is cancelled. Of a window: its items
/// are discarded.
/// # Bounds
/// `size` items for each window that is not read to its end, and `size` of an upstream that is not
/// synchronous. Windows are opened only as they are asked for. One allocation for each window,
/// another where its items have to wait, and what its reader needs; none per item.
/// # Panics
/// When `size` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let windows = millstream::from_iter(1..=5).window(2);
/// let sums = windows.concat_map(|window| window.running_fold(0, |sum, n| sum + n).take_last(1));
/// assert_eq!(sums.collect::<Vec<_>>().block()?, [3, 7, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Windows<P> {
    windows: ByItems<P, UpTo>,
}

impl<P> Windows<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, size: usize) -> Windows<P> {
        let max = capacity("window(0)", size);
        let site = Site::here("window");
        Windows { windows: ByItems { upstream, max, cut: UpTo, site } }
    }
}

crate::opaque_debug::opaque_debug!(Windows<P>, windows);

impl<P: Publisher<Error: Clone>> Publisher for Windows<P> {
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        self.windows.subscribe(subscriber);
    }

    const HANDS: bool = <ByItems<P, UpTo> as Publisher>::HANDS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        self.windows.into_pull(context).map_err(|windows| Windows { windows })
    }
}
