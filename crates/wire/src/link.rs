//! A connection: something to read from, something to write to, and how long a frame may be.

use std::fmt;

use millstream_executors::Executor;
use millstream_operators::edge::transport::{PollRead, PollWrite};

use crate::blocking::{self, Socket};
use crate::frame::LEAST_FRAME;

/// Both directions of a connection, and how long a frame may be that comes by it.
///
/// Any that keeps bytes in order will do: a socket, the pipes of a child process, a pair of files in
/// memory.
///
/// `max_frame` is the limit, in bytes, of what this side takes: the bytes of an item and nine. It is
/// told the other side, which fails rather than to send a longer one; a peer that sends one all the
/// same ends the stream, and nothing was allocated for it.
pub struct Link {
    pub(crate) reader: Box<dyn PollRead>,
    pub(crate) writer: Box<dyn PollWrite>,
    pub(crate) max_frame: usize,
}

impl Link {
    #[track_caller]
    fn new(name: &str, reader: impl PollRead, writer: impl PollWrite, max_frame: usize) -> Link {
        assert!(
            (LEAST_FRAME..=u32::MAX as usize).contains(&max_frame),
            "Link::{name}(.., {max_frame}): a frame may have {LEAST_FRAME} bytes at least, and {} at \
             most",
            u32::MAX,
        );
        Link { reader: Box::new(reader), writer: Box::new(writer), max_frame }
    }

    /// Over a reader and a writer of the `futures` crates. With the feature `futures`.
    ///
    /// The writer is closed when all is said, and then dropped.
    ///
    /// # Panics
    /// When `max_frame` is less than 64, or more than 2<sup>32</sup> - 1.
    #[cfg(feature = "futures")]
    #[track_caller]
    pub fn from_futures<R, W>(reader: R, writer: W, max_frame: usize) -> Link
    where
        R: futures_io::AsyncRead + Send + 'static,
        W: futures_io::AsyncWrite + Send + 'static,
    {
        use millstream_operators::edge::transport::Futures;
        Link::new("from_futures", Futures(Box::pin(reader)), Futures(Box::pin(writer)), max_frame)
    }

    /// Over a reader and a writer of tokio. With the feature `tokio`.
    ///
    /// The writer is shut down when all is said, and then dropped. A socket does well with
    /// `set_nodelay(true)`: what is written is as long as it can be.
    ///
    /// # Panics
    /// When `max_frame` is less than 64, or more than 2<sup>32</sup> - 1.
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn from_tokio<R, W>(reader: R, writer: W, max_frame: usize) -> Link
    where
        R: tokio::io::AsyncRead + Send + 'static,
        W: tokio::io::AsyncWrite + Send + 'static,
    {
        use millstream_operators::edge::transport::Tokio;
        Link::new("from_tokio", Tokio(Box::pin(reader)), Tokio(Box::pin(writer)), max_frame)
    }

    /// Over a reader and a writer that block, such as the pipes of a child process: each has a task of
    /// `executor`, which must be one [for blocking work](millstream_executors): two threads of a
    /// [`Threads`](millstream_executors::Threads).
    ///
    /// A thread that waits in a read goes on waiting when the link is dropped, until the other side
    /// writes or closes.
    ///
    /// # Panics
    /// When `max_frame` is less than 64, or more than 2<sup>32</sup> - 1.
    #[track_caller]
    pub fn from_blocking<R, W>(
        executor: &impl Executor,
        reader: R,
        writer: W,
        max_frame: usize,
    ) -> Link
    where
        R: std::io::Read + Send + 'static,
        W: std::io::Write + Send + 'static,
    {
        let reader = blocking::Reader::new(executor, reader, None);
        let writer = blocking::Writer::new(executor, writer);
        Link::new("from_blocking", reader, writer, max_frame)
    }

    /// Over a socket of `std`, [as it blocks](Link::from_blocking): a
    /// [`TcpStream`](std::net::TcpStream), or a Unix stream. One of TCP is told not to wait for more to
    /// send. A thread that waits in a read is told when the link is dropped.
    ///
    /// # Errors
    /// Where the socket has no second handle, or takes no options.
    ///
    /// # Panics
    /// When `max_frame` is less than 64, or more than 2<sup>32</sup> - 1.
    #[track_caller]
    pub fn from_socket(
        executor: &impl Executor,
        socket: impl Socket,
        max_frame: usize,
    ) -> std::io::Result<Link> {
        let (reader, writer, waits) = blocking::halves(socket)?;
        let reader = blocking::Reader::new(executor, reader, Some(waits));
        let writer = blocking::Writer::new(executor, writer);
        Ok(Link::new("from_socket", reader, writer, max_frame))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("max_frame", &self.max_frame).finish_non_exhaustive()
    }
}
