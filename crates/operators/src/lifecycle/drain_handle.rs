//! [`DrainHandle`]: how streams are stopped so that nothing is lost.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use millstream_blocks::cause::current;
use millstream_blocks::census::{Census, Member};
use millstream_blocks::switch::Switch;
use millstream_core::Cause;
use millstream_executors::time::{Clock, Moment, Timer};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Stops streams so that nothing is lost: the sources stop, what is on its way runs out as it is asked
/// for, and who waits for that is told how it went.
///
/// ```text
///  source ─▶ received_by ─▶ publish_on ─▶ map_async ─▶ delivered_by ─▶ for_each
///                │  stop(): completes                       │  abort(): the fault `Aborted`
///                └─ counts what came in                     └─ counts what came out
/// ```
///
/// [`received_by`](crate::PublisherExt::received_by) stands at the source, or at each of several,
/// [`delivered_by`](crate::PublisherExt::delivered_by) at the end. [`stop`](DrainHandle::stop) completes
/// the first: the completion runs through the stages behind what they hold. After a deadline
/// [`join_within`](DrainHandle::join_within) breaks off what is left. A drain is a handle, and clones are the
/// same one; it may be that of many streams, whose counts are then added up.
///
/// **The counts** belong together: `received = delivered + discarded + aborted`. They are of items, and
/// they are exact where one that came in comes out as one or is dropped, whatever it is turned into on
/// its way. What a stage dropped (a filter, a queue that overflowed, a downstream that cancelled) is
/// discarded; what was still on its way when it was aborted is aborted, and so is what a closure of
/// yours took before and gave nothing for (`filter_map`). A downstream that cancelled because it failed is
/// counted apart, as a stream. Where one item becomes several, or several one, put
/// `delivered_by` above that.
///
/// ```
/// use std::time::Duration;
/// use millstream::executor::{CurrentThread, Executor, Pool};
/// use millstream::lifecycle::DrainHandle;
/// use millstream::prelude::*;
/// use millstream::time::SystemClock;
///
/// let (pool, clock) = (Pool::new(2), SystemClock::new());
/// let drain = DrainHandle::new();
/// let (orders, arrivals) = millstream::channel(16);
/// let (takes, taken) = std::sync::mpsc::channel();
/// let served = arrivals
///     .received_by(&drain)
///     .inspect(move |_| takes.send(()).unwrap())
///     .map_async(pool.handle(), 4, |order: u32| async move { order * 10 })
///     .delivered_by(&drain)
///     .collect::<Vec<_>>();
/// let server = std::thread::spawn(|| served.block());
/// for order in 1..=3 {
///     orders.try_send(order)?;
///     taken.recv()?;
/// }
///
/// // Ctrl-C: no more orders are taken, and what was taken is served.
/// let ten_seconds = Duration::from_secs(10);
/// let report = CurrentThread::new().run_until(drain.join_within(clock.handle(), ten_seconds));
/// assert_eq!((report.received, report.delivered, report.aborted), (3, 3, 0));
/// assert!(orders.try_send(4).is_err(), "the source was cancelled");
/// assert_eq!(server.join().unwrap()?, [10, 20, 30]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "DrainingControl", alias = "drainAndShutdown", alias = "TaskTracker")]
#[derive(Clone)]
pub struct DrainHandle {
    census: Census<5>,
    stops: Switch<()>,
    aborts: Switch<()>,
}

/// The sums of the census.
const RECEIVED: usize = 0;
const DELIVERED: usize = 1;
const DISCARDED: usize = 2;
/// Of those, what was discarded above `received_by`.
const ELSEWHERE: usize = 3;
/// Streams that were cancelled because what is below `delivered_by` failed.
const FAILED: usize = 4;

/// How a [`DrainHandle`] went: `received = delivered + discarded + aborted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DrainReport {
    /// Items that came in.
    pub received: u64,
    /// Items that came out.
    pub delivered: u64,
    /// Items that were dropped on their way.
    pub discarded: u64,
    /// Items that were still on their way when it was aborted.
    pub aborted: u64,
    /// Streams that were cancelled because what is below `delivered_by` failed: items of theirs that
    /// were on their way are discarded.
    pub failed: u64,
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DrainReport { received, delivered, discarded, aborted, failed } = self;
        write!(
            f,
            "{received} received: {delivered} delivered, {discarded} discarded, {aborted} aborted"
        )?;
        if *failed > 0 {
            write!(f, "; {failed} cancelled by a failure below")?;
        }
        Ok(())
    }
}

impl Default for DrainHandle {
    fn default() -> DrainHandle {
        DrainHandle::new()
    }
}

impl DrainHandle {
    /// A drain that nobody has stopped.
    #[must_use]
    pub fn new() -> DrainHandle {
        DrainHandle { census: Census::new(), stops: Switch::new(), aborts: Switch::new() }
    }

    /// Cancels what is above each `received_by` and completes what is below. Those that are
    /// subscribed to later complete at once. Whether it was the first to do so.
    pub fn stop(&self) -> bool {
        self.stops.throw(()).is_ok()
    }

    /// Breaks off: cancels what is above each `delivered_by`, and ends what is below by the fault
    /// [`Aborted`](millstream_core::Fault::Aborted). Stops as well. Whether it was the first to do
    /// so.
    pub fn abort(&self) -> bool {
        let first = self.aborts.throw(()).is_ok();
        self.stop();
        first
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stops.thrown().is_some()
    }

