//! Readers and writers that block, each on a task of an executor that may.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, ready};

use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_executors::Executor;
use millstream_operators::PublisherExt;
use millstream_operators::edge::transport::{PollRead, PollWrite};
use millstream_operators::source::{Sender, channel};

use crate::frame::READ;

type Done = (Vec<u8>, io::Result<usize>);

/// A task that does one thing at a time with what it has, as often as it is told.
struct Worker {
    orders: Sender<(Vec<u8>, Completer<Done>)>,
    at_work: Option<Outcome<Done>>,
}

impl Worker {
    fn new<S: Send + 'static>(
        executor: &impl Executor,
        mut with: S,
        work: fn(&mut S, &mut Vec<u8>) -> io::Result<usize>,
    ) -> Worker {
        let (orders, receiver) = channel::<(Vec<u8>, Completer<Done>)>(1);
        // Refused: the first order finds nobody.
        let _refused = executor.spawn(Box::pin(async move {
            let mut orders = receiver.cursor();
            while let Ok(Some((mut bytes, done))) = orders.next().await {
                let result = work(&mut with, &mut bytes);
                done.complete((bytes, result));
            }
        }));
        Worker { orders, at_work: None }
    }

    fn begin(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (completer, outcome) = outcome();
        self.orders.try_send((bytes, completer)).map_err(|_| gone())?;
        self.at_work = Some(outcome);
        Ok(())
    }

    /// What came of the work, if there is any.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Done>>> {
        let Some(outcome) = &mut self.at_work else { return Poll::Ready(Ok(None)) };
        let done = ready!(outcome.poll(cx));
        self.at_work = None;
        Poll::Ready(done.map(Some).ok_or_else(gone))
    }
}

fn gone() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "the executor runs no reader or writer of this link")
}

/// Tells a thread that waits in a read that nobody waits for it.
pub(crate) type Wake = Box<dyn FnOnce() + Send>;

pub(crate) struct Reader {
    worker: Worker,
    bytes: Vec<u8>,
    used: usize,
    waits: Option<Wake>,
}

impl Reader {
    pub(crate) fn new<R: Read + Send + 'static>(
        executor: &impl Executor,
        reader: R,
        waits: Option<Wake>,
    ) -> Reader {
        let worker = Worker::new(executor, reader, |reader, bytes| {
            bytes.resize(READ, 0);
            let n = uninterrupted(|| reader.read(bytes))?;
            bytes.truncate(n);
            Ok(n)
        });
        Reader { worker, bytes: Vec::new(), used: 0, waits }
    }
}

impl PollRead for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let left = &self.bytes[self.used..];
            if !left.is_empty() {
                let n = left.len().min(buffer.len());
                buffer[..n].copy_from_slice(&left[..n]);
                self.used += n;
                return Poll::Ready(Ok(n));
            }
            match ready!(self.worker.poll(cx))? {
                Some((bytes, n)) => {
                    (self.bytes, self.used) = (bytes, 0);
                    if n? == 0 {
                        return Poll::Ready(Ok(0));
                    }
                }
                None => {
                    self.used = 0;
                    self.worker.begin(std::mem::take(&mut self.bytes))?;
                }
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(wake) = self.waits.take() {
            wake();
        }
    }
}

pub(crate) struct Writer {
    /// Until it is closed.
    worker: Option<Worker>,
    spare: Vec<u8>,
}

impl Writer {
    pub(crate) fn new<W: Write + Send + 'static>(executor: &impl Executor, writer: W) -> Writer {
        let worker = Worker::new(executor, writer, |writer, bytes| {
            writer.write_all(bytes)?;
            uninterrupted(|| writer.flush())?;
            Ok(bytes.len())
        });
        Writer { worker: Some(worker), spare: Vec::new() }
    }

    /// Waits until what was taken is written.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(worker) = &mut self.worker else { return Poll::Ready(Ok(())) };
        if let Some((bytes, n)) = ready!(worker.poll(cx))? {
            self.spare = bytes;
            n?;
        }
        Poll::Ready(Ok(()))
    }
}

impl PollWrite for Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_idle(cx))?;
        let Some(worker) = &mut self.worker else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let mut own = std::mem::take(&mut self.spare);
        own.clear();
        own.extend_from_slice(bytes);
        worker.begin(own)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_idle(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_idle(cx))?;
        // Its task ends, and drops the writer.
        self.worker = None;
        Poll::Ready(Ok(()))
    }
}

fn uninterrupted<T>(mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match f() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A socket of `std`. [`Link::from_socket`](crate::Link::from_socket) takes it.
pub trait Socket: sealed::Socket {}

mod sealed {
    use std::io::{self, Read, Write};
    use std::net::Shutdown;

    pub trait Socket: Read + Write + Send + Sized + 'static {
        fn another(&self) -> io::Result<Self>;
        fn shut(&self, what: Shutdown) -> io::Result<()>;
        fn prepare(&self) -> io::Result<()>;
    }
}

impl Socket for TcpStream {}

impl sealed::Socket for TcpStream {
    fn another(&self) -> io::Result<TcpStream> {
        self.try_clone()
    }

    fn shut(&self, what: Shutdown) -> io::Result<()> {
        self.shutdown(what)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_nodelay(true)
    }
}

#[cfg(unix)]
impl Socket for UnixStream {}

#[cfg(unix)]
impl sealed::Socket for UnixStream {
    fn another(&self) -> io::Result<UnixStream> {
        self.try_clone()
    }

    fn shut(&self, what: Shutdown) -> io::Result<()> {
        self.shutdown(what)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)
    }
}

/// The half that writes: when it goes, the other side sees the end.
pub(crate) struct WriteHalf<S: Socket>(S);

impl<S: Socket> Write for WriteHalf<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Socket> Drop for WriteHalf<S> {
    fn drop(&mut self) {
        // One that is not connected any more is shut.
        let _shut = self.0.shut(Shutdown::Write);
    }
}

pub(crate) fn halves<S: Socket>(socket: S) -> io::Result<(S, WriteHalf<S>, Wake)> {
    socket.prepare()?;
    let (writer, handle) = (socket.another()?, socket.another()?);
    let wake = Box::new(move || {
        let _shut = handle.shut(Shutdown::Read);
    });
    Ok((socket, WriteHalf(writer), wake))
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}
