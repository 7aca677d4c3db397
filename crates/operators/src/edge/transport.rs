//! The two families of asynchronous readers and writers as one, for what is written once over both.

use std::io;
#[cfg(any(feature = "futures", feature = "tokio"))]
use std::pin::Pin;
use std::task::{Context, Poll};

/// Reads into a buffer.
pub trait PollRead: Send + 'static {
    /// How many bytes were read; none at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Lends its own buffer.
pub trait PollBufRead: Send + 'static {
    /// What is in the buffer; nothing at the end.
    fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;
    /// So many bytes of it were used.
    fn consume(&mut self, n: usize);
}

/// Writes from a buffer.
pub trait PollWrite: Send + 'static {
    /// How many bytes were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// All that was taken is on its way.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// So too, and nothing follows.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A reader or writer of the `futures` family.
#[cfg(feature = "futures")]
#[derive(Debug)]
pub struct Futures<R>(pub Pin<Box<R>>);

#[cfg(feature = "futures")]
impl<R: futures_io::AsyncRead + Send + 'static> PollRead for Futures<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_read(cx, buffer)
    }
}

#[cfg(feature = "futures")]
impl<R: futures_io::AsyncBufRead + Send + 'static> PollBufRead for Futures<R> {
    fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.0.as_mut().poll_fill_buf(cx)
    }

    fn consume(&mut self, n: usize) {
        self.0.as_mut().consume(n);
    }
}

#[cfg(feature = "futures")]
impl<W: futures_io::AsyncWrite + Send + 'static> PollWrite for Futures<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_close(cx)
    }
}

/// A reader or writer of the `tokio` family.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct Tokio<R>(pub Pin<Box<R>>);

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncRead + Send + 'static> PollRead for Tokio<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = tokio::io::ReadBuf::new(buffer);
        self.0.as_mut().poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
    }
}

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncBufRead + Send + 'static> PollBufRead for Tokio<R> {
    fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.0.as_mut().poll_fill_buf(cx)
    }

    fn consume(&mut self, n: usize) {
        self.0.as_mut().consume(n);
    }
}

#[cfg(feature = "tokio")]
impl<W: tokio::io::AsyncWrite + Send + 'static> PollWrite for Tokio<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
