//! `observed`: the boundaries above are listed on a board.

use millstream_blocks::gauge::{Board, Watch};
use millstream_core::Context;

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Lists the boundaries above on a [`Board`], for whoever wants to look at the running pipeline:
/// [`PublisherExt::observed`](crate::PublisherExt::observed).
///
/// ```text
/// up    --1--2--3--|
/// down  --1--2--3--|
/// ```
///
/// It stands below the boundaries of interest, normally above the end. Each of them is listed when
/// it is subscribed to: its name, if it is [`named`](crate::PublisherExt::named), what it is and
/// where in the source, and what came in, went out and is there.
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream.
/// # Bounds
/// Holds nothing. Its publisher is not pulled in place. For a boundary above it costs a few
/// allocations when it is subscribed to, and a reading of the clock when it comes to rest; what
/// is not above it costs what it did.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
/// use millstream::Board;
///
/// let board = Board::new(16);
/// let executor = CurrentThread::new();
/// let lines = millstream::from_iter(["1", "2", "3"])
///     .prefetch(2)
///     .named("read")
///     .publish_on(executor.handle(), 8)
///     .named("parse")
///     .map(|line: &str| line.len())
///     .observed(&board);
/// executor.run_until(lines.count())?;
///
/// let snapshot = board.snapshot();
/// let read = snapshot.named("read").unwrap();
/// assert_eq!((read.kind, read.capacity), ("prefetch", 2));
/// assert_eq!((read.received, read.sent, read.fill), (3, 3, 0));
/// println!("{snapshot}");
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Observed {
    watch: Watch,
}

impl Observed {
    pub(crate) fn new(board: &Board) -> Observed {
        Observed { watch: board.watch() }
    }
}

impl<T> ItemStep<T> for Observed
where
    T: Send + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;
    const PULLS: bool = false;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn context(&self, downstream: Context) -> Context {
        self.watch.over(downstream)
    }
}
