//! All peers of a workload by turns: time, ratios, allocations, and how quiet the machine was.
//!
//! `compare [--rounds N] [--short] [--data FILE] [W1 W2/128 ...]`
//!
//! A noisy moment hits all peers of a round alike, so a ratio is taken within each round, and
//! what is printed is the median of these, with the quartiles. Allocations are counted in a run of
//! their own. `cargo xtask compare` runs this, keeps its file, and says which promises hold.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use millstream_benches::allocations::{Counting, count};
use millstream_benches::noise::{Spread, calibration};
use millstream_benches::records::{Records, figure, kind, promise, quartiles, unit};
use millstream_benches::{Kind, Measure, Peer, Workload, set_items, workloads};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Short enough that most samples fall between two switches of a busy machine.
const SAMPLE: Duration = Duration::from_millis(2);

/// How much is measured.
struct Effort {
    items: u64,
    rounds: usize,
    /// How many rounds there are at least.
    fewest: usize,
    /// How long a workload may take, where its rounds are long.
    patience: Duration,
}

const FULL: Effort =
    Effort { items: 100_000, rounds: 151, fewest: 7, patience: Duration::from_secs(7) };
const SHORT: Effort =
    Effort { items: 20_000, rounds: 51, fewest: 3, patience: Duration::from_secs(1) };

struct Row {
    peer: Peer,
    repeats: u32,
    allocations: u64,
    /// Nanoseconds per item, or kilobytes, one for each round.
    figures: Vec<f64>,
}

impl Row {
    fn spread(&self) -> Spread {
        Spread::of(self.figures.iter().copied())
    }

    /// Of the rounds.
    fn ratio(&self, to: &Row) -> Spread {
        Spread::of(self.figures.iter().zip(&to.figures).map(|(mine, other)| mine / other))
    }
}

fn main() -> std::io::Result<()> {
    let (mut effort, mut rounds, mut data) = (FULL, None, None);
    let mut filters = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--rounds" => {
                let number = arguments.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
                rounds = Some(number.expect("--rounds takes a number that is not zero"));
            }
            "--short" => effort = SHORT,
            "--data" => {
                data = Some(PathBuf::from(arguments.next().expect("--data takes a file")));
            }
            // What a workload that measures memory starts: one peer, and nothing else.
            "--memory" => {
                let [workload, peer, items] =
                    [(); 3].map(|()| arguments.next().unwrap_or_default());
                set_items(items.parse().expect("the number of items"));
                memory_of(&workload, &peer);
                return Ok(());
            }
            _ => filters.push(argument),
        }
    }
    if let Some(rounds) = rounds {
        effort = Effort { rounds, fewest: rounds.min(effort.fewest), ..effort };
    }
    set_items(effort.items);
    let chosen = workloads::chosen(&filters);
    if chosen.is_empty() {
        eprintln!("there is no such workload: {}", filters.join(" "));
        std::process::exit(1);
    }
    let mut records = Records::to(data.as_deref())?;
    for workload in chosen {
        compare(&workload, &effort, &mut records)?;
    }
    Ok(())
}

fn compare(workload: &Workload, effort: &Effort, records: &mut Records) -> std::io::Result<()> {
    let mut rows = rows(workload);
    let fewest = if workload.measure == Measure::Memory { 1 } else { effort.fewest };
    let before = calibration();
    let begun = Instant::now();
    for round in 0..effort.rounds {
        if round >= fewest && begun.elapsed() > effort.patience {
            break;
        }
        // Not always after the same neighbour.
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let figure = match workload.measure {
                Measure::Alone | Measure::Across => sample(workload, row.peer, row.repeats),
                Measure::RoundTrip => (row.peer.run)() as f64,
                Measure::Memory => memory(workload, row.peer, effort.items),
            };
            row.figures.push(figure);
        }
    }
    let calibrations = [before, calibration()];
    report(workload, &rows, calibrations);
    record(workload, &rows, calibrations, records)
}

/// A row for each peer. All of them give the same result, and their allocations are counted.
fn rows(workload: &Workload) -> Vec<Row> {
    let mut expected = None;
    let mut rows = Vec::new();
    for &peer in &workload.peers {
        let mut row = Row { peer, repeats: 1, allocations: 0, figures: Vec::new() };
        if workload.is_timed() {
            // The first run pays for what is set up once in a process.
            let result = (peer.run)();
            let expected = *expected.get_or_insert(result);
            let (allocations, again) = count(peer.run);
            assert_eq!([result, again], [expected; 2], "{}: {}", workload.name, peer.name);
            row.allocations = allocations;
            row.repeats = repeats(workload, peer);
        }
        rows.push(row);
    }
    rows
}

