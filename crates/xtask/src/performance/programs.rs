//! What it takes to compile a chain of many stages, and how large its program is.
//!
//! As it is compiled after an edit: the program alone, optimised, its dependencies built before,
//! under cargo's own release profile: this workspace's links with fat LTO, which compiles all
//! dependencies again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::data::{Data, text};
use super::promises::Verdict;

const CHAINS: &[&str] = &["iterator", "futures", "millstream", "boxed"];
const STAGES: &[u32] = &[10, 50, 100];

/// A chain of fifty stages compiles in so many seconds.
const PROMISED: f64 = 5.0;

pub(crate) fn measure(root: &Path) -> Result<Data, String> {
    // What all of them need, before the first is timed.
    build(root, "millstream", 1)?;
    let mut records = Vec::new();
    for chain in CHAINS {
        for &stages in STAGES {
            let (before, begun) = (processor_seconds()?, Instant::now());
            build(root, chain, stages)?;
            let seconds = begun.elapsed().as_secs_f64();
            let processor = processor_seconds()? - before;
            let bytes = size(root)?;
            println!("{chain:<12} {stages:>4} stages {seconds:>6.2} s {bytes:>9} bytes");
            records.push(json!({
                "bytes": bytes,
                "chain": chain,
                "processor_seconds": (processor * 100.0).round() / 100.0,
                "seconds": (seconds * 100.0).round() / 100.0,
                "stages": stages,
            }));
        }
    }
    Ok(Data(records))
}

fn target(root: &Path) -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into)
}

fn build(root: &Path, chain: &str, stages: u32) -> Result<(), String> {
    // Cargo would find that nothing has changed, if this was compiled last.
    let source = root.join("benches/src/bin/stages.rs");
    let touched = fs::File::options().append(true).open(&source);
    touched
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(|error| format!("{}: {error}", source.display()))?;
    super::succeed(
        Command::new(super::cargo())
            .current_dir(root)
            .args(["rustc", "--quiet", "--profile", "user-release", "-p", "millstream-benches"])
            .args(["--bin", "stages", "--"])
            .args(["--cfg", &format!("stages=\"{stages}\"")])
            .args(["--cfg", &format!("of=\"{chain}\"")]),
    )
}

/// Without what only a debugger reads.
fn size(root: &Path) -> Result<u64, String> {
    let program = target(root).join("user-release/stages");
    let stripped = target(root).join("user-release/stages.stripped");
    super::succeed(Command::new("strip").arg("-o").arg(&stripped).arg(&program))?;
    let size = fs::metadata(&stripped).map(|data| data.len());
    size.map_err(|error| format!("{}: {error}", stripped.display()))
}

/// The processor time of all children that ended.
fn processor_seconds() -> Result<f64, String> {
    let path = "/proc/self/stat";
    let stat = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    // After the name, which may hold anything: the children's times are numbers 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let times: Vec<f64> = fields.skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    match times[..] {
        // A hundredth of a second each, on every Linux.
        [user, system] => Ok((user + system) / 100.0),
        _ => Err(format!("{path}: {stat:?}")),
    }
}

pub(crate) fn verdicts(programs: &Data) -> Vec<Verdict> {
    let fifty = programs.0.iter().find(|record| {
        text(record, "chain") == "millstream" && record["stages"].as_u64() == Some(50)
    });
    let verdict = fifty.map(|fifty| Verdict {
        promise: "seconds",
        what: "seconds to compile",
        most: PROMISED,
        is: fifty["seconds"].as_f64(),
    });
    verdict.into_iter().collect()
}
