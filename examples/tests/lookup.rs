//! `lookup` as a user runs it: nothing is lost, the order is kept, and no more is asked at a time
//! than was allowed. No test looks at times.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lookup(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lookup")).args(args).output().unwrap()
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tzdata.zi")
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The lines of the default data, without what the service said.
fn lines_of(output: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(output).unwrap();
    text.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()).collect()
}

#[test]
fn each_line_is_answered_once_and_in_order() {
    let output = scratch("answers");
    let run = lookup(&["--in-flight", "64", "--output", output.to_str().unwrap()]);
    assert!(run.status.success(), "{run:?}");
    let input = std::fs::read_to_string(data()).unwrap();
    assert!(lines_of(&output).iter().map(String::as_str).eq(input.lines()));
    let report = String::from_utf8(run.stdout).unwrap();
    assert!(report.starts_with("4641 lines in 73 chunks"), "{report}");
    assert!(report.contains("4641 lookups"), "{report}");
}

#[test]
fn no_more_is_asked_at_a_time_than_was_allowed() {
    let few = scratch("few");
    let text: String = (0..50).map(|n| format!("Z Place/{n} 0 - UTC\n")).collect();
    std::fs::write(&few, text).unwrap();
    for (in_flight, threads) in [("1", "1"), ("3", "2"), ("16", "4")] {
        let args = [few.to_str().unwrap(), "--in-flight", in_flight, "--threads", threads];
        let run = lookup(&args);
        let report = String::from_utf8(run.stdout).unwrap();
        assert!(
            report.contains(&format!("at most {in_flight} of {in_flight} at a time")),
            "{report}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let run = lookup(&["/no/such/file"]);
    assert_eq!(run.status.code(), Some(1));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.starts_with("lookup: cannot open /no/such/file: "), "{message}");
    // Found out in mid-run, on the thread that reads.
    let broken = scratch("broken");
    std::fs::write(&broken, b"Z a\n\xff\xfe\nZ b\n").unwrap();
    let run = lookup(&[broken.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(1), "{run:?}");
}

#[test]
fn a_number_of_zero_is_refused() {
    let run = lookup(&["--in-flight", "0"]);
    assert_eq!(run.status.code(), Some(2));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.contains("at least 1 is needed, and 0 was given"), "{message}");
}
