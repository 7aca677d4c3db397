//! `lines`: the lines of a reader.

use std::io::{self, BufRead};

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
/// As the reader; bytes that are not UTF-8 are an error of kind
/// [`InvalidData`](io::ErrorKind::InvalidData).
/// # Cancellation
/// The reader is dropped.
/// # Bounds
/// Holds the reader. A line is as long as it is: for input that is not trusted, read through
/// [`Read::take`](io::Read::take), or use [`from_reader`](crate::source::from_reader).
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let lines = millstream::lines(&b"one\r\ntwo\n\nfour"[..]);
/// assert_eq!(lines.collect::<Vec<_>>().block()?, ["one", "two", "", "four"]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(alias = "LinesStream", alias = "Framing.delimiter")]
pub fn lines<R: BufRead + Send + 'static>(reader: R) -> FromPull<Lines<R>> {
    from_pull(Lines { reader })
}

/// The source of [`lines`].
#[derive(Clone)]
pub struct Lines<R> {
    reader: R,
}

crate::opaque_debug::opaque_debug!(Lines<R>);

impl<R: BufRead + Send + 'static> Pull for Lines<R> {
    type Item = String;
    type Error = io::Error;

    fn pull(&mut self) -> Pulled<String, io::Error> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Pulled::Complete,
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                    if line.ends_with('\r') {
                        line.pop();
                    }
                }
                Pulled::Item(line)
            }
            Err(error) => Pulled::Error(error),
        }
    }
}
