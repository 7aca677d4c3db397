//! A connection in memory that counts, has room for so many bytes, gives them in pieces, and can be
//! cut after any of them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::io::{AsyncRead, AsyncWrite};
use millstream::executor::{Executor, Seeded};
use millstream::prelude::*;
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Ledger, Token};
use millstream_wire::{Link, Report, WireError, connect, serve};

/// One direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// How many were written in all.
    written: u64,
    writes: u64,
    flushes: u64,
    /// The writer is closed or gone.
    closed: bool,
    /// The reader is gone.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Both {
    ways: [Way; 2],
    /// How many bytes fit in each.
    room: usize,
    /// How many bytes a read gives at most.
    piece: usize,
    /// The way that breaks both after so many bytes.
    cut: Option<(usize, u64)>,
    broken: bool,
}

/// A connection, from outside.
#[derive(Clone)]
pub(crate) struct Cable(Arc<Mutex<Both>>);

/// What the side of this number reads.
pub(crate) struct ReadEnd(Cable, usize);
/// What the side of this number writes.
pub(crate) struct WriteEnd(Cable, usize);

impl Cable {
    /// With room for so many bytes in each direction, of which a read gives `piece` at most.
    pub(crate) fn new(room: usize, piece: usize) -> Cable {
        let ways = [Way::default(), Way::default()];
        Cable(Arc::new(Mutex::new(Both { ways, room, piece, cut: None, broken: false })))
    }

    /// Breaks when `bytes` bytes were written by that side.
    pub(crate) fn cut_after(self, side: usize, bytes: u64) -> Cable {
        self.lock().cut = Some((side, bytes));
        self
    }

    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap()
    }

    /// The two halves of a side, 0 or 1.
    pub(crate) fn side(&self, side: usize) -> (ReadEnd, WriteEnd) {
        (ReadEnd(self.clone(), side), WriteEnd(self.clone(), side))
    }

    pub(crate) fn link(&self, side: usize) -> Link {
        let (reader, writer) = self.side(side);
        Link::from_futures(reader, writer, 1 << 16)
    }

    /// How many bytes that side has written.
    pub(crate) fn written(&self, side: usize) -> u64 {
        self.lock().ways[side].written
    }

    /// How often that side has written, and how often it has flushed.
    pub(crate) fn calls(&self, side: usize) -> (u64, u64) {
        let both = self.lock();
        (both.ways[side].writes, both.ways[side].flushes)
    }

    /// Writes what a peer at that side would, as it is, whatever the room.
    pub(crate) fn say(&self, side: usize, bytes: &[u8]) {
        let mut both = self.lock();
        both.ways[side].bytes.extend(bytes);
        both.ways[side].written += bytes.len() as u64;
        wake(both, side);
    }

    /// Takes what the other side has written, as a peer at that side would.
    pub(crate) fn heard(&self, side: usize) -> Vec<u8> {
        let mut both = self.lock();
        let bytes = both.ways[1 - side].bytes.drain(..).collect();
        wake(both, 1 - side);
        bytes
    }

    /// Whether that side has closed, or gone.
    pub(crate) fn is_closed(&self, side: usize) -> bool {
        let both = self.lock();
        both.broken || both.ways[side].closed
    }

    /// Whether it was cut.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Nothing goes through any more.
    pub(crate) fn cut(&self) {
        self.lock().broken = true;
        wake(self.lock(), 0);
        wake(self.lock(), 1);
    }

    /// A peer at that side closes.
    pub(crate) fn close(&self, side: usize) {
        let mut both = self.lock();
        both.ways[side].closed = true;
        wake(both, side);
    }
}

