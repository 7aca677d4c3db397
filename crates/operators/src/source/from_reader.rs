//! `from_reader`: the bytes of a reader.

use std::io::{self, ErrorKind, Read};

use millstream_core::{Pull, Pulled};

use crate::source::{FromPull, from_pull};

/// The bytes of a reader, in chunks of at most `chunk_size`.
///
/// ```text
/// read  5 bytes, 3 bytes, end
/// down  ^--r2-[5]--[3]----r1-|
/// ```
///
/// # Demand
/// One read for each chunk asked for, and none without demand: what a read returns is a chunk,
/// whether or not it is full. An interrupted read is repeated.
/// # Completion
/// When a read returns no bytes, which takes a unit of demand: to look for the end could block.
/// # Errors
/// As the reader.
/// # Cancellation
/// The reader is dropped.
/// # Bounds
/// Holds the reader; each chunk is an allocation of `chunk_size` bytes. A read that blocks,
/// blocks the thread that asks.
/// # Panics
/// When `chunk_size` is zero, or above 2<sup>30</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let chunks = millstream::from_reader(&b"abcde"[..], 2);
/// let chunks = chunks.collect::<Vec<_>>().block()?;
/// assert_eq!(chunks, [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
#[doc(
    alias = "fromInputStream",
    alias = "FileIO.fromPath",
    alias = "bytes",
    alias = "ReaderStream"
)]
#[track_caller]
pub fn from_reader<R>(reader: R, chunk_size: usize) -> FromPull<FromReader<R>>
where
    R: Read + Send + 'static,
{
    let chunk_size = chunk_size_of("from_reader(_, 0)", chunk_size);
    from_pull(FromReader { reader, chunk_size })
}

/// The most bytes that a chunk is made for.
const MOST: usize = 1 << 30;

/// The size of the chunks of a reader: each is one allocation, and one that fails ends the process.
#[track_caller]
pub(crate) fn chunk_size_of(what: &str, n: usize) -> usize {
    assert!(n > 0, "{what}: a chunk holds at least 1 byte");
    assert!(
        n <= MOST,
        "{what}, with {n} for the 0: a chunk is made whole before it is read, and of {MOST} bytes at \
         most",
    );
    n
}

/// The source of [`from_reader`].
#[derive(Clone)]
pub struct FromReader<R> {
    reader: R,
    chunk_size: usize,
}

crate::opaque_debug::opaque_debug!(FromReader<R>, chunk_size);

impl<R: Read + Send + 'static> Pull for FromReader<R> {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn pull(&mut self) -> Pulled<Vec<u8>, io::Error> {
        let mut chunk = vec![0; self.chunk_size];
        loop {
            return match self.reader.read(&mut chunk) {
                Ok(0) => Pulled::Complete,
                Ok(n) => {
                    chunk.truncate(n);
                    Pulled::Item(chunk)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Pulled::Error(error),
            };
        }
    }
}
