//! `from_tokio_reader`: the bytes of an asynchronous reader of tokio.

use std::io;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use tokio::io::AsyncRead;

use crate::edge::bytes::Chunks;
use crate::edge::transport::Tokio;
use crate::shape::polled::polled;
use crate::source::chunk_size_of;

/// The bytes of an asynchronous reader of tokio, in chunks of at most `chunk_size`. It is driven by a
/// task of `executor`. With the feature `tokio`; for readers of the other family see
/// [`from_async_reader`](crate::edge::from_async_reader).
///
/// ```text
/// read  ---5 bytes, 3 bytes, ---end
/// down  ^--r2--[5]--[3]----r1---|
/// ```
///
/// # Demand
/// One read for each chunk asked for, and none without demand: what a read gives is a chunk,
/// whether or not it is full. An interrupted read is repeated.
/// # Completion
/// When a read gives no bytes, which takes a unit of demand.
/// # Errors
/// As the reader. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The reader is dropped when the task runs next.
/// # Bounds
/// Holds the reader and a buffer of `chunk_size` bytes; each chunk is an allocation of what was
/// read.
/// # Panics
/// When `chunk_size` is zero, or above 2<sup>30</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// let executor = CurrentThread::new();
/// let chunks = millstream::from_tokio_reader(executor.handle(), &b"abcde"[..], 2);
/// let chunks = executor.run_until(chunks.collect::<Vec<_>>())?;
/// assert_eq!(chunks, [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(
    alias = "ReaderStream",
    alias = "FileIO.fromPath",
    alias = "fromInputStream",
    alias = "bytes"
)]
#[track_caller]
pub fn from_tokio_reader<X, R>(executor: X, reader: R, chunk_size: usize) -> FromTokioReader<X, R>
where
    X: Executor,
    R: AsyncRead + Send + 'static,
{
    let chunk_size = chunk_size_of("from_tokio_reader(_, _, 0)", chunk_size);
    FromTokioReader { executor, reader, chunk_size }
}

/// The publisher of [`from_tokio_reader`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromTokioReader<X, R> {
    executor: X,
    reader: R,
    chunk_size: usize,
}

crate::opaque_debug::opaque_debug!(FromTokioReader<X, R>, chunk_size);

impl<X, R> Publisher for FromTokioReader<X, R>
where
    X: Executor,
    R: AsyncRead + Send + 'static,
{
    type Item = Vec<u8>;
    type Error = io::Error;

    fn subscribe<S: Subscriber<Vec<u8>, io::Error>>(self, subscriber: S) {
        let FromTokioReader { executor, reader, chunk_size } = self;
        polled(&executor, Chunks::new(Tokio(Box::pin(reader)), chunk_size), subscriber);
    }
}