/// Wakes whoever reads or writes that way.
fn wake(mut both: MutexGuard<'_, Both>, way: usize) {
    let way = &mut both.ways[way];
    let wakers = [way.reader.take(), way.writer.take()];
    drop(both);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl AsyncRead for ReadEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let from = 1 - self.1;
        let mut both = self.0.lock();
        let n = both.ways[from].bytes.len().min(buffer.len()).min(both.piece);
        if n > 0 {
            for (to, byte) in buffer.iter_mut().zip(both.ways[from].bytes.drain(..n)) {
                *to = byte;
            }
            wake(both, from);
            return Poll::Ready(Ok(n));
        }
        if both.broken {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if both.ways[from].closed {
            return Poll::Ready(Ok(0));
        }
        both.ways[from].reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for WriteEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let side = self.1;
        let mut both = self.0.lock();
        if both.broken || both.ways[side].unread || both.ways[side].closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let mut n = bytes.len().min(both.room.saturating_sub(both.ways[side].bytes.len()));
        if n == 0 {
            both.ways[side].writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some((cut, after)) = both.cut
            && cut == side
        {
            let left = after.saturating_sub(both.ways[side].written);
            if left <= n as u64 {
                n = left as usize;
                both.broken = true;
            }
        }
        both.ways[side].writes += 1;
        both.ways[side].written += n as u64;
        both.ways[side].bytes.extend(&bytes[..n]);
        let broken = both.broken;
        wake(both, side);
        if broken {
            wake(self.0.lock(), 1 - side);
        }
        if n == 0 { Poll::Ready(Err(ErrorKind::BrokenPipe.into())) } else { Poll::Ready(Ok(n)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().ways[self.1].flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close(self.1);
        Poll::Ready(Ok(()))
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        let mut both = self.0.lock();
        both.ways[1 - self.1].unread = true;
        wake(both, 1 - self.1);
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.close(self.1);
    }
}

/// The bytes of a frame of this kind.
pub(crate) fn frame(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = (body.len() as u32 + 1).to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// A hello of whoever serves (0) or receives (1), who takes so many bytes.
pub(crate) fn hello(role: u8, limit: u32) -> Vec<u8> {
    frame(1, &[b"MLST\x01", &[role], &limit.to_be_bytes()])
}

pub(crate) fn request(sum: u64, received: u64) -> Vec<u8> {
    frame(2, &[&sum.to_be_bytes(), &received.to_be_bytes()])
}

pub(crate) fn next(sequence: u64, payload: &[u8]) -> Vec<u8> {
    frame(3, &[&sequence.to_be_bytes(), payload])
}

pub(crate) fn complete(count: u64) -> Vec<u8> {
    frame(4, &[&count.to_be_bytes()])
}

/// A number as its bytes.
pub(crate) fn encode(n: &i64, into: &mut Vec<u8>) -> Result<(), String> {
    into.extend_from_slice(&n.to_be_bytes());
    Ok(())
}

pub(crate) fn decode(bytes: &[u8]) -> Result<i64, std::array::TryFromSliceError> {
    bytes.try_into().map(i64::from_be_bytes)
}

/// Where the report goes of what a task serves.
pub(crate) type Told<E> = Arc<Mutex<Option<Report<E>>>>;

/// Serves on a task of `executor`.
pub(crate) fn served<E: Send + 'static>(
    executor: &impl Executor,
    serve: impl Future<Output = Report<E>> + Send + 'static,
) -> Told<E> {
    let told = Told::default();
    let telling = told.clone();
    executor
        .spawn(Box::pin(async move {
            let report = serve.await;
            *telling.lock().unwrap() = Some(report);
        }))
        .unwrap();
    told
}

pub(crate) fn report<E>(told: &Told<E>) -> Report<E> {
    told.lock().unwrap().take().expect("it has been served")
}

/// How wide the places are that a stream goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    pub(crate) ahead: usize,
    pub(crate) window: usize,
    pub(crate) room: usize,
    pub(crate) piece: usize,
}

/// `source`, through a connection whose sides are tasks of `executor`.
pub(crate) fn across<P, X>(
    source: P,
    ledger: &Ledger,
    executor: &X,
    widths: Widths,
) -> (impl Publisher<Item = Token, Error = TestError> + use<P, X>, Told<TestError>)
where
    P: Publisher<Item = Token, Error = TestError>,
    X: Executor + Clone,
{
    let cable = Cable::new(widths.room, widths.piece);
    let told = serve_tokens(&cable, source, executor, widths);
    let stream = connect_tokens(&cable, ledger, executor, widths).map_err(|error| match error {
        WireError::Failed(error) => error,
        other => panic!("{other}"),
    });
    (stream, told)
}

/// Serves at side 0.
pub(crate) fn serve_tokens(
    cable: &Cable,
    source: impl Publisher<Item = Token, Error = TestError>,
    executor: &impl Executor,
    widths: Widths,
) -> Told<TestError> {
    let encode_token = |token: &Token, into: &mut Vec<u8>| encode(&token.value(), into);
    let serve = serve(source, cable.link(0), encode_token, widths.ahead)
        .with_errors(|error: &TestError, into: &mut Vec<u8>| encode(&(error.0 as i64), into));
    served(executor, serve)
}

/// Receives at side 1.
pub(crate) fn connect_tokens<X: Executor + Clone>(
    cable: &Cable,
    ledger: &Ledger,
    executor: &X,
    widths: Widths,
) -> impl Publisher<Item = Token, Error = WireError<TestError>> + use<X> {
    let ledger = ledger.clone();
    let decode_token = move |bytes: &[u8]| decode(bytes).map(|n| ledger.token(n));
    connect(executor.clone(), cable.link(1), decode_token, widths.window)
        .with_errors(|bytes: &[u8]| decode(bytes).map(|n| TestError(n as u64)))
}

/// Widths from the narrowest on.
pub(crate) const WIDTHS: [Widths; 4] = [
    Widths { ahead: 1, window: 1, room: 1, piece: 1 },
    Widths { ahead: 2, window: 3, room: 30, piece: 7 },
    Widths { ahead: 1, window: 64, room: 1 << 16, piece: 1 << 16 },
    Widths { ahead: 64, window: 64, room: 1 << 16, piece: 1 << 16 },
];

/// A seeded executor, and what runs it until it is idle.
pub(crate) fn seeded(seed: u64) -> Seeded {
    Seeded::new(seed)
}
