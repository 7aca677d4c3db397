//! `cursor`: the items one by one, with `next().await`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_blocks::cause::within;
use millstream_blocks::slot::{Filler, Slot, slot};
use millstream_core::{
    ActiveSubscriber, Cause, End, Failure, Fault, More, Publisher, Rest, Subscriber, Subscription,
};
use millstream_executors::executor_thread;

/// The items one by one: [`PublisherExt::cursor`](crate::PublisherExt::cursor).
///
/// ```text
/// next()  r1   r1   r1
/// up      --1  --2  --|
/// gives     1    2    None
/// ```
///
/// # Demand
/// One for each [`next`](Cursor::next), and none between: upstream rests while nobody waits. It is
/// subscribed to by the first.
/// # Completion
/// `None`, also for each `next` after it.
/// # Errors
/// Once, in place of an item; then `None`.
/// # Cancellation
/// Dropping the cursor cancels upstream. Dropping the future that [`next`](Cursor::next) gave
/// loses nothing: an item that comes then is parked, and the next `next` gives it without asking
/// again.
/// # Bounds
/// Holds one item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let mut numbers = millstream::from_iter(1..=2).cursor();
/// let sum = async move {
///     let mut sum = 0;
///     while let Some(n) = numbers.next().await? {
///         sum += n;
///     }
///     Ok::<i32, millstream::Failure<std::convert::Infallible>>(sum)
/// };
/// assert_eq!(futures::executor::block_on(sum)?, 3);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[must_use = "cursors are lazy: nothing runs before `next`"]
pub struct Cursor<P, T = <P as Publisher>::Item, E = <P as Publisher>::Error>(State<P, T, E>);

// The items are named for the reason that `Run` has.
enum State<P, T, E> {
    Lazy(P),
    Running(Slot<T, E>),
    Over,
}

// The publisher is moved before it runs, never pinned.
impl<P, T, E> Unpin for Cursor<P, T, E> {}

impl<P: Publisher> Cursor<P> {
    pub(crate) fn new(publisher: P) -> Cursor<P> {
        Cursor(State::Lazy(publisher))
    }

    /// The next item, or `None` after the last.
    #[expect(clippy::should_implement_trait, reason = "it is awaited, as that of every stream")]
    pub fn next(&mut self) -> Next<'_, P, P::Item, P::Error> {
        Next { cursor: self }
    }

    /// Waits on this thread for the next item.
    ///
    /// # Errors
    /// As awaiting [`next`](Cursor::next); and [`Fault::BlockedExecutor`], before anything runs,
    /// on a thread that runs an executor: it could wait for work that only this thread can do.
    pub fn block_next(&mut self) -> Result<Option<P::Item>, Failure<P::Error>> {
        if executor_thread::is_current() {
            return Err(Failure::Fault(Fault::BlockedExecutor));
        }
        match self.slot() {
            Some(slot) => {
                let taken = slot.wait();
                self.settle(taken)
            }
            None => Ok(None),
        }
    }

    /// Nothing more is wanted, and why: for a loop that cannot use what it got. To drop it says that no
    /// more is needed, unless a panic does.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::{Cause, effect::FinallyReason, executor::CurrentThread};
    ///
    /// let (rows, end) = millstream::from_iter(["1", "x", "3"]).watch_end();
    /// let mut rows = rows.cursor();
    /// let mut sum = 0;
    /// while let Some(row) = rows.block_next()? {
    ///     match row.parse::<u32>() {
    ///         Ok(n) => sum += n,
    ///         Err(error) => {
    ///             rows.cancel_because(Cause::given(error));
    ///             break;
    ///         }
    ///     }
    /// }
    /// let FinallyReason::Cancelled(cause) = CurrentThread::new().run_until(end) else { panic!() };
    /// assert_eq!((sum, cause.to_string()), (1, "invalid digit found in string".to_owned()));
    /// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
    /// ```
    pub fn cancel_because(self, cause: Cause) {
        within(cause, || drop(self));
    }

    /// Whether the end was told.
    #[cfg(feature = "futures")]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }

    /// The slot of the stream, which begins now if it has not.
    fn slot(&mut self) -> Option<&mut Slot<P::Item, P::Error>> {
        if let State::Lazy(_) = self.0
            && let State::Lazy(publisher) = std::mem::replace(&mut self.0, State::Over)
        {
            let (filler, slot) = slot();
            publisher.subscribe(CursorSubscriber { filler });
            self.0 = State::Running(slot);
        }
        match &mut self.0 {
            State::Running(slot) => Some(slot),
            _ => None,
        }
    }

    fn settle(
        &mut self,
        taken: Result<P::Item, End<P::Error>>,
    ) -> Result<Option<P::Item>, Failure<P::Error>> {
        let end = match taken {
            Ok(item) => return Ok(Some(item)),
            Err(end) => end,
        };
        self.0 = State::Over;
        match end {
            End::Completed | End::Cancelled(_) => Ok(None),
            End::Failed(error) => Err(Failure::Error(error)),
            End::Fault(fault) => Err(Failure::Fault(fault)),
        }
    }
}

impl<P, T, E> fmt::Debug for Cursor<P, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Lazy(_) => "Cursor(not started)",
            State::Running(_) => "Cursor(running)",
            State::Over => "Cursor(over)",
        })
    }
}

/// The next item of a [`Cursor`]. Dropping it loses nothing.
#[must_use = "futures are lazy: nothing is asked for before `.await`"]
pub struct Next<'a, P, T, E> {
    cursor: &'a mut Cursor<P, T, E>,
}

impl<P: Publisher> Future for Next<'_, P, P::Item, P::Error> {
    type Output = Result<Option<P::Item>, Failure<P::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _polled_by_an_executor = executor_thread::polls();
        let Some(slot) = self.cursor.slot() else { return Poll::Ready(Ok(None)) };
        match slot.poll(context) {
            Poll::Ready(taken) => Poll::Ready(self.cursor.settle(taken)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<P, T, E> fmt::Debug for Next<'_, P, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("cursor", &self.cursor).finish()
    }
}

struct CursorSubscriber<T, E> {
    filler: Filler<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for CursorSubscriber<T, E> {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        self.filler.attach(subscription);
        self
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for CursorSubscriber<T, E> {
    fn on_next(&mut self, item: T) -> More {
        self.filler.put(item);
        More::NONE
    }

    fn on_complete(self) {
        drop(self.filler.end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.filler.end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.filler.end(End::Fault(fault)));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        drop(self.filler.end(end));
        None
    }
}
