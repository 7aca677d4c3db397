//! All peers of a workload by turns: time, ratios, allocations, and whether the promises hold.
//!
//! `compare [--rounds N] [W1 W2/128 ...]`
//!
//! A noisy moment hits all peers of a round alike, so a ratio is taken within each round, and
//! what is printed is the median of these; in brackets the ratio of the best figures. Allocations
//! are counted in a run of their own. At the end comes a table of what is promised.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use millstream_benches::allocations::{Counting, count};
use millstream_benches::{Kind, Measure, Peer, Workload, set_items, workloads};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Short enough that most samples fall between two switches of a busy machine.
const SAMPLE: Duration = Duration::from_millis(2);
/// How long a workload may take, where its rounds are long; it has at least [`FEWEST`].
const PATIENCE: Duration = Duration::from_secs(12);
const FEWEST: usize = 7;

struct Row {
    peer: Peer,
    repeats: u32,
    allocations: u64,
    /// Nanoseconds per item, or kilobytes, one for each round.
    figures: Vec<f64>,
}

/// One promise, and what came of it.
struct Verdict {
    workload: &'static str,
    what: &'static str,
    most: f64,
    is: f64,
}

fn main() {
    set_items(100_000);
    let mut rounds = 151;
    let mut filters = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--rounds" => {
                rounds =
                    arguments.next().and_then(|n| n.parse().ok()).expect("--rounds takes a number");
            }
            // What a workload that measures memory starts: one peer, and nothing else.
            "--memory" => {
                let [workload, peer] = [(); 2].map(|()| arguments.next().unwrap_or_default());
                return memory_of(&workload, &peer);
            }
            _ => filters.push(argument),
        }
    }
    let mut verdicts = Vec::new();
    for workload in workloads::chosen(&filters) {
        verdicts.extend(compare(&workload, rounds));
    }
    summary(&verdicts);
}

fn compare(workload: &Workload, rounds: usize) -> Vec<Verdict> {
    let expected = workload.is_timed().then(|| workload.check());
    let mut rows: Vec<Row> =
        workload.peers.iter().map(|&peer| row(workload, peer, expected)).collect();
    let begun = Instant::now();
    for round in 0..rounds {
        let fewest = if workload.measure == Measure::Memory { 1 } else { FEWEST };
        if round >= fewest && begun.elapsed() > PATIENCE {
            break;
        }
        // Not always after the same neighbour.
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let figure = match workload.measure {
                Measure::Alone | Measure::Across => sample(workload, row.peer, row.repeats),
                Measure::RoundTrip => (row.peer.run)() as f64,
                Measure::Memory => memory(workload, row.peer),
            };
            row.figures.push(figure);
        }
    }
    report(workload, &rows)
}

fn row(workload: &Workload, peer: Peer, expected: Option<u64>) -> Row {
    let mut row = Row { peer, repeats: 1, allocations: 0, figures: Vec::new() };
    if !workload.is_timed() {
        return row;
    }
    let (allocations, result) = count(peer.run);
    assert_eq!(Some(result), expected, "{}: {}", workload.name, peer.name);
    row.allocations = allocations;
    loop {
        let time =
            sample(workload, peer, row.repeats) * workload.items() as f64 * f64::from(row.repeats);
        if time * 2.0 >= SAMPLE.as_nanos() as f64 {
            return row;
        }
        row.repeats *= 2;
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
fn memory(workload: &Workload, peer: Peer) -> f64 {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--memory", workload.name, peer.name])
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn best(row: &Row) -> f64 {
    row.figures.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The median of the ratios of the rounds, and the ratio of the best figures.
fn ratio(row: &Row, to: &Row) -> (f64, f64) {
    let rounds = row.figures.iter().zip(&to.figures).map(|(mine, other)| mine / other).collect();
    (median(rounds), best(row) / best(to))
}

fn report(workload: &Workload, rows: &[Row]) -> Vec<Verdict> {
    let of = |kind| rows.iter().find(|row| row.peer.kind == kind);
    let limit = of(Kind::Limit);
    let library = rows
        .iter()
        .filter(|row| row.peer.kind == Kind::Library)
        .min_by(|a, b| median(a.figures.clone()).total_cmp(&median(b.figures.clone())));

    let unit = match workload.measure {
        Measure::Alone | Measure::Across => "ns/item (best)",
        Measure::RoundTrip => "ns (best)",
        Measure::Memory => "kB (best)",
    };
    println!("{}: {}", workload.name, workload.task);
    println!(
        "  {:<24} {:>18} {:>14} {:>14} {:>16}",
        "", unit, "x limit", "x best peer", "allocs/run, item"
    );
    let shown = |row: &Row, to: Option<&Row>| {
        to.map_or("-".to_owned(), |to| {
            let (ratio, of_best) = ratio(row, to);
            format!("{ratio:.2} ({of_best:.2})")
        })
    };
    for row in rows {
        let allocations = if workload.is_timed() {
            let per_item = row.allocations as f64 / workload.items() as f64;
            format!("{}, {per_item:.3}", row.allocations)
        } else {
            "-".to_owned()
        };
        println!(
            "  {:<24} {:>18} {:>14} {:>14} {:>16}",
            row.peer.name,
            format!("{:.2} ({:.2})", median(row.figures.clone()), best(row)),
            shown(row, limit),
            shown(row, library),
            allocations,
        );
    }
    println!();

    let Some(ours) = of(Kind::Ours) else { return Vec::new() };
    let promise = workload.promise;
    let mut verdicts = Vec::new();
    let mut judge = |what, most: Option<f64>, is: Option<f64>| {
        if let (Some(most), Some(is)) = (most, is) {
            verdicts.push(Verdict { workload: workload.name, what, most, is });
        }
    };
    let times = |to: Option<&Row>| to.map(|to| ratio(ours, to).0);
    judge("times the limit", promise.of_limit, times(limit));
    judge("times the model", promise.of_model, times(of(Kind::Model)));
    judge("times the best peer", promise.of_best, times(library));
    judge(
        "allocations a run",
        promise.allocations.map(|most| most as f64),
        Some(ours.allocations as f64),
    );
    judge(
        "kilobytes above the limit",
        promise.above_limit,
        limit.map(|limit| median(ours.figures.clone()) - median(limit.figures.clone())),
    );
    verdicts
}

fn summary(verdicts: &[Verdict]) {
    println!("  {:<16} {:<26} {:>10} {:>10}", "", "", "measured", "promised");
    for Verdict { workload, what, most, is } in verdicts {
        let met = if is <= most { "" } else { "  NOT MET" };
        println!("  {workload:<16} {what:<26} {is:>10.2} {most:>10}{met}");
    }
    let broken = verdicts.iter().filter(|verdict| verdict.is > verdict.most).count();
    println!("{} promises, {broken} not met", verdicts.len());
}
