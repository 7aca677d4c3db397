//! `write_to`: chunks of bytes into an asynchronous writer.

use futures_io::AsyncWrite;

use crate::edge::bytes::{WriteError, Writing};
use crate::edge::transport::Futures;
use crate::edge::{AsyncTarget, IntoTarget};

/// Chunks of bytes into an asynchronous writer; gives how many bytes there were:
/// [`PublisherExt::write_to`](crate::PublisherExt::write_to). With the feature `futures`; for writers of the
/// other family there is `write_to_tokio`.
///
/// ```text
/// up     r1--[5]---r1--[3]----r1------|
/// write      2, 3      3   flush    close
/// gives                                 Ok(8)
/// ```
///
/// It is driven by whoever awaits it.
///
/// # Demand
/// One chunk at a time: while it is written, upstream may send another, which waits. A synchronous
/// upstream is pulled when the chunk before is written.
/// # Completion
/// The writer is flushed and closed; the end comes when it has.
/// # Errors
/// [`WriteError`], with how many bytes were written before, as
/// [`DeliveryError::Target`](crate::edge::DeliveryError::Target); upstream is cancelled. A writer
/// that takes no bytes is an error of kind [`WriteZero`](std::io::ErrorKind::WriteZero). When
/// upstream fails, the writer is flushed and dropped, not closed. A fault does not wait for the
/// writer.
/// # Cancellation
/// Dropping the end drops the writer, in the middle of a chunk where it was in one, and cancels
/// upstream.
/// # Bounds
/// One chunk waits, and one is being written: whole, in as many writes as the writer takes. An
/// interrupted write is repeated. The writer is flushed when upstream has nothing for now. Six
/// allocations; none per chunk.
///
/// # Examples
/// ```
/// use futures::io::{AsyncWriteExt, BufWriter, Cursor};
/// use millstream::prelude::*;
///
/// let lines = millstream::from_iter(["one\n", "three\n"]);
/// let end = lines.write_to(BufWriter::new(Cursor::new(vec![0; 16])));
/// assert_eq!(futures::executor::block_on(end).unwrap(), 10);
/// ```
///
/// With `?`, and as an error of `std::io`:
///
/// ```
/// use futures::io::AsyncWrite;
/// use millstream::edge::DeliveryError;
/// use millstream::prelude::*;
/// use millstream::Failure;
///
/// async fn save(
///     to: impl AsyncWrite + Send + 'static,
/// ) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
///     Ok(millstream::from_iter(["one\n", "three\n"]).write_to(to).await?)
/// }
///
/// async fn save_io(to: impl AsyncWrite + Send + 'static) -> std::io::Result<u64> {
///     let lines = millstream::from_iter(["one\n", "three\n"]);
///     lines.write_to(to).await.map_err(|failure| match failure {
///         Failure::Error(DeliveryError::Target(write)) => write.into_inner(),
///         Failure::Error(DeliveryError::Upstream(never)) => match never {},
///         Failure::Fault(fault) => std::io::Error::other(fault),
///     })
/// }
/// # assert_eq!(futures::executor::block_on(save(futures::io::sink())).unwrap(), 10);
/// # assert_eq!(futures::executor::block_on(save_io(futures::io::sink())).unwrap(), 10);
/// ```
pub type WriteTo<P, W> = IntoTarget<P, WriteTarget<W>>;

/// A writer as an [`AsyncTarget`] of chunks of bytes.
pub struct WriteTarget<W>(Writing<Futures<W>>);

crate::opaque_debug::opaque_debug!(WriteTarget<W>);

impl<W: AsyncWrite + Send + 'static> WriteTarget<W> {
    /// Chunks go to `writer`.
    pub fn new(writer: W) -> WriteTarget<W> {
        WriteTarget(Writing::new(Futures(Box::pin(writer))))
    }
}

impl<T, W> AsyncTarget<T> for WriteTarget<W>
where
    T: AsRef<[u8]> + Send + 'static,
    W: AsyncWrite + Send + 'static,
{
    type Output = u64;
    type Error = WriteError;

    async fn send(&mut self, chunk: T) -> Result<(), WriteError> {
        let bytes = chunk.as_ref();
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), WriteError> {
        self.0.flush().await
    }

    async fn close(self) -> Result<u64, WriteError> {
        self.0.close().await
    }
}
