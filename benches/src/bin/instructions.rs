//! Instructions per item of each peer, counted by callgrind: they do not wobble.
//!
//! `instructions [--ours] [--times N] [--data FILE] [W1 W9 ...]` runs itself under valgrind, once for
//! each peer, as many at a time as there are cores. Only workloads on one thread: what a thread does
//! while it waits is no figure. `cargo xtask instructions` compares what it finds with what was
//! kept.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use millstream_benches::records::{Records, figure, kind};
use millstream_benches::{Kind, Measure, Peer, Workload, set_items, workloads};
use serde_json::json;

const ITEMS: u64 = 10_000;

fn main() -> std::io::Result<()> {
    set_items(ITEMS);
    let (mut ours, mut times, mut data, mut filters) = (false, 1, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--ours" => ours = true,
            "--times" => {
                let number = arguments.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
                times = number.expect("--times takes a number that is not zero");
            }
            "--data" => {
                data = Some(PathBuf::from(arguments.next().expect("--data takes a file")));
            }
            "--one" => {
                let [workload, peer] = [(); 2].map(|()| arguments.next().unwrap_or_default());
                one(&workload, &peer);
                return Ok(());
            }
            _ => filters.push(argument),
        }
    }
    all(&filters, ours, times, Records::to(data.as_deref())?)
}

fn all(filters: &[String], ours: bool, times: usize, mut records: Records) -> std::io::Result<()> {
    let mut workloads = workloads::chosen(filters);
    workloads.retain(|workload| workload.measure == Measure::Alone);
    for workload in &mut workloads {
        let kept = |peer: &Peer| {
            matches!(peer.kind, Kind::Ours | Kind::Limit) || peer.name.starts_with("millstream")
        };
        workload.peers.retain(|peer| !ours || kept(peer));
    }
    let jobs: Vec<(&Workload, &Peer)> = workloads
        .iter()
        .flat_map(|workload| workload.peers.iter().map(move |peer| (workload, peer)))
        .collect();
    let counts = counts(&jobs, times);
    let mut last = "";
    for ((workload, peer), counts) in jobs.into_iter().zip(counts) {
        if workload.name != last {
            println!("{}: {}", workload.name, workload.task);
            last = workload.name;
        }
        let per_item = |count: u64| count as f64 / workload.items() as f64;
        let least = counts.iter().copied().min().map_or(0.0, per_item);
        let most = counts.iter().copied().max().map_or(0.0, per_item);
        println!("  {:<26} {least:>10.2}", peer.name);
        records.write(&json!({
            "instructions": figure(f64::midpoint(least, most)),
            "kind": kind(peer.kind),
            "peer": peer.name,
            "spread": figure((most - least) / least),
            "workload": workload.name,
        }))?;
    }
    Ok(())
}

/// For each job, as many counts as were asked for.
fn counts(jobs: &[(&Workload, &Peer)], times: usize) -> Vec<Vec<u64>> {
    let counts: Vec<Mutex<Vec<u64>>> = jobs.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed) / times;
                    let Some((workload, peer)) = jobs.get(job) else { break };
                    let count = under_callgrind(workload, peer);
                    counts[job].lock().expect("nobody panics").push(count);
                }
            });
        }
    });
    counts.into_iter().map(|counts| counts.into_inner().expect("nobody panics")).collect()
}

fn under_callgrind(workload: &Workload, peer: &Peer) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--toggle-collect=*what_callgrind_counts*"])
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(["--one", workload.name, peer.name])
        .output()
        .expect("valgrind runs");
    let log = String::from_utf8_lossy(&output.stderr);
    log.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("no count from callgrind:\n{log}"))
}

fn one(name: &str, peer: &str) {
    for workload in workloads::chosen(&[name.to_owned()]) {
        for peer in workload.peers.iter().filter(|p| workload.name == name && p.name == peer) {
            // The first run pays for what is set up once in a process.
            black_box((peer.run)());
            black_box(what_callgrind_counts(black_box(peer.run)));
        }
    }
}

/// Whatever has this name within its own turns the counting off and on again, so nothing else has it.
#[inline(never)]
fn what_callgrind_counts(run: fn() -> u64) -> u64 {
    black_box(run())
}
