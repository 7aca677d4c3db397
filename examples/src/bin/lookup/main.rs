//! `lookup`: a pipeline whose stages run at the same time.
//!
//! ```text
//!  read ──64──▶ parse ──▶ look up, 16 in flight ──▶ chunks of 64 ──4──▶ write
//!  a thread     the pool  the pool                  the pool            a thread
//! ```
//!
//! It reads the time zone database that comes with the repository, parses each line on a pool,
//! asks a service for each record, which takes some milliseconds, and writes the answers in the
//! order of the lines. Reading and writing block, so they have threads of their own.

#![forbid(unsafe_code)]

mod args;
mod record;
mod service;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::executor::{Pool, Threads};
use millstream::prelude::*;

use crate::args::Args;
use crate::record::Record;
use crate::service::Service;

/// Lines that are read and not parsed yet, at most.
const READ_AHEAD: usize = 64;
/// Records in one write.
const PER_WRITE: usize = 64;
/// Chunks that are ready to be written, at most.
const WRITE_BEHIND: usize = 4;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("lookup: {error}\nTry `lookup --help`.");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lookup: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(args: &Args) -> Result<String, Box<dyn std::error::Error>> {
    let input = File::open(&args.input)
        .map_err(|error| format!("cannot open {}: {error}", args.input.display()))?;
    let mut output: Box<dyn Write + Send> = match &args.output {
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
        None => Box::new(io::sink()),
    };
    let pool = Pool::named("parse", args.threads);
    let blocking = Threads::named("files", 2);
    let service = Arc::new(Service::start(Duration::from_millis(1)..Duration::from_millis(5)));

    let started = Instant::now();
    let client = service.clone();
    let written = millstream::lines(BufReader::new(input))
        // Reading a file blocks.
        .subscribe_on(blocking.handle())
        .publish_on(pool.handle(), READ_AHEAD)
        .map(|line| Record::parse(&line))
        // The stage drives its lookups itself, whatever the writer does.
        .map_async(pool.handle(), args.in_flight, move |record| {
            let answer = client.look_up(record.key());
            async move { record.answered(answer.await) }
        })
        .chunks(PER_WRITE)
        // So does writing one.
        .publish_on(blocking.handle(), WRITE_BEHIND)
        .try_fold(Written::default(), move |mut written, chunk: Vec<String>| {
            written.chunks += 1;
            for line in chunk {
                writeln!(output, "{line}")?;
                written.lines += 1;
                written.bytes += line.len() + 1;
            }
            output.flush()?;
            Ok(written)
        })
        .block()?;
    let took = started.elapsed();

    let seen = service.seen();
    Ok(format!(
        "{} lines in {} chunks, {} bytes, in {:.2?}\n\
         {} lookups of {:.2?} in all, at most {} of {} at a time: {:.1} times as fast as one by one\n",
        written.lines,
        written.chunks,
        written.bytes,
        took,
        seen.lookups,
        seen.waited,
        seen.most_in_flight,
        args.in_flight,
        seen.waited.as_secs_f64() / took.as_secs_f64(),
    ))
}

/// What was written so far.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    lines: usize,
    chunks: usize,
    bytes: usize,
}
