//! `rate_limit` and `adapt` as a user runs them. No test looks at times.

use std::process::Command;

fn text(program: &str) -> String {
    let run = Command::new(program).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<f64> {
    line.split_whitespace().filter_map(|word| word.trim_end_matches(',').parse().ok()).collect()
}

#[test]
fn each_request_is_sent_in_order_and_made_only_when_the_one_before_is_sent() {
    let text = text(env!("CARGO_BIN_EXE_rate_limit"));
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("request")).collect();
    assert_eq!(lines.len(), 12, "{text}");
    let mut before = 0.0;
    for (line, n) in lines.iter().zip(1..) {
        let [number, made, sent] = numbers(line)[..] else { panic!("{line}") };
        assert_eq!(number, f64::from(n), "{text}");
        assert!(made >= before && sent >= made, "{text}");
        before = sent;
    }
    // Nine had to wait, a tenth of a second each: a lower bound, which no load can break.
    assert!(before >= 899.0, "{text}");
}

#[test]
fn the_limit_feels_its_way_and_each_request_is_answered_or_turned_away() {
    let text = text(env!("CARGO_BIN_EXE_adapt"));
    let lines: Vec<_> = text.lines().map(numbers).collect();
    assert_eq!(lines.len(), 12, "{text}");
    for (line, n) in lines.iter().zip(1..) {
        let [limit, answered, turned_away] = line[..] else { panic!("{text}") };
        assert!((1.0..=64.0).contains(&limit), "{text}");
        assert_eq!(answered + turned_away, f64::from(50 * n), "{text}");
    }
    // Six are answered at a time: a limit that stayed at one would turn nobody away.
    assert!(lines[11][2] > 0.0, "{text}");
}
