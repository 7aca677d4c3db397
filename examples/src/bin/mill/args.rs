//! The command line.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;
use millstream::Demand;

use crate::input::{Format, Input};
use crate::stages::OnError;

pub(crate) const HELP: &str = "\
mill: a pipeline with a consumer far slower than its source, and what each stage held

    source -> parse -> filter -> chunk -> queue -> slow consumer, on a thread of its own

With --rate or --within: a rate limit before the chunks, chunks by size or time, the reader on a
thread of its own

Usage: mill [FILE|-] [OPTIONS]

  FILE                  text, CSV, TSV or JSON lines, by extension; `-` is standard input
                        [default: the time zone database that comes with the example]
  --format FORMAT       text, csv, tsv or jsonl, whatever the extension
  --match TEXT          only records that contain TEXT
  --limit N             stop after N records
  --chunk N             records per chunk [default: 16]
  --within TIME         a chunk also goes when its first record has waited for so long, full or not
  --rate N              at most N records a second go on to be put into chunks
  --pause TIME          what the consumer takes per chunk: 10ms, 500us, 1s [default: 10ms]
  --repeat N            read the file N times, for a longer run [default: 1]
  --on-error POLICY     at a line that is not understood: stop, or skip it and count
                        [default: stop]
  --demand N            chunks that are asked for at the beginning; then one for each that the
                        consumer has finished [default: 1]
  --unbounded-queue     for contrast: ask for everything at the beginning, so that nothing
                        bounds the queue
  -h, --help            this text

Ctrl-C cancels the stream and prints the report; a second one ends at once.

Exit codes: 0 done, skipped lines included; 1 the input cannot be read or is bad;
2 wrong usage; 3 the pipeline broke; 130 interrupted.
";

const DEFAULT_INPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tzdata.zi");

/// What the user wants.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) input: Input,
    pub(crate) format: Format,
    pub(crate) only: Option<String>,
    pub(crate) limit: u64,
    pub(crate) chunk: NonZeroU64,
    pub(crate) within: Option<Duration>,
    pub(crate) rate: Option<NonZeroU64>,
    pub(crate) pause: Duration,
    pub(crate) repeat: u64,
    pub(crate) on_error: OnError,
    pub(crate) demand: Demand,
}

impl Args {
    /// Whether a stage waits for a time.
    pub(crate) fn timed(&self) -> bool {
        self.within.is_some() || self.rate.is_some()
    }
}

/// The arguments, or nothing where the help is asked for.
pub(crate) fn parse() -> Result<Option<Args>, lexopt::Error> {
    let mut input = None;
    let mut format = None;
    let mut args = Args {
        input: Input::Stdin,
        format: Format::Text,
        only: None,
        limit: u64::MAX,
        chunk: NonZeroU64::MIN.saturating_add(15),
        within: None,
        rate: None,
        pause: Duration::from_millis(10),
        repeat: 1,
        on_error: OnError::Stop,
        demand: Demand::ONE,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("format") => format = Some(parser.value()?.parse_with(named_format)?),
            Long("match") => args.only = Some(parser.value()?.string()?),
            Long("limit") => args.limit = parser.value()?.parse()?,
            Long("chunk") => args.chunk = parser.value()?.parse()?,
            Long("within") => args.within = Some(parser.value()?.parse_with(duration)?),
            Long("rate") => args.rate = Some(parser.value()?.parse()?),
            Long("pause") => args.pause = parser.value()?.parse_with(duration)?,
            Long("repeat") => args.repeat = parser.value()?.parse::<NonZeroU64>()?.get(),
            Long("on-error") => args.on_error = parser.value()?.parse_with(policy)?,
            Long("demand") => args.demand = parser.value()?.parse::<NonZeroU64>()?.into(),
            Long("unbounded-queue") => args.demand = Demand::UNBOUNDED,
            Short('h') | Long("help") => return Ok(None),
            Value(path) if input.is_none() => {
                input =
                    Some(if path == "-" { Input::Stdin } else { Input::File(PathBuf::from(path)) });
            }
            other => return Err(other.unexpected()),
        }
    }
    args.input = input.unwrap_or_else(|| Input::File(PathBuf::from(DEFAULT_INPUT)));
    args.format = format.unwrap_or_else(|| match &args.input {
        Input::File(path) => Format::of_path(path),
        Input::Stdin => Format::Text,
    });
    if args.timed() && usize::try_from(args.chunk.get()).is_ok_and(|chunk| chunk > 1 << 24) {
        return Err("with --rate or --within, a chunk has at most 16777216 records".into());
    }
    if args.repeat > 1 && matches!(args.input, Input::Stdin) {
        return Err("standard input can be read only once, not with --repeat".into());
    }
    Ok(Some(args))
}

fn named_format(name: &str) -> Result<Format, String> {
    Format::of_name(name).ok_or_else(|| "it is one of text, csv, tsv, jsonl".to_owned())
}

fn policy(name: &str) -> Result<OnError, String> {
    match name {
        "stop" => Ok(OnError::Stop),
        "skip" => Ok(OnError::Skip),
        _ => Err("it is stop or skip".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with its unit: 500us, 10ms, 1s".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}
