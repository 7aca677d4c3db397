//! `across` as a user runs it: two processes, by pipes and by TCP. No test looks at times.

use std::process::{Command, Output};

fn across(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_across")).args(["--pause", "0"]).args(args).output().unwrap()
}

/// The figures of a line of the report; what is not told is 0.
fn figures(report: &str, of: &str) -> Vec<u64> {
    let line = report.lines().find(|line| line.trim_start().starts_with(of));
    let line = line.unwrap_or_else(|| panic!("no line for the {of}:\n{report}"));
    line.split_whitespace().skip(1).map(|figure| figure.parse().unwrap_or(0)).collect()
}

const BY: [&[&str]; 2] = [&[], &["--tcp"]];

#[test]
fn each_line_crosses_once_and_both_processes_know_the_end() {
    for by in BY {
        let run = across(by);
        assert!(run.status.success(), "{run:?}");
        let report = String::from_utf8(run.stdout).unwrap();
        let [read, asked, sent, there, most, room] = figures(&report, "producer")[..] else {
            panic!("{report}")
        };
        assert_eq!((read, sent, there), (4641, 4641, 4641), "{report}");
        assert!((4641..=4641 + 16).contains(&asked), "{report}");
        assert!((1..=8).contains(&most) && room == 8, "{report}");
        let consumer = figures(&report, "consumer");
        assert_eq!(consumer[3], 4641, "{report}");
        assert!((1..=16).contains(&consumer[4]) && consumer[5] == 16, "{report}");
        assert!(report.ends_with("ended:    complete\n"), "{report}");
    }
}

#[test]
fn no_more_is_read_than_the_other_process_has_asked_for() {
    for by in BY {
        for window in [1, 4, 64] {
            let run = across(&[by, &["--take", "100", "--window", &window.to_string()]].concat());
            assert!(run.status.success(), "{run:?}");
            let report = String::from_utf8(run.stdout).unwrap();
            let producer = figures(&report, "producer");
            let (read, asked) = (producer[0], producer[1]);
            assert!(read <= asked && asked <= 100 + window, "{report}");
            assert!(read >= 100, "{report}");
            assert_eq!(figures(&report, "consumer")[3], 100, "{report}");
            let end = "ended:    cancelled by the peer: no more was needed\n";
            assert!(report.ends_with(end), "{report}");
        }
    }
}

#[test]
fn what_cannot_be_read_and_what_is_no_text_is_told() {
    let run = across(&["/no/such/file"]);
    assert_eq!(run.status.code(), Some(1));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.starts_with("across: cannot open /no/such/file: "), "{message}");

    let broken = concat!(env!("CARGO_TARGET_TMPDIR"), "/across-broken");
    std::fs::write(broken, b"one\ntwo\nth\xffree\n").unwrap();
    for by in BY {
        let run = across(&[by, &[broken]].concat());
        assert_eq!(run.status.code(), Some(1));
        let report = String::from_utf8(run.stdout).unwrap();
        let end = report.lines().find(|line| line.starts_with("ended:")).unwrap_or_default();
        assert!(end.contains("line 3"), "{report}");
        // The consumer was told by the connection.
        assert!(report.contains("across: line 3"), "{report}");
    }
    assert_eq!(across(&["--window", "0"]).status.code(), Some(2));
}
