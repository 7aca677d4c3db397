//! All peers of a workload by turns: time, ratios, allocations, and whether the promises hold.
//!
//! `compare [--rounds N] [W1 W2/128 ...]`
//!
//! A noisy moment hits all peers of a round alike, so a ratio is taken within each round, and
//! what is printed is the median of these; in brackets the ratio of the best times. Allocations
//! are counted in a run of their own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use millstream_benches::allocations::{Counting, count};
use millstream_benches::{Kind, Peer, Workload, set_items, workloads};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Short enough that most samples fall between two switches of a busy machine.
const SAMPLE: Duration = Duration::from_millis(2);

struct Row {
    peer: Peer,
    repeats: u32,
    allocations: u64,
    /// Nanoseconds per item, one for each round.
    times: Vec<f64>,
}

fn main() {
    set_items(100_000);
    let mut rounds = 151;
    let mut filters = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds =
                arguments.next().and_then(|n| n.parse().ok()).expect("--rounds takes a number");
        } else {
            filters.push(argument);
        }
    }
    let mut broken = 0;
    for workload in workloads::chosen(&filters) {
        broken += compare(&workload, rounds);
    }
    println!("{broken} promises not met");
}

fn compare(workload: &Workload, rounds: usize) -> usize {
    let expected = workload.check();
    let mut rows: Vec<Row> =
        workload.peers.iter().map(|&peer| row(workload, peer, expected)).collect();
    for round in 0..rounds {
        // Not always after the same neighbour.
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let time = sample(workload, row.peer, row.repeats);
            row.times.push(time);
        }
    }
    report(workload, &rows)
}

fn row(workload: &Workload, peer: Peer, expected: u64) -> Row {
    let (allocations, result) = count(peer.run);
    assert_eq!(result, expected, "{}: {}", workload.name, peer.name);
    let mut repeats = 1;
    loop {
        let time = sample(workload, peer, repeats) * workload.items() as f64 * f64::from(repeats);
        if time * 2.0 >= SAMPLE.as_nanos() as f64 {
            break;
        }
        repeats *= 2;
    }
    Row { peer, repeats, allocations, times: Vec::new() }
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn best(row: &Row) -> f64 {
    row.times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The median of the ratios of the rounds, and the ratio of the best times.
fn ratio(row: &Row, to: &Row) -> (f64, f64) {
    let rounds = row.times.iter().zip(&to.times).map(|(mine, other)| mine / other).collect();
    (median(rounds), best(row) / best(to))
}

fn report(workload: &Workload, rows: &[Row]) -> usize {
    let of = |kind| rows.iter().find(|row| row.peer.kind == kind);
    let limit = of(Kind::Limit);
    let library = rows
        .iter()
        .filter(|row| row.peer.kind == Kind::Library)
        .min_by(|a, b| best(a).total_cmp(&best(b)));

    println!("{}: {}", workload.name, workload.task);
    println!(
        "  {:<18} {:>16} {:>14} {:>14} {:>16}",
        "", "ns/item (best)", "x limit", "x best peer", "allocs/run, item"
    );
    let shown = |row: &Row, to: Option<&Row>| {
        to.map_or("-".to_owned(), |to| {
            let (ratio, of_best) = ratio(row, to);
            format!("{ratio:.2} ({of_best:.2})")
        })
    };
    for row in rows {
        println!(
            "  {:<18} {:>16} {:>14} {:>14} {:>16}",
            row.peer.name,
            format!("{:.2} ({:.2})", median(row.times.clone()), best(row)),
            shown(row, limit),
            shown(row, library),
            format!("{}, {:.3}", row.allocations, row.allocations as f64 / workload.items() as f64),
        );
    }

    let Some(ours) = of(Kind::Ours) else { return 0 };
    let mut broken = 0;
    let mut judge = |what: &str, most: f64, is: f64| {
        let met = is <= most;
        broken += usize::from(!met);
        println!("  {} {what}: {is:.2}, promised {most}", if met { "met   " } else { "BROKEN" });
    };
    let promise = workload.promise;
    let ratios = [
        ("times the limit", promise.of_limit, limit),
        ("times the model", promise.of_model, of(Kind::Model)),
        ("times the best peer", promise.of_best, library),
    ];
    for (what, most, to) in ratios {
        if let (Some(most), Some(to)) = (most, to) {
            judge(what, most, ratio(ours, to).0);
        }
    }
    if let Some(most) = promise.allocations {
        judge("allocations", most as f64, ours.allocations as f64);
    }
    println!();
    broken
}
