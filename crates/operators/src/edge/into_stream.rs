//! `into_stream`: a publisher as a `futures::Stream`.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_core::{FusedStream, Stream};
use millstream_blocks::gauge::{Board, Site};
use millstream_blocks::poller::Poller;
use millstream_core::{Context, End, Failure, Fault, Publisher, Pull};
use millstream_executors::executor_thread;

use crate::end::Cursor;
use crate::shape::joined::{Feed, capacity, feed};

/// The items as a [`Stream`] of `Result`, for code that polls:
/// [`PublisherExt::into_stream`](crate::PublisherExt::into_stream). With the feature `futures`.
///
/// ```text
///           into_stream(2)
/// poll      p    p   p     p  p    p
/// up    --1-2----3--------------|
/// gives     Ok(1)  Ok(2)  Ok(3)  None
/// ```
///
/// # Demand
/// `capacity` when it is polled first, which subscribes; after that three quarters of it, each time
/// as many items have been taken. So the publisher works ahead while nobody polls, as far as there
/// is room. One that is synchronous from its source on is pulled in place, an item for each poll.
/// # Completion
/// `None`, behind what is queued, also for each poll after it.
/// # Errors
/// Once, as the last item, behind what is queued. A fault does not wait. Where the publisher has
/// no errors of its own, [`or_panic`](IntoStream::or_panic) makes a stream of plain items.
/// # Cancellation
/// Dropping the stream cancels upstream and discards what is queued. Dropping the future of a
/// `next()` loses nothing: an item that comes then is queued, and the next `next()` gives it.
/// # Bounds
/// `capacity` items. A few allocations when it is polled first; none per item.
/// Its type names the items and the error, not the pipeline.
/// # Panics
/// When `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use futures::TryStreamExt;
/// use millstream::prelude::*;
///
/// # futures::executor::block_on(async {
/// let stream = millstream::from_iter(1..=3).map(|n| n * n).into_stream(16);
/// assert_eq!(stream.try_collect::<Vec<_>>().await?, [1, 4, 9]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// # }).unwrap();
/// ```
#[must_use = "streams are lazy: nothing runs before one is polled"]
pub struct IntoStream<T, E>(State<T, E>);

enum State<T, E> {
    Lazy(Box<dyn Begin<T, E>>, Context),
    Running(Box<dyn Items<T, E>>),
    Over,
}

impl<T: Send + 'static, E: Send + 'static> IntoStream<T, E> {
    #[track_caller]
    pub(crate) fn new<P: Publisher<Item = T, Error = E>>(publisher: P, n: usize) -> Self {
        let capacity = capacity("into_stream(0)", n);
        let waiting = Waiting { publisher, capacity, site: Site::here("into_stream") };
        IntoStream(State::Lazy(Box::new(waiting), Context::default()))
    }

    /// Its queue and the boundaries above are listed on a board, as by
    /// [`observed`](crate::PublisherExt::observed), which is for those above alone. It says nothing
    /// once the stream was polled.
    pub fn observed(self, board: &Board) -> IntoStream<T, E> {
        self.around(|context| board.watch().over(context))
    }

    /// A name for its queue, as by [`named`](crate::PublisherExt::named). It says nothing once the
    /// stream was polled.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> IntoStream<T, E> {
        self.around(|context| context.with_name(name))
    }

    fn around(self, change: impl FnOnce(Context) -> Context) -> IntoStream<T, E> {
        IntoStream(match self.0 {
            State::Lazy(begin, context) => State::Lazy(begin, change(context)),
            other => other,
        })
    }

    /// What it is polled for, which begins now if it has not; `None` when it is over.
    fn items(&mut self) -> Option<&mut dyn Items<T, E>> {
        if let State::Lazy(..) = self.0
            && let State::Lazy(begin, context) = std::mem::replace(&mut self.0, State::Over)
        {
            self.0 = State::Running(begin.begin(&context));
        }
        match &mut self.0 {
            State::Running(items) => Some(&mut **items),
            _ => None,
        }
    }
}

