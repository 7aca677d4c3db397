//! The stages of this program's own, written as any user of the library would.

use std::num::NonZeroU64;

use millstream::shape::stage::{Books, Emit, Step};
use millstream::{More, Pulled};

use crate::input::{Format, InputError};
use crate::meter::Ticket;

/// What the source gives: one record as text, or why there is none.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) ticket: Ticket,
    pub(crate) number: u64,
    /// The first of its file: the header of a CSV file.
    pub(crate) first: bool,
    pub(crate) content: Result<String, InputError>,
}

/// A record that was understood.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) ticket: Ticket,
    pub(crate) text: String,
    pub(crate) fields: usize,
}

/// What happens at a line that is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Stop,
    Skip,
}

/// Turns lines into records. A bad line ends the stream with its error, or is reported and left
/// out, as the user chose.
#[derive(Debug)]
pub(crate) struct Parse {
    format: Format,
    on_error: OnError,
    columns: Option<usize>,
}

impl Parse {
    pub(crate) fn new(format: Format, on_error: OnError) -> Parse {
        Parse { format, on_error, columns: None }
    }

    /// The number of fields; none for what is no record (a header, a blank line).
    fn fields(&mut self, line: &Line, text: &str) -> Result<Option<usize>, InputError> {
        match self.format {
            Format::Text => Ok(Some(text.split_whitespace().count())),
            Format::Json if text.trim().is_empty() => Ok(None),
            Format::Json => {
                let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
                    // It counts lines within this one.
                    let said = error.to_string();
                    let what = said.split(" at line ").next().unwrap_or_default();
                    let what = format!("not JSON: {what}, at column {}", error.column());
                    InputError::new(line.number, what)
                })?;
                Ok(Some(value.as_object().map_or(1, serde_json::Map::len)))
            }
            Format::Csv(_) if text.trim().is_empty() => Ok(None),
            Format::Csv(delimiter) => self.csv_fields(line, text, delimiter),
        }
    }

    fn csv_fields(
        &mut self,
        line: &Line,
        text: &str,
        delimiter: u8,
    ) -> Result<Option<usize>, InputError> {
        let mut record = csv::StringRecord::new();
        csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .from_reader(text.as_bytes())
            .read_record(&mut record)
            .map_err(|error| InputError::new(line.number, format!("not CSV: {error}")))?;
        if line.first {
            self.columns = Some(record.len());
            return Ok(None);
        }
        let columns = *self.columns.get_or_insert(record.len());
        if record.len() != columns {
            let found = record.len();
            let what = format!("{found} fields where the header has {columns}");
            return Err(InputError::new(line.number, what));
        }
        Ok(Some(columns))
    }
}

impl<E> Step<Line, E> for Parse
where
    E: Into<InputError> + Send + 'static,
{
    type Item = Record;
    type Error = InputError;
    type Books = Books<InputError>;

    fn next(&mut self, mut line: Line) -> Emit<Record, Line, InputError> {
        let content = std::mem::replace(&mut line.content, Ok(String::new()));
        let parsed = content.and_then(|text| Ok((self.fields(&line, &text)?, text)));
        match parsed {
            Ok((Some(fields), text)) => Emit::Item(Record { ticket: line.ticket, text, fields }),
            Ok((None, _)) => Emit::Skip(line),
            Err(error) if self.on_error == OnError::Stop || error.fatal => Emit::Error(error),
            Err(error) => {
                eprintln!("mill: skipped: {error}");
                Emit::Skip(line)
            }
        }
    }

    fn error(&mut self, error: E) -> Pulled<Record, InputError> {
        Pulled::Error(error.into())
    }
}

/// Records in chunks; the last one may be shorter.
#[derive(Debug)]
pub(crate) struct Chunk {
    size: NonZeroU64,
    open: Vec<Record>,
}

impl Chunk {
    pub(crate) fn new(size: NonZeroU64) -> Chunk {
        Chunk { size, open: Vec::new() }
    }
}

impl<E: Send + 'static> Step<Record, E> for Chunk {
    type Item = Vec<Record>;
    type Error = E;
    type Books = Books<E>;
    // The last chunk answers no item of upstream: it waits here until it is asked for.
    const HOLDS: bool = true;

    fn next(&mut self, record: Record) -> Emit<Vec<Record>, Record, E> {
        self.open.push(record);
        if self.open.len() as u64 == self.size.get() {
            Emit::Item(std::mem::take(&mut self.open))
        } else {
            Emit::Keep
        }
    }

    fn demand(&mut self, more: More) -> More {
        more.times(self.size)
    }

    fn complete(&mut self) -> Pulled<Vec<Record>, E> {
        if self.open.is_empty() {
            return Pulled::Complete;
        }
        Pulled::Item(std::mem::take(&mut self.open))
    }

    fn error(&mut self, error: E) -> Pulled<Vec<Record>, E> {
        Pulled::Error(error)
    }

    fn held(&mut self) -> Option<Record> {
        self.open.pop()
    }
}
