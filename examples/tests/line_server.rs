//! `line_server` as a user runs it. No test looks at times.

#![cfg(feature = "tokio")]

use std::process::Command;

#[test]
fn each_client_costs_the_server_four_lines_at_most_and_the_deaf_one_is_not_read_either() {
    let run = Command::new(env!("CARGO_BIN_EXE_line_server")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let report = String::from_utf8(run.stdout).unwrap();
    assert!(report.contains("reads all:   1000 answers, in order\n"), "{report}");
    assert!(report.contains(": frame 1 is longer than 64 bytes\n"), "{report}");
    assert!(report.contains("reads none:  map_async at "), "{report}");
    assert!(report.contains(": 8890 bytes of answers\n"), "{report}");

    // in, out, dropped, asked, there, most, capacity
    let rows: Vec<Vec<u64>> = report
        .lines()
        .filter(|line| line.contains("map_async") && !line.starts_with("reads"))
        .map(|line| {
            line.split_whitespace().skip(3).take(7).map(|n| n.parse().unwrap_or(0)).collect()
        })
        .collect();
    assert_eq!(rows.len(), 3, "{report}");
    assert!(rows.iter().all(|row| row[5] <= 4 && row[6] == 4), "{report}");
    assert_eq!((rows[0][0], rows[0][1], rows[1][0]), (1000, 1000, 0), "{report}");
    assert!(rows[2][4] > 0 && rows[2][0] == rows[2][1] + rows[2][4], "answers wait: {report}");
}
