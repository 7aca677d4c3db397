//! `lines`: the lines of a reader.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, ErrorKind};

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// The lines of a reader, without their ends (`\n` or `\r\n`).
///
/// ```text
/// read  "a\nb\r\nc", end
/// down  ^--r2-a--b-----r2-c--|
/// ```
///
/// # Demand
/// One line is read for each line asked for, and none without demand.
/// # Completion
/// At the end of the reader, which takes a unit of demand: to look for the end could block.
/// # Errors
/// As the reader; a line that is not UTF-8 is an error of kind
/// [`InvalidData`](io::ErrorKind::InvalidData), with [`NotUtf8`] inside, which says which line.
/// # Cancellation
/// The reader is dropped.
/// # Bounds
/// Holds the reader. A line is as long as it is: for input that is not trusted,
/// [`from_reader`](crate::source::from_reader()) and [`delimited`](crate::PublisherExt::delimited).
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let lines = millstream::lines(&b"one\r\ntwo\n\nfour"[..]);
/// assert_eq!(lines.collect::<Vec<_>>().block()?, ["one", "two", "", "four"]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(alias = "LinesStream", alias = "FileIO", alias = "Framing.delimiter")]
pub fn lines<R: BufRead + Send + 'static>(reader: R) -> FromPull<Lines<R>> {
    from_pull(Lines { reader, line: LineBuffer::default() })
}

/// The source of [`lines`].
#[derive(Clone)]
pub struct Lines<R> {
    reader: R,
    line: LineBuffer,
}

crate::opaque_debug::opaque_debug!(Lines<R>);

impl<R: BufRead + Send + 'static> Pull for Lines<R> {
    type Item = String;
    type Error = io::Error;

    fn pull(&mut self) -> Pulled<String, io::Error> {
        match self.line.read_from(&mut self.reader) {
            Ok(0) => Pulled::Complete,
            Ok(_) => self.line.finish(),
            Err(error) => Pulled::Error(error),
        }
    }
}

/// A line that is being read, and how many were read before.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineBuffer {
    line: Vec<u8>,
    before: u64,
}

impl LineBuffer {
    /// Reads up to the end of the line or of the reader: how many bytes.
    pub(crate) fn read_from(&mut self, reader: &mut impl BufRead) -> io::Result<usize> {
        reader.read_until(b'\n', &mut self.line)
    }

    /// Whether nothing was read of the line.
    #[cfg(any(feature = "futures", feature = "tokio"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether the end of the line was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.line.last() == Some(&b'\n')
    }

    /// The line, without its end; the next begins.
    pub(crate) fn finish(&mut self) -> Pulled<String, io::Error> {
        if self.is_whole() {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        }
        self.before += 1;
        match String::from_utf8(std::mem::take(&mut self.line)) {
            Ok(line) => Pulled::Item(line),
            Err(_) => {
                let error = NotUtf8 { line: self.before };
                Pulled::Error(io::Error::new(ErrorKind::InvalidData, error))
            }
        }
    }
}

/// A line of a text is not UTF-8: what is inside of the error of [`lines`].
///
/// ```
/// use millstream::prelude::*;
/// use millstream::source::NotUtf8;
///
/// let lines = millstream::lines(&b"one\ntw\xff\n"[..]);
/// let error = lines.collect::<Vec<_>>().block().unwrap_err().into_error().unwrap();
/// assert_eq!(error.to_string(), "line 2 is not UTF-8");
/// assert!(error.downcast::<NotUtf8>().is_ok_and(|error| error.line == 2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8 {
    /// Which line, counted from 1.
    pub line: u64,
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not UTF-8", self.line)
    }
}

impl Error for NotUtf8 {}