    /// Stops, and waits until all that was on its way has run out. As any future, it does so when it is
    /// polled first; [`stop`](DrainHandle::stop) stops at once.
    pub fn join(&self) -> impl Future<Output = DrainReport> + Send + use<> {
        self.join_until(std::future::pending())
    }

    /// Stops, waits until all that was on its way has run out, and aborts what has not in that time, from
    /// when it is polled first. Where the clock goes, it aborts at once.
    pub fn join_within<C: Clock>(
        &self,
        clock: C,
        within: Duration,
    ) -> impl Future<Output = DrainReport> + Send + use<C> {
        self.join_until(Passes { clock, within, until: None, timer: None })
    }

    /// Stops, waits until all that was on its way has run out, and aborts what has not when
    /// `deadline` is ready.
    pub fn join_until<D>(&self, deadline: D) -> impl Future<Output = DrainReport> + Send + use<D>
    where
        D: Future<Output = ()> + Send,
    {
        let drain = self.clone();
        async move {
            drain.stop();
            let mut waits = Waits { drain, number: None };
            let mut deadline = pin!(deadline);
            let mut late = false;
            std::future::poll_fn(|context| {
                if !late && deadline.as_mut().poll(context).is_ready() {
                    late = true;
                    waits.drain.abort();
                }
                waits.drain.census.poll_empty(&mut waits.number, context)
            })
            .await;
            waits.drain.report()
        }
    }

    fn report(&self) -> DrainReport {
        let [received, delivered, discarded, elsewhere, failed] = self.census.sums();
        let rest = received.saturating_sub(delivered);
        let discarded = match self.aborts.thrown() {
            None => rest,
            Some(_) => discarded.saturating_sub(elsewhere).min(rest),
        };
        DrainReport { received, delivered, discarded, aborted: rest - discarded, failed }
    }

    pub(crate) fn stops(&self) -> &Switch<()> {
        &self.stops
    }

    pub(crate) fn aborts(&self) -> &Switch<()> {
        &self.aborts
    }

    pub(crate) fn receives<C: ContextOf>(&self, context: C) -> Counted<C> {
        Counted { member: self.census.enter(RECEIVED), below: None, context }
    }

    pub(crate) fn delivers<C: ContextOf>(&self, context: C) -> Counted<C> {
        let below = Some(self.census.clone());
        Counted { member: self.census.enter(DELIVERED), below, context }
    }

    /// An item is discarded above `delivered_by`. What is when it was aborted is not counted.
    pub(crate) fn discarded_here(&self) {
        if self.aborts.thrown().is_none() {
            self.census.note(DISCARDED);
        }
    }

    /// An item is discarded above `received_by`, and so above `delivered_by`.
    pub(crate) fn discarded_elsewhere(&self) {
        if self.aborts.thrown().is_none() {
            self.census.note(ELSEWHERE);
        }
    }
}

impl fmt::Debug for DrainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stopped, aborted) = (self.is_stopped(), self.aborts.thrown().is_some());
        f.debug_struct("DrainHandle")
            .field("census", &self.census)
            .field("stopped", &stopped)
            .field("aborted", &aborted)
            .finish()
    }
}

/// Who waits for a drain: its waker is taken back when it does not any more.
struct Waits {
    drain: DrainHandle,
    number: Option<u64>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.drain.census.forget(self.number.take());
    }
}

/// Ready when a time has passed, or the clock has gone.
struct Passes<C> {
    clock: C,
    within: Duration,
    /// From the first poll on.
    until: Option<Moment>,
    timer: Option<Box<dyn Timer>>,
}

// Nothing is pinned.
impl<C> Unpin for Passes<C> {}

impl<C: Clock> Future for Passes<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now = self.clock.now();
        let within = self.within;
        let until = *self.until.get_or_insert(now + within);
        if now >= until {
            self.timer = None;
            return Poll::Ready(());
        }
        // A new one each time: it wakes whoever polls now.
        let mut timer = self.clock.timer(context.waker().clone());
        let gone = timer.set(until).is_err();
        self.timer = Some(timer);
        if gone { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What is told upstream of its surroundings.
pub(crate) trait ContextOf:
    Fn(millstream_core::Context) -> millstream_core::Context + Send + 'static
{
}

impl<F> ContextOf for F where
    F: Fn(millstream_core::Context) -> millstream_core::Context + Send + 'static
{
}

/// Counts the items that pass, for a drain.
pub(crate) struct Counted<C> {
    // Dropped after this was, which may note a failure.
    member: Member<5>,
    /// Where a failure below is noted, once.
    below: Option<Census<5>>,
    context: C,
}

impl<C> Counted<C> {
    fn cancelled_by(&mut self, cause: &Cause) {
        if cause.is_failure()
            && let Some(census) = self.below.take()
        {
            census.note(FAILED);
        }
    }
}

impl<C> Drop for Counted<C> {
    fn drop(&mut self) {
        self.cancelled_by(&current());
    }
}

impl<T: Send + 'static, C: ContextOf> ItemStep<T> for Counted<C> {
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        self.member.count();
        Emit::Item(item)
    }

    fn cancelled(&mut self, cause: &Cause) {
        self.cancelled_by(cause);
    }

    fn context(&self, downstream: millstream_core::Context) -> millstream_core::Context {
        (self.context)(downstream)
    }
}
