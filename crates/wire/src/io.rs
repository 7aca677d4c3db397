//! Frames in and out of a connection.
//!
//! What is to be written is put into a buffer, and written when its side has nothing more to put
//! there for now, or when the buffer is full: so what comes in bursts is written in bursts. What is
//! read is looked at in the same way, as many bytes as there are.
//!
//! A side that cannot write goes on reading until that is over as well: why the other side went may
//! be among what it said last.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};

use millstream_operators::edge::transport::{PollRead, PollWrite};

use crate::Link;
use crate::frame::{Frame, Inbox, Role, Violation, put};

/// As many bytes are collected before they are written.
const BURST: usize = 16 << 10;

/// Why there is nothing to be read any more.
#[derive(Debug)]
pub(crate) enum Cut {
    /// It broke, or ended.
    Lost(io::Error),
    /// The peer broke the protocol.
    Broken(Violation),
}

impl From<Violation> for Cut {
    fn from(violation: Violation) -> Cut {
        Cut::Broken(violation)
    }
}

pub(crate) struct Io {
    reader: Box<dyn PollRead>,
    inbox: Inbox,
    /// Until it is closed, or failed.
    writer: Option<Box<dyn PollWrite>>,
    out: Vec<u8>,
    written: usize,
    /// Something was written and not flushed.
    dirty: bool,
    /// Why nothing can be written any more.
    mute: Option<io::Error>,
    max_frame: usize,
}

impl Io {
    /// Says hello as its first word.
    pub(crate) fn new(link: Link, role: Role) -> Io {
        let Link { reader, writer, max_frame } = link;
        let mut out = Vec::new();
        put(&Frame::Hello { role, max_frame: max_frame as u32 }, &mut out);
        Io {
            reader,
            inbox: Inbox::new(max_frame),
            writer: Some(writer),
            out,
            written: 0,
            dirty: false,
            mute: None,
            max_frame,
        }
    }

    pub(crate) fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Puts a frame to what is to be written.
    pub(crate) fn say(&mut self, frame: &Frame<'_>) {
        if self.writer.is_some() {
            if self.written >= BURST {
                self.out.drain(..self.written);
                self.written = 0;
            }
            put(frame, &mut self.out);
        }
    }

    /// Whether there is room for another item to be said.
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() - self.written < BURST
    }

    /// Writes what there is to be written. Ready when that is done; nothing is flushed.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.written < self.out.len() {
            let Some(writer) = &mut self.writer else { break };
            match ready!(writer.poll_write(cx, &self.out[self.written..])) {
                Ok(0) => self.fail(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n;
                    self.dirty = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
        self.out.clear();
        self.written = 0;
        // What one long frame needed is not kept for ever.
        self.out.shrink_to(4 * BURST);
        Poll::Ready(())
    }

    /// Writes and flushes all.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_write(cx));
        while self.dirty
            && let Some(writer) = &mut self.writer
        {
            match ready!(writer.poll_flush(cx)) {
                Ok(()) => self.dirty = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
        Poll::Ready(())
    }

    /// Writes and flushes all, closes the writer, and drops it.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_flush(cx));
        while let Some(writer) = &mut self.writer {
            match ready!(writer.poll_close(cx)) {
                Ok(()) => self.writer = None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
        Poll::Ready(())
    }

    fn fail(&mut self, error: io::Error) {
        self.mute = Some(error);
        self.writer = None;
    }

    /// Ready when a frame is there to be [taken](Io::take).
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        while !self.inbox.is_ready()? {
            match ready!(self.reader.poll_read(cx, self.inbox.space())) {
                Ok(0) => {
                    if let Some(error) = self.mute.take() {
                        return Poll::Ready(Err(Cut::Lost(error)));
                    }
                    self.inbox.end()?;
                    let why = "the peer closed the connection before the stream had ended";
                    return Poll::Ready(Err(Cut::Lost(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        why,
                    ))));
                }
                Ok(n) => self.inbox.filled(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(Cut::Lost(error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The frame that is there.
    pub(crate) fn take(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        self.inbox.take()
    }

    /// Reads to the end, whatever comes.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.inbox.clear();
            match ready!(self.reader.poll_read(cx, self.inbox.space())) {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Writes all, closes, and waits until the other side has closed as well: what it has not read yet
    /// would be lost, where a socket goes with bytes in it that nobody has read.
    pub(crate) async fn leave(mut self) {
        std::future::poll_fn(|cx| self.poll_close(cx)).await;
        std::future::poll_fn(|cx| self.poll_drained(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes a hundred bytes each other time.
    struct Slow(bool);

    impl PollWrite for Slow {
        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0 = !self.0;
            if self.0 { Poll::Ready(Ok(bytes.len().min(100))) } else { Poll::Pending }
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Mute;

    impl PollRead for Mute {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    #[test]
    fn what_a_slow_writer_has_taken_is_not_kept() {
        let link =
            Link { reader: Box::new(Mute), writer: Box::new(Slow(false)), max_frame: 1 << 10 };
        let mut io = Io::new(link, Role::Serves);
        let mut cx = Context::from_waker(Waker::noop());
        for sequence in 0..100_000 {
            while !io.has_room() {
                let _written = io.poll_write(&mut cx);
            }
            io.say(&Frame::Next { sequence, payload: b"an item" });
        }
        assert!(io.out.capacity() <= 4 * BURST, "{} bytes are held", io.out.capacity());
    }
}
