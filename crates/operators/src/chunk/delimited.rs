//! `delimited`: chunks of bytes, cut anew at each delimiter.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, ErrorKind};

use millstream_core::{Publisher, Pulled, Subscriber};

use crate::shape::pump::{Expand, Pump};

/// Chunks of bytes, cut anew at each delimiter: a frame is what stands between two of them.
/// [`PublisherExt::delimited`](crate::PublisherExt::delimited).
///
/// ```text
///         delimited(b'\n', 9, Truncated::Pass)
/// up    --"one\ntw"--------"o\nth"-----"ree"--|
/// down  --------------"one"-------"two"-------"three"|
/// ```
///
/// A frame is at most `max` bytes long, without its delimiter. So whoever sends bytes for ever and no
/// delimiter costs no memory, which the sources of lines leave to their reader.
///
/// # Demand
/// One chunk of upstream at a time, and none before downstream's first request; the next when no
/// delimiter is left in the one before and there is demand.
/// # Completion
/// When upstream is complete and its frames are sent. What follows the last delimiter is a frame, if it
/// is not empty, or an error: as [`Truncated`] says.
/// # Errors
/// [`DelimitedError::TooLong`] as soon as a frame is, after upstream was cancelled, and behind the
/// frames before it; [`DelimitedError::Truncated`] behind those as well; those of upstream as
/// [`DelimitedError::Upstream`], at once: what is left of a chunk is dropped.
/// # Cancellation
/// As downstream; what is held is dropped. A cancellation by the subscription from inside a signal, or
/// from another thread, is seen after each stretch of 1024 frames; the answer
/// [`More::CANCEL`](millstream_core::More::CANCEL) works at once.
/// # Bounds
/// One chunk, and `max` bytes of a frame that began in those before it. Each frame is an allocation.
///
/// # Examples
/// ```
/// use millstream::chunk::Truncated;
/// use millstream::prelude::*;
///
/// let chunks = millstream::from_reader(&b"one\ntwo\nthree"[..], 6);
/// let frames = chunks.delimited(b'\n', 80, Truncated::Pass);
/// assert_eq!(frames.collect::<Vec<_>>().block().unwrap(), [&b"one"[..], b"two", b"three"]);
/// ```
///
/// Lines of text from a peer that is not trusted, with one type of error:
///
/// ```
/// use std::io;
///
/// use millstream::chunk::Truncated;
/// use millstream::prelude::*;
///
/// fn commands(
///     bytes: impl Publisher<Item = Vec<u8>, Error = io::Error>,
/// ) -> impl Publisher<Item = String, Error = io::Error> {
///     bytes
///         .delimited(b'\n', 8, Truncated::Fail)
///         .map_err(io::Error::from)
///         .try_map(|line| String::from_utf8(line).map_err(io::Error::other))
/// }
///
/// let commands = |bytes: &'static [u8]| commands(millstream::from_reader(bytes, 4));
/// let all = commands(b"GET a\nSET b 1\n").collect::<Vec<_>>();
/// assert_eq!(all.block().unwrap(), ["GET a", "SET b 1"]);
///
/// let error = commands(b"GET a\nSET b 123456").drain().block().unwrap_err();
/// assert_eq!(error.to_string(), "frame 2 is longer than 8 bytes");
/// let error = commands(b"GET a\nSET b").drain().block().unwrap_err();
/// assert_eq!(error.to_string(), "the stream ended inside of frame 2");
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Delimited<P> {
    upstream: P,
    delimiter: u8,
    max: usize,
    truncated: Truncated,
}

/// What becomes of bytes behind the last delimiter, where [`delimited`](crate::PublisherExt::delimited) is
/// over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncated {
    /// They are a frame: the last line of a text may have no end.
    Pass,
    /// They are an error: half a command is none.
    Fail,
}

/// How [`delimited`](crate::PublisherExt::delimited) fails. One whose upstream fails with errors of
/// `std::io` converts into such an error, of the kind [`InvalidData`](ErrorKind::InvalidData) or
/// [`UnexpectedEof`](ErrorKind::UnexpectedEof).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelimitedError<E> {
    /// There is no delimiter within `max` bytes.
    TooLong {
        /// Which frame, counted from 1.
        frame: u64,
        /// How long one may be.
        max: usize,
    },
    /// The stream is over, and there is no delimiter behind the last bytes.
    Truncated {
        /// Which frame, counted from 1.
        frame: u64,
    },
    /// Upstream failed.
    Upstream(E),
}

