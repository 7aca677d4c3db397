//! `mill`: a real pipeline over real input, with a consumer far slower than its source.
//!
//! It shows what backpressure does: per stage what went in and out, what was asked, the most
//! items ever held, and the bound. `--unbounded-queue` runs the same job without backpressure: it
//! asks for everything at once, and nothing else differs.
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
use std::thread;
use std::time::Duration;

use millstream::executor::{Executor, Pool, PoolHandle, Threads};
use millstream::prelude::*;
use millstream::shape::stage::Stage;
use millstream::time::{SystemClock, SystemClockHandle, Timed};
use millstream::timing::Rate;

use crate::args::Args;
use crate::input::{Format, InputError, Reader};
use crate::meter::{Gauge, MeterExt};
use crate::report::Report;
use crate::sink::{Ended, Enqueue, Run, consume};
use crate::stages::{Chunk, Parse, Record};

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
    // The line that it is reading.
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
    let stages = Stages::new(&args, source);
    let report = Arc::new(Report {
        title: Report::title(&args),
        gauges: stages.all(),
        total,
        reading: reader.busy(),
    });
    if let Err(error) = end_on_ctrl_c(run.clone(), report.clone()) {
        eprintln!("mill: Ctrl-C will end the program without a report: {error}");
    }

    let (sender, receiver) = mpsc::channel();
    let end = Enqueue { run: run.clone(), queue: sender, demand: args.demand };
    let place = args.timed().then(Place::new);
    thread::scope(|scope| {
        scope.spawn(|| consume(&run, receiver, args.pause, &stages.queue, &stages.sink));
        match &place {
            None => pipeline(reader, &stages, &args).subscribe(end),
            Some(place) => timed_pipeline(reader, place, &stages, &args).subscribe(end),
        }
    });

    if !run.claim_report() {
        // Ctrl-C was faster, and ends the program.
        loop {
            thread::park();
        }
    }
    print(&report.text(&run));
    exit_code(&run)
}

/// What is counted of each stage.
struct Stages {
    source: Arc<Gauge>,
    parse: Arc<Gauge>,
    filter: Arc<Gauge>,
    /// Where there is a limit.
    rate: Option<Arc<Gauge>>,
    chunk: Arc<Gauge>,
    queue: Arc<Gauge>,
    sink: Arc<Gauge>,
}

impl Stages {
    fn new(args: &Args, source: Arc<Gauge>) -> Stages {
        let chunk = args.chunk.get();
        // A stage that waits for a time asks for a chunk ahead.
        let ahead = if args.timed() { chunk } else { 0 };
        // The queue holds what was asked for and is not finished.
        let queue = (!args.demand.is_unbounded()).then(|| args.demand.times(args.chunk).get());
        Stages {
            source,
            // A stage that keeps nothing has the item that it works on.
            parse: Gauge::new("parse", Some(1)),
            filter: Gauge::new("filter", Some(1)),
            rate: args.rate.map(|_| Gauge::new("rate", Some(ahead + 1))),
            chunk: Gauge::new("chunk", Some(ahead + chunk)),
            queue: Gauge::new("queue", queue),
            sink: Gauge::new("sink", Some(chunk)),
        }
    }

    fn all(&self) -> Vec<Arc<Gauge>> {
        let Stages { source, parse, filter, rate, chunk, queue, sink } = self;
        let before = [source, parse, filter].into_iter().chain(rate);
        before.chain([chunk, queue, sink]).cloned().collect()
    }
}

/// Where a pipeline runs that waits for a time: the reader on a thread that may block, the rest on a
/// worker, with a clock.
struct Place {
    reader: Threads,
    worker: Pool,
    clock: SystemClock,
}

impl Place {
    fn new() -> Place {
        Place { reader: Threads::new(1), worker: Pool::new(1), clock: SystemClock::new() }
    }

    fn time(&self) -> Timed<PoolHandle, SystemClockHandle> {
        self.worker.handle().with_clock(self.clock.handle())
    }
}

/// The pipeline, without the end that asks: one chain, on the thread that asks.
fn pipeline(
    reader: Reader,
    stages: &Stages,
    args: &Args,
) -> impl Publisher<Item = Vec<Record>, Error = InputError> + use<> {
    let Stages { filter, chunk, queue, .. } = stages;
    let wanted = wanted(reader, stages, args).metered(filter, chunk);
    Stage::new(wanted, Chunk::new(args.chunk)).metered(chunk, queue)
}

/// The pipeline with a rate limit, and chunks by size or time.
fn timed_pipeline(
    reader: Reader,
    place: &Place,
    stages: &Stages,
    args: &Args,
) -> impl Publisher<Item = Vec<Record>, Error = InputError> + use<> {
    let Stages { filter, rate, chunk, queue, .. } = stages;
    let size = args.chunk.get() as usize;
    let wanted = wanted(reader, stages, args).subscribe_on(place.reader.handle());
    let records = match (args.rate, rate) {
        (Some(limit), Some(rate)) => wanted
            .metered(filter, rate)
            .throttle(place.time(), size, Rate::per_second(limit.get()))
            .metered(rate, chunk)
            .boxed(),
        _ => wanted.metered(filter, chunk).boxed(),
    };
    let within = args.within.unwrap_or(Duration::MAX);
    records.chunks_timeout(place.time(), size, size, within).metered(chunk, queue)
}

/// The records that go into chunks.
fn wanted(
    reader: Reader,
    stages: &Stages,
    args: &Args,
) -> impl Publisher<Item = Record, Error = InputError> + use<> {
    let Stages { source, parse, filter, .. } = stages;
    let lines = millstream::from_pull(reader).metered(source, parse);
    let records = Stage::new(lines, Parse::new(args.format, args.on_error)).metered(parse, filter);
    records.filter(is_wanted(args)).take(args.limit)
}

fn is_wanted(args: &Args) -> impl FnMut(&Record) -> bool + Send + use<> {
    let only = args.only.clone();
    let has_comments = args.format == Format::Text;
    move |record| {
        let text = record.text.trim_start();
        let is_data = !has_comments || !(text.is_empty() || text.starts_with('#'));
        is_data && only.as_ref().is_none_or(|only| text.contains(only))
    }
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
    if run.is_interrupted() {
        return ExitCode::from(INTERRUPTED);
    }
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
        None => ExitCode::from(BROKEN),
    }
}

/// A reader that has gone away (`mill | head`) is no reason to panic.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
