//! `window_timeout`: a publisher for each so many items, or for what comes in some time.

use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use millstream_blocks::bell::Bell;
use millstream_blocks::branch::Desk;
use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Pull, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::gathering::{Occasion, Outside, UpTo, Word};
use crate::shape::joined::{Receiver, capacity};
use crate::shape::timed::Alarm;
use crate::shape::windowing::{Window, windows, windows_in_hand};

/// A publisher for each `size` items, or for fewer when the first of them came some time ago:
/// [`PublisherExt::window_timeout`](crate::PublisherExt::window_timeout).
///
/// ```text
///         window_timeout(time, 3, 5 s)
/// up    --1--2------------3--4--5---|
/// down  --w---------------w---------|
///         1--2---|
///                         3--4--5|
///              5 s
/// ```
///
/// As [`window`](crate::PublisherExt::window), and the open window is complete as well when its time
/// has come, which is counted from its first item. None is empty: the next is opened by an item.
///
/// # Demand
/// An upstream that is not synchronous is asked for `size`, and for three quarters of it each
/// time as many items were taken; one that is synchronous is pulled. Items are taken only while
/// somebody wants what there is not: the reader of the open window an item, or downstream another
/// window. Each window has its own demand.
/// # Completion
/// A window is complete with its last item, or when its time has come. Of upstream completes the open
/// window, behind its items, and downstream.
/// # Errors
/// Of upstream go to the open window, behind its items, and to downstream. One below a window, in
/// its reader, ends that window alone. Where the clock has gone, or the executor refuses, all ends
/// with a fault.
/// # Cancellation
/// Of downstream: no more windows are opened; the open one goes on until it is complete, and
/// those that are complete until they are read. Then upstream is cancelled. Of a window: its items
/// are discarded.
/// # Bounds
/// `size` items for each window that is not read to its end, and `size` of an upstream that is not
/// synchronous. Windows are opened only as they are asked for. One allocation for each window,
/// another where its items have to wait, and what its reader needs; none per item. One timer, which is
/// set while a window is open; a window whose time has come is completed by a task of the executor,
/// one for each.
/// # Panics
/// When `size` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::MissedTicks;
/// use millstream::prelude::*;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let ticks = millstream::interval(time.clone(), Duration::from_secs(2), MissedTicks::Skip).take(6);
/// let windows = ticks.window_timeout(time.clone(), 9, Duration::from_secs(5));
/// let sums = windows.concat_map(|window| window.running_fold(0, |sum, n| sum + n).take_last(1));
/// assert_eq!(time.run_until(sums.collect::<Vec<_>>())?, [0 + 1 + 2, 3 + 4 + 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowTimeout<P, X> {
    upstream: P,
    time: X,
    size: NonZeroUsize,
    within: Duration,
    site: Site,
}

impl<P, X> WindowTimeout<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, size: usize, within: Duration) -> Self {
        let size = capacity("window_timeout(time, 0, within)", size);
        WindowTimeout { upstream, time, size, within, site: Site::here("window_timeout") }
    }
}

crate::opaque_debug::opaque_debug!(WindowTimeout<P, X>, size, within);

impl<P, X> Publisher for WindowTimeout<P, X>
where
    P: Publisher<Error: Clone>,
    X: Executor + Clock,
{
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let WindowTimeout { upstream, time, size, within, site } = self;
        let outside = |desk: &Desk| Within::of(time, within, desk.bell());
        windows(upstream, size, UpTo, outside, site, subscriber);
    }

    const HANDS: bool = P::PULLS;

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        let Some(host) = Receiver::of::<P>(&context) else { return Err(self) };
        let WindowTimeout { upstream, time, size, within, site } = self;
        let outside = move |desk: &Desk| Within::of(time, within, desk.bell());
        let host = (host, context.upstream());
        Ok(windows_in_hand(upstream, size, UpTo, outside, site, host))
    }
}

/// The open window is complete when its time has come.
struct Within<E> {
    alarm: Alarm,
    within: Duration,
    /// [`NEVER`](Moment::NEVER) while none is open.
    until: Moment,
    error: PhantomData<fn() -> E>,
}

impl<E> Within<E> {
    fn of<X: Executor + Clock>(time: X, within: Duration, bell: &Bell) -> Within<E> {
        let alarm = Alarm::on(Arc::new(time), bell);
        Within { alarm, within, until: Moment::NEVER, error: PhantomData }
    }
}

impl<E: 'static> Outside for Within<E> {
    type Error = E;

    fn begun(&mut self) {
        // The timer is set by the look that follows, before the trunk rests.
        self.until = self.alarm.now() + self.within;
    }

    fn completed(&mut self) {
        self.until = Moment::NEVER;
        self.alarm.rest_until(Moment::NEVER);
    }

    #[inline]
    fn look(&mut self, _: Occasion) -> Word<E> {
        if self.until == Moment::NEVER {
            return Word::Open;
        }
        // Where it has not, this sets the timer.
        if self.alarm.has_come(self.until) { Word::Complete } else { Word::Open }
    }
}