impl<E: fmt::Display> fmt::Display for DelimitedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DelimitedError::TooLong { frame, max } => {
                write!(f, "frame {frame} is longer than {max} bytes")
            }
            DelimitedError::Truncated { frame } => {
                write!(f, "the stream ended inside of frame {frame}")
            }
            DelimitedError::Upstream(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for DelimitedError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DelimitedError::Upstream(error) => error.source(),
            _ => None,
        }
    }
}

impl From<DelimitedError<io::Error>> for io::Error {
    fn from(error: DelimitedError<io::Error>) -> io::Error {
        let kind = match error {
            DelimitedError::Upstream(error) => return error,
            DelimitedError::TooLong { .. } => ErrorKind::InvalidData,
            DelimitedError::Truncated { .. } => ErrorKind::UnexpectedEof,
        };
        io::Error::new(kind, error)
    }
}

impl<P> Delimited<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, delimiter: u8, max: usize, truncated: Truncated) -> Self {
        assert!(max > 0, "delimited(delimiter, 0, truncated): a frame may have at least 1 byte");
        Delimited { upstream, delimiter, max, truncated }
    }
}

crate::opaque_debug::opaque_debug!(Delimited<P>, delimiter, max, truncated);

impl<P> Publisher for Delimited<P>
where
    P: Publisher<Item: AsRef<[u8]>>,
{
    type Item = Vec<u8>;
    type Error = DelimitedError<P::Error>;

    fn subscribe<S: Subscriber<Vec<u8>, DelimitedError<P::Error>>>(self, subscriber: S) {
        let Delimited { upstream, delimiter, max, truncated } = self;
        let frames = Frames {
            delimiter,
            max,
            truncated,
            chunk: None,
            used: 0,
            begun: Vec::new(),
            sent: 0,
            over: false,
        };
        Pump::new(upstream, frames).subscribe(subscriber);
    }
}

struct Frames<T> {
    delimiter: u8,
    max: usize,
    truncated: Truncated,
    /// What upstream sent last, while there is something in it.
    chunk: Option<T>,
    /// So many of its bytes are looked at.
    used: usize,
    /// The frame that is not whole yet.
    begun: Vec<u8>,
    sent: u64,
    /// Upstream is complete.
    over: bool,
}

impl<T: AsRef<[u8]>> Frames<T> {
    fn next<E>(&mut self) -> Pulled<Vec<u8>, DelimitedError<E>> {
        let Some(chunk) = &self.chunk else { return self.rest() };
        let chunk = chunk.as_ref();
        let bytes = &chunk[self.used..];
        // One more than fit: the delimiter, unless the frame is too long.
        let most = (self.max - self.begun.len()).saturating_add(1);
        let mut bytes = &bytes[..bytes.len().min(most)];
        // From a slice: it cannot fail.
        self.used += bytes.read_until(self.delimiter, &mut self.begun).unwrap_or(0);
        if self.used == chunk.len() {
            self.chunk = None;
        }
        if self.begun.last() == Some(&self.delimiter) {
            self.begun.pop();
            return Pulled::Item(self.take());
        }
        if self.begun.len() > self.max {
            return Pulled::Error(DelimitedError::TooLong { frame: self.sent + 1, max: self.max });
        }
        self.rest()
    }

    /// What there is where no chunk is.
    fn rest<E>(&mut self) -> Pulled<Vec<u8>, DelimitedError<E>> {
        match self.truncated {
            _ if !self.over => Pulled::Pending,
            _ if self.begun.is_empty() => Pulled::Complete,
            Truncated::Pass => Pulled::Item(self.take()),
            Truncated::Fail => Pulled::Error(DelimitedError::Truncated { frame: self.sent + 1 }),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        self.sent += 1;
        std::mem::take(&mut self.begun)
    }
}

impl<T, E> Expand<T, E> for Frames<T>
where
    T: AsRef<[u8]> + Send + 'static,
    E: Send + 'static,
{
    type Item = Vec<u8>;
    type Error = DelimitedError<E>;

    fn accept(&mut self, chunk: T) {
        self.chunk = Some(chunk);
        self.used = 0;
    }

    fn produce(&mut self) -> Pulled<Vec<u8>, DelimitedError<E>> {
        self.next()
    }

    fn complete(&mut self) {
        self.over = true;
    }

    fn look_ahead(&mut self) -> Pulled<Vec<u8>, DelimitedError<E>> {
        self.next()
    }

    fn error(&mut self, error: E) -> DelimitedError<E> {
        DelimitedError::Upstream(error)
    }
}
