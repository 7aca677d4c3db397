//! `cargo xtask instructions`: the instructions of each synchronous workload, against those that
//! were kept in `benches/instructions.jsonl`.
//!
//! Instructions do not wobble, so what fails here is a change of the code, or of the compiler. A few workloads hash with
//! a seed of their own each time: what was counted several times when the file was made tells how
//! far they are apart, and that is their tolerance.
//!
//! Another compiler makes other code. The file says which made it; under another one, only what
//! takes half as much again is wrong, all else is reported, and a new file is due.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::data::{Data, text};

const USAGE: &str = "\
cargo xtask instructions [--check | --update] [WORKLOAD ..]

  --check   fails where more are executed than were kept; needs valgrind
  --update  keeps what is counted now";

/// What code that did not change may differ by: it moves with the code beside it.
const TOLERANCE: f64 = 0.02;
/// What another compiler may make of it.
const OTHER_COMPILER: f64 = 0.5;
/// How often each is counted for the file.
const TIMES: &str = "3";

pub(crate) fn path(root: &Path) -> PathBuf {
    root.join("benches/instructions.jsonl")
}

pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut check, mut update, mut filters) = (false, false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--check" => check = true,
            "--update" => update = true,
            flag if flag.starts_with('-') => return Err(USAGE.to_owned()),
            _ => filters.push(argument),
        }
    }
    if check && update {
        return Err(USAGE.to_owned());
    }
    let root = crate::check::root()?;
    let compiler = super::told("rustc", &["--version"]);
    let kept = Data::read(&path(&root))?;
    let mut options = filters;
    options.push("--ours".to_owned());
    if update {
        options.extend(["--times".to_owned(), TIMES.to_owned()]);
    }
    let counted = super::records_of(&root, "instructions", &options)?;
    if update {
        return keep(&root, kept, counted, &compiler);
    }
    let made_by = kept.0.iter().find_map(|record| record["rustc"].as_str());
    let made_by = made_by.ok_or("nothing was kept yet: `cargo xtask instructions --update`")?;
    let same = made_by == compiler;
    if !same {
        println!(
            "kept under {made_by}, and this is {compiler}: only {:.0} % more is wrong",
            OTHER_COMPILER * 100.0
        );
    }
    let findings: Vec<Finding> = counted.0.iter().map(|count| judge(count, &kept, same)).collect();
    for finding in &findings {
        println!("{finding}");
    }
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    println!("{} counted, {wrong} more than they were", findings.len());
    if check && wrong > 0 {
        return Err(format!(
            "instructions: {wrong} are more than they were. Where there is a good reason, \
             `cargo xtask instructions --update` keeps them."
        ));
    }
    Ok(())
}

fn keep(root: &Path, mut kept: Data, counted: Data, compiler: &str) -> Result<(), String> {
    let by_another = kept
        .0
        .iter()
        .any(|record| record["rustc"].as_str().is_some_and(|made_by| made_by != compiler));
    if by_another {
        // Counts of two compilers do not go together.
        kept.0.clear();
    }
    kept.0.retain(|record| record["rustc"].is_null());
    let counted = counted.0.into_iter().map(|mut record| {
        let spread = record["spread"].as_f64().unwrap_or_default();
        let tolerance = (TOLERANCE + 3.0 * spread).min(OTHER_COMPILER);
        record["tolerance"] = json!((tolerance * 1000.0).round() / 1000.0);
        if let Some(record) = record.as_object_mut() {
            record.remove("spread");
        }
        record
    });
    kept.merge(Data(counted.collect()), &["workload"]);
    kept.0.insert(0, json!({ "rustc": compiler }));
    kept.write(&path(root))
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Verdict {
    AsItWas,
    /// Something else, and no reason to fail.
    Reported,
    Wrong,
}

struct Finding {
    name: String,
    was: Option<f64>,
    is: f64,
    verdict: Verdict,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { name, was, is, verdict } = self;
        let note = match verdict {
            Verdict::AsItWas => "",
            Verdict::Reported => "  other than it was: to be kept by --update",
            Verdict::Wrong => "  MORE THAN IT WAS",
        };
        match was {
            Some(was) => write!(f, "{name:<46} {was:>10.2} {is:>10.2}{note}"),
            None => write!(f, "{name:<46} {:>10} {is:>10.2}  not kept{note}", "-"),
        }
    }
}

/// Fewer are told, so that they are kept; a workload that nobody kept fails, or it would never be
/// checked.
fn judge(count: &Value, kept: &Data, same_compiler: bool) -> Finding {
    let (workload, peer) = (text(count, "workload"), text(count, "peer"));
    let is = count["instructions"].as_f64().unwrap_or(f64::NAN);
    let record = kept.of("workload", workload).into_iter().find(|one| text(one, "peer") == peer);
    let was = record.and_then(|record| record["instructions"].as_f64());
    let tolerance = record.and_then(|record| record["tolerance"].as_f64()).unwrap_or(TOLERANCE);
    let most = if same_compiler { tolerance } else { OTHER_COMPILER };
    let verdict = match was.map(|was| is / was - 1.0) {
        Some(more) if more.abs() <= tolerance => Verdict::AsItWas,
        Some(more) if more <= most => Verdict::Reported,
        _ => Verdict::Wrong,
    };
    Finding { name: format!("{workload} {peer}"), was, is, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(is: f64, same_compiler: bool) -> Verdict {
        let record = |n: f64, tolerance: f64| json!({"workload": "W", "peer": "p", "instructions": n, "tolerance": tolerance});
        judge(&record(is, 0.0), &Data(vec![record(100.0, 0.02)]), same_compiler).verdict
    }

    #[test]
    fn more_than_the_tolerance_is_wrong_and_fewer_is_told() {
        assert_eq!(verdict(101.9, true), Verdict::AsItWas);
        assert_eq!(verdict(102.1, true), Verdict::Wrong);
        assert_eq!(verdict(97.0, true), Verdict::Reported);
    }

    #[test]
    fn under_another_compiler_only_much_more_is_wrong() {
        assert_eq!(verdict(140.0, false), Verdict::Reported);
        assert_eq!(verdict(60.0, false), Verdict::Reported);
        assert_eq!(verdict(151.0, false), Verdict::Wrong);
    }

    #[test]
    fn what_nobody_kept_is_wrong() {
        let count = json!({"workload": "W", "peer": "new", "instructions": 1.0});
        assert_eq!(judge(&count, &Data::default(), true).verdict, Verdict::Wrong);
    }
}
