//! `mill` as a user runs it: its report, its messages, its exit codes. No test looks at times.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const BAD_INPUT: i32 = 1;
const USAGE: i32 = 2;

fn mill(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mill"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run whose consumer takes no time.
fn run(args: &[&str]) -> Run {
    Run::new(mill(args).args(["--pause", "0us"]).output().unwrap())
}

fn run_on_stdin(input: &[u8], args: &[&str]) -> Run {
    let mut child = mill(args).args(["-", "--pause", "0us"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Run::new(child.wait_with_output().unwrap())
}

struct Run {
    code: Option<i32>,
    report: String,
    messages: String,
}

impl Run {
    fn new(output: Output) -> Run {
        Run {
            code: output.status.code(),
            report: String::from_utf8(output.stdout).unwrap(),
            messages: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A number of the table; none for a dash and for "unbounded".
    fn cell(&self, stage: &str, column: &str) -> Option<u64> {
        let columns = ["in", "out", "dropped", "asked", "most held", "capacity"];
        let column = columns.iter().position(|name| *name == column).unwrap();
        let line = self.report.lines().find(|line| line.trim_start().starts_with(stage));
        let line = line.unwrap_or_else(|| panic!("no stage {stage} in: {}", self.report));
        let cells: Vec<&str> = line.trim_start()[stage.len()..].split_whitespace().collect();
        // From the right: the row of sums has the last two columns only.
        let cell = cells.len().checked_sub(columns.len() - column).map(|index| cells[index]);
        cell?.parse().ok()
    }

    fn number(&self, stage: &str, column: &str) -> u64 {
        self.cell(stage, column).unwrap_or_else(|| panic!("{stage}/{column} in: {}", self.report))
    }
}

/// A file of its own for the test `name`.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const STAGES: [&str; 6] = ["source", "parse", "filter", "chunk", "queue", "sink"];
/// The sum of their capacities, for chunks of 16 and a demand of one.
const ROOM: u64 = 1 + 1 + 1 + 16 + 16 + 16;

#[test]
fn no_stage_holds_more_than_its_capacity() {
    let run = run(&["--chunk", "7"]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    let mut bound = 0;
    for stage in STAGES {
        let capacity = run.number(stage, "capacity");
        assert!(run.number(stage, "most held") <= capacity, "{stage}: {}", run.report);
        bound += capacity;
    }
    assert_eq!(run.number("in all", "capacity"), bound);
    assert!(run.number("in all", "most held") <= bound, "{}", run.report);
    // 4,641 lines were read: nothing near it was ever held.
    assert_eq!(bound, 1 + 1 + 1 + 7 + 7 + 7);
}

#[test]
fn a_queue_without_bound_holds_what_was_asked_for_and_no_more() {
    for demand in [1, 2, 5] {
        let run = run(&["--demand", &demand.to_string()]);
        assert!(run.number("queue", "most held") <= demand * 16, "{}", run.report);
        assert_eq!(run.number("queue", "capacity"), demand * 16);
    }
}

#[test]
fn every_line_of_the_default_data_is_delivered_or_dropped_once() {
    let run = run(&[]);
    assert_eq!(run.number("source", "in"), 4641);
    for (stage, below) in STAGES.iter().zip(&STAGES[1..]) {
        assert_eq!(run.number(stage, "out"), run.number(below, "in"), "{}", run.report);
        if *stage != "chunk" {
            let accounted = run.number(stage, "out") + run.number(stage, "dropped");
            assert_eq!(run.number(stage, "in"), accounted, "{}", run.report);
        }
    }
    assert_eq!(run.number("filter", "dropped"), 3, "the comments of the file");
    assert!(run.report.contains("4638 records"), "{}", run.report);
    assert!(run.report.contains("ended:    complete"), "{}", run.report);
}

#[test]
fn no_stage_sends_more_than_it_was_asked_for() {
    let run = run(&["--limit", "1000"]);
    for stage in &STAGES[..4] {
        assert!(run.number(stage, "out") <= run.number(stage, "asked"), "{}", run.report);
    }
    assert_eq!(run.number("chunk", "asked"), 1000_u64.div_ceil(16));
    assert_eq!(run.number("filter", "asked"), 1008, "63 chunks of 16 items");
}

#[test]
fn a_limit_leaves_the_rest_of_the_input_unread() {
    let run = run(&["--limit", "40"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.number("source", "in"), 43, "three comments and 40 records");
    assert!(run.report.contains("40 records"), "{}", run.report);
}

#[test]
fn where_everything_is_asked_for_at_once_the_queue_has_no_bound() {
    let run = Run::new(mill(&["--unbounded-queue", "--limit", "512"]).output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert_eq!(run.cell("queue", "capacity"), None);
    assert_eq!(run.cell("in all", "capacity"), None);
    assert!(run.number("in all", "most held") > ROOM, "{}", run.report);
}

/// A rate that lets 4,638 records pass in a moment, and a chunk that only the end can fill.
#[test]
fn with_a_rate_and_a_time_nothing_is_lost_and_no_stage_holds_more_than_its_capacity() {
    let run = run(&["--rate", "1000000", "--within", "1ms", "--chunk", "100"]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert!(run.report.contains("4638 records"), "{}", run.report);
    let stages = ["source", "parse", "filter", "rate", "chunk", "queue", "sink"];
    for (stage, below) in stages.iter().zip(&stages[1..]) {
        assert_eq!(run.number(stage, "out"), run.number(below, "in"), "{}", run.report);
    }
    for stage in stages {
        let capacity = run.number(stage, "capacity");
        assert!(run.number(stage, "most held") <= capacity, "{stage}: {}", run.report);
    }
    assert!(run.number("queue", "in") >= 47, "no chunk has more than 100: {}", run.report);
}

#[test]
fn a_chunk_too_large_for_a_queue_is_refused() {
    let run = run(&["--rate", "1", "--chunk", "16777217"]);
    assert_eq!(run.code, Some(USAGE));
    assert!(run.messages.contains("a chunk has at most 16777216 records"), "{}", run.messages);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let run = run(&["no-such-file.csv"]);
    assert_eq!(run.code, Some(BAD_INPUT));
    assert!(run.messages.contains("cannot open no-such-file.csv"), "{}", run.messages);
    assert_eq!(run.report, "");
}

const BAD_CSV: &[u8] = b"name,year\nada,1815\ngrace\n\"a\nb\",1\n\"open,2\nalan,1912\n";

#[test]
fn a_malformed_csv_line_stops_the_run_and_is_named() {
    let path = file("stop.csv", BAD_CSV);
    let run = run(&[text(&path)]);
    assert_eq!(run.code, Some(BAD_INPUT));
    let message = "line 3: 1 fields where the header has 2";
    assert!(run.messages.contains(message), "{}", run.messages);
    assert!(run.report.contains(message), "{}", run.report);
    assert_eq!(run.number("source", "in"), 3, "nothing is read after it");
}

#[test]
fn malformed_csv_lines_are_skipped_counted_and_named_where_the_user_says_so() {
    let path = file("skip.csv", BAD_CSV);
    let run = run(&[text(&path), "--on-error", "skip"]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert!(run.messages.contains("skipped: line 3: 1 fields"), "{}", run.messages);
    assert!(run.messages.contains("skipped: line 6: a quote is opened"), "{}", run.messages);
    // Two bad lines and the header.
    assert_eq!(run.number("parse", "dropped"), 3);
    assert!(run.report.contains("3 records"), "{}", run.report);
}

#[test]
fn malformed_json_is_named_by_line_and_column() {
    let input = b"{\"a\":1}\n\n{bad\n{\"b\":2}\n";
    let stopped = run_on_stdin(input, &["--format", "jsonl"]);
    assert_eq!(stopped.code, Some(BAD_INPUT));
    let message = "line 3: not JSON: key must be a string, at column 2";
    assert!(stopped.messages.contains(message), "{}", stopped.messages);

    let skipped = run_on_stdin(input, &["--format", "jsonl", "--on-error", "skip"]);
    assert_eq!(skipped.code, Some(0));
    assert!(skipped.report.contains("2 records"), "{}", skipped.report);
}

#[test]
fn a_line_that_is_not_utf_8_is_named_with_its_byte() {
    let input = b"fine\nb\xffd\nfine\n";
    let stopped = run_on_stdin(input, &[]);
    assert_eq!(stopped.code, Some(BAD_INPUT));
    let message = "line 2: not UTF-8: byte 0xff at offset 6 of the input";
    assert!(stopped.messages.contains(message), "{}", stopped.messages);

    let skipped = run_on_stdin(input, &["--on-error", "skip"]);
    assert_eq!(skipped.code, Some(0));
    assert!(skipped.report.contains("2 records"), "{}", skipped.report);
}

#[test]
fn another_encoding_is_told_at_its_first_byte() {
    let utf_16: Vec<u8> = "\u{feff}name\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let run = run_on_stdin(&utf_16, &[]);
    assert_eq!(run.code, Some(BAD_INPUT));
    assert!(run.messages.contains("line 1: not UTF-8: byte 0xff at offset 0"), "{}", run.messages);
}

#[test]
fn a_byte_order_mark_and_line_ends_of_two_bytes_are_no_part_of_a_record() {
    let input = b"\xef\xbb\xbf{\"a\":1}\r\n{\"b\":2}\r\n";
    let run = run_on_stdin(input, &["--format", "jsonl"]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert!(run.report.contains("2 records, 2 fields, 14 bytes"), "{}", run.report);
}

#[test]
fn quoted_fields_may_hold_line_ends_delimiters_and_quotes() {
    let input = b"a,b\n\"x,\ny\",\"say \"\"so\"\"\"\n5\" pipe,2\n";
    let run = run_on_stdin(input, &["--format", "csv"]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert!(run.report.contains("2 records, 4 fields"), "{}", run.report);
}

#[test]
fn a_directory_is_no_input() {
    let run = run(&[env!("CARGO_MANIFEST_DIR")]);
    assert_eq!(run.code, Some(BAD_INPUT));
    assert!(run.messages.contains("it is a directory"), "{}", run.messages);
}

#[test]
fn a_reader_of_the_report_that_has_gone_is_no_panic() {
    let mut child = mill(&["--pause", "0us"]).spawn().unwrap();
    drop(child.stdout.take());
    let run = Run::new(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.messages.as_str()), (Some(0), ""));
}

#[test]
fn a_line_without_end_is_refused_and_not_collected() {
    let run = run_on_stdin(&vec![b'x'; (1 << 20) + 1], &["--on-error", "skip"]);
    assert_eq!(run.code, Some(BAD_INPUT), "nothing can be read after it");
    assert!(run.messages.contains("line 1: longer than 1048576 bytes"), "{}", run.messages);
}

#[test]
fn standard_input_is_read_to_its_end() {
    let run = run_on_stdin(b"one two\nthree\n", &[]);
    assert_eq!(run.code, Some(0), "{}", run.messages);
    assert!(run.report.contains("2 records, 3 fields"), "{}", run.report);
}

#[test]
fn an_empty_input_is_complete() {
    let run = run_on_stdin(b"", &[]);
    assert_eq!(run.code, Some(0));
    assert!(run.report.contains("ended:    complete"), "{}", run.report);
}

#[test]
fn a_file_read_again_is_a_longer_input_of_the_same_bound() {
    let run = run(&["--repeat", "3"]);
    assert_eq!(run.number("source", "in"), 3 * 4641);
    assert_eq!(run.number("in all", "capacity"), ROOM);
    assert!(run.number("in all", "most held") <= ROOM, "{}", run.report);
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    for args in [
        &["--pause", "3"][..],
        &["--on-error", "maybe"],
        &["--chunk", "0"],
        &["--demand", "0"],
        &["a", "b"],
    ] {
        let output = mill(args).output().unwrap();
        assert_eq!(output.status.code(), Some(USAGE), "{args:?}");
    }
}

#[test]
fn help_names_every_option() {
    let help = Run::new(mill(&["--help"]).output().unwrap());
    assert_eq!(help.code, Some(0));
    for option in [
        "--format",
        "--match",
        "--limit",
        "--on-error",
        "--demand",
        "--unbounded-queue",
        "--rate",
        "--within",
    ] {
        assert!(help.report.contains(option), "{option}");
    }
}

#[cfg(unix)]
mod interrupt {
    use super::*;

    const INTERRUPTED: i32 = 130;

    /// Interrupts `child` as Ctrl-C does, once it has got hold of the signal.
    fn interrupt(child: &std::process::Child) {
        let status = format!("/proc/{}/status", child.id());
        // Bit 1 of the mask of caught signals is SIGINT; elsewhere than on Linux there is no
        // such file, and a run that was killed by the signal fails the test.
        let catches = |status: String| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            u64::from_str_radix(mask.trim(), 16).unwrap() & 0b10 != 0
        };
        while std::fs::read_to_string(&status).is_ok_and(|status| !catches(status)) {
            std::thread::yield_now();
        }
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    #[test]
    fn ctrl_c_in_the_middle_of_the_consumers_work_ends_the_run_with_its_report() {
        let child = mill(&["--pause", "600s"]).spawn().unwrap();
        interrupt(&child);
        let run = Run::new(child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(INTERRUPTED), "{}", run.messages);
        assert!(run.report.contains("ended:    cancelled"), "{}", run.report);
        assert!(run.number("source", "in") < 4641, "{}", run.report);
    }

    #[test]
    fn ctrl_c_ends_a_run_that_waits_for_input() {
        let mut child = mill(&["-"]).stdin(Stdio::piped()).spawn().unwrap();
        let held_open = child.stdin.take();
        interrupt(&child);
        let run = Run::new(child.wait_with_output().unwrap());
        drop(held_open);
        assert_eq!(run.code, Some(INTERRUPTED), "{}", run.messages);
        assert!(run.report.contains("ended:    cancelled"), "{}", run.report);
    }
}