impl<T: Send + 'static> IntoStream<T, Infallible> {
    /// The items without `Result`, since there are no errors. Where the pipeline breaks, whoever
    /// polls panics: with the panic of the pipeline, if that was why.
    ///
    /// ```
    /// use futures::StreamExt;
    /// use millstream::prelude::*;
    ///
    /// let stream = millstream::from_iter(1..=3).into_stream(1).or_panic();
    /// assert_eq!(futures::executor::block_on(stream.collect::<Vec<_>>()), [1, 2, 3]);
    /// ```
    pub fn or_panic(self) -> OrPanic<T> {
        OrPanic(self)
    }
}

/// What has not begun, whatever it is made of.
trait Begin<T, E>: Send {
    fn begin(self: Box<Self>, context: &Context) -> Box<dyn Items<T, E>>;
}

struct Waiting<P> {
    publisher: P,
    capacity: NonZeroUsize,
    site: Site,
}

impl<P: Publisher> Begin<P::Item, P::Error> for Waiting<P> {
    fn begin(self: Box<Self>, context: &Context) -> Box<dyn Items<P::Item, P::Error>> {
        let Waiting { publisher, capacity, site } = *self;
        Box::new(Poller::new(context, |bell, context| {
            feed(publisher, capacity, bell.clone(), context, site)
        }))
    }
}

/// What is polled for items, whatever it is made of.
trait Items<T, E>: Send {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<T, End<E>>>;

    /// Whether an item is certain to come without anybody's doing.
    fn holds(&self) -> bool;
}

impl<Q: Pull> Items<Q::Item, Q::Error> for Poller<Feed<Q>> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Q::Item, End<Q::Error>>> {
        Poller::poll(self, cx)
    }

    fn holds(&self) -> bool {
        // A source that is pulled may be at its end.
        self.source().is_some_and(|feed| !feed.is_pulled() && feed.holds())
    }
}

impl<T: Send + 'static, E: Send + 'static> Stream for IntoStream<T, E> {
    type Item = Result<T, Failure<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let _polled_by_an_executor = executor_thread::polls();
        let Some(items) = self.items() else { return Poll::Ready(None) };
        let Poll::Ready(next) = items.poll(cx) else { return Poll::Pending };
        let end = match next {
            Ok(item) => return Poll::Ready(Some(Ok(item))),
            Err(end) => end,
        };
        self.0 = State::Over;
        Poll::Ready(match end {
            End::Completed | End::Cancelled(_) => None,
            End::Failed(error) => Some(Err(Failure::Error(error))),
            End::Fault(fault) => Some(Err(Failure::Fault(fault))),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            State::Lazy(..) => (0, None),
            // What is queued may yet give way to a fault, which is an item as well.
            State::Running(items) => (usize::from(items.holds()), None),
            State::Over => (0, Some(0)),
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> FusedStream for IntoStream<T, E> {
    fn is_terminated(&self) -> bool {
        matches!(self.0, State::Over)
    }
}

impl<T, E> fmt::Debug for IntoStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Lazy(..) => "IntoStream(not started)",
            State::Running(_) => "IntoStream(running)",
            State::Over => "IntoStream(over)",
        })
    }
}

/// The stream of [`IntoStream::or_panic`].
#[must_use = "streams are lazy: nothing runs before one is polled"]
pub struct OrPanic<T>(IntoStream<T, Infallible>);

impl<T: Send + 'static> Stream for OrPanic<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<T>> {
        match Pin::new(&mut self.0).poll_next(cx) {
            Poll::Ready(Some(Ok(item))) => Poll::Ready(Some(item)),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Err(Failure::Error(never)))) => match never {},
            Poll::Ready(Some(Err(Failure::Fault(Fault::Panicked(panic))))) => panic.resume(),
            Poll::Ready(Some(Err(Failure::Fault(fault)))) => panic!("{fault}"),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // What is queued may yet give way to a fault, which is no item here.
        match self.0.size_hint() {
            (_, Some(0)) => (0, Some(0)),
            _ => (0, None),
        }
    }
}

impl<T: Send + 'static> FusedStream for OrPanic<T> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<T> fmt::Debug for OrPanic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrPanic").field(&self.0).finish()
    }
}

/// One item is asked for by each poll that finds none on its way. With the feature `futures`.
impl<P: Publisher> Stream for Cursor<P> {
    type Item = Result<P::Item, Failure<P::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.next()).poll(cx).map(Result::transpose)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.is_over().then_some(0))
    }
}

impl<P: Publisher> FusedStream for Cursor<P> {
    fn is_terminated(&self) -> bool {
        self.is_over()
    }
}
