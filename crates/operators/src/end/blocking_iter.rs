//! `blocking_iter`: the items as an iterator, whose thread waits for them.

use std::fmt;
use std::iter::FusedIterator;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::alarm::Alarm;
use millstream_blocks::lane::{Outlet, lane};
use millstream_blocks::poller::Poller;
use millstream_core::{End, Failure, Fault, Publisher};
use millstream_executors::executor_thread;

use crate::shape::joined::capacity;

/// How often the thread looks for an item before it goes to sleep: for some hundred nanoseconds.
const LOOKS: u32 = 256;

/// The items as an iterator, whose thread waits for them:
/// [`PublisherExt::blocking_iter`](crate::PublisherExt::blocking_iter).
///
/// ```text
/// up      ^r2-1--2--r2-3--|
/// next()  → 1   → 2  → 3  → None
/// ```
///
/// For code that is no future: a test, a tool, a thread that works on what comes. Nothing runs
/// before the first `next`.
///
/// # Demand
/// `prefetch` by the first `next`; after that three quarters of it, each time as many items were
/// taken. So upstream works ahead while the thread works on an item.
/// # Completion
/// `None`, after what is queued.
/// # Errors
/// The failure as the last item, after what is queued. A fault does not wait. On a thread that
/// runs an executor the first item is the fault
/// [`BlockedExecutor`](millstream_core::Fault::BlockedExecutor), and nothing runs: it could wait
/// for work that only this thread can do. See [`block`](crate::shape::end::Run::block).
/// # Cancellation
/// Dropping the iterator cancels upstream and discards what is queued.
/// # Bounds
/// `prefetch` items.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let squares = millstream::from_iter(1..=4).map(|n| n * n);
/// let mut sum = 0;
/// for square in squares.blocking_iter(2) {
///     sum += square?;
/// }
/// assert_eq!(sum, 30);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
///
/// Into a bounded channel of `std`, whose own send paces it:
///
/// ```
/// use std::sync::mpsc::sync_channel;
/// use millstream::prelude::*;
///
/// let (sender, receiver) = sync_channel(1);
/// let feeds = std::thread::spawn(move || {
///     for item in millstream::from_iter(1..=3).blocking_iter(1) {
///         sender.send(item.unwrap()).unwrap();
///     }
/// });
/// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # feeds.join().unwrap();
/// ```
#[must_use = "iterators are lazy: nothing runs before `next`"]
pub struct BlockingIter<P: Publisher> {
    state: State<P>,
    prefetch: NonZeroUsize,
}

enum State<P: Publisher> {
    Lazy(P),
    Running(Waiting<P>),
    Over,
}

struct Waiting<P: Publisher> {
    poller: Poller<Outlet<P::Item, P::Error>>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl<P: Publisher> Waiting<P> {
    fn begin(publisher: P, prefetch: NonZeroUsize) -> Waiting<P> {
        let poller = Poller::new(&millstream_core::Context::default(), |bell, context| {
            let (inlet, outlet) = lane(prefetch, bell.clone(), context, None);
            publisher.subscribe(inlet);
            outlet
        });
        let alarm = Arc::new(Alarm::new());
        let waker = Waker::from(alarm.clone());
        Waiting { poller, alarm, waker }
    }

    fn next(&mut self) -> Result<P::Item, End<P::Error>> {
        loop {
            match self.poller.poll(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(next) => return next,
                Poll::Pending => self.alarm.wait(LOOKS),
            }
        }
    }
}

impl<P: Publisher> BlockingIter<P> {
    #[track_caller]
    pub(crate) fn new(publisher: P, n: usize) -> BlockingIter<P> {
        let prefetch = capacity("blocking_iter(0)", n);
        BlockingIter { state: State::Lazy(publisher), prefetch }
    }
}

impl<P: Publisher> Iterator for BlockingIter<P> {
    type Item = Result<P::Item, Failure<P::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let State::Over = self.state {
            return None;
        }
        if executor_thread::is_current() {
            self.state = State::Over;
            return Some(Err(Failure::Fault(Fault::BlockedExecutor)));
        }
        if let State::Lazy(_) = self.state
            && let State::Lazy(publisher) = std::mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Running(Waiting::begin(publisher, self.prefetch));
        }
        let State::Running(waiting) = &mut self.state else { return None };
        let end = match waiting.next() {
            Ok(item) => return Some(Ok(item)),
            Err(end) => end,
        };
        self.state = State::Over;
        match end {
            End::Completed | End::Cancelled(_) => None,
            End::Failed(error) => Some(Err(Failure::Error(error))),
            End::Fault(fault) => Some(Err(Failure::Fault(fault))),
        }
    }
}

impl<P: Publisher> FusedIterator for BlockingIter<P> {}

impl<P: Publisher> fmt::Debug for BlockingIter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Lazy(_) => "BlockingIter(not started)",
            State::Running(_) => "BlockingIter(running)",
            State::Over => "BlockingIter(over)",
        })
    }
}
