//! `async_lines`: the lines of an asynchronous reader.

use std::io;

use futures_io::AsyncBufRead;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::edge::bytes::Lines;
use crate::edge::transport::Futures;
use crate::shape::polled::polled;

/// The lines of an asynchronous reader, without their ends (`\n` or `\r\n`). It is driven by a
/// task of `executor`. With the feature `futures`; for readers of the other family see
/// [`tokio_lines`](crate::edge::tokio_lines).
///
/// ```text
/// read  "a\nb\r", "\nc", end
/// down  ^--r2-a--b------r2-c--|
/// ```
///
/// # Demand
/// One line is read for each line asked for, and none without demand. A line that is in the
/// reader's buffer takes no read.
/// # Completion
/// At the end of the reader, which takes a unit of demand: to look for the end is a read.
/// # Errors
/// As the reader; a line that is not UTF-8 is an error of kind
/// [`InvalidData`](io::ErrorKind::InvalidData), with [`NotUtf8`](crate::source::NotUtf8) inside,
/// which says which line. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The reader is dropped, with what was read of a line, when the task runs next.
/// # Bounds
/// Holds the reader, and the line that is being read. A line is as long as it is: for input that is
/// not trusted, [`from_async_reader`](crate::edge::from_async_reader()) and [`delimited`](crate::PublisherExt::delimited).
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let lines = millstream::async_lines(executor.handle(), &b"one\r\ntwo\n\nfour"[..]);
/// let lines = executor.run_until(lines.collect::<Vec<_>>())?;
/// assert_eq!(lines, ["one", "two", "", "four"]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(alias = "LinesStream", alias = "Framing.delimiter", alias = "lines")]
pub fn async_lines<X, R>(executor: X, reader: R) -> AsyncLines<X, R>
where
    X: Executor,
    R: AsyncBufRead + Send + 'static,
{
    AsyncLines { executor, reader }
}

/// The publisher of [`async_lines`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AsyncLines<X, R> {
    executor: X,
    reader: R,
}

crate::opaque_debug::opaque_debug!(AsyncLines<X, R>);

impl<X, R> Publisher for AsyncLines<X, R>
where
    X: Executor,
    R: AsyncBufRead + Send + 'static,
{
    type Item = String;
    type Error = io::Error;

    fn subscribe<S: Subscriber<String, io::Error>>(self, subscriber: S) {
        polled(&self.executor, Lines::new(Futures(Box::pin(self.reader))), subscriber);
    }
}
