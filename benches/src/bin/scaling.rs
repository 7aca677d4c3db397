//! How the cost of an item grows: with the number of items of a run, for each workload, and along
//! each of the [`axes`].
//!
//! `scaling [--short] [--data FILE] [size stages ...]`; `cargo xtask compare --scaling` runs this,
//! and draws what it finds.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use millstream_benches::axes::{self, Axis};
use millstream_benches::noise::Spread;
use millstream_benches::records::{Records, figure, kind, quartiles};
use millstream_benches::{Kind, Peer, Workload, set_items, workloads};
use serde_json::json;

const SIZES: &[u64] = &[1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// How much is measured.
struct Effort {
    items: u64,
    rounds: usize,
    sample: Duration,
    /// How long a point of a line may take, where its rounds are long; it has at least one.
    patience: Duration,
    /// The largest run.
    largest: u64,
}

const FULL: Effort = Effort {
    items: 100_000,
    rounds: 21,
    sample: Duration::from_millis(2),
    patience: Duration::from_millis(150),
    largest: 10_000_000,
};
const SHORT: Effort = Effort {
    items: 20_000,
    rounds: 3,
    sample: Duration::from_millis(1),
    patience: Duration::from_millis(10),
    largest: 100_000,
};

/// One of those who are compared at a point.
struct Entrant<'a> {
    name: &'static str,
    kind: Kind,
    run: &'a dyn Fn() -> u64,
}

fn main() -> std::io::Result<()> {
    let (mut effort, mut data, mut filters) = (FULL, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--short" => effort = SHORT,
            "--data" => {
                data = Some(PathBuf::from(arguments.next().expect("--data takes a file")));
            }
            _ => filters.push(argument),
        }
    }
    let mut records = Records::to(data.as_deref())?;
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| filter == name);
    for axis in axes::all().iter().filter(|axis| wanted(axis.name)) {
        set_items(effort.items);
        along(axis, &effort, &mut records)?;
    }
    if wanted("size") {
        for workload in workloads::chosen(&[]) {
            sizes(&workload, &effort, &mut records)?;
        }
    }
    Ok(())
}

fn along(axis: &Axis, effort: &Effort, records: &mut Records) -> std::io::Result<()> {
    println!("{}: {}, ns per item", axis.name, axis.task);
    for &point in axis.points {
        axis.check(point);
        let runs: Vec<_> = axis.lines.iter().map(|line| move || (line.run)(point)).collect();
        let entrants: Vec<_> = (axis.lines.iter().zip(&runs))
            .map(|(line, run)| Entrant { name: line.name, kind: line.kind, run })
            .collect();
        let spreads = by_turns(&entrants, (axis.items)(point), effort);
        print!("{point:>10}");
        for (entrant, spread) in entrants.iter().zip(spreads) {
            print!("  {} {:.2}", entrant.name, spread.median);
            records.write(&json!({
                "axis": axis.name,
                "best": figure(spread.best),
                "kind": kind(entrant.kind),
                "line": entrant.name,
                "point": point,
                "quartiles": quartiles(spread),
                "task": axis.task,
            }))?;
        }
        println!();
    }
    Ok(())
}

/// One workload, by the number of its items: ours, the limit, and the best library.
fn sizes(workload: &Workload, effort: &Effort, records: &mut Records) -> std::io::Result<()> {
    size_of(workload, effort.items);
    // One that is over with its first item has no such axis.
    if !workload.is_timed() || workload.items() == 1 {
        return Ok(());
    }
    println!("size: {}, ns per item", workload.name);
    let contenders = contenders(workload, effort);
    for &size in SIZES.iter().filter(|&&size| size <= effort.largest) {
        size_of(workload, size);
        let entrants: Vec<_> = contenders
            .iter()
            .map(|peer| Entrant { name: peer.name, kind: peer.kind, run: &peer.run })
            .collect();
        let spreads = by_turns(&entrants, workload.items(), effort);
        print!("{size:>10}");
        for (entrant, spread) in entrants.iter().zip(spreads) {
            print!("  {} {:.2}", entrant.name, spread.median);
            records.write(&json!({
                "axis": "size",
                "best": figure(spread.best),
                "kind": kind(entrant.kind),
                "line": entrant.name,
                "point": size,
                "quartiles": quartiles(spread),
                "task": workload.name,
            }))?;
        }
        println!();
    }
    Ok(())
}

/// Sets the number of items so that a run of `workload` has `size`.
fn size_of(workload: &Workload, size: u64) {
    set_items(size);
    let has = workload.items();
    if has > size {
        set_items(size * size / has);
    }
}

fn contenders(workload: &Workload, effort: &Effort) -> Vec<Peer> {
    let of = |kind| workload.peers.iter().find(|peer| peer.kind == kind);
    let libraries = workload.peers.iter().filter(|peer| peer.kind == Kind::Library);
    let timed = libraries.map(|peer| {
        let once = [Entrant { name: peer.name, kind: peer.kind, run: &peer.run }];
        (by_turns(&once, workload.items(), effort)[0].best, peer)
    });
    let best = timed.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, peer)| peer);
    [of(Kind::Limit), of(Kind::Ours), best].into_iter().flatten().copied().collect()
}

/// Nanoseconds per item of each.
fn by_turns(entrants: &[Entrant<'_>], items: u64, effort: &Effort) -> Vec<Spread> {
    let time = |entrant: &Entrant<'_>, repeats: u32| {
        let begun = Instant::now();
        for _ in 0..repeats {
            black_box((entrant.run)());
        }
        begun.elapsed()
    };
    let repeats: Vec<u32> = entrants
        .iter()
        .map(|entrant| {
            // The first run is cold.
            let cold = time(entrant, 1);
            let warm = if cold < effort.patience { time(entrant, 1) } else { cold };
            (effort.sample.as_nanos() / warm.as_nanos().max(1)).clamp(1, 1 << 20) as u32
        })
        .collect();
    let mut figures = vec![Vec::new(); entrants.len()];
    let begun = Instant::now();
    for round in 0..effort.rounds {
        if round > 0 && begun.elapsed() > effort.patience * entrants.len() as u32 {
            break;
        }
        for turn in 0..entrants.len() {
            let index = (round + turn) % entrants.len();
            let taken = time(&entrants[index], repeats[index]);
            let per_item = taken.as_nanos() as f64 / (f64::from(repeats[index]) * items as f64);
            figures[index].push(per_item);
        }
    }
    figures.into_iter().map(Spread::of).collect()
}
