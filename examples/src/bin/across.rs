//! `across`: one process reads, another takes its time, and the first waits for it.
//!
//! This process reads the time zone database and serves its lines, over the pipes of a child or over TCP
//! on the loopback interface. The child is the same program: it connects, and takes a millisecond for
//! each line. What it asks for crosses to here, so no more is read than it has room for.
//!
//! ```text
//!  lines ──8──▶ serve ══ pipes or TCP ══ connect ──▶ prefetch(16) ──▶ the child, 1 ms a line
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, stdin, stdout};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use millstream::Board;
use millstream::executor::{CurrentThread, Threads};
use millstream::prelude::*;
use millstream_wire::{Ended, Link, Text, connect, serve};

const HELP: &str = "\
across [FILE]        serves the lines of a file to a child; the time zone database without one
  --tcp              over TCP on the loopback interface, and not over the pipes of the child
  --pause MICROS     how long the child takes for a line (1000)
  --window N         how many lines it asks for ahead (16)
  --take N           it wants so many, and no more
  --help
";

/// Lines that are read and not sent yet, at most.
const AHEAD: usize = 8;
/// As long as a frame may be, in bytes.
const MAX_FRAME: usize = 64 << 10;

struct Args {
    file: String,
    tcp: bool,
    pause: u64,
    window: usize,
    take: u64,
    /// This is the child; with an address where it is not to use its pipes.
    consumes: Option<String>,
}

fn main() -> ExitCode {
    let done = match parse() {
        Err(error) => Err((2, format!("{error}\nTry `across --help`."))),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Some(args)) => match &args.consumes {
            Some(from) => consume(&args, from),
            None => produce(&args),
        }
        .map_err(|error| (1, error.to_string())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            eprintln!("across: {text}");
            ExitCode::from(code)
        }
    }
}

fn parse() -> Result<Option<Args>, lexopt::Error> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tzdata.zi").to_owned();
    let (tcp, consumes) = (false, None);
    let mut args = Args { file, tcp, pause: 1000, window: 16, take: u64::MAX, consumes };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("tcp") => args.tcp = true,
            Long("pause") => args.pause = parser.value()?.parse()?,
            Long("window") => args.window = parser.value()?.parse()?,
            Long("take") => args.take = parser.value()?.parse()?,
            Long("consume-from") => args.consumes = Some(parser.value()?.string()?),
            Long("help") => return Ok(None),
            Value(path) => args.file = path.string()?,
            other => return Err(other.unexpected()),
        }
    }
    if args.window == 0 {
        return Err("--window 0: at least 1 line is asked for".into());
    }
    Ok(Some(args))
}

/// The child, and the connection to it.
fn dial(args: &Args, threads: &Threads) -> Result<(Child, Link), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--pause", &args.pause.to_string(), "--window", &args.window.to_string()]);
    child.args(["--take", &args.take.to_string()]).stderr(Stdio::piped());
    if args.tcp {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let child = child.args(["--consume-from", &address]).spawn()?;
        let link = Link::from_socket(&threads.handle(), listener.accept()?.0, MAX_FRAME)?;
        return Ok((child, link));
    }
    let child = child.args(["--consume-from", "pipes"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(from), Some(to)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("the child has no pipes".into());
    };
    Ok((child, Link::from_blocking(&threads.handle(), from, to, MAX_FRAME)))
}

fn produce(args: &Args) -> Result<(), Box<dyn Error>> {
    let file = File::open(&args.file).map_err(|why| format!("cannot open {}: {why}", args.file))?;
    let (threads, board, start) = (Threads::new(4), Board::new(4), Instant::now());
    let (mut child, link) = dial(args, &threads)?;
    let (read, last) = mpsc::channel();
    let lines = millstream::lines(BufReader::new(file)).inspect(move |_| {
        // It is there until the end.
        let _there = read.send(start.elapsed());
    });
    let report = serve(lines, link, Text, AHEAD).observed(&board).block();

    let by = if args.tcp { "TCP" } else { "pipes" };
    println!("to a child process by {by}, {} us a line\n", args.pause);
    println!(
        "  {:10}{:>8}{:>8}{:>8}{:>8}{:>11}{:>7}",
        "", "read", "asked", "sent", "there", "most held", "room"
    );
    let (count, took) = last.iter().fold((0_u64, Duration::ZERO), |(n, _), at| (n + 1, at));
    let snapshot = board.snapshot();
    let most = snapshot.rows().first().map_or(0, |row| row.high_water);
    println!(
        "  {:10}{count:>8}{:>8}{:>8}{:>8}{most:>11}{AHEAD:>7}",
        "producer", report.asked, report.sent, report.received
    );
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    print!("{said}");
    println!("\nproducer: the last line was read after {:.1?}", took);
    println!("ended:    {}", report.end);
    if !child.wait()?.success() {
        return Err("the child failed".into());
    }
    match report.end {
        Ended::Completed | Ended::Cancelled(_) => Ok(()),
        other => Err(other.to_string().into()),
    }
}

/// The child.
fn consume(args: &Args, from: &str) -> Result<(), Box<dyn Error>> {
    let (threads, board) = (Threads::new(4), Board::new(4));
    let link = match from {
        "pipes" => Link::from_blocking(&threads.handle(), stdin(), stdout(), MAX_FRAME),
        address => Link::from_socket(&threads.handle(), TcpStream::connect(address)?, MAX_FRAME)?,
    };
    let (lines, farewell) = connect(threads.handle(), link, Text, args.window).with_farewell();
    let mut lines = lines.prefetch(args.window).take(args.take).observed(&board).cursor();
    let mut took = 0_u64;
    while let Some(_line) = lines.block_next()? {
        took += 1;
        sleep(Duration::from_micros(args.pause));
    }
    drop(lines);
    // What it has to say is said before this process ends.
    CurrentThread::new().run_until(farewell);
    let snapshot = board.snapshot();
    let most = snapshot.rows().iter().map(|row| row.high_water).max().unwrap_or(0);
    eprintln!(
        "  {:10}{:>8}{:>8}{:>8}{took:>8}{most:>11}{:>7}",
        "consumer", "-", "-", "-", args.window
    );
    Ok(())
}
