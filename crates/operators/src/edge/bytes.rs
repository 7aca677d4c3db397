//! What the two families of asynchronous readers and writers have in common, so that the sources
//! and ends are written once.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use millstream_core::Pulled;

use crate::edge::transport::{PollBufRead, PollRead, PollWrite};
use crate::shape::polled::Polled;
use crate::source::LineBuffer;

/// The bytes of a reader, a read for each chunk.
pub(crate) struct Chunks<R> {
    reader: R,
    /// What is read into; a chunk is a copy of what was read.
    buffer: Box<[u8]>,
}

impl<R> Chunks<R> {
    pub(crate) fn new(reader: R, chunk_size: usize) -> Chunks<R> {
        Chunks { reader, buffer: vec![0; chunk_size].into_boxed_slice() }
    }
}

impl<R: PollRead> Polled for Chunks<R> {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn poll(&mut self, cx: &mut Context<'_>) -> Pulled<Vec<u8>, io::Error> {
        loop {
            return match self.reader.poll_read(cx, &mut self.buffer) {
                Poll::Pending => Pulled::Pending,
                Poll::Ready(Ok(0)) => Pulled::Complete,
                Poll::Ready(Ok(n)) => Pulled::Item(self.buffer[..n].to_vec()),
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => Pulled::Error(error),
            };
        }
    }
}

/// The lines of a reader.
pub(crate) struct Lines<R> {
    reader: R,
    line: LineBuffer,
}

impl<R> Lines<R> {
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines { reader, line: LineBuffer::default() }
    }
}

impl<R: PollBufRead> Polled for Lines<R> {
    type Item = String;
    type Error = io::Error;

    fn poll(&mut self, cx: &mut Context<'_>) -> Pulled<String, io::Error> {
        loop {
            let bytes = match self.reader.poll_fill_buf(cx) {
                Poll::Pending => return Pulled::Pending,
                Poll::Ready(Ok(bytes)) => bytes,
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => return Pulled::Error(error),
            };
            if bytes.is_empty() {
                return if self.line.is_empty() { Pulled::Complete } else { self.line.finish() };
            }
            // From a slice: it cannot fail.
            let used = self.line.read_from(&mut &*bytes).unwrap_or(0);
            self.reader.consume(used);
            if self.line.is_whole() {
                return self.line.finish();
            }
        }
    }
}

/// Why bytes could not be written, and how many were before.
#[derive(Debug)]
pub struct WriteError {
    written: u64,
    error: io::Error,
}

impl WriteError {
    /// How many bytes the writer took before, of all items together.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What the writer said.
    #[must_use]
    pub fn into_inner(self) -> io::Error {
        self.error
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes were written: {}", self.written, self.error)
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// A writer, and how many bytes it took.
pub(crate) struct Writing<W> {
    writer: W,
    written: u64,
}

impl<W: PollWrite> Writing<W> {
    pub(crate) fn new(writer: W) -> Writing<W> {
        Writing { writer, written: 0 }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let mut left = bytes;
        while !left.is_empty() {
            let n = uninterrupted(|cx| self.writer.poll_write(cx, left)).await;
            let n = match n {
                Ok(0) => return Err(self.failed(ErrorKind::WriteZero.into())),
                Ok(n) => n,
                Err(error) => return Err(self.failed(error)),
            };
            left = &left[n..];
            self.written += n as u64;
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), WriteError> {
        let flushed = uninterrupted(|cx| self.writer.poll_flush(cx)).await;
        flushed.map_err(|error| self.failed(error))
    }

    /// Flushes and closes: how many bytes were written.
    pub(crate) async fn close(mut self) -> Result<u64, WriteError> {
        self.flush().await?;
        let closed = uninterrupted(|cx| self.writer.poll_close(cx)).await;
        closed.map_err(|error| self.failed(error))?;
        Ok(self.written)
    }

    fn failed(&self, error: io::Error) -> WriteError {
        WriteError { written: self.written, error }
    }
}

/// Asks again where it was interrupted.
async fn uninterrupted<T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    std::future::poll_fn(|cx| {
        loop {
            match poll(cx) {
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                polled => return polled,
            }
        }
    })
    .await
}
