//! The source: records of a file or of standard input, one at a time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use millstream::{Pull, Pulled};

use crate::meter::{Gauge, Ticket};
use crate::stages::Line;

/// Without it one endless line would be an item without bound.
const LONGEST_RECORD: u64 = 1 << 20;
/// A quote that is still open after so many lines was never meant to be one.
const MOST_LINES_OF_A_RECORD: usize = 64;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How the input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    /// With its delimiter.
    Csv(u8),
    Json,
}

impl Format {
    pub(crate) fn of_name(name: &str) -> Option<Format> {
        Some(match name.to_ascii_lowercase().as_str() {
            "text" | "txt" => Format::Text,
            "csv" => Format::Csv(b','),
            "tsv" => Format::Csv(b'\t'),
            "jsonl" | "ndjson" => Format::Json,
            _ => return None,
        })
    }

    /// By the extension; text where that says nothing.
    pub(crate) fn of_path(path: &Path) -> Format {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.and_then(Format::of_name).unwrap_or(Format::Text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text => "text",
            Format::Csv(b'\t') => "tsv",
            Format::Csv(_) => "csv",
            Format::Json => "jsonl",
        })
    }
}

/// Where the input comes from.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Input::Stdin => Box::new(BufReader::new(io::stdin())),
            Input::File(path) => {
                let file = File::open(path)?;
                if file.metadata()?.is_dir() {
                    return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
                }
                Box::new(BufReader::new(file))
            }
        })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => f.write_str("standard input"),
            Input::File(path) => {
                let here = std::env::current_dir().unwrap_or_default();
                path.strip_prefix(here).unwrap_or(path).display().fmt(f)
            }
        }
    }
}

/// What is wrong with the input, and where.
#[derive(Debug)]
pub(crate) struct InputError {
    line: u64,
    what: String,
    /// Nothing can be read after it.
    pub(crate) fatal: bool,
}

impl InputError {
    pub(crate) fn new(line: u64, what: String) -> InputError {
        InputError { line, what, fatal: false }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl From<Infallible> for InputError {
    fn from(never: Infallible) -> InputError {
        match never {}
    }
}

struct RawLine {
    number: u64,
    /// Of its first byte in the file.
    offset: u64,
    /// With its line end.
    bytes: Vec<u8>,
}

/// The records of the input. It reads when it is asked for the next, and never ahead.
pub(crate) struct Reader {
    input: Input,
    format: Format,
    passes: u64,
    file: Box<dyn BufRead + Send>,
    number: u64,
    offset: u64,
    first: bool,
    over: bool,
    /// Lines that turned out not to belong to the record before.
    put_back: VecDeque<RawLine>,
    source: Arc<Gauge>,
    total: Arc<Gauge>,
    busy: Arc<AtomicU64>,
}

impl Reader {
    /// Opens `input`, to be read `passes` times.
    pub(crate) fn open(
        input: Input,
        format: Format,
        passes: u64,
        source: Arc<Gauge>,
        total: Arc<Gauge>,
    ) -> io::Result<Reader> {
        let file = input.open()?;
        Ok(Reader {
            input,
            format,
            passes,
            file,
            number: 0,
            offset: 0,
            first: true,
            over: false,
            put_back: VecDeque::new(),
            source,
            total,
            busy: Arc::default(),
        })
    }

    /// The nanoseconds it spent on reading.
    pub(crate) fn busy(&self) -> Arc<AtomicU64> {
        self.busy.clone()
    }

    fn raw_line(&mut self) -> Result<Option<RawLine>, InputError> {
        if let Some(line) = self.put_back.pop_front() {
            return Ok(Some(line));
        }
        let (number, offset) = (self.number + 1, self.offset);
        let fail = |what| InputError { line: number, what, fatal: true };
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(LONGEST_RECORD).read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| fail(format!("cannot be read: {error}")))?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LONGEST_RECORD && bytes.last() != Some(&b'\n') {
            return Err(fail(format!("longer than {LONGEST_RECORD} bytes")));
        }
        self.number = number;
        self.offset += read as u64;
        Ok(Some(RawLine { number, offset, bytes }))
    }

    /// The next record: a line, or for CSV as many lines as its quotes span.
    fn record(&mut self) -> Result<Option<(u64, String)>, InputError> {
        let Some(first) = self.raw_line()? else { return Ok(None) };
        let (number, start) = (first.number, first.offset);
        let mut bytes = first.bytes;
        if start == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if let Format::Csv(delimiter) = self.format
            && has_open_quote(&bytes, delimiter)
        {
            let mut more = Vec::new();
            while has_open_quote(&bytes, delimiter) {
                let next =
                    if more.len() < MOST_LINES_OF_A_RECORD { self.raw_line()? } else { None };
                let Some(next) = next else {
                    // The record is bad, the lines after its first may be good.
                    for line in more.into_iter().rev() {
                        self.put_back.push_front(line);
                    }
                    let what = "a quote is opened and never closed".to_owned();
                    return Err(InputError::new(number, what));
                };
                bytes.extend_from_slice(&next.bytes);
                more.push(next);
            }
        }
        while let Some(b'\n' | b'\r') = bytes.last() {
            bytes.pop();
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some((number, text))),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let byte = error.as_bytes()[valid];
                let lines_before =
                    error.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count();
                let what = format!(
                    "not UTF-8: byte 0x{byte:02x} at offset {} of the input (byte {} of the record)",
                    start + valid as u64,
                    valid + 1,
                );
                Err(InputError::new(number + lines_before as u64, what))
            }
        }
    }

    fn next_line(&mut self) -> Option<Line> {
        if self.over {
            return None;
        }
        let next = loop {
            match self.record() {
                Ok(None) if self.passes > 1 => match self.rewind() {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
                Ok(None) => {
                    self.over = true;
                    return None;
                }
                Ok(Some(record)) => break Ok(record),
                Err(error) => break Err(error),
            }
        };
        let (number, content) = match next {
            Ok((number, text)) => (number, Ok(text)),
            Err(error) => {
                self.over = error.fatal;
                (error.line, Err(error))
            }
        };
        self.source.received_one();
        Some(Line {
            ticket: Ticket::new(self.source.clone(), self.total.clone()),
            number,
            first: std::mem::take(&mut self.first),
            content,
        })
    }

    fn rewind(&mut self) -> Result<(), InputError> {
        self.file = self.input.open().map_err(|error| InputError {
            line: self.number,
            what: format!("cannot be opened again: {error}"),
            fatal: true,
        })?;
        (self.number, self.offset, self.first) = (0, 0, true);
        self.passes -= 1;
        Ok(())
    }
}

impl Pull for Reader {
    type Item = Line;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Line, Infallible> {
        let start = Instant::now();
        let line = self.next_line();
        self.busy.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
        line.map_or(Pulled::Complete, Pulled::Item)
    }
}

/// Whether a quoted field of the record goes on after `bytes`. A quote counts only at the
/// beginning of a field, as the CSV reader has it.
fn has_open_quote(bytes: &[u8], delimiter: u8) -> bool {
    let (mut quoted, mut at_start) = (false, true);
    let mut bytes = bytes.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if quoted {
            if byte == b'"' {
                if bytes.peek() == Some(&b'"') {
                    bytes.next();
                } else {
                    quoted = false;
                }
            }
            continue;
        }
        quoted = at_start && byte == b'"';
        at_start = byte == delimiter;
    }
    quoted
}
