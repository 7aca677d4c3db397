//! `tokio_lines`: the lines of an asynchronous reader of tokio.

use std::io;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use tokio::io::AsyncBufRead;

use crate::edge::bytes::Lines;
use crate::edge::transport::Tokio;
use crate::shape::polled::polled;

/// The lines of an asynchronous reader of tokio, without their ends (`\n` or `\r\n`). It is driven by a
/// task of `executor`. With the feature `tokio`; for readers of the other family see
/// [`async_lines`](crate::edge::async_lines).
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
/// not trusted, [`from_tokio_reader`](crate::edge::from_tokio_reader()) and [`delimited`](crate::PublisherExt::delimited).
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let lines = millstream::tokio_lines(executor.handle(), &b"one\r\ntwo\n\nfour"[..]);
/// let lines = executor.run_until(lines.collect::<Vec<_>>())?;
/// assert_eq!(lines, ["one", "two", "", "four"]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(alias = "LinesStream", alias = "Framing.delimiter", alias = "lines")]
pub fn tokio_lines<X, R>(executor: X, reader: R) -> TokioLines<X, R>
where
    X: Executor,
    R: AsyncBufRead + Send + 'static,
{
    TokioLines { executor, reader }
}

/// The publisher of [`tokio_lines`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct TokioLines<X, R> {
    executor: X,
    reader: R,
}

crate::opaque_debug::opaque_debug!(TokioLines<X, R>);

impl<X, R> Publisher for TokioLines<X, R>
where
    X: Executor,
    R: AsyncBufRead + Send + 'static,
{
    type Item = String;
    type Error = io::Error;

    fn subscribe<S: Subscriber<String, io::Error>>(self, subscriber: S) {
        polled(&self.executor, Lines::new(Tokio(Box::pin(self.reader))), subscriber);
    }
}