/// How many runs make a sample.
fn repeats(workload: &Workload, peer: Peer) -> u32 {
    let mut repeats = 1;
    loop {
        let time = sample(workload, peer, repeats) * workload.items() as f64 * f64::from(repeats);
        if time * 2.0 >= SAMPLE.as_nanos() as f64 {
            return repeats;
        }
        repeats *= 2;
    }
}

/// Nanoseconds per item.
fn sample(workload: &Workload, peer: Peer, repeats: u32) -> f64 {
    let run = black_box(peer.run);
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(run());
    }
    start.elapsed().as_nanos() as f64 / (f64::from(repeats) * workload.items() as f64)
}

/// The most memory of a process that runs `peer` once, in kilobytes.
fn memory(workload: &Workload, peer: Peer, items: u64) -> f64 {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--memory", workload.name, peer.name, &items.to_string()])
        .output()
        .expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{}: {text:?}, {output:?}", peer.name))
}

fn memory_of(workload: &str, peer: &str) {
    for workload in workloads::chosen(&[workload.to_owned()]) {
        for peer in workload.peers.iter().filter(|one| one.name == peer) {
            black_box((peer.run)());
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of memory");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.and_then(|kilobytes| kilobytes.split_whitespace().next()).unwrap_or("?"));
}

fn of(rows: &[Row], kind: Kind) -> Option<&Row> {
    rows.iter().find(|row| row.peer.kind == kind)
}

/// The library whose median is lowest.
fn best(rows: &[Row]) -> Option<&Row> {
    let libraries = rows.iter().filter(|row| row.peer.kind == Kind::Library);
    libraries.min_by(|a, b| a.spread().median.total_cmp(&b.spread().median))
}

fn report(workload: &Workload, rows: &[Row], [before, after]: [f64; 2]) {
    let (limit, library) = (of(rows, Kind::Limit), best(rows));
    println!("{}: {}", workload.name, workload.task);
    println!(
        "  {:<26} {:>16} {:>20} {:>20} {:>16}",
        "",
        format!("{} (best)", unit(workload.measure)),
        "x limit (quartiles)",
        "x best (quartiles)",
        "allocs/run, item"
    );
    let ratio = |row: &Row, to: Option<&Row>| {
        to.map_or("-".to_owned(), |to| {
            let Spread { low, median, high, .. } = row.ratio(to);
            format!("{median:.2} ({low:.2}-{high:.2})")
        })
    };
    for row in rows {
        let allocations = if workload.is_timed() {
            let per_item = row.allocations as f64 / workload.items() as f64;
            format!("{}, {per_item:.3}", row.allocations)
        } else {
            "-".to_owned()
        };
        let spread = row.spread();
        println!(
            "  {:<26} {:>16} {:>20} {:>20} {:>16}",
            row.peer.name,
            format!("{:.2} ({:.2})", spread.median, spread.best),
            ratio(row, limit),
            ratio(row, library),
            allocations,
        );
    }
    let limit = limit.map_or(0.0, |limit| limit.spread().width());
    println!(
        "  noise: the limit's quartiles are {:.0} % apart; a step of calibration took {before:.3} \
         ns before, {after:.3} after; {} rounds\n",
        limit * 100.0,
        rows[0].figures.len(),
    );
}

fn record(
    workload: &Workload,
    rows: &[Row],
    calibrations: [f64; 2],
    records: &mut Records,
) -> std::io::Result<()> {
    records.write(&json!({
        "calibration": calibrations.map(figure),
        "items": workload.items(),
        "promise": promise(&workload.promise),
        "rounds": rows[0].figures.len(),
        "task": workload.task,
        "unit": unit(workload.measure),
        "workload": workload.name,
    }))?;
    let ratio = |row: &Row, to: Option<&Row>| to.map(|to| quartiles(row.ratio(to)));
    for row in rows {
        let spread = row.spread();
        records.write(&json!({
            "allocations": workload.is_timed().then_some(row.allocations),
            "best": figure(spread.best),
            "kind": kind(row.peer.kind),
            "of_best": ratio(row, best(rows)),
            "of_limit": ratio(row, of(rows, Kind::Limit)),
            "of_model": ratio(row, of(rows, Kind::Model)),
            "peer": row.peer.name,
            "quartiles": quartiles(spread),
            "workload": workload.name,
        }))?;
    }
    Ok(())
}
