//! `mill`: a real pipeline over real input, with a consumer far slower than its source.
//!
//! It shows what backpressure does: per stage what went in and out, what was asked, the most
//! items ever held, and the bound. `--unbounded-queue` runs the same job without backpressure.
//! `--help` tells the rest.

#![forbid(unsafe_code)]

mod args;
mod input;
mod meter;
mod report;
mod sink;
mod stages;

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use millstream::prelude::*;
use millstream::shape::stage::Stage;

use crate::args::Args;
use crate::input::{Format, InputError, Reader};
use crate::meter::{Gauge, MeterExt};
use crate::report::Report;
use crate::sink::{Ended, Run, SlowSink};
use crate::stages::{Chunk, Line, Parse, Record};

const BAD_INPUT: u8 = 1;
const USAGE: u8 = 2;
const BROKEN: u8 = 3;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print(args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("mill: {error}\nTry `mill --help`.");
            return ExitCode::from(USAGE);
        }
    };
    let total = Gauge::new("in all", None);
    // A source that is read to see whether it is over holds that one item.
    let source = Gauge::new("source", Some(1));
    let reader =
        Reader::open(args.input.clone(), args.format, args.repeat, source.clone(), total.clone());
    let reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            eprintln!("mill: cannot open {}: {error}", args.input);
            return ExitCode::from(BAD_INPUT);
        }
    };
    let run = Arc::new(Run::default());
    let mut stages = Stages::new(&args, source);
    let queue = Gauge::new("queue", None);
    if args.unbounded_queue {
        stages.all.insert(1, queue.clone());
    }
    let report = Arc::new(Report {
        title: Report::title(&args),
        gauges: stages.all.clone(),
        total,
        reading: reader.busy(),
    });
    if let Err(error) = end_on_ctrl_c(run.clone(), report.clone()) {
        eprintln!("mill: Ctrl-C will end the program without a report: {error}");
    }

    if args.unbounded_queue {
        subscribe(queued(reader, &stages.source, &queue), &queue, &stages, &args, &run);
    } else {
        subscribe(millstream::from_iter(reader), &stages.source, &stages, &args, &run);
    }

    if !run.claim_report() {
        // Ctrl-C was faster, and ends the program.
        loop {
            std::thread::park();
        }
    }
    print(&report.text(&run));
    exit_code(&run)
}

/// The stages between the source and the end of the pipeline.
struct Stages {
    source: Arc<Gauge>,
    parse: Arc<Gauge>,
    filter: Arc<Gauge>,
    chunk: Arc<Gauge>,
    sink: Arc<Gauge>,
    all: Vec<Arc<Gauge>>,
}

impl Stages {
    fn new(args: &Args, source: Arc<Gauge>) -> Stages {
        // A stage that keeps nothing has the item that it works on.
        let parse = Gauge::new("parse", Some(1));
        let filter = Gauge::new("filter", Some(1));
        let chunk = Gauge::new("chunk", Some(args.chunk.get()));
        let sink = Gauge::new("sink", Some(args.chunk.get()));
        let all = vec![source.clone(), parse.clone(), filter.clone(), chunk.clone(), sink.clone()];
        Stages { source, parse, filter, chunk, sink, all }
    }
}

/// The pipeline, from its source, counted by `first`, to the slow consumer. Returns at its end.
fn subscribe<P>(source: P, first: &Arc<Gauge>, stages: &Stages, args: &Args, run: &Arc<Run>)
where
    P: Publisher<Item = Line, Error: Into<InputError>>,
{
    let Stages { parse, filter, chunk, sink, .. } = stages;
    let lines = source.metered(first, parse);
    let records = Stage::new(lines, Parse::new(args.format, args.on_error)).metered(parse, filter);
    let wanted = records.filter(is_wanted(args)).take(args.limit).metered(filter, chunk);
    let chunks = Stage::new(wanted, Chunk::new(args.chunk)).metered(chunk, sink);
    chunks.subscribe(SlowSink::new(run.clone(), args.pause));
}

fn is_wanted(args: &Args) -> impl FnMut(&Record) -> bool + Send + 'static {
    let only = args.only.clone();
    let has_comments = args.format == Format::Text;
    move |record| {
        let text = record.text.trim_start();
        let is_data = !has_comments || !(text.is_empty() || text.starts_with('#'));
        is_data && only.as_ref().is_none_or(|only| text.contains(only))
    }
}

/// What the pipeline is without demand: a thread reads as fast as it can, a channel without
/// bound takes it all.
fn queued(
    reader: Reader,
    source: &Arc<Gauge>,
    queue: &Arc<Gauge>,
) -> impl Publisher<Item = Line, Error: Into<InputError>> {
    let (sender, receiver) = mpsc::channel::<Line>();
    let (source, queue) = (source.clone(), queue.clone());
    std::thread::spawn(move || {
        for mut line in reader {
            line.ticket.move_to(&queue);
            source.sent_one();
            queue.received_one();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    millstream::from_iter(receiver)
}

fn end_on_ctrl_c(run: Arc<Run>, report: Arc<Report>) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if !run.interrupt() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        // The pipeline ends on its own thread and reports, unless that thread is waiting for
        // input that may never come.
        run.wait_for_report(Duration::from_millis(500));
        if run.claim_report() {
            print(&report.text(&run));
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
}

fn exit_code(run: &Run) -> ExitCode {
    match &run.tally().ended {
        Some(Ended::Complete) => ExitCode::SUCCESS,
        Some(Ended::Failed(error)) => {
            eprintln!("mill: bad input: {error}");
            ExitCode::from(BAD_INPUT)
        }
        Some(Ended::Broken(fault)) => {
            eprintln!("mill: the pipeline broke: {fault}");
            ExitCode::from(BROKEN)
        }
        None if run.is_interrupted() => ExitCode::from(INTERRUPTED),
        None => ExitCode::from(BROKEN),
    }
}

/// A reader that has gone away (`mill | head`) is no reason to panic.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
