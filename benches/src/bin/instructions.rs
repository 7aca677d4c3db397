//! Instructions per item of each peer, counted by callgrind: they do not wobble.
//!
//! `instructions [W1 W9 ...]` runs itself under valgrind, once for each peer. Only workloads on one
//! thread: what a thread does while it waits is no figure.

use std::hint::black_box;
use std::process::Command;

use millstream_benches::{Measure, Peer, Workload, set_items, workloads};

fn main() {
    set_items(10_000);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments {
        [flag, workload, peer] if flag == "--one" => one(workload, peer),
        filters => all(filters),
    }
}

fn all(filters: &[String]) {
    let alone = |workload: &Workload| workload.measure == Measure::Alone;
    for workload in workloads::chosen(filters).into_iter().filter(alone) {
        println!("{}: {}", workload.name, workload.task);
        for peer in &workload.peers {
            let count = under_callgrind(&workload, peer);
            println!("  {:<24} {:>10.2}", peer.name, count as f64 / workload.items() as f64);
        }
    }
}

fn under_callgrind(workload: &Workload, peer: &Peer) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--toggle-collect=*counted*"])
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
            black_box(counted(black_box(peer.run)));
        }
    }
}

#[inline(never)]
fn counted(run: fn() -> u64) -> u64 {
    black_box(run())
}
