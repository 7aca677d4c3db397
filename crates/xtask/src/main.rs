//! The chores of the project: `cargo xtask <name>`.

mod aliases;
mod check;
mod faults;
mod performance;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <name>

  check    conventions: dependencies, headings, rows, models
  compare  workloads beside their peers, measured, kept and drawn; `--help` says how
  instructions [--check | --update] [WORKLOAD ..]
           instructions of the synchronous workloads, against those that were kept
  faults [--layer blocks|operators] [--block B] [--only NAME]
           seed each fault of the blocks and operators: the models must catch it";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("check") => check::run(),
        Some("compare") => performance::run(arguments),
        Some("instructions") => performance::instructions::run(arguments),
        Some("faults") => faults::run(arguments),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
