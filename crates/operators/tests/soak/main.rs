//! Long-lived pipelines on real threads and in real time, with faults at seeded rates.
//!
//! Workers run one random pipeline after another on a pool and a clock that they share. Consumers
//! pause and cancel, closures panic, the executor refuses tasks, timers fire late, and now and then a
//! pool is dropped in mid-run. Each run must end, keep nothing alive, send no item that was not
//! asked for, and account for every item: what loses nothing delivers all or says why not. At the end
//! no timer and no thread is left, and memory did not grow.
//!
//! A few seconds in an ordinary test run; `MILLSTREAM_SOAK=180` says for how many. What fails tells
//! its seed, and `MILLSTREAM_SOAK_SEED` runs that pipeline again, again and again.

mod consumer;
mod pipeline;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use trouble::{Chance, Counts, World};

const WORKERS: u64 = 4;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn soak() {
    let seconds = number("MILLSTREAM_SOAK").unwrap_or(3);
    let one = number("MILLSTREAM_SOAK_SEED");
    let first = number("MILLSTREAM_SOAK_FIRST").unwrap_or(1);
    let threads_before = threads();
    let counts = Arc::new(Counts::default());
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut memory = Vec::new();
    {
        let world = World::new(counts.clone());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let world = &world;
                    scope.spawn(move || {
                        let mut seeds = Chance::new(first.wrapping_mul(1_000_003) + worker);
                        while Instant::now() < until {
                            let seed = one.unwrap_or_else(|| seeds.next());
                            pipeline::run(world, seed);
                        }
                    })
                })
                .collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                // Only the pace of the samples.
                std::thread::sleep(Duration::from_millis(250));
                memory.extend(resident().map(|bytes| (begun.elapsed().as_secs_f64(), bytes)));
            }
        });
        assert_eq!(counts.timers(), 0, "a timer is left");
    }
    println!("soak of {seconds} s: {counts}");
    assert_eq!(counts.live(), 0, "items are alive");
    assert!(counts.runs() > 0);
    flat(&memory);
    if let (Some(before), Some(mut after)) = (threads_before, threads()) {
        // One that has been joined may take a moment to be gone from the list.
        let patience = Instant::now() + Duration::from_secs(20);
        while after > before && Instant::now() < patience {
            std::thread::yield_now();
            after = threads().unwrap_or(before);
        }
        assert!(after <= before, "{after} threads, and {before} before");
    }
}

/// Memory grows by less than 4 MiB a minute over the last two thirds; a soak of a few seconds shows
/// nothing of that.
fn flat(memory: &[(f64, f64)]) {
    let late = &memory[memory.len() / 3..];
    let (Some(first), Some(last)) = (late.first(), late.last()) else { return };
    if last.0 - first.0 < 60.0 {
        return;
    }
    let n = late.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| late.iter().map(pick).sum::<f64>() / n;
    let (time, bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let slope = late.iter().map(|(at, held)| (at - time) * (held - bytes)).sum::<f64>()
        / late.iter().map(|(at, _)| (at - time).powi(2)).sum::<f64>();
    let mib_a_minute = slope * 60.0 / f64::from(1 << 20);
    println!(
        "memory: {:.1} MiB on average, {mib_a_minute:+.2} MiB a minute",
        bytes / f64::from(1 << 20)
    );
    assert!(mib_a_minute < 4.0, "memory grows by {mib_a_minute:.2} MiB a minute");
}

/// Bytes in memory, where the system tells.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// Threads of this process, where the system tells.
fn threads() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}
