//! `acknowledge` as a user runs it: the window holds, what was refused comes again, and what was not
//! committed is read again.

use std::process::Command;

fn run() -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_acknowledge")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// What stands behind `name`, in the part that begins with `part`.
fn line<'a>(text: &'a str, part: &str, name: &str) -> &'a str {
    let text = &text[text.find(part).unwrap()..];
    let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    line.trim_start()[name.len()..].trim()
}

fn numbers(text: &str) -> Vec<u32> {
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn the_queue_delivers_again_what_was_refused_and_has_no_more_out_than_the_window() {
    let text = run();
    let queue = |name| numbers(line(&text, "a queue", name));
    assert_eq!(queue("acknowledged"), [11]);
    assert_eq!(queue("redelivered"), [3, 4, 9, 9]);
    assert_eq!(queue("dropped"), [1, 9]);
    assert_eq!(queue("delivered"), [11 + 3 + 1]);
    assert!(queue("held at most")[0] <= 3, "{text}");
}

#[test]
fn the_log_is_committed_up_to_the_row_that_hangs_and_no_row_is_lost() {
    let text = run();
    let log = |name| numbers(line(&text, "a log", name));
    assert_eq!(numbers(line(&text, "first run", "committed")), [8], "{text}");
    assert_eq!(numbers(line(&text, "second run", "committed")), [19], "{text}");
    let redelivered = log("redelivered");
    let (rows, all) = redelivered.split_at(redelivered.len() - 2);
    assert_eq!(all, [20, 20], "{text}");
    assert!(!rows.is_empty() && rows.iter().all(|row| *row > 9), "{text}");
}
